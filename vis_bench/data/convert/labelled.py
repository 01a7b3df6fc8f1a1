"""Videos with their labelled instances, one at a time: what every form is read into."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, NoReturn

import numpy as np

from vis_bench.errors import InputError
from vis_bench.masks.rle import RLE, area, box, decode

# Number of things lost, by a phrase that follows the number.
Lost = Counter[str]
SCORES = "scores of instances"
EMPTY = "instances without any mask"
OVERLAPS = "pixels of overlapping masks, which one instance keeps"
FRAME_KEYS = "frame_keys"  # among `keys`: those of each frame or mask, in a list; null for none
NO_PIXEL = "masks without a pixel"
NO_MASK = "boxes without a mask"
AREAS = "areas that differ from the pixels of their mask, now replaced"
ONLY_CATEGORY = "object"  # where nothing names categories
BOXES = "boxes that differ from those of their masks, now replaced"


@dataclass(frozen=True)
class Labelled:
    """One instance of a video; `masks` holds its masks that are not empty by frame (from 0).

    `id` is its own over all videos. `score` is that of a prediction. `keys` are those of its entry
    that have no field here. `place`: its number among the objects of its video, from 1, where the
    form has one.
    """

    id: int
    category_id: int
    masks: Mapping[int, RLE]
    is_crowd: bool = False
    score: float | None = None
    keys: Mapping[str, Any] = field(default_factory=dict)
    place: int | None = None


@dataclass(frozen=True)
class LabelledVideo:
    """A video; `file_names` holds a path per frame, `name` is its folder.

    `regions` and `void`: masks, by frame, of regions to ignore and of pixels that belong to nobody.
    `keys` are those of its entry that have no field here, such as TAO's `neg_category_ids`.
    """

    id: int
    name: str
    height: int
    width: int
    file_names: Sequence[str]
    instances: Sequence[Labelled]
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
    file names are those of the folders of frames that were given; `numbered`: they are made from
    the frames' numbers. `keys` are those of the whole source, such as `info`, and `category_keys`
    those of each category's entry. `remarks` are sentences about what was assumed.
    """

    name: str
    categories: Mapping[int, str]
    num_videos: int
    videos: Iterator[LabelledVideo]
    losses: Lost = field(default_factory=Counter)
    keys: Mapping[str, Any] = field(default_factory=dict)
    category_keys: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    named: bool = False
    numbered: bool = False
    remarks: Sequence[str] = ()

    def category_entries(self) -> list[dict[str, Any]]:
        """The categories as they stand in a file."""
        return [
            {**self.category_keys.get(key, {}), "id": key, "name": name}
            for key, name in self.categories.items()
        ]


def count_keys(entries: Iterable[Mapping[str, Any]], of: str, losses: Lost) -> None:
    """Count the values of keys that are left out, by the key; `of` names the entries."""
    for keys in entries:
        losses.update(f"values of {key!r} of {of}" for key in keys if key != FRAME_KEYS)
        count_keys(frame_keys(keys), f"frames of {of}", losses)


def frame_keys(keys: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The keys of each frame or mask that are among the keys of a video or an instance."""
    listed = keys.get(FRAME_KEYS)
    if not isinstance(listed, list) or not all(isinstance(own or {}, dict) for own in listed):
        return []
    return [own or {} for own in listed]


def count_measures(mask: RLE | None, measured: Any, given_box: Any, losses: Lost) -> None:
    """Count an area and a box that differ from those of the mask, which every form is given."""
    pixels = area(mask) if mask else 0
    losses[AREAS] += measured is not None and measured != pixels
    if given_box:
        own_box = box(mask) if mask and pixels else None
        losses[BOXES if own_box else NO_MASK] += given_box != own_box


def number_of(file: PurePath) -> int | None:
    """The number that a file's name ends with, before its ending; None without one."""
    digits = re.search(r"[0-9]+$", file.stem)
    return int(digits[0]) if digits else None


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


def index_map(video: LabelledVideo, t: int, losses: Lost) -> np.ndarray:
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
