"""One drawn frame: colors stay, labels keep off the objects, unreadable frames turn gray."""

import numpy as np
import pytest

from drawing_case import CROSSING, GROUND, LEFT, RIGHT, frame_files, square
from vis_bench.masks.rle import encode_masks
from vis_bench.show.overlay.frame import Instance, gray_tile, make_tile, tile_size
from vis_bench.show.overlay.painting import BLACK, FILL, GRAY, color_of
from vis_bench.show.overlay.pixels import paint_tile

FRAME = np.full((60, 96, 3), GROUND, np.uint8)
WIDTH = 480


def draw_frame(*arguments, **options):
    return paint_tile(make_tile(*arguments, **options))


def inside(identity):
    """The color of a filled mask over the ground."""
    gray = (GROUND[0] * 77 + GROUND[1] * 150 + GROUND[2] * 29) >> 8
    return tuple(
        ((((c + gray) >> 1) * (256 - FILL)) + own * FILL) >> 8
        for c, own in zip(GROUND, color_of(identity), strict=True)
    )


def enlarged(mask):
    return mask.repeat(5, 0).repeat(5, 1)


@pytest.mark.parametrize("t", range(4))
def test_a_track_has_one_color_over_the_video(t):
    corners = [(20, 8), (20, 8), (20, 64), (20, 64)]
    picture = draw_frame(FRAME, [Instance(CROSSING, 4, ("cat 0.90",))], t, WIDTH)
    row, column = corners[t]
    assert picture.size == (480, 300)
    assert picture.getpixel((5 * column + 40, 5 * row + 40)) == inside(4)
    assert picture.getpixel((5 * column + 1, 5 * row + 40)) == color_of(4)


def test_nothing_covers_the_objects():
    instances = [Instance(LEFT, 0, ("cat 0.90",)), Instance(RIGHT, 1, ("dog 0.80",))]
    picture = np.asarray(draw_frame(FRAME, instances, 0, WIDTH))
    for mask, identity in ((square(20, 8), 0), (square(20, 64), 1)):
        seen = {tuple(pixel) for pixel in picture[enlarged(mask)].tolist()}
        assert seen == {inside(identity), color_of(identity)}


def test_a_label_is_a_chip_in_the_color_of_its_track():
    picture = np.asarray(draw_frame(FRAME, [Instance(LEFT, 2, ("cat 0.90",))], 0, WIDTH)).copy()
    picture[enlarged(square(20, 8))] = GROUND
    chip = (picture == color_of(2)).all(2)
    assert chip.sum() > 300
    rows, columns = np.nonzero(chip)
    assert rows.max() < 100
    assert columns.max() < 200


def test_absent_instances_are_not_drawn():
    absent = Instance([None, *LEFT[1:]], 0, ("cat",))
    assert (np.asarray(draw_frame(FRAME, [absent], 0, WIDTH)) == GROUND).all()


@pytest.mark.parametrize(("t", "since", "marked"), [
    (2, None, True), (3, None, False), (3, 0, True), (3, 2, False), (1, -1, False),
])  # fmt: skip
def test_a_switch_is_marked_from_its_frame_on(t, since, marked):
    instance = Instance(LEFT, 0, ("cat 0.90",), switches=(2,))
    picture = np.asarray(draw_frame(FRAME, [instance], t, WIDTH, since=since))
    white = (picture == 255).all(2)
    assert (white.sum() > 500) == marked
    assert (white[140, 25:40].any()) == marked


def test_labels_stay_beside_a_still_object():
    offsets = {}
    instances = [Instance(LEFT, 0, ("cat 0.90",))]
    first = draw_frame(FRAME, instances, 0, WIDTH, offsets=offsets)
    again = draw_frame(FRAME, instances, 1, WIDTH, offsets=offsets)
    assert list(offsets) == [0]
    assert first.tobytes() == again.tobytes()


def test_an_unreadable_frame_is_gray_and_says_so(tmp_path):
    picture = np.asarray(paint_tile(gray_tile(frame_files(tmp_path), 3, WIDTH)))
    assert picture.shape == (300, 480, 3)
    assert (picture == GRAY).all(2).mean() > 0.95
    assert (picture == BLACK).all(2).any()


def test_pictures_keep_the_shape_of_frames():
    assert tile_size((720, 1280), 320) == (180, 320)
    assert tile_size((1280, 720), 180) == (320, 180)
    assert tile_size((1, 1000), 100) == (1, 100)
    assert draw_frame(FRAME, [Instance(LEFT, 0, ("a long name",))], 0, 12).size == (12, 8)


def test_where_a_name_finds_no_place_its_number_stands():
    """Four tall objects leave gaps in which only a short label finds a place."""
    gaps = encode_masks(np.stack([bars(first) for first in (0, 26, 52, 78)]))
    instances = [
        Instance([mask], n, ("checkered_box", f"#{n}"), ringed=n == 3)
        for n, mask in enumerate(gaps)
    ]
    labels = make_tile(FRAME, instances, 0, 192).labels
    assert {text for label in labels for text, _ in label.lines} == {"#0", "#1", "#2", "#3"}
    assert labels[0].lines[0][0] == "#3", "what is ringed finds its place first"


def test_a_weak_track_is_pale_and_has_no_dark_line():
    strong, weak = (
        np.asarray(draw_frame(FRAME, [Instance(LEFT, 0, (), style)], 0, WIDTH)).astype(int)
        for style in ("false", "weak")
    )
    changed = [np.abs(picture - GROUND).sum() for picture in (strong, weak)]
    assert 0 < changed[1] < 0.7 * changed[0]
    assert strong.sum(2).min() < sum(GROUND) - 100 < weak.sum(2).min()


def test_a_ring_stays_in_every_frame():
    instance = Instance(LEFT, 0, ("cat 0.90",), ringed=True)
    for t in range(4):
        assert make_tile(FRAME, [instance], t, WIDTH).ringed == [True]


def bars(first):
    """A mask that is 12 columns wide and as tall as the frame."""
    mask_HW = np.zeros((60, 96), bool)
    mask_HW[:, first : first + 12] = True
    return mask_HW
