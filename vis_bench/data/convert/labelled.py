"""Videos with their labelled instances, one at a time: what every form is read into."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from vis_bench.errors import InputError
from vis_bench.masks.rle import RLE, area, decode

# Number of things lost, by a phrase that follows the number.
Losses = Counter[str]
SCORES = "scores of instances"
EMPTY = "instances without any mask"
OVERLAPS = "pixels of overlapping masks, which one instance keeps"


@dataclass(frozen=True)
class Instance:
    """One instance of a video; `masks` holds its masks that are not empty by frame (from 0).

    `id` is its own over all videos. `score` is that of a prediction.
    """

    id: int
    category_id: int
    masks: Mapping[int, RLE]
    is_crowd: bool = False
    score: float | None = None


@dataclass(frozen=True)
class LabelledVideo:
    """A video; `file_names` holds a path per frame, `name` is its folder.

    `regions` and `void`: masks, by frame, of regions to ignore and of pixels that belong to nobody.
    `keys`: other keys of the video in YouTube-VIS form, such as TAO's `neg_category_ids`.
    """

    id: int
    name: str
    height: int
    width: int
    file_names: Sequence[str]
    instances: Sequence[Instance]
    regions: Mapping[int, RLE] = field(default_factory=dict)
    void: Mapping[int, RLE] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.file_names)


@dataclass(frozen=True)
class LabelledVideos:
    """The videos of one source, made as they are asked for, and its categories (id -> name).

    `losses` counts what reading left out; it is complete when all videos have been read. `named`:
    file names are those of the folders of frames that were given.
    """

    name: str
    categories: Mapping[int, str]
    num_videos: int
    videos: Iterator[LabelledVideo]
    losses: Losses = field(default_factory=Counter)
    named: bool = False


def files_below(folder: Path, suffix: str) -> list[Path]:
    """The files below a folder that end so; hidden ones do not count."""

    def refuse(error: OSError) -> NoReturn:
        raise InputError(f"cannot read {error.filename}: {error.strerror}")

    return [
        Path(place) / name
        for place, _, names in os.walk(folder, onerror=refuse)
        for name in names
        if name.lower().endswith(suffix) and not name.startswith(".")
    ]


def index_map(video: LabelledVideo, t: int, losses: Losses) -> np.ndarray:
    """Frame t as places of instances, from 1 and 0 for none: (H, W) of int32.

    Where masks overlap, the pixel is that of the higher score, and else of the later instance.
    """
    places_HW = np.zeros((video.height, video.width), np.int32)
    order = sorted(enumerate(video.instances, 1), key=lambda pair: pair[1].score or 0.0)
    total = 0
    for place, instance in order:
        if t in instance.masks:
            places_HW[decode(instance.masks[t])] = place
            total += area(instance.masks[t])
    covered = int(np.count_nonzero(places_HW))
    if total > covered:
        losses[OVERLAPS] += total - covered
    return places_HW
