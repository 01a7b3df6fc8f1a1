"""Masks to and from COCO's run-length encoding.

A mask in a results file is compressed RLE. Ground truth may also be polygons or uncompressed RLE;
both become compressed RLE here. Whatever comes from a file passes `check_rle` (or
`run_lengths.measure`, for thousands at once) before pycocotools sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.errors import InputError
from vis_bench.run_lengths import MalformedRLE, run_lengths

# pycocotools counts pixels, of all frames of a video together, in 32 bits.
PIXEL_LIMIT = 1 << 32


class RLE(TypedDict):
    """A mask in COCO's compressed run-length encoding; `size` is [height, width]."""

    size: list[int]
    counts: str


def encode_masks(masks_NHW: np.ndarray) -> list[RLE]:
    """Encodes N masks of one size in one call.

    Args:
        masks_NHW: bool or uint8; whatever is not zero is foreground. N may be 0.

    Raises:
        ValueError: for another shape or dtype.
    """
    masks_NHW = np.asarray(masks_NHW)
    if masks_NHW.ndim != 3 or masks_NHW.dtype not in (np.bool_, np.uint8):
        raise ValueError(
            f"masks have shape {masks_NHW.shape} and dtype {masks_NHW.dtype}; "
            "need (N, H, W) of bool or uint8"
        )
    if masks_NHW.shape[0] == 0:
        return []
    if 0 in masks_NHW.shape:
        raise ValueError(f"masks have shape {masks_NHW.shape}; need at least 1x1 pixels")
    masks_NWH = np.ascontiguousarray((masks_NHW != 0).transpose(0, 2, 1)).view(np.uint8)
    return [_with_text(rle) for rle in coco_mask.encode(masks_NWH.transpose(2, 1, 0))]


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


def check_rle(rle: object, height: int, width: int, where: str) -> None:
    """Refuses whatever is not a well-formed compressed RLE of the given size in pixels.

    Args:
        where: what the message calls the mask: its file, video and frame.

    Raises:
        InputError: naming `where` and the defect.
    """
    _checked_run_lengths(rle, where)
    size = rle["size"]  # type: ignore[index]
    if size != [height, width]:
        raise InputError(f"{where} has size {size}; allowed is [{height}, {width}]")


def _checked_run_lengths(rle: object, where: str) -> np.ndarray:
    if not isinstance(rle, dict) or not {"size", "counts"} <= rle.keys():
        raise InputError(f"{where} is {_shown(rle)}; allowed is an object with size and counts")
    height, width = check_size(rle["size"], where)
    if not isinstance(rle["counts"], str):
        kind = type(rle["counts"]).__name__
        raise InputError(f"{where} has counts of type {kind}; allowed is a compressed string")
    try:
        return run_lengths(rle["counts"], height * width)
    except MalformedRLE as error:
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
        f"{where} has size {_shown(size)}; allowed is [height, width] in pixels, "
        "at least 1 each, with a product below 2^32"
    )


def from_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> RLE:
    """One mask of all parts, each a list x, y, x, y, ... in pixels, as pycocotools draws them."""
    parts = coco_mask.frPyObjects([list(part) for part in polygons], height, width)
    return _with_text(coco_mask.merge(parts))


def from_run_lengths(lengths: Sequence[int], height: int, width: int) -> RLE:
    """Compresses an uncompressed RLE, whose lengths add up to height times width."""
    uncompressed = {"size": [height, width], "counts": list(lengths)}
    return _with_text(coco_mask.frPyObjects(uncompressed, height, width))


def _with_text(rle: dict) -> RLE:
    return {"size": list(map(int, rle["size"])), "counts": rle["counts"].decode("ascii")}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
