"""Results files: written whole, read back checked, zipped for a server."""

import json

import numpy as np
import orjson
import pytest
from pycocotools import mask as coco_mask

from peak_memory import peak_of
from vis_bench.data.results_file import (
    Results,
    Track,
    read_results,
    write_results,
)
from vis_bench.data.submission import write_submission
from vis_bench.errors import InputError
from vis_bench.masks.rle import encode_masks
from vis_bench.masks.tubes import SparseTube

MASKS = encode_masks(np.arange(3 * 4 * 5).reshape(3, 4, 5) % 7 < np.arange(1, 4)[:, None, None])


@pytest.fixture
def tracks():
    return [
        Track(1, 3, 0.5, [MASKS[0], None]),
        Track(2, 40, 1.0, [None, MASKS[1], MASKS[2]]),
        Track(1, 1, 0.25, [None, None]),
    ]


@pytest.fixture
def written(tracks, tmp_path):
    path = tmp_path / "results.json"
    write_results(tracks, path)
    return path


def test_what_is_written_is_the_format_of_youtube_vis(written):
    assert json.loads(written.read_text())[1] == {
        "video_id": 2,
        "category_id": 40,
        "score": 1.0,
        "segmentations": [None, MASKS[1], MASKS[2]],
    }


def test_what_is_written_reads_back(written, tracks):
    results = read_results(written)
    assert list(results.tracks) == tracks
    assert results.tubes.lengths_N.tolist() == [2, 3, 2]
    a, b, c = areas_of(MASKS)
    assert results.tubes.areas_P.tolist() == [a, b, c]
    assert results.tubes.frame_P.tolist() == [0, 1, 2]


def areas_of(masks):
    return [int(coco_mask.area(mask)) for mask in masks]


def test_average_areas_leave_out_frames_without_a_mask(tracks):
    a, b, c = areas_of(MASKS)
    (empty,) = encode_masks(np.zeros((1, 4, 5), bool))
    tracks.append(Track(1, 1, 0.25, [empty, MASKS[0]]))
    averages = Results.of(tracks).tubes.average_areas_N()
    assert averages.tolist() == [a, (b + c) / 2, 0, a]


def test_sparse_and_dense_tracks_are_written_as_one_list(tmp_path):
    dense = [Track(1, 3, 0.5, [MASKS[0], None]), Track(2, 1, 0.25, [None, None])]
    sparse = [Track(1, 3, 0.5, SparseTube(2, {0: MASKS[0]})), Track(2, 1, 0.25, SparseTube(2, {}))]
    assert dense == sparse
    for tracks in (dense, sparse, []):
        write_results(iter(tracks), tmp_path / "r.json")
        entries = [{**vars(track), "segmentations": [*track.segmentations]} for track in tracks]
        assert (tmp_path / "r.json").read_bytes() == orjson.dumps(entries)


def test_absent_masks_are_not_in_memory_while_they_are_written(tmp_path):
    num_frames = 2000
    tracks = [Track(1, 1, 0.5, SparseTube(num_frames, {t: MASKS[0]})) for t in range(num_frames)]
    _, peak = peak_of(lambda: write_results(tracks, tmp_path / "r.json"))
    size = (tmp_path / "r.json").stat().st_size
    assert size > 5 * num_frames**2
    assert peak < size / 20


def test_the_same_results_make_the_same_zip(written, tmp_path):
    for name in ("a.zip", "b.zip"):
        write_submission(written, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def entry(**changes):
    masks = {"segmentations": [MASKS[0], None]}
    return {"video_id": 1, "category_id": 1, "score": 0.5} | masks | changes


TALL = encode_masks(np.ones((1, 5, 4), bool))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "holds no predictions"),
        ([entry(category_id=0)], "entry 0 (video 1) has category_id 0; expected 1 or more"),
        ([entry(score="0.5")], "entry 0 (video 1) has score '0.5'; expected a finite number"),
        (
            [entry(), entry(segmentations=[None])],
            "entry 1 (video 1) has segmentations of length 1 where others of that video have 2",
        ),
        (
            [entry(), entry(segmentations=[None, *TALL])],
            "entry 1 (video 1) has masks of size [5, 4] where others of that video have [4, 5]",
        ),
    ],
)
def test_a_submission_is_checked_and_nothing_written(entries, message, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(InputError) as caught:
        write_submission(path, tmp_path / "out.zip")
    assert message in str(caught.value)
    assert not (tmp_path / "out.zip").exists()


SIZE = {"height": 4, "width": 5}
LISTED = [{"id": 1, "length": 2, **SIZE}, {"id": 3, "file_names": ["a/0.jpg", "a/1.jpg"], **SIZE}]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            [entry(), entry(video_id=2), entry(video_id=9)],
            "entry 1 (video 2) is of a video that LIST does not list (2 of 3 entries do not fit",
        ),
        (
            [entry(video_id=3, segmentations=[None])],
            "entry 0 (video 3) has 1 segmentations, but its video has 2 frames (1 of 1 entries",
        ),
        (
            [entry(), entry(video_id=3, segmentations=[None, *TALL])],
            "entry 1 (video 3) has a mask of 5x4, but its video is 4x5 (1 of 2 entries",
        ),
        ([entry(), entry(video_id=3)], None),
    ],
)
def test_a_submission_is_checked_against_the_servers_videos(entries, message, tmp_path):
    path, listed = tmp_path / "results.json", tmp_path / "valid.json"
    path.write_text(json.dumps(entries))
    listed.write_text(json.dumps({"videos": LISTED}))
    if message is None:
        write_submission(path, tmp_path / "out.zip", listed)
    else:
        with pytest.raises(InputError) as caught:
            write_submission(path, tmp_path / "out.zip", listed)
        assert message.replace("LIST", str(listed)) in str(caught.value)
    assert (tmp_path / "out.zip").exists() is (message is None)


def test_videos_of_different_length_and_size_are_fine(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps([entry(), entry(video_id=2, segmentations=TALL)]))
    write_submission(path, tmp_path / "out.zip")
    assert (tmp_path / "out.zip").exists()
