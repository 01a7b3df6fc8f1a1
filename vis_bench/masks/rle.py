"""Masks to and from COCO's run-length encoding.

A mask in a results file is compressed RLE. Ground truth may also be polygons or uncompressed RLE,
which `polygons` and `from_run_lengths` convert. Whatever comes from a file passes `check_rle` (or
`run_lengths.measure`, for thousands at once) before pycocotools sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.errors import InputError
from vis_bench.files import shown
from vis_bench.masks.run_lengths import MalformedRLEError, run_lengths

# pycocotools counts pixels, of all frames of a video together, in 32 bits.
PIXEL_LIMIT = 1 << 32
# It reserves six characters per run and writes a zero behind the last: one byte too few where every
# run needs all six, which none does in a smaller frame.
WRITABLE_PIXELS = 1 << 24


class RLE(TypedDict):
    """A mask in COCO's compressed run-length encoding; `size` is [height, width]."""

    size: list[int]
    counts: str


def encode_masks(masks_NHW: np.ndarray) -> list[RLE]:
    """Encode N masks of one size in one call.

    Args:
        masks_NHW: bool or uint8; whatever is not zero is foreground. N may be 0.

    Raises:
        ValueError: for another shape or dtype.
    """
    masks_NHW = np.asarray(masks_NHW)
    if masks_NHW.ndim != 3 or masks_NHW.dtype not in (np.bool_, np.uint8):
        raise ValueError(
            f"masks have shape {masks_NHW.shape} and dtype {masks_NHW.dtype}; "
            "expected (N, H, W) of bool or uint8"
        )
    if masks_NHW.shape[0] == 0:
        return []
    if 0 in masks_NHW.shape:
        raise ValueError(f"masks have shape {masks_NHW.shape}; expected at least 1x1 pixels")
    check_writable(masks_NHW.shape[1], masks_NHW.shape[2], "the mask")
    masks_NWH = np.ascontiguousarray((masks_NHW != 0).transpose(0, 2, 1)).view(np.uint8)
    return [with_text(rle) for rle in coco_mask.encode(masks_NWH.transpose(2, 1, 0))]


def decode(rle: RLE) -> np.ndarray:
    """The mask as a bool array of shape (height, width).

    Raises:
        InputError: for a malformed RLE.
    """
    height, width = rle["size"]
    lengths = _checked_run_lengths(rle, "the mask")
    foreground = np.arange(len(lengths)) % 2 == 1
    return np.repeat(foreground, lengths).reshape(width, height).T


def area(rle: RLE) -> int:
    """Foreground pixels.

    Raises:
        InputError: for a malformed RLE.
    """
    return int(_checked_run_lengths(rle, "the mask")[1::2].sum())


def box(rle: RLE) -> list[float]:
    """Box of a mask: x, y, width, height in pixels."""
    return coco_mask.toBbox(rle).tolist()


def check_rle(rle: object, height: int, width: int, where: str) -> None:
    """Refuse anything but a well-formed compressed RLE of the given size in pixels.

    Args:
        where: name of the mask in the message: its file, video and frame.

    Raises:
        InputError: naming `where` and the defect.
    """
    _checked_run_lengths(rle, where)
    size = rle["size"]  # type: ignore[index]
    if size != [height, width]:
        raise InputError(f"{where} has size {size}; expected [{height}, {width}]")


def _checked_run_lengths(rle: object, where: str) -> np.ndarray:
    if not isinstance(rle, dict) or not {"size", "counts"} <= rle.keys():
        raise InputError(f"{where} is {shown(rle)}; expected an object with size and counts")
    height, width = check_size(rle["size"], where)
    if not isinstance(rle["counts"], str):
        kind = type(rle["counts"]).__name__
        raise InputError(f"{where} has counts of type {kind}; expected a compressed string")
    try:
        return run_lengths(rle["counts"], height * width)
    except MalformedRLEError as error:
        raise InputError(f"{where} is a malformed RLE: {error.reason}") from None


def check_size(size: object, where: str) -> tuple[int, int]:
    """Height and width of an RLE's `size`.

    Raises:
        InputError: unless it is [height, width], both integers of at least 1, whose product is
            below 2^32.
    """
    if isinstance(size, list) and len(size) == 2 and all(type(side) is int for side in size):
        height, width = size
        if height >= 1 and width >= 1 and height * width < PIXEL_LIMIT:
            return height, width
    raise InputError(
        f"{where} has size {shown(size)}; expected [height, width] in pixels, "
        "at least 1 each, with a product below 2^32"
    )


def check_writable(height: int, width: int, where: str) -> None:
    """Refuse frames in which pycocotools does not encode or rasterize masks safely."""
    if height * width >= WRITABLE_PIXELS:
        raise InputError(
            f"{where} has size {[height, width]}; expected fewer than 2^24 pixels to encode, or a "
            "compressed RLE"
        )


def check_run_lengths(rle: dict, where: str) -> None:
    """Refuse an uncompressed RLE (`counts` is a list) whose lengths do not fill its size.

    Raises:
        InputError: naming `where` and the defect.
    """
    height, width = check_size(rle.get("size"), where)
    check_writable(height, width, where)
    for length in rle["counts"]:
        if type(length) is not int or length < 0:
            raise InputError(f"{where} has a run of {shown(length)} pixels; expected 0, 1, ..")
    if len(rle["counts"]) > height * width + 1:
        raise InputError(
            f"{where} has {len(rle['counts'])} runs; expected at most one more than pixels"
        )
    total = sum(rle["counts"])
    if total != height * width:
        raise InputError(
            f"{where} has runs that add up to {total} pixels; expected the {height * width} of "
            f"its size {[height, width]}"
        )


def from_run_lengths(lengths: Sequence[int], height: int, width: int) -> RLE:
    """Compress an uncompressed RLE, whose lengths add up to height times width."""
    check_writable(height, width, "the mask")
    uncompressed = {"size": [height, width], "counts": list(lengths)}
    return with_text(coco_mask.frPyObjects(uncompressed, height, width))


def with_text(rle: dict) -> RLE:
    """Convert pycocotools' RLE to one whose counts are text, as in JSON."""
    return {"size": list(map(int, rle["size"])), "counts": rle["counts"].decode("ascii")}


def encode_changes(
    places_C: np.ndarray, num_masks: int, height: int, width: int
) -> list[tuple[int, RLE]]:
    """Encode masks from the pixels at which they change, with their places (from 0).

    A pixel is a change where it differs from the one before it in COCO's order, down the columns;
    the first pixel's predecessor counts as background. Changes are few, so that a device that holds
    the masks hands over these places instead of the pixels. Empty masks are left out.

    Args:
        places_C: the changes of all masks, counted mask by mask and row by row (int64).
        height, width: of each mask, in pixels.
    """
    pixels = height * width
    mask_C, place_C = np.divmod(places_C, pixels)
    row_C, column_C = np.divmod(place_C, width)
    ordered_C = np.sort(mask_C * pixels + column_C * height + row_C)
    first_N1 = np.searchsorted(ordered_C, np.arange(num_masks + 1) * pixels)
    filled = np.flatnonzero(np.diff(first_N1)).tolist()
    if not filled:
        return []
    check_writable(height, width, "the mask")
    runs = [
        np.diff(ordered_C[first_N1[n] : first_N1[n + 1]] - n * pixels, prepend=0, append=pixels)
        for n in filled
    ]
    uncompressed = [{"size": [height, width], "counts": lengths} for lengths in runs]
    rles = map(with_text, coco_mask.frPyObjects(uncompressed, height, width))
    return list(zip(filled, rles, strict=True))
