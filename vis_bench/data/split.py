"""Cuts a held-out part from a training annotations file.

Where the validation annotations of a data set are not public, accuracy is measured on videos kept
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from vis_bench.data.annotation_files import (
    annotations_checksum,
    category_names,
    check_kind,
    cut_lists,
    read_entries,
    videos_checksum,
)
from vis_bench.data.categories import HELD_OUT, REST, distinct_names
from vis_bench.errors import InputError
from vis_bench.files import (
    check_writable,
    integer_of,
    parse_json,
    read_bytes,
    write_atomically,
)

# The shared rule: what `choose_videos` gives for these; a function of the videos' ids and
# categories alone. If `choose_videos` changes, so does the name.
FRACTION, SEED = 0.1, 0
ENTRIES = ("videos", "categories", "annotations")
PROTOCOL = "heldout-v1"


def split_annotations(
    annotations: Path, folder: Path, *, fraction: float = FRACTION, seed: int = SEED
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write `heldout.json` and `rest.json`; the same input and seed give the same bytes.

    Every video goes as a whole to one of them. Each category keeps its share of videos in either
    part as closely as whole videos allow, and at least one held-out video where it has two.

    Args:
        annotations: a file in YouTube-VIS form with annotations.
        folder: where to write.
        fraction: of the videos to hold out, between 0 and 1.
        seed: of the choice.

    Returns:
        both parts in plain types: `protocol` names the shared rule that chose the videos, if it
            did, `videos_sha256` is the checksum of their ids, `sha256` a record's
            `annotations_sha256` of the file, and `videos_per_category` counts the videos that show
            each category, by name, with the id where categories share a name. `left_out` counts
            the entries of other lists, such as `video_np_pairs`, that name another part's video,
            and annotations of videos that the file does not list.

    Raises:
        InputError: for a fraction out of range, a malformed file, one too small to cut, or a folder
            that cannot be written to; neither file is written then.
    """
    if not 0 < fraction < 1:
        raise InputError(f"fraction is {fraction}; expected a number between 0 and 1")
    data = read_bytes(annotations)
    content, num_unlisted = _checked(parse_json(data, str(annotations)), str(annotations))
    shown = _categories_by_video(content)
    held_out = choose_videos(shown, fraction=fraction, seed=seed)
    if not 0 < len(held_out) < len(shown):
        raise InputError(
            f"{annotations} has {len(shown)} videos: too few to hold out {fraction} of them"
        )
    origin = {"source_sha256": hashlib.sha256(data).hexdigest(), "fraction": fraction, "seed": seed}
    if (fraction, seed) == (FRACTION, SEED):
        origin["protocol"] = PROTOCOL
    rest = set(shown) - held_out
    parts = (
        _part(content, held_out, shown, folder, HELD_OUT, origin),
        _part(content, rest, shown, folder, REST, origin),
    )
    _write_both([(Path(part["path"]), data) for part, data in parts])
    for part, _ in parts:
        part["left_out"] |= {"annotations of unlisted videos": num_unlisted} if num_unlisted else {}
    return parts[0][0], parts[1][0]


def choose_videos(
    categories_by_video: Mapping[int, Sequence[int]], *, fraction: float, seed: int
) -> set[int]:
    """The videos to hold out.

    The videos of the rarest category go first. One is held out while its category still wants more
    than half a video, or where it is the last to show a category that has none held out.

    Args:
        categories_by_video: video id -> the distinct categories that it shows.
        fraction: of the videos.
        seed: of the order among equals.
    """
    deal = _Deal.of(categories_by_video, fraction)
    waiting = sorted(categories_by_video)
    random.Random(seed).shuffle(waiting)
    while waiting:
        rarest = deal.rarest()
        dealt = [v for v in waiting if rarest is None or rarest in deal.labels_of[v]]
        for video in dealt:
            deal.give(video, rarest)
        waiting = [v for v in waiting if rarest is not None and rarest not in deal.labels_of[v]]
    return deal.held_out


@dataclass(frozen=True)
class _Deal:
    """Videos dealt to two parts so far.

    Attributes:
        labels_of: categories that count of each video.
        left: videos not yet dealt of each category.
        wanted: videos still to hold out of each category, and under None of all.
        held_out: videos of the part that is held out.
        served: categories that it shows.
    """

    labels_of: Mapping[int, Sequence[int]]
    left: dict[int, int]
    wanted: dict[int | None, float]
    held_out: set[int] = field(default_factory=set)
    served: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, categories_by_video: Mapping[int, Sequence[int]], fraction: float) -> _Deal:
        counts = Counter(label for labels in categories_by_video.values() for label in labels)
        # A category of one video cannot be shared and counts for nothing.
        left = {label: count for label, count in counts.items() if count > 1}
        labels_of = {
            video: [label for label in labels if label in left]
            for video, labels in categories_by_video.items()
        }
        wanted: dict[int | None, float] = {None: fraction * len(labels_of)}
        wanted |= {label: max(fraction * count, 1.0) for label, count in left.items()}
        return cls(labels_of, left, wanted)

    def rarest(self) -> int | None:
        """Return the category with the fewest videos left; None if no category has any."""
        return min(((n, label) for label, n in self.left.items() if n), default=(0, None))[1]

    def give(self, video: int, rarest: int | None) -> None:
        """Hold a video out or leave it in, as the rarest of its categories asks."""
        labels = self.labels_of[video]
        is_last_chance = any(self.left[key] == 1 and key not in self.served for key in labels)
        for label in labels:
            self.left[label] -= 1
        if self.wanted[rarest] >= 0.5 or is_last_chance:
            self.held_out.add(video)
            self.served.update(labels)
            for key in (*labels, None):
                self.wanted[key] -= 1


def _checked(content: Any, name: str) -> tuple[dict[str, Any], int]:
    """The content without annotations of videos that it does not list, and their number."""
    check_kind(content, name)
    for key in ENTRIES:
        if not read_entries(content, key, name):
            raise InputError(f"{name} lists no {key}; expected at least one")
    known = {video["id"] for video in content["videos"]}
    for entry in content["annotations"]:
        video = integer_of(entry, "video_id", f"{name}, an annotation")
        integer_of(entry, "category_id", f"{name}, an annotation of video {video}")
    of_known = [entry for entry in content["annotations"] if entry["video_id"] in known]
    if not of_known:
        raise InputError(f"{name} has no annotation of its listed videos; expected at least one")
    return {**content, "annotations": of_known}, len(content["annotations"]) - len(of_known)


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
) -> tuple[dict[str, Any], bytes]:
    """One part: everything of the source but other videos, and where it comes from in `info`."""
    info = content.get("info") if isinstance(content.get("info"), dict) else {}
    cut = {"part": name, **origin, "videos_sha256": videos_checksum(videos)}
    lists, left_out = cut_lists(content, videos)
    part = {**lists, "info": {**(info or {}), "split": cut}}
    try:
        data = orjson.dumps(part)
    except orjson.JSONEncodeError as error:  # deeper than it writes, though it reads it
        raise InputError(f"part {name} cannot be written as JSON: {error}") from None
    path = folder / f"{name}.json"
    names = category_names(content, name)
    counts = Counter(category for video in videos for category in shown[video])
    by_name = {text: counts[category] for category, text in sorted(distinct_names(names).items())}
    summary = {
        "part": name,
        "path": str(path),
        "sha256": annotations_checksum(data),
        "protocol": cut.get("protocol"),
        "videos_sha256": cut["videos_sha256"],
        "num_videos": len(videos),
        "num_objects": len(part["annotations"]),
        "videos_per_category": by_name,
        "left_out": {key: n for key, n in left_out.items() if key not in ENTRIES},
    }
    return summary, data


def _write_both(files: Sequence[tuple[Path, bytes]]) -> None:
    """Write all files, or none of them if one fails."""
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
