"""Frames as decoded -> the network's input, and mask logits -> masks at the video's size.

Sizes and resampling are those of the authors' test scripts: SeqFormer's (wjf5203/SeqFormer,
`inference.py`) resizes with torchvision's `Resize(360)`, IFC's (sukjunhwang/IFC) with detectron2's
`ResizeShortestEdge(360, 1333)`. Both hand the resampling to Pillow. OpenMMLab's mmcv resizes with
OpenCV.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from vis_bench.errors import InputError
from vis_bench.method import InputFormat, Padding

NATIVE = "native"
# OpenCV's fixed point: the shares of two neighbors in a pixel between them sum to this.
ONE = 1 << 11


def input_size(
    height: int, width: int, resolution: int | str, input_format: InputFormat
) -> tuple[int, int]:
    """The size (h, w) in pixels that a frame is resized to before it enters the network.

    The short side becomes `resolution`; the long side keeps the aspect ratio, its fraction cut
    off or rounded as the format says. Where the long side would exceed the format's maximum, both
    sides shrink. A format of square inputs gives both sides the resolution.

    Args:
        height, width: of the video, in pixels.
        resolution: the short side in pixels, or "native" for no resizing at all.
        input_format: the method's.
    """
    if resolution == NATIVE:
        return height, width
    if not isinstance(resolution, int) or isinstance(resolution, bool) or resolution < 1:
        raise InputError(
            f"resolution is {resolution!r}; expected a short side of 1 pixel or more, or 'native'"
        )
    if input_format.square:
        return resolution, resolution
    sized = {"floor": _floor_size, "round": _round_size, "fit": _fitting_size}
    return sized[input_format.long_side](height, width, resolution, input_format.max_long_side)


def _floor_size(height: int, width: int, short: int, max_long: int | None) -> tuple[int, int]:
    """As torchvision's `Resize`, whose `max_size` cuts fractions off as well."""
    low, high = sorted((height, width))
    long = int(short * high / low)
    if max_long is not None and long > max_long:
        short, long = max(int(max_long * short / long), 1), max_long
    return (long, short) if height > width else (short, long)


def _round_size(height: int, width: int, short: int, max_long: int | None) -> tuple[int, int]:
    """As detectron2's `ResizeShortestEdge`, in its order of floating-point operations."""
    scale = short / min(height, width)
    new_height, new_width = (short, scale * width) if height < width else (scale * height, short)
    if max_long is not None and max(new_height, new_width) > max_long:
        shrink = max_long / max(new_height, new_width)
        new_height, new_width = new_height * shrink, new_width * shrink
    return max(int(new_height + 0.5), 1), max(int(new_width + 0.5), 1)


def _fitting_size(height: int, width: int, short: int, max_long: int | None) -> tuple[int, int]:
    """As mmcv's `imrescale`."""
    factor = short / min(height, width)
    if max_long is not None:
        factor = min(max_long / max(height, width), factor)
    return max(int(height * factor + 0.5), 1), max(int(width * factor + 0.5), 1)


def resize_frame(
    frame_HW3: np.ndarray, size_HW: tuple[int, int], library: str = "pillow"
) -> np.ndarray:
    """The frame at another size, by a library's bilinear filter; itself when the size is equal.

    Args:
        frame_HW3: uint8 RGB.
        size_HW: height and width in pixels.
        library: as in the input format. Pillow averages where it shrinks, OpenCV does not.
    """
    if frame_HW3.shape[:2] == tuple(size_HW):
        return frame_HW3
    if library == "opencv":
        return _resize_as_opencv(frame_HW3, size_HW)
    height, width = size_HW
    resized = Image.fromarray(frame_HW3).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def _resize_as_opencv(frame_HW3: np.ndarray, size_HW: tuple[int, int]) -> np.ndarray:
    """`cv2.resize` with INTER_LINEAR on bytes, to the bit.

    Columns first, then rows; OpenCV drops 4 bits between them and 16 behind each product of the
    second, so that its numbers fit 16 bits.
    """
    (height, width), (new_height, new_width) = frame_HW3.shape[:2], size_HW
    above_h, below_h, share_h = _neighbors(height, new_height)
    left_w, right_w, share_w = _neighbors(width, new_width)
    share_w1, share_h11 = share_w[:, None], share_h[:, None, None]

    def across(rows_h: np.ndarray) -> np.ndarray:
        rows_hW3 = frame_HW3.take(rows_h, 0)
        left_hw3, right_hw3 = rows_hW3.take(left_w, 1), rows_hW3.take(right_w, 1)
        return (left_hw3 * (ONE - share_w1) + right_hw3 * share_w1) >> 4

    upper_hw3 = (across(above_h) * (ONE - share_h11)) >> 16
    lower_hw3 = (across(below_h) * share_h11) >> 16
    return ((upper_hw3 + lower_hw3 + 2) >> 2).astype(np.uint8)


def _neighbors(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source indices before and behind each new pixel's center, and the latter's share, 0..2048."""
    places = ((np.arange(new) + 0.5) * (1 / (new / old)) - 0.5).astype(np.float32)
    before = np.floor(places)
    shares = np.rint((places - before) * ONE).astype(np.int32)
    before = before.astype(np.int64)
    return before.clip(0, old - 1), (before + 1).clip(0, old - 1), shares


def to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Copy a host tensor to a device; on a GPU the copy is queued behind the work before it.

    An ordinary copy to a GPU waits for everything that is queued. From pinned memory it need not;
    PyTorch reuses that memory only when the copy is done.
    """
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def to_input(
    frames: Sequence[np.ndarray],
    input_format: InputFormat,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Normalized frames (T, 3, H, W) on the device, from uint8 RGB frames of one size.

    The bytes travel to the device as they are and are normalized there, in float32, before the
    cast to `dtype`. Where the format keeps bytes they stay on the host, the channels innermost.
    """
    bytes_THW3 = torch.from_numpy(np.stack(frames))
    if input_format.as_bytes:
        return bytes_THW3.permute(0, 3, 1, 2)
    pixels_T3HW = to_device(bytes_THW3, device).permute(0, 3, 1, 2).float().contiguous()
    return normalize_(pixels_T3HW, input_format).to(dtype)


def normalize_(pixels_T3HW: Tensor, input_format: InputFormat) -> Tensor:
    """Apply the format's scale, channel order, mean and standard deviation.

    Args:
        pixels_T3HW: RGB, floating point, 0..255; overwritten where the order is RGB.
        input_format: the method's.
    """
    if input_format.channel_order == "BGR":
        pixels_T3HW = pixels_T3HW.flip(1)
    mean_311, std_311 = (
        to_device(torch.tensor(numbers, dtype=pixels_T3HW.dtype), pixels_T3HW.device).view(3, 1, 1)
        for numbers in (input_format.mean, input_format.std)
    )
    return pixels_T3HW.div_(255 / input_format.full_value).sub_(mean_311).div_(std_311)


def masks_to_video(
    mask_logits_NTHW: Tensor, height: int, width: int, padding: Padding | None = None
) -> Tensor:
    """Boolean masks (N, T, height, width) at the video's size, from logits on a coarser grid.

    One bilinear interpolation of the logits (corners not aligned) from the grid, which spans
    exactly the frame, then the threshold 0. A logit that is not a number counts as background and
    does not spread to its neighbors.

    Args:
        mask_logits_NTHW: any floating dtype; N may be 0.
        height, width: of the video, in pixels.
        padding: set for a grid that spans a padded input. Logits are then resized to it, cut to
            the frame, and resized to the video in a second interpolation, as in Mask2Former's
            instance inference (arXiv 2112.01527); or the frame's masks are, to the nearest pixel,
            as in IDOL's (arXiv 2207.10661).
    """
    num_instances, num_frames = mask_logits_NTHW.shape[:2]
    if num_instances == 0:
        shape = (0, num_frames, height, width)
        return torch.zeros(shape, dtype=torch.bool, device=mask_logits_NTHW.device)
    logits_NTHW = _without_extremes(mask_logits_NTHW.float())
    if padding is not None:
        frame_height, frame_width = padding.frame_HW
        logits_NTHW = _resize(logits_NTHW, padding.padded_HW)[..., :frame_height, :frame_width]
        if padding.to_video == "nearest":
            masks_NTHW = (logits_NTHW > 0).to(torch.uint8)
            return F.interpolate(masks_NTHW, size=(height, width), mode="nearest").bool()
    return _resize(logits_NTHW, (height, width)) > 0


def paste_masks(mask_logits_Phw: Tensor, boxes_P4: Tensor, height: int, width: int) -> Tensor:
    """Boolean masks (P, height, width) at the video's size, from logits that each span a box.

    Probabilities are interpolated at the centers of the video's pixels, with zeros around the
    grid; a pixel of 0.5 or more is foreground. A box without width or height gets the middle of its
    grid, in the pixels that touch it. As mmdet's FCNMaskHead pastes on a CPU.

    Args:
        mask_logits_Phw: any floating dtype; P may be 0.
        boxes_P4: cx, cy, w, h in 0..1 of the frame.
        height, width: of the video, in pixels.
    """
    rows, columns = mask_logits_Phw.shape[-2:]
    cx_P, cy_P, w_P, h_P = boxes_P4.float().unbind(-1)
    with torch.autocast(mask_logits_Phw.device.type, enabled=False):
        shares_PYh = _shares_in_box(cy_P * height, h_P * height, height, rows)
        shares_PXw = _shares_in_box(cx_P * width, w_P * width, width, columns)
        probs_Phw = _without_extremes(mask_logits_Phw.float()).sigmoid()
        return shares_PYh @ probs_Phw @ shares_PXw.mT >= 0.5


def _shares_in_box(middle_P: Tensor, size_P: Tensor, pixels: int, cells: int) -> Tensor:
    """Bilinear weights (P, pixels, cells) of a grid's cells at pixel centers along one axis.

    A pixel lies at a place of the grid, in which cell w has its center at w. A cell's weight falls
    from 1 there to 0 at its neighbors' centers: places beyond -1 or `cells` get nothing.
    """
    centers_X = torch.arange(pixels, device=middle_P.device) + 0.5
    low_P1 = (middle_P - size_P / 2)[:, None]
    place_PX = (centers_X - low_P1) / size_P[:, None] * cells - 0.5
    # A box without extent has no such places: mmdet sets the infinite ones to the grid's middle,
    # in the window of pixels that it pastes, one around the box.
    in_window_PX = (centers_X > low_P1.floor() - 1) & (centers_X < low_P1.ceil() + 1)
    middle_PX = torch.where(in_window_PX, (cells - 1) / 2, -1.0)
    place_PX = torch.where(size_P[:, None] > 0, place_PX, middle_PX)
    distance_PXw = (place_PX[..., None] - torch.arange(cells, device=middle_P.device)).abs()
    return (1 - distance_PXw).clamp(min=0)


def _resize(logits_NTHW: Tensor, size_HW: tuple[int, int]) -> Tensor:
    if logits_NTHW.shape[-2:] == size_HW:
        return logits_NTHW
    return F.interpolate(logits_NTHW, size=size_HW, mode="bilinear", align_corners=False)


def masks_to_image(
    mask_logits_NHW: Tensor,
    input_size_HW: tuple[int, int],
    height: int,
    width: int,
    padding: Padding | None = None,
) -> tuple[Tensor, Tensor]:
    """Boolean masks (M, height, width) of an image, and the instances that they belong to.

    As in IFC's code for images (sukjunhwang/IFC): `masks_to_video` gives masks at the size of
    the network's input, and these, as 0 and 1, go through a second bilinear interpolation and the
    threshold 0.5. Instances whose first mask is empty are left out; a mask that vanishes in the
    second step stays, empty.

    Args:
        mask_logits_NHW: any floating dtype; N may be 0.
        input_size_HW: of the network's input, in pixels.
        height, width: of the image, in pixels.
        padding: see `masks_to_video`.

    Returns:
        The masks, and the M indices (int64) of the instances, in their order.
    """
    first_NHW = masks_to_video(mask_logits_NHW[:, None], *input_size_HW, padding)[:, 0]
    kept_M = first_NHW.flatten(1).any(1).nonzero()[:, 0]
    masks_MHW = first_NHW[kept_M]
    if len(kept_M) and input_size_HW != (height, width):
        masks_M1HW = F.interpolate(
            masks_MHW[:, None].float(), size=(height, width), mode="bilinear", align_corners=False
        )
        return masks_M1HW[:, 0] > 0.5, kept_M
    return masks_MHW.reshape(len(kept_M), height, width), kept_M


def _without_extremes(logits: Tensor) -> Tensor:
    """NaN becomes 0 (not above the threshold), infinities large enough numbers to add safely."""
    return torch.nan_to_num(logits, nan=0.0, posinf=1e30, neginf=-1e30)
