"""Pages: which frames and rows they show, and the files of animations."""

import io
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from drawing_case import LEFT, RIGHT, H, W, frame_files
from vis_bench.errors import InputError
from vis_bench.show.overlay.animation import draw_animation, encode_mp4, encode_webp
from vis_bench.show.overlay.frame import Instance, Row, VideoPictures
from vis_bench.show.overlay.label_box import Letters
from vis_bench.show.overlay.painting import contrast
from vis_bench.show.overlay.pixels import DARK, LIGHT, paint_sheet, paint_tile
from vis_bench.show.overlay.strip import MARKS as MARKS_TEXTS
from vis_bench.show.overlay.strip import Text, legend, strip_frames, strip_sheet


def pictures(folder, num_rows=2, warn=None):
    rows = [
        Row(f"method {r}", [Instance(LEFT, 0, ("cat",)), Instance(RIGHT, 1, ("dog",))])
        for r in range(num_rows)
    ]
    return VideoPictures(frame_files(folder), rows, warn or pytest.fail)


def draw_strip(drawn, columns, width, ground=LIGHT):
    return paint_sheet(strip_sheet([("", drawn)], columns, width), ground)


def solid(t):
    """Pages that tell their frame by their color."""
    return Image.new("RGB", (33, 21), (60 * t, 0, 0))


@pytest.mark.parametrize(("length", "columns", "frames"), [
    (36, 5, [0, 9, 18, 26, 35]), (3, 5, [0, 1, 2]), (1, 5, [0]), (9, 1, [4]), (9, 2, [0, 8]),
])  # fmt: skip
def test_frames_of_a_strip_are_spread_evenly(length, columns, frames):
    assert strip_frames(length, columns) == frames


def test_a_strip_has_a_column_per_frame_and_a_row_per_method(tmp_path):
    one, two = (draw_strip(pictures(tmp_path, n), 3, 192) for n in (1, 2))
    assert one.width == two.width == 3 * 192 + 2 * 4
    assert two.height == 2 * one.height + 4, "a name keeps away from the row above"
    assert one.height > 120
    lower = np.asarray(two)[one.height :]
    assert (np.asarray(one)[-120:] == lower[-120:]).all(), "both rows show the same"


def test_a_long_heading_is_broken_and_loses_no_word(tmp_path):
    heading = "Background, val_00185: AP 37.6, 12.5 lost to tracks of no object"
    drawn, letters = pictures(tmp_path, 1), Letters.of_pixels(14)
    [short, long] = [
        strip_sheet([(text, drawn)], 2, 96, heading=letters) for text in ("short", heading)
    ]
    words = [item.words for *_, item in long.items if isinstance(item, Text)]
    first = words.index("frame 0")
    assert first > 1
    assert " ".join(words[:first]) == heading
    assert long.height == short.height + (first - 1) * (letters.line + 4)


MARKS = ["missed", "unmatched", "false", "switch"]


def test_marks_are_explained_below(tmp_path):
    drawn = pictures(tmp_path, 1)
    without = draw_strip(drawn, 3, 192)
    drawn.rows = [replace(drawn.rows[0], remark="2 tracks below 0.5 not drawn")]
    with_remark = draw_strip(drawn, 3, 192)
    assert with_remark.height > without.height
    assert (np.asarray(with_remark)[: without.height] == np.asarray(without)).all()


@pytest.mark.parametrize("width", [900, 200, 150])
def test_a_legend_breaks_into_lines(width):
    letters = Letters.of_width(200)
    bottom, items = legend(MARKS, ["a remark"], letters, width, 40)
    texts = [(x, y, item) for x, y, item in items if isinstance(item, Text)]
    assert all(x + letters.width(item.words) <= width for x, _, item in texts)
    words = [*(MARKS_TEXTS[mark][2] for mark in MARKS), "a remark"]
    assert " ".join(item.words for *_, item in texts) == " ".join(words)
    lines = sorted({y for _, y, _ in texts})
    assert len(lines) == {900: 2, 200: 7, 150: 12}[width]
    assert lines[0] > 40
    assert lines[-1] + letters.line / 2 < bottom
    assert legend([], [], letters, width, 40) == (40, [])


@pytest.mark.parametrize("ground", [LIGHT, DARK])
def test_words_can_be_read_on_either_ground(tmp_path, ground):
    page = draw_strip(pictures(tmp_path, 1), 1, 300, ground)
    assert page.getpixel((150, 1)) == ground[0]
    assert ground[1] in {color for _, color in page.getcolors(1 << 16)}
    assert contrast(*ground) > 4.5


def test_the_legend_has_what_occurs(tmp_path):
    drawn = pictures(tmp_path, 1)
    assert drawn.marks(range(4)) == []
    gone = Instance([None, *LEFT[1:]], 0, (), "missed")
    named = Instance(RIGHT, 1, ("dog not matched, IoU 0.10",), "unmatched")
    switching = Instance(RIGHT, 1, ("dog",), "false", switches=(2,))
    drawn.rows = [Row("method", [gone, named, switching], "2 tracks below 0.5 not drawn")]
    assert drawn.marks([0, 1, 2]) == MARKS
    assert drawn.marks([0, 1]) == MARKS[:3]
    assert drawn.marks([0]) == MARKS[1:3]
    assert drawn.remarks() == ["method: 2 tracks below 0.5 not drawn"]
    drawn.rows = [Row("method", [gone, replace(switching, ringed=True)])]
    assert drawn.marks([0, 1, 2]) == ["missed", "false", "cause"]
    drawn.rows = [Row("method", [named, Instance(LEFT, 0, (), "weak")])]
    assert drawn.marks([0]) == ["unmatched", "weak"]
    drawn.labels = "none"
    assert "unmatched" not in drawn.marks([0, 1, 2])


@pytest.mark.parametrize(("labels", "labeled"), [
    ("all", [{0, 1}] * 4), ("first", [{1}, {0}, set(), {1}]), ("none", [set()] * 4),
])  # fmt: skip
def test_labels_stand_where_an_object_is_new_or_switches(tmp_path, labels, labeled):
    drawn = pictures(tmp_path, 1)
    row = Row(
        "m", [Instance([None, *LEFT[1:]], 0, ("cat",)), Instance(RIGHT, 1, ("dog",), switches=(3,))]
    )
    drawn.labels = labels
    found = [drawn.labeled(row, t, since=t - 1, earlier=range(t)) for t in range(4)]
    present = [{i for i in found[t] if row.instances[i].masks_T[t]} for t in range(4)]
    assert present == [
        {i for i in own if row.instances[i].masks_T[t]} for t, own in enumerate(labeled)
    ]


def test_an_animation_shows_every_frame(tmp_path):
    data = draw_animation(pictures(tmp_path), 192, 5, "webp")
    with Image.open(io.BytesIO(data)) as animation:
        assert animation.n_frames == 4
        assert animation.width == 2 * 192 + 4
        animation.seek(1)
        animation.load()
        assert animation.info["duration"] == 200
        assert animation.info["loop"] == 0


def test_rows_stand_beside_each_other_as_far_as_a_screen_is_wide(tmp_path):
    drawn = pictures(tmp_path, 4)
    with Image.open(io.BytesIO(draw_animation(drawn, 96, 5, "webp"))) as four:
        beside = (four.width + 4) // (96 + 4)
        assert 1 < beside < len(drawn.rows)
        assert 1 < four.width / four.height < 3


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


@pytest.mark.extra("av")
def test_mp4_holds_every_frame():
    import av

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
    gray, good = (paint_tile(drawn.at(t, 96)[0]) for t in (2, 1))
    assert (np.asarray(gray) == 128).mean() > 0.8
    assert gray.size == good.size == (W, H)
    assert len(said) == 1
    assert "frame 2 of video cats" in said[0]
