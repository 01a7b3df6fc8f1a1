"""Pages: which frames and rows they show, and the files of animations."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from drawing_case import LEFT, RIGHT, H, W, frame_files
from vis_bench.errors import InputError
from vis_bench.show.overlay.animation import draw_animation, encode_mp4, encode_webp
from vis_bench.show.overlay.frame import Instance, Row, VideoPictures
from vis_bench.show.overlay.strip import MARKS, compose, draw_strip, strip_frames


def pictures(folder, num_rows=2, warn=None):
    rows = [
        Row(f"method {r}", [Instance(LEFT, 0, ("cat",)), Instance(RIGHT, 1, ("dog",))])
        for r in range(num_rows)
    ]
    return VideoPictures(frame_files(folder), rows, warn or pytest.fail)


def solid(t):
    """Pages that tell their frame by their color."""
    return Image.new("RGB", (33, 21), (60 * t, 0, 0))


@pytest.mark.parametrize(("length", "columns", "frames"), [
    (36, 5, [0, 9, 18, 26, 35]), (3, 5, [0, 1, 2]), (1, 5, [0]), (9, 1, [4]), (9, 2, [0, 8]),
])  # fmt: skip
def test_frames_of_a_strip_are_spread_evenly(length, columns, frames):
    assert strip_frames(length, columns) == frames


def test_a_strip_has_a_column_per_frame_and_a_row_per_method(tmp_path):
    one, two = (draw_strip(pictures(tmp_path, n), 3, 192, ()) for n in (1, 2))
    assert one.width == two.width == 3 * 192 + 2 * 4
    assert two.height == 2 * one.height
    assert one.height > 120
    lower = np.asarray(two)[one.height :]
    assert (np.asarray(one)[-120:] == lower[-120:]).all(), "both rows show the same"


def test_marks_are_explained_below():
    tile = Image.new("RGB", (900, 40), "black")
    without, with_marks = compose([[(tile, "", "")]]), compose([[(tile, "", "")]], MARKS)
    assert with_marks.height > without.height
    assert (np.asarray(with_marks)[: without.height] == np.asarray(without)).all()
    narrow = compose([[(tile.crop((0, 0, 200, 40)), "", "")]], MARKS)
    assert narrow.height > with_marks.height, "the legend breaks into lines"


def test_an_animation_shows_every_frame(tmp_path):
    data = draw_animation(pictures(tmp_path), 192, 5, (), "webp")
    with Image.open(io.BytesIO(data)) as animation:
        assert animation.n_frames == 4
        assert animation.width == 192
        animation.seek(1)
        animation.load()
        assert animation.info["duration"] == 200
        assert animation.info["loop"] == 0


def test_more_than_three_rows_stand_in_two_columns(tmp_path):
    with Image.open(io.BytesIO(draw_animation(pictures(tmp_path, 4), 96, 5, (), "webp"))) as four:
        assert four.width == 2 * 96 + 4


def test_webp_pages_come_in_order():
    data = encode_webp(map(solid, range(4)), 4, 6)
    with Image.open(io.BytesIO(data)) as animation:
        reds = []
        for t in range(4):
            animation.seek(t)
            reds.append(animation.convert("RGB").getpixel((10, 10))[0])
    assert reds == pytest.approx([0, 60, 120, 180], abs=8)


def test_a_single_page_is_a_still_picture():
    with Image.open(io.BytesIO(encode_webp(iter([solid(0)]), 1, 6))) as picture:
        assert getattr(picture, "n_frames", 1) == 1
        assert picture.size == (33, 21)


def test_pages_too_large_for_webp_are_refused():
    with pytest.raises(InputError, match=r"the animation has 1x16384 pixels, .* smaller --side"):
        encode_webp(iter([Image.new("RGB", (1, 16384))] * 2), 2, 6)


def test_mp4_holds_every_frame():
    av = pytest.importorskip("av")
    data = encode_mp4(map(solid, range(4)), 6)
    with av.open(io.BytesIO(data)) as container:
        (stream,) = container.streams.video
        assert (stream.width, stream.height) == (34, 22)
        assert float(stream.average_rate) == 6
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [int(frame[10, 10, 0]) for frame in frames] == pytest.approx([0, 60, 120, 180], abs=8)


def test_mp4_without_pyav_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"pip install 'vis-bench\[video\]'$"):
        encode_mp4(iter([solid(0)]), 6)


def test_a_corrupt_frame_is_gray_and_warned_about(tmp_path):
    said = []
    drawn = pictures(tmp_path, 1, said.append)
    drawn.video.files[2].write_bytes(b"\x89PNG broken")
    (gray,) = drawn.at(2, 96)
    (good,) = drawn.at(1, 96)
    assert (np.asarray(gray) == 128).mean() > 0.8
    assert gray.size == good.size == (W, H)
    assert len(said) == 1
    assert "frame 2 of video cats" in said[0]
