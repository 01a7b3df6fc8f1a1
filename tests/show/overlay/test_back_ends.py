"""A page is laid out once: in pixels and as vectors, words and boxes stand in the same places."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from drawing_case import LEFT, RIGHT, frame_files, tube
from vis_bench.show.figures.page import PageStyle
from vis_bench.show.figures.strips import encode_strips
from vis_bench.show.figures.vectors import draw_sheet, vector_letters
from vis_bench.show.overlay.frame import Instance, Row, Tile, VideoPictures
from vis_bench.show.overlay.label_box import Label, Letters, labels_beside
from vis_bench.show.overlay.painting import BLACK, GRAY, color_of
from vis_bench.show.overlay.pixels import paint_sheet
from vis_bench.show.overlay.strip import Sheet, Text, strip_sheet

WORDS = re.compile(r"<text [^>]*>([^<]*)</text>")
# A filled rectangle without a line: its corners and its color.
BOX = re.compile(r'<path d="M ([^z"]*)z\s*"[^>]*style="fill: #(\w{6})"')

LINE = re.compile(r'<path d="(M [^"zQC]*)"')


def pictures(folder):
    """A video with a switch, a false track and an object that no track finds."""
    crossing = Instance(
        tube((20, 8), (20, 8), (20, 64), (20, 64)), 0, ("cat 0.90", "0.90"), "track", (2,)
    )
    rows = [
        Row("ground truth", [Instance(LEFT, 0, ("cat",)), Instance(RIGHT, 1, ("dog",))]),
        Row(
            "IFC",
            [
                Instance(RIGHT, 1, ("dog not matched", "not matched"), "unmatched"),
                Instance(LEFT, 1, (), "missed"),
                crossing,
                Instance(LEFT, 2, ("cow 0.60",), "false"),
            ],
            "3 tracks below 0.5 not drawn",
        ),
    ]
    return VideoPictures(frame_files(folder), rows, pytest.fail)


def laid_out(folder, letters, width=150):
    blocks = [("Missed, cats", pictures(folder)), ("", pictures(folder))]
    sheet = strip_sheet(blocks, 3, width, letters, letters)
    return replace(sheet, items=[*sheet.items])


def labels_of(sheet: Sheet):
    """Label boxes with their places on the page."""
    return [
        (x, y, label)
        for x, y, tile in sheet.items
        if not isinstance(tile, Text)
        for label in tile.labels
    ]


def test_both_back_ends_place_the_same_words_and_boxes(tmp_path):
    letters = Letters.of_pixels(11)
    sheet = laid_out(tmp_path, letters)
    far = Label((2, 2, 40, 20), [("far", color_of(4))], letters, ((20, 19), (50, 35)))
    item = 5, sheet.height, Tile.plain((40, 60), GRAY, labels=[far])
    sheet = replace(sheet, height=sheet.height + 40, items=[*sheet.items, item])
    labels = labels_of(sheet)
    assert len(labels) > 6
    svg = draw_sheet(sheet, PageStyle(width=sheet.width)).encoded("svg").decode()
    page = np.asarray(paint_sheet(sheet))

    words = [item.words for *_, item in sheet.items if isinstance(item, Text) and item.words]
    lines = [text for *_, label in labels for text, _ in label.lines]
    assert sorted(WORDS.findall(svg)) == sorted([*words, *lines])

    boxes = []
    for corners, color in BOX.findall(svg):
        numbers = np.array(re.findall(r"-?[\d.]+", corners), float).reshape(-1, 2) / 0.72
        boxes.append((*numbers.min(0), *numbers.max(0), color))
    for x, y, label in labels:
        left, top, right, _ = label.box
        assert tuple(page[int(y) + top, int(x) + left]) == BLACK
        for upper, lower, _, color in label.rows():
            drawn = (x + left, y + upper, x + right, y + lower, "{:02x}{:02x}{:02x}".format(*color))
            assert any(
                box[4] == drawn[4] and np.allclose(box[:4], drawn[:4], atol=0.01) for box in boxes
            )
            assert tuple(page[int(y) + upper, int(x) + left + 1]) == color
            assert tuple(page[int(y) + lower - 1, int(x) + right - 2]) == color

    start, end = ((x + 5, y + item[1]) for x, y in far.leader)
    assert tuple(page[end[1], end[0]]) == color_of(4)
    ends = [np.array(re.findall(r"[\d.]+", line), float) / 0.72 for line in LINE.findall(svg)]
    assert any(len(own) == 4 and np.allclose(own, (*start, *end), atol=0.01) for own in ends)


def test_what_is_drawn_stays_within_the_page(tmp_path):
    for letters, width in ((Letters.of_pixels(11), 217), (vector_letters(9.7), 79)):
        sheet = laid_out(tmp_path, letters, width)
        for x, y, item in sheet.items:
            if isinstance(item, Text):
                wide = letters.width(item.words)
                left = x - wide if item.align == "right" else x
                assert left >= 0
                assert left + wide <= sheet.width
                assert letters.line / 2 <= y <= sheet.height - letters.line / 2
            else:
                assert 0 <= x <= x + item.size_hw[1] <= sheet.width
                assert 0 <= y <= y + item.size_hw[0] <= sheet.height


def test_words_beside_each_other_do_not_overlap(tmp_path):
    """In a paper's column the name of a row and the number of a frame need a line each."""
    for width in (217, 150, 79):
        letters = vector_letters(9.7)
        texts = [
            (x, y, i) for x, y, i in laid_out(tmp_path, letters, width).items if isinstance(i, Text)
        ]
        for y in {y for _, y, _ in texts}:
            spans = sorted(
                (x - w, x) if item.align == "right" else (x, x + w)
                for x, own, item in texts
                if own == y
                for w in [letters.width(item.words)]
            )
            for (_, end), (start, _) in pairwise(spans):
                assert end <= start


def test_labels_of_narrow_pictures_leave_each_other_out_and_keep_the_switch(tmp_path):
    labels = labels_of(laid_out(tmp_path, vector_letters(9.7), 79))
    assert "switch at 2" in {text for *_, label in labels for text, _ in label.lines}
    places = {}
    for x, y, label in labels:
        for a in places.setdefault((x, y), []):
            assert (
                a[0] >= label.box[2]
                or label.box[0] >= a[2]
                or a[1] >= label.box[3]
                or label.box[1] >= a[3]
            )
        places[x, y].append(label.box)


def test_of_two_labels_with_room_for_one_one_is_written():
    letters = Letters.of_pixels(11)
    masks = np.zeros((2, 24, 200), bool)
    masks[0, 4:20, 40:50] = masks[1, 4:20, 150:160] = True
    assert not letters.narrow(200)
    forms = [[[("a long name of a class", (255, 255, 255))]]] * 2
    assert len(labels_beside(masks, forms, letters, {})) == 1
    assert len(labels_beside(masks[:1], forms[:1], letters, {})) == 1


def test_a_page_has_one_legend(tmp_path):
    blocks = [("One", pictures(tmp_path)), ("Two", pictures(tmp_path))]
    svg = encode_strips(blocks, 3, None, "svg").decode()
    words = WORDS.findall(svg)
    assert words.count("identity switch") == 1
    assert words.count("cats, IFC: 3 tracks below 0.5 not drawn") == 2
