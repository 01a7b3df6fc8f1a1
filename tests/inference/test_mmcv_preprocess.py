"""What OpenMMLab's code does to frames and masks: OpenCV's resize, and masks pasted in boxes."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paths import GOLDEN
from vis_bench.inference.clips import Clip
from vis_bench.inference.preprocess import input_size, paste_masks, resize_frame
from vis_bench.inference.tracker import NamedTracker
from vis_bench.masks.rle import decode
from vis_bench.method import ClipPrediction, InputFormat, TrackingRule

FIT = InputFormat(long_side="fit", max_long_side=640, library="opencv")
# `cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)` of OpenCV 5.0.0 on random
# bytes; the third halves both sides, where OpenCV takes another path.
STORED = np.load(GOLDEN / "opencv_resize.npz")


@pytest.mark.parametrize("number", range(5))
def test_bytes_are_those_of_opencv(number):
    wanted = STORED[f"resized_{number}"]
    found = resize_frame(STORED[f"frame_{number}"], wanted.shape[:2], "opencv")
    assert found.dtype == np.uint8
    assert np.array_equal(found, wanted)


@given(*[st.integers(1, 40)] * 4)
@settings(max_examples=50, deadline=None)
def test_opencv_interpolates_between_two_neighbors_along_each_axis(height, width, rows, columns):
    frame = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)
    wanted = frame.astype(np.float64)
    for axis, size in enumerate((rows, columns)):
        old = frame.shape[axis]
        places = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
        near = np.arange(old)
        wanted = np.apply_along_axis(lambda x, p=places, n=near: np.interp(p, n, x), axis, wanted)
    # Two shares are rounded to 1/4096, sums are cut off twice.
    assert np.abs(resize_frame(frame, (rows, columns), "opencv") - wanted).max() <= 1


@pytest.mark.parametrize(
    ("size", "fitting"),
    [
        ((720, 1280), (360, 640)),
        ((480, 854), (360, 640)),  # 359.7
        ((1280, 606), (640, 303)),
        ((101, 256), (253, 640)),  # 252.5; by two factors it would come to 252
        ((75, 117), (360, 562)),
    ],
)
def test_both_sides_are_rounded_after_one_factor(size, fitting):
    assert input_size(*size, 360, FIT) == fitting
    assert (
        input_size(*size, 360, InputFormat(long_side="fit"))[0 if size[0] < size[1] else 1] == 360
    )


def pasted(logits, box, height, width):
    """One mask by loops over pixels, in float64, as mmdet's `_do_paste_mask` does on a CPU."""
    probs = 1 / (1 + np.exp(-logits))
    rows, columns = probs.shape
    x0, y0, x1, y1 = box
    mask = np.zeros((height, width))
    for y in range(max(int(np.floor(y0)) - 1, 0), min(int(np.ceil(y1)) + 1, height)):
        for x in range(max(int(np.floor(x0)) - 1, 0), min(int(np.ceil(x1)) + 1, width)):
            v = (y + 0.5 - y0) / (y1 - y0) * rows - 0.5 if y1 > y0 else (rows - 1) / 2
            u = (x + 0.5 - x0) / (x1 - x0) * columns - 0.5 if x1 > x0 else (columns - 1) / 2
            for i in range(rows):
                for j in range(columns):
                    mask[y, x] += probs[i, j] * max(0, 1 - abs(v - i)) * max(0, 1 - abs(u - j))
    return mask


CORNERS = st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4)


@given(CORNERS, st.integers(1, 9), st.integers(1, 11), st.booleans(), st.integers(0, 99))
@example([1.0, np.float32(1 / 3).item(), 0.0, 1.0], 1, 9, True, 0)
@settings(max_examples=60, deadline=None)
def test_pasted_masks_against_loops(corners, height, width, flat, seed):
    (x0, x1), (y0, y1) = sorted(corners[:2]), sorted(corners[2:])
    x1 = x0 if flat else max(x1, x0 + 1e-3)
    y1 = max(y1, y0 + 1e-3)
    logits = np.random.default_rng(seed).normal(size=(3, 4))
    box = torch.tensor([[(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]], dtype=torch.float32)
    found = paste_masks(torch.tensor(logits)[None], box, height, width)[0].numpy()
    # In float32, which decides the pixels that a box without width touches.
    middle, size = (box[0] * torch.tensor([width, height] * 2)).numpy().reshape(2, 2)
    corners = np.concatenate([middle - size / 2, middle + size / 2]).tolist()
    wanted = pasted(logits, corners, height, width)
    sure = np.abs(wanted - 0.5) > 1e-3
    np.testing.assert_array_equal(found[sure], wanted[sure] >= 0.5)


def test_a_box_outside_of_the_frame_gets_the_pixels_that_touch_it():
    logits = torch.full((1, 2, 2), 3.0)
    edge = torch.tensor([[1.0, 0.5, 0.0, 1.0]])  # at the right border, without width
    assert paste_masks(logits, edge, 3, 4)[0].int().tolist() == [[0, 0, 0, 1]] * 3
    assert paste_masks(logits[:0], edge[:0], 3, 4).shape == (0, 3, 4)


def test_half_is_foreground_here():
    whole = torch.tensor([[0.5, 0.5, 1.0, 1.0]])
    assert paste_masks(torch.zeros(1, 3, 3), whole, 3, 3)[0, 1, 1]


def test_the_tracker_pastes_the_masks_of_named_tracks():
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 4, 4, generator=random) + 1
    boxes = torch.tensor([[[0.3, 0.4, 0.5, 0.6]], [[0.7, 0.5, 0.4, 0.8]]])
    probs = torch.tensor([[0.5, 0.0], [0.0, 0.25]])
    tracker = NamedTracker(TrackingRule(), 1, 12, 10)
    tracker.update(Clip(0, 1), ClipPrediction(probs, logits, boxes, [4, 2], in_boxes=True))
    tracks = tracker.tracks(1, [10, 20])
    assert [(track.category_id, track.score) for track in tracks] == [(10, 0.5), (20, 0.25)]
    for track, wanted in zip(tracks, paste_masks(logits[:, 0], boxes[:, 0], 12, 10), strict=True):
        assert np.array_equal(decode(track.segmentations[0]), wanted.numpy())


def test_masks_in_boxes_need_the_boxes():
    with pytest.raises(ValueError, match="boxes_NT4"):
        ClipPrediction(torch.zeros(1, 1), torch.zeros(1, 1, 2, 2), in_boxes=True)
