"""The command `draw`: what it writes, and how it refuses what does not belong together."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from drawing_case import LEFT, NOWHERE, RIGHT, H, T, annotations, write_frames, write_results
from hostile_calls import call
from vis_bench.masks.rle import encode_masks
from vis_bench.show.overlay.animation import encode_mp4
from vis_bench.show.overlay.painting import color_of

TRACKS = ((LEFT, 1, 0.9), (RIGHT, 2, 0.8), (NOWHERE, 1, 0.7))


@pytest.fixture
def case(tmp_path):
    write_frames(tmp_path / "frames")
    (tmp_path / "gt.json").write_text(json.dumps(annotations((LEFT, 1), (RIGHT, 2))))
    write_results(tmp_path / "r.json", *TRACKS)
    return tmp_path


@pytest.fixture
def draw(case):
    def drawn(*arguments, results=("r.json",), frames="frames"):
        paths = ["--frames", case / frames, "--output", case / "out"]
        return call("draw", case / results[0], *results[1:], *paths, *arguments)

    return drawn


def test_it_writes_a_strip_and_an_animation_per_video(draw, case):
    code, out, err = draw("--annotations", case / "gt.json")
    assert (code, err) == (0, "")
    assert out == f"pictures: 2, videos: 1, folder: {case / 'out'}\n"
    assert sorted(path.name for path in (case / "out").iterdir()) == ["cats.webp", "cats_strip.png"]
    with Image.open(case / "out" / "cats_strip.png") as strip:
        assert strip.width == T * 320 + (T - 1) * 4
        seen = {color for _, color in strip.getcolors(1 << 20)}
    assert {color_of(0), color_of(1), color_of(2)} <= seen


def test_single_frames_have_a_folder_per_row(draw, case):
    other = write_results(case / "s.json", (RIGHT, 2, 0.9))
    arguments = ("--annotations", case / "gt.json", "--single", "--json")
    code, out, _ = draw(*arguments, results=("r.json", f"My method={other}"))
    assert code == 0
    files = json.loads(out)["videos"]["cats"]
    singles = [f.removeprefix(f"{case / 'out' / 'cats'}/") for f in files[2:]]
    assert singles[:3] == ["ground_truth/00000.png", "r/00000.png", "My_method/00000.png"]
    assert len(singles) == 3 * T
    pixels = [np.asarray(Image.open(case / "out" / "cats" / name)) for name in singles[:3]]
    assert {picture.shape for picture in pixels} == {(300, 480, 3)}
    right = [picture[28 * 5, 64 * 5 + 1].tolist() for picture in pixels]
    assert right == [list(color_of(1))] * 3


def test_a_row_is_named_up_to_the_last_sign_that_leaves_a_file(draw, case):
    other = write_results(case / "a=b.json", (RIGHT, 2, 0.9))
    arguments = ("--annotations", case / "gt.json", "--single")
    assert draw(*arguments, results=("r.json", f"options=r50={other}"))[0] == 0
    rows = sorted(path.name for path in (case / "out" / "cats").iterdir())
    assert rows == ["ground_truth", "options=r50", "r"]
    code, _, err = draw(*arguments, results=("r.json", "options=r50=nowhere.json"))
    assert (code, "cannot read nowhere.json" in err) == (2, True)


def test_classes_without_a_name_ask_for_the_data_set(draw):
    assert "warning: no names of classes 1, 2: add --dataset" in draw()[2]
    assert draw("--dataset", "ytvis2019")[2] == ""


def test_without_annotations_videos_are_numbered_in_natural_order(case, draw):
    for name in ("v10", "v9"):
        write_frames(case / "many", name)
    write_results(case / "two.json", (LEFT, 1, 0.9), video_id=2)
    code, out, _ = draw("--videos", "v10", "--json", results=("two.json",), frames="many")
    assert code == 0
    assert list(json.loads(out)["videos"]) == ["v10"]
    with Image.open(case / "out" / "v10_strip.png") as strip:
        assert color_of(0) in {color for _, color in strip.getcolors(1 << 20)}
    assert draw("--videos", "1", "--json", results=("two.json",), frames="many")[0] == 0
    with Image.open(case / "out" / "v9_strip.png") as strip:
        assert color_of(0) not in {color for _, color in strip.getcolors(1 << 20)}


def test_annotations_without_objects_only_name_the_videos(draw, case):
    content = annotations()
    del content["annotations"]
    (case / "valid.json").write_text(json.dumps(content))
    code, _, _ = draw("--annotations", case / "valid.json", "--single")
    assert code == 0
    assert [path.name for path in (case / "out" / "cats").iterdir()] == ["r"]


def test_a_corrupt_frame_is_a_warning(draw, case):
    (case / "frames" / "cats" / "00001.png").write_bytes(b"not an image")
    code, out, err = draw("--annotations", case / "gt.json")
    assert code == 0
    assert out.startswith("pictures: 2")
    assert err.count("\n") == 1
    assert err.startswith("warning: frame 1 of video cats, ")
    code, _, err = draw(frames="frames/cats")
    assert code == 0
    assert "warning: frame 1 of video cats" in err


SMALL = encode_masks(np.ones((1, 8, 8), bool)) * T


@pytest.mark.parametrize(("tracks", "video_id", "message"), [
    ([(SMALL, 1, 0.9)], 1,
     r"r.json, video cats \(id 1\) has a mask of 8x8 pixels \(height x width\); its frames are "
     r"60x96"),
    ([(LEFT[:2], 1, 0.9)], 1,
     r"r.json, video cats \(id 1\) has a track of 2 masks; expected 4, one per frame"),
    ([(LEFT, 1, 0.9)], 7, r"r.json has tracks of video 7, but .* has 1 videos, with ids 1; "),
])  # fmt: skip
@pytest.mark.parametrize("with_annotations", [True, False])
def test_results_of_other_frames_name_the_video(
    draw, case, tracks, video_id, message, with_annotations
):
    write_results(case / "r.json", *tracks, video_id=video_id)
    code, _, err = draw(*(("--annotations", case / "gt.json") if with_annotations else ()))
    assert code == 2
    assert err.count("\n") == 1
    assert re.search(message, err), err
    assert not (case / "out").exists()


def test_frames_that_are_not_there_name_the_video(draw, case):
    code, _, err = draw("--annotations", case / "gt.json", frames="frames/cats")
    assert code == 2
    assert "found no frames of video cats (id 1): there is no file" in err
    code, _, err = draw(frames="nowhere")
    assert (code, "nowhere does not exist" in err) == (2, True)
    (case / "empty").mkdir()
    assert "holds no frames" in draw(frames="empty")[2]
    code, _, err = draw("--videos", "dogs")
    assert "--videos names 'dogs', which --frames" in err
    assert err.rstrip().endswith("its videos are cats")


def test_file_names_that_do_not_match_the_length_name_the_video(draw, case):
    content = annotations((LEFT, 1))
    content["videos"][0]["file_names"].pop()
    (case / "gt.json").write_text(json.dumps(content))
    code, _, err = draw("--annotations", case / "gt.json")
    assert code == 2
    assert "video cats (id 1) has 3 file_names; expected one for each of its 4 frames" in err


def test_scores_are_numbers_and_leave_tracks_out(draw, case):
    assert draw("--min-score", "nan")[2].startswith("error: argument --min-score: 'nan' is not")
    assert draw("--min-score", "0.85", "--single")[0] == 0
    picture = np.asarray(Image.open(case / "out" / "cats" / "r" / "00000.png"))
    assert (picture == color_of(0)).all(2).any()
    assert not (picture == color_of(1)).all(2).any()


@pytest.mark.parametrize("side", [1, 7])
def test_tiny_pictures_do_no_harm(draw, side):
    assert draw("--side", side)[0] == 0


def test_the_size_can_be_chosen(draw, case):
    assert draw("--side", "96", "--columns", "2")[0] == 0
    with Image.open(case / "out" / "cats_strip.png") as strip:
        assert strip.width == 2 * 96 + 4
    with Image.open(case / "out" / "cats.webp") as animation:
        assert animation.width == 96
        assert animation.height > H


@pytest.mark.extra("av")
def test_a_video_file_is_drawn_on_and_written(draw, case):
    page = Image.new("RGB", (96, H), (70, 80, 90))
    (case / "clip.mp4").write_bytes(encode_mp4(iter([page] * T), 6))
    code, out, err = draw("--format", "mp4", "--json", frames="clip.mp4")
    assert code == 0, err
    assert json.loads(out)["videos"] == {
        "clip": [str(case / "out" / "clip_strip.png"), str(case / "out" / "clip.mp4")]
    }
    with Image.open(case / "out" / "clip_strip.png") as strip:
        assert color_of(0) in {color for _, color in strip.getcolors(1 << 20)}
