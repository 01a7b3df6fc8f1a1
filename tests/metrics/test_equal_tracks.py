"""`compare --exact`: equal tracks in another order, and every difference between two files."""

import json

import numpy as np
import pytest

from vis_bench.cli import main
from vis_bench.data.results_file import Track
from vis_bench.masks.rle import encode_masks
from vis_bench.metrics.equal_tracks import equal_tracks

SQUARES = np.zeros((3, 3, 8, 9), bool)
for place, tube in enumerate(SQUARES):
    tube[:2, place : place + 3, 2:5] = True


def track(place, score=0.5, video=1, category=1):
    first, second, _ = encode_masks(SQUARES[place])
    return Track(video, category, score, [first, second, None])


TRACKS = [track(0), track(1, 0.25), track(0, category=2), track(2, video=2)]


def counts(first, second):
    found = equal_tracks(first, second)
    return found.num_equal, found.num_other_scores, found.only_first, found.only_second


def test_order_and_empty_masks_do_not_count():
    empty = encode_masks(SQUARES[:1, 2])[0]
    others = [
        Track(t.video_id, t.category_id, t.score, [*t.segmentations[:2], empty])
        for t in reversed(TRACKS)
    ]
    nothing = Track(1, 3, 0.9, [empty] * 3)
    assert equal_tracks(TRACKS, [*others, nothing]).equal
    assert counts(TRACKS, others) == (4, 0, 0, 0)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ([track(0, 0.5 + 5e-7), *TRACKS[1:]], (4, 0, 0, 0)),
        ([track(0, 0.5 + 2e-6), *TRACKS[1:]], (3, 1, 0, 0)),
        ([track(1, 0.5), *TRACKS[1:]], (3, 0, 1, 1)),
        ([track(0, category=3), *TRACKS[1:]], (3, 0, 1, 1)),
        ([*TRACKS, track(0, 0.1)], (4, 0, 0, 1)),
        (TRACKS[1:], (3, 0, 1, 0)),
        ([*TRACKS, track(0, video=7)], (4, 0, 0, 0)),
    ],
)
def test_differences_are_counted(changed, expected):
    assert counts(TRACKS, changed) == expected
    found = equal_tracks(TRACKS, changed)
    assert found.equal == (sum(expected[1:]) == 0)
    assert found.videos_of_one == ((7,) if changed[-1].video_id == 7 else ())


def test_no_tracks_are_not_equal():
    assert not equal_tracks([], []).equal


@pytest.mark.parametrize(("score", "code"), [(0.5, 0), (0.6, 1)])
def test_the_command(score, code, tmp_path, capsys):
    for name, value in (("a", 0.5), ("b", score)):
        masks = [{**rle} if rle else None for rle in TRACKS[0].segmentations]
        entry = {"video_id": 1, "category_id": 1, "score": value, "segmentations": masks}
        (tmp_path / f"{name}.json").write_text(json.dumps([entry]))
    arguments = ["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--exact"]
    assert main([*arguments, "--json"]) == code
    assert json.loads(capsys.readouterr().out)["equal"] == (code == 0)
    assert main(arguments) == code
