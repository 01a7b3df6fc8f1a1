"""Cuts a held-out part from a training annotations file.

The validation annotations of YouTube-VIS are not public, so accuracy is measured on videos kept
out of training. The assignment is iterative stratification (Sechidis, Tsoumakas and Vlahavas, On
the Stratification of Multi-Label Data, ECML 2011), with a video as the unit and the categories
that it shows as its labels: the rarest category is dealt out first.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from vis_bench.data.annotation_files import (
    annotations_checksum,
    category_names,
    check_kind,
    read_entries,
)
from vis_bench.data.categories import HELD_OUT, REST
from vis_bench.errors import InputError
from vis_bench.files import (
    check_writable,
    integer_of,
    parse_json,
    read_bytes,
    write_atomically,
)


@dataclass(frozen=True)
class WrittenPart:
    """One of the two files. `sha256` is the record's `annotations_sha256` of that file.

    `videos_per_category`: how many of its videos show each category, by name, with the
    id where categories share a name.
    """

    name: str
    path: Path
    sha256: str
    num_videos: int
    num_objects: int
    videos_per_category: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """The part in plain types."""
        return {
            "part": self.name, "path": str(self.path), "sha256": self.sha256,
            "num_videos": self.num_videos, "num_objects": self.num_objects,
            "videos_per_category": dict(self.videos_per_category),
        }  # fmt: skip


def split_annotations(
    annotations: Path, folder: Path, *, fraction: float = 0.1, seed: int = 0
) -> tuple[WrittenPart, WrittenPart]:
    """Writes `heldout.json` and `rest.json`; the same input and seed give the same bytes.

    Every video goes as a whole to one of them. Each category keeps its share of videos in either
    part as closely as whole videos allow, and at least one held-out video where it has two.

    Args:
        annotations: a file in YouTube-VIS form with annotations.
        folder: where to write.
        fraction: of the videos to hold out, between 0 and 1.
        seed: of the choice.

    Raises:
        InputError: for a fraction out of range, a malformed file, one too small to cut, or a folder
            that cannot be written to; neither file is written then.
    """
    if not 0 < fraction < 1:
        raise InputError(f"fraction is {fraction}; expected a number between 0 and 1")
    data = read_bytes(annotations)
    content = _checked(parse_json(data, str(annotations)), str(annotations))
    shown = _categories_by_video(content)
    held_out = choose_videos(shown, fraction=fraction, seed=seed)
    if not 0 < len(held_out) < len(shown):
        raise InputError(
            f"{annotations} has {len(shown)} videos: too few to hold out {fraction} of them"
        )
    origin = {"source_sha256": hashlib.sha256(data).hexdigest(), "fraction": fraction, "seed": seed}
    rest = set(shown) - held_out
    parts = (
        _part(content, held_out, shown, folder, HELD_OUT, origin),
        _part(content, rest, shown, folder, REST, origin),
    )
    _write_both([(part.path, data) for part, data in parts])
    return parts[0][0], parts[1][0]


def choose_videos(
    categories_by_video: Mapping[int, Sequence[int]], *, fraction: float, seed: int
) -> set[int]:
    """The videos to hold out.

    Args:
        categories_by_video: video id -> the distinct categories that it shows.
        fraction: of the videos.
        seed: of the order among equals.
    """
    order = sorted(categories_by_video)
    random.Random(seed).shuffle(order)
    deal = _Deal(categories_by_video, fraction)
    while deal.waiting:
        rarest = deal.rarest_category()
        for video in [v for v in order if v in deal.waiting]:
            if deal.shows(video, rarest):
                deal.assign(video, rarest)
    return deal.held_out


class _Deal:
    """Videos not yet assigned, and how many of each category the held-out part still wants.

    Category None stands for all videos. A category of one video cannot be shared and counts for
    nothing.
    """

    def __init__(self, categories_by_video: Mapping[int, Sequence[int]], fraction: float) -> None:
        counts = Counter(c for labels in categories_by_video.values() for c in labels)
        self._categories = {
            video: [label for label in labels if counts[label] > 1]
            for video, labels in categories_by_video.items()
        }
        self.waiting = set(categories_by_video)
        self.held_out: set[int] = set()
        self._left = {label: count for label, count in counts.items() if count > 1}
        self._served: set[int] = set()
        self._wanted: dict[int | None, float] = {
            label: max(fraction * count, 1.0) for label, count in self._left.items()
        }
        self._wanted[None] = fraction * len(self.waiting)

    def rarest_category(self) -> int | None:
        """The category that the fewest waiting videos show; None where they show none."""
        left = [(count, category) for category, count in self._left.items() if count]
        return min(left)[1] if left else None

    def shows(self, video: int, category: int | None) -> bool:
        """True if a video shows a category; every video shows None."""
        return category is None or category in self._categories[video]

    def assign(self, video: int, category: int | None) -> None:
        """Sends a video to the held-out part while that wants more than half a video more, or
        where it is the last one to show a category that has none there.
        """
        labels = self._categories[video]
        last_chance = any(self._left[c] == 1 and c not in self._served for c in labels)
        self.waiting.remove(video)
        for label in labels:
            self._left[label] -= 1
        if self._wanted[category] >= 0.5 or last_chance:
            self.held_out.add(video)
            self._served.update(labels)
            keys: list[int | None] = [*labels, None]
            for key in keys:
                self._wanted[key] -= 1


def _checked(content: Any, name: str) -> dict[str, Any]:
    check_kind(content, name)
    for key in ("videos", "categories", "annotations"):
        if not read_entries(content, key, name):
            raise InputError(f"{name} lists no {key}; expected at least one")
    known = {video["id"] for video in content["videos"]}
    for entry in content["annotations"]:
        video = integer_of(entry, "video_id", f"{name}, an annotation")
        integer_of(entry, "category_id", f"{name}, an annotation of video {video}")
        if video not in known:
            raise InputError(f"{name} annotates video {video}, which it does not list")
    return content


def _categories_by_video(content: Mapping[str, Any]) -> dict[int, list[int]]:
    shown: dict[int, set[int]] = {video["id"]: set() for video in content["videos"]}
    for entry in content["annotations"]:
        shown[entry["video_id"]].add(entry["category_id"])
    return {video: sorted(categories) for video, categories in shown.items()}


def _part(
    content: Mapping[str, Any],
    videos: set[int],
    shown: Mapping[int, Sequence[int]],
    folder: Path,
    name: str,
    origin: Mapping[str, Any],
) -> tuple[WrittenPart, bytes]:
    """One part: everything of the source but other videos, and where it comes from in `info`."""
    info = content.get("info") if isinstance(content.get("info"), dict) else {}
    part = {
        **content,
        "info": {**(info or {}), "split": {"part": name, **origin}},
        "videos": [entry for entry in content["videos"] if entry["id"] in videos],
        "annotations": [e for e in content["annotations"] if e["video_id"] in videos],
    }
    try:
        data = orjson.dumps(part)
    except orjson.JSONEncodeError as error:  # deeper than it writes, though it reads it
        raise InputError(f"part {name} cannot be written as JSON: {error}") from None
    path = folder / f"{name}.json"
    names = category_names(content, name)
    shared = Counter(names.values())
    counts = Counter(category for video in videos for category in shown[video])
    by_name = {
        text if shared[text] == 1 else f"{text} (id {category})": counts[category]
        for category, text in sorted(names.items())
    }
    digest = annotations_checksum(data)
    counted = len(videos), len(part["annotations"])
    return WrittenPart(name, path, digest, *counted, by_name), data


def _write_both(files: Sequence[tuple[Path, bytes]]) -> None:
    """Writes all files or, as far as anybody can see afterwards, none."""
    for path, _ in files:
        check_writable(path)
    before = [(path, path.read_bytes() if path.is_file() else None) for path, _ in files]
    try:
        for path, data in files:
            write_atomically(path, data)
    except InputError:
        for path, old in before:
            with suppress(InputError, OSError):
                path.unlink(missing_ok=True) if old is None else write_atomically(path, old)
        raise
