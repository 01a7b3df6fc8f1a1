"""Polygons of ground-truth annotations to run-length encoding, as pycocotools rasterizes them.

Its C code samples every edge five times per pixel without looking at the coordinates first, so
they are checked here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.errors import InputError
from vis_bench.files import shown
from vis_bench.masks.rle import RLE, check_writable, with_text

# Far beyond any outline of a real object, and 16 bytes each in the C code.
_SAMPLE_LIMIT = 1 << 24
_SAMPLES_PER_PIXEL = 5
COORDINATE_LIMIT = 1_000_000


def from_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> RLE:
    """Rasterize one mask of all parts; each is a checked list x, y, x, y, ... in pixels."""
    parts = coco_mask.frPyObjects([list(part) for part in polygons], height, width)
    return with_text(coco_mask.merge(parts))


def check_polygons(polygons: Any, height: int, width: int, where: str) -> None:
    """Refuse anything but a list of polygons that pycocotools rasterizes safely.

    Args:
        where: name of the mask in the message: its file, video and frame.

    Raises:
        InputError: naming `where` and the defect.
    """
    check_writable(height, width, where)
    if not isinstance(polygons, list) or not all(isinstance(part, list) for part in polygons):
        raise InputError(
            f"{where} is {shown(polygons)}; expected a list of polygons, each a list x, y, x, y, "
            "..., or an RLE"
        )
    for part in polygons:
        if len(part) < 6 or len(part) % 2:
            raise InputError(
                f"{where} has a polygon of {len(part)} numbers; expected an even number of at "
                "least 6 (three points)"
            )
    _check_coordinates(polygons, where)


def _check_coordinates(polygons: list[list[Any]], where: str) -> None:
    for value in chain.from_iterable(polygons):
        is_number = isinstance(value, float) or type(value) is int
        if not is_number or not abs(value) <= COORDINATE_LIMIT or not math.isfinite(value):
            raise InputError(
                f"{where} has a polygon with the coordinate {shown(value)}; expected a number "
                f"of pixels within +-{COORDINATE_LIMIT}"
            )
    if sum(map(_num_samples, polygons)) > _SAMPLE_LIMIT:
        raise InputError(
            f"{where} has polygons with edges of over {_SAMPLE_LIMIT // _SAMPLES_PER_PIXEL} pixels "
            "in all; expected fewer"
        )


def _num_samples(polygon: list[float]) -> float:
    points_P2 = np.array(polygon, float).reshape(-1, 2)
    steps_P2 = np.abs(points_P2 - np.roll(points_P2, 1, 0))
    return float(np.sum(_SAMPLES_PER_PIXEL * steps_P2.max(1) + 2))
