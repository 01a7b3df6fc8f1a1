"""Resizing as the authors' scripts do it, normalization, and masks back at the video's size."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vis_bench.errors import InputError
from vis_bench.inference.preprocess import input_size, masks_to_video, resize_frame, to_input
from vis_bench.method import InputFormat, Padding

SEQFORMER = InputFormat(long_side="floor")
IFC = InputFormat(long_side="round", max_long_side=1333)
sides = st.integers(1, 3000)


@pytest.mark.parametrize(
    ("height", "width", "floor", "rounded"),
    [
        (1280, 720, (640, 360), (640, 360)),
        (480, 854, (360, 640), (360, 641)),  # 640.5
        (480, 853, (360, 639), (360, 640)),  # 639.75
        (854, 480, (640, 360), (641, 360)),
        (512, 911, (360, 640), (360, 641)),  # 640.55
    ],
)
def test_sizes_that_the_official_transforms_give(height, width, floor, rounded):
    assert input_size(height, width, 360, SEQFORMER) == floor
    assert input_size(height, width, 360, IFC) == rounded


def test_a_long_side_beyond_the_maximum_shrinks_both():
    # 300x2000 scales to 360x2400, and by 1333/2400 to 199.95x1333.
    assert input_size(300, 2000, 360, IFC) == (200, 1333)
    assert input_size(2000, 300, 360, IFC) == (1333, 200)
    # torchvision's max_size cuts off as well: int(1333 * 360 / 2400) = 199.
    limited = InputFormat(long_side="floor", max_long_side=1333)
    assert input_size(300, 2000, 360, limited) == (199, 1333)
    assert input_size(300, 2000, 360, SEQFORMER) == (360, 2400)


def test_native_keeps_every_size():
    assert input_size(97, 133, "native", IFC) == (97, 133)
    assert input_size(3000, 100, "native", IFC) == (3000, 100)


@given(sides, sides, st.integers(1, 900))
def test_floor_is_exact(height, width, short):
    low, high = sorted((height, width))
    long = math.floor(Fraction(short * high, low))
    expected = (long, short) if height > width else (short, long)
    assert input_size(height, width, short, SEQFORMER) == expected


@given(sides, sides, st.integers(1, 900))
def test_round_is_exact_but_for_ties(height, width, short):
    low, high = sorted((height, width))
    exact = Fraction(short * high, low)
    got = input_size(height, width, short, InputFormat(long_side="round"))
    assert min(got) == short
    if (exact * 2) % 2 == 1:
        assert abs(max(got) - exact) <= Fraction(1, 2)
    else:
        assert max(got) == math.floor(exact + Fraction(1, 2))


@given(sides, sides, st.integers(1, 900), st.integers(1, 1500))
def test_the_maximum_holds_and_no_side_vanishes(height, width, short, most):
    for rule in ("floor", "round"):
        form = InputFormat(long_side=rule, max_long_side=most)
        size = input_size(height, width, short, form)
        assert max(size) <= max(most, short if short <= most else 1)
        assert min(size) >= 1


@pytest.mark.parametrize("resolution", [0, -5, 1.5, "full", None, True])
def test_other_resolutions_are_refused(resolution):
    with pytest.raises(InputError, match="native"):
        input_size(10, 10, resolution, IFC)


def triangle_resize(image_HW3, height, width):
    """Bilinear with a support that grows when shrinking, in float64: what Pillow documents."""
    return np.einsum(
        "yh,xw,hwc->yxc",
        triangle_weights(image_HW3.shape[0], height),
        triangle_weights(image_HW3.shape[1], width),
        image_HW3.astype(np.float64),
    )


def triangle_weights(size, new):
    scale = size / new
    reach = max(scale, 1.0)
    centers = (np.arange(new) + 0.5) * scale
    distance = np.abs(np.arange(size)[None] + 0.5 - centers[:, None]) / reach
    weights = np.clip(1 - distance, 0, None)
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize("size", [(36, 64), (9, 16), (23, 31), (80, 50)])
def test_resizing_is_the_bilinear_filter_of_pillow(size):
    image = np.random.default_rng(0).integers(0, 256, (36, 64, 3), dtype=np.uint8)
    resized = resize_frame(image, size)
    assert resized.shape == (*size, 3)
    assert resized.dtype == np.uint8
    assert np.abs(resized - triangle_resize(image, *size)).max() <= 1.01


def test_resized_values_written_down():
    # Pillow 11: [0, 255] to four columns has its ends, then 1/4 and 3/4 of the way.
    image = np.array([[0, 255]], np.uint8)[..., None].repeat(3, -1)
    assert resize_frame(image, (1, 4))[0, :, 0].tolist() == [0, 64, 191, 255]


def test_a_format_of_bytes_keeps_them():
    frames_THW3 = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 3), np.uint8)
    bytes_T3HW = to_input(list(frames_THW3), InputFormat(channel_order="BGR", as_bytes=True))
    assert bytes_T3HW.dtype == torch.uint8
    assert np.array_equal(bytes_T3HW.permute(0, 2, 3, 1).numpy(), frames_THW3)


def test_resizing_to_equal_size_gives_the_same_array():
    image = np.zeros((5, 7, 3), np.uint8)
    assert resize_frame(image, (5, 7)) is image


def test_normalized_frames_against_float64():
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (6, 9, 3), dtype=np.uint8) for _ in range(3)]
    form = InputFormat(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    got = to_input(frames, form)
    assert got.shape == (3, 3, 6, 9)
    assert got.dtype == torch.float32
    assert got.is_contiguous()
    expected = (np.stack(frames) / 255 - np.array(form.mean)) / np.array(form.std)
    np.testing.assert_allclose(got.permute(0, 2, 3, 1), expected, atol=1e-6)


def test_dtype_and_channel_order():
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    got = to_input([red], InputFormat(), dtype=torch.bfloat16)
    assert got.dtype == torch.bfloat16
    assert got[0, :, 0, 0].float().tolist() == pytest.approx(
        [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225], rel=0.01
    )


def test_bgr_in_bytes():
    rng = np.random.default_rng(2)
    frames = [rng.integers(0, 256, (6, 9, 3), dtype=np.uint8) for _ in range(3)]
    mean = (103.530, 116.280, 123.675)
    form = InputFormat(channel_order="BGR", full_value=255.0, mean=mean, std=(1.0, 1.0, 1.0))
    got = to_input(frames, form)
    assert got.is_contiguous()
    expected = np.stack(frames)[..., ::-1].astype(np.float32) - np.array(mean, np.float32)
    assert np.array_equal(got.permute(0, 2, 3, 1).numpy(), expected)


def test_frames_that_may_not_be_written_are_left_alone():
    frame = np.full((2, 2, 3), 7, np.uint8)
    frame.flags.writeable = False
    to_input([frame], InputFormat())
    assert (frame == 7).all()


def resample(values, size, axis):
    old = values.shape[axis]
    places = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, old - 1)
    weight = (places - low).reshape([-1 if a == axis else 1 for a in range(values.ndim)])
    return (1 - weight) * np.take(values, low, axis) + weight * np.take(values, high, axis)


def test_masks_at_equal_size_are_the_threshold_alone():
    logits = torch.tensor([[[[-1.0, 0.0], [1e-9, 3.0]]]])
    assert masks_to_video(logits, 2, 2).tolist() == [[[[False, False], [True, True]]]]


def test_a_nan_logit_is_background_and_does_not_spread():
    logits = torch.full((1, 1, 4, 4), 5.0)
    logits[0, 0, 0, 0] = torch.nan
    got = masks_to_video(logits, 16, 16)[0, 0]
    assert not got[0, 0]
    assert got[3:, 3:].all()
    assert got.sum() > 16 * 16 - 9
    assert not masks_to_video(torch.full((1, 1, 2, 2), torch.nan), 4, 4).any()


def test_infinite_logits_keep_their_sign():
    logits = torch.tensor([[[[torch.inf, -torch.inf]]]])
    assert masks_to_video(logits, 1, 4)[0, 0, 0].tolist() == [True, True, False, False]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_logits_of_other_dtypes(dtype):
    logits = torch.tensor([[[[4.0, -4.0]]]], dtype=dtype)
    assert masks_to_video(logits, 1, 4)[0, 0, 0].tolist() == [True, True, False, False]


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 20), st.integers(1, 20))
def test_masks_of_a_frame_do_not_depend_on_the_others(n, t, height, width):
    logits = torch.randn(n, t, 5, 6, generator=torch.Generator().manual_seed(n * 7 + t))
    whole = masks_to_video(logits, height, width)
    assert torch.equal(whole[-1:, -1:], masks_to_video(logits[-1:, -1:], height, width))


@given(st.integers(0, 10**6), st.sampled_from([None, "bilinear", "nearest"]), st.data())
@settings(max_examples=60, deadline=None)
def test_masks_against_the_definition(seed, to_video, data):
    """Interpolation written as the sum of neighbors, in float64; where the grid is padded a second
    one, or the pixel that the video's shows.
    """
    frame_HW = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    padded_HW = tuple(side + data.draw(st.integers(0, 6)) for side in frame_HW)
    grid_HW = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    video_HW = data.draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
    logits = np.random.default_rng(seed).normal(size=(1, 2, *grid_HW))
    padding = Padding(frame_HW, padded_HW, to_video) if to_video else None
    found = masks_to_video(torch.tensor(logits), *video_HW, padding).numpy()
    if to_video:
        padded = resample(resample(logits, padded_HW[0], 2), padded_HW[1], 3)
        logits = padded[..., : frame_HW[0], : frame_HW[1]]
    if to_video == "nearest":
        rows, columns = (
            np.arange(new) * old // new for new, old in zip(video_HW, frame_HW, strict=True)
        )
        wanted = logits[..., rows[:, None], columns]
    else:
        wanted = resample(resample(logits, video_HW[0], 2), video_HW[1], 3)
    assert found.dtype == bool
    sure = np.abs(wanted) > 1e-5
    np.testing.assert_array_equal(found[sure], wanted[sure] > 0)
