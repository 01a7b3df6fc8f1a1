"""YouTube-VIS annotations, read and checked for evaluation.

What the official evaluator (youtubevos/cocoapi) turns into a number is accepted here; what makes it
stop, count wrongly or crash is refused with a sentence. What it silently leaves out becomes a
warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vis_bench.data.annotation_files import (
    PARTS_KEY,
    as_videos,
    check_kind,
    is_of_images,
    join_short_and_long,
)
from vis_bench.data.occlusion import occlusion_score
from vis_bench.data.video import Video, video_without_frames
from vis_bench.errors import InputError
from vis_bench.files import integer_of, objects_of, read_json, shown, value_of
from vis_bench.masks.polygons import check_polygons, from_polygons
from vis_bench.masks.rle import RLE, check_run_lengths, check_size, from_run_lengths
from vis_bench.masks.sparse_tube import SparseTube, without_absent
from vis_bench.masks.tubes import MaskTubes, measure_tubes


@dataclass(frozen=True)
class AnnotatedObject:
    """One object of a video. `average_area` is the mean of the file's `areas` that are not 0.

    `occlusion_score`: how hidden it is, 0 to 0.75; None where the file does not label it.
    """

    id: int
    video_id: int
    category_id: int
    is_crowd: bool
    average_area: float
    occlusion_score: float | None = None


@dataclass(frozen=True)
class GroundTruth:
    """What predictions are compared with.

    `videos` and `categories` (id to name) are sorted by id; `category_order` holds the ids of the
    categories in file order. `objects` are in file order and `tubes` are their masks. `warnings`
    are sentences about what the file holds but evaluation leaves out. `parts` are the ids of the
    videos of each part, by name, where AP is the mean over parts (see `read_short_and_long`).
    `of_images`: the videos are single images, a frame each, of annotations in COCO's form. Frames
    of `videos` are gray.
    """

    name: str
    videos: Sequence[Video]
    categories: Mapping[int, str]
    category_order: Sequence[int]
    objects: Sequence[AnnotatedObject]
    tubes: MaskTubes
    warnings: Sequence[str]
    parts: Mapping[str, frozenset[int]]
    of_images: bool = False

    @classmethod
    def without_objects(
        cls, name: str, videos: Sequence[Video], categories: Mapping[int, str]
    ) -> GroundTruth:
        """Videos without annotations; `categories` as far as their names are known."""
        return cls(
            name,
            videos,
            categories,
            list(categories),
            [],
            measure_tubes([], lambda _n, _t: name),
            [],
            {},
        )

    @classmethod
    def of(cls, content: Any, name: str = "the annotations") -> GroundTruth:
        """Checks the content of an annotations file; `name` is what messages call it.

        Images of a file in COCO's form become videos of one frame.

        Raises:
            InputError: naming the file and, where they are known, the annotation, the video and
                the frame (counted from 0) of the first thing that is wrong.
        """
        content = as_videos(content)
        check_kind(content, name)
        videos = _videos(content, name)
        categories = _categories(content, name)
        entries, warnings = _known(
            objects_of(content, "annotations", name), name, videos, categories
        )
        places = [f"{name}, annotation {e['id']} (video {e['video_id']})" for e in entries]
        objects = [_object(*pair) for pair in zip(entries, places, strict=True)]
        sequences = [
            _masks(entry, videos[entry["video_id"]], place)
            for entry, place in zip(entries, places, strict=True)
        ]
        tubes = measure_tubes(sequences, lambda n, t: f"{places[n]}, frame {t}: the mask")
        warnings += [*_length_warnings(entries, videos), *_occlusion_warnings(entries, objects)]
        in_order = [videos[key] for key in sorted(videos)]
        named = [f"{name}: {warning}" for warning in warnings]
        by_id = dict(sorted(categories.items()))
        parts = _parts(content, name, videos)
        return cls(
            name, in_order, by_id, list(categories), objects, tubes, named, parts,
            is_of_images(content),
        )  # fmt: skip


def read_annotations(path: Path) -> GroundTruth:
    """Reads and checks an annotations file in YouTube-VIS form, or in COCO's.

    While the file is read, memory grows with its nulls, one for each frame that an object is absent
    in, since JSON is parsed as a whole; what is returned grows with the masks alone.

    Raises:
        InputError: as `GroundTruth.of`, or for a file that is not JSON.
    """
    return GroundTruth.of(read_json(Path(path)), str(path))


def read_short_and_long(short: Path, long: Path) -> GroundTruth:
    """Reads and checks both files.

    Raises:
        InputError: as `read_annotations` for either, and as `join_short_and_long`.
    """
    try:
        return GroundTruth.of(join_short_and_long(short, long), f"{short} and {long}")
    except InputError:
        for path in (short, long):  # alone, the file at fault names its own annotations
            read_annotations(path)
        raise


def read_videos(path: Path) -> dict[int, Video]:
    """The videos that a file lists, by id; unlike `read_annotations` also of a public valid.json.

    Raises:
        InputError: for another kind of file, or the first video that is wrong.
    """
    content = as_videos(read_json(path))
    check_kind(content, str(path), needs_annotations=False)
    return _videos(content, str(path))


def _videos(content: dict[str, Any], name: str) -> dict[int, Video]:
    videos: dict[int, Video] = {}
    for index, entry in enumerate(objects_of(content, "videos", name)):
        where = f"{name}, videos[{index}]"
        video = _video(entry, where)
        _add_new(videos, video.id, video, where)
    return videos


def _parts(
    content: dict[str, Any], name: str, videos: Mapping[int, object]
) -> dict[str, frozenset[int]]:
    """The listed videos of each part; parts without any are left out."""
    info = content.get("info")
    parts = info.get(PARTS_KEY) if isinstance(info, dict) else None
    if parts is None:
        return {}
    if not isinstance(parts, dict) or not all(map(_is_id_list, parts.values())):
        raise InputError(f"{name} has parts {shown(parts)}; expected lists of video ids by name")
    listed = {part: frozenset(videos.keys() & set(ids)) for part, ids in parts.items()}
    return {part: ids for part, ids in listed.items() if ids}


def _is_id_list(value: object) -> bool:
    return isinstance(value, list) and all(type(key) is int for key in value)


def _video(entry: dict[str, Any], where: str) -> Video:
    key = integer_of(entry, "id", where)
    where = f"{where} (video {key})"
    size = [value_of(entry, "height", where), value_of(entry, "width", where)]
    height, width = check_size(size, where)
    names = entry.get("file_names")
    if names is not None and not isinstance(names, list):
        raise InputError(f"{where} has file_names {shown(names)}; expected a list")
    length = len(names) if names and "length" not in entry else integer_of(entry, "length", where)
    if length < 0:
        raise InputError(f"{where} has length {length}; expected a number of frames")
    folder = str(names[0]).rpartition("/")[0] if names else ""
    return video_without_frames(key, folder or str(key), height, width, length)


def _categories(content: dict[str, Any], name: str) -> dict[int, str]:
    categories: dict[int, str] = {}
    for index, entry in enumerate(objects_of(content, "categories", name)):
        where = f"{name}, categories[{index}]"
        key = integer_of(entry, "id", where)
        _add_new(categories, key, str(entry.get("name", key)), where)
    return categories


def _add_new(known: dict[int, Any], key: int, value: Any, where: str) -> None:
    if key in known:
        raise InputError(f"{where} repeats id {key}; expected an id of its own")
    known[key] = value


def _known(
    entries: list[dict[str, Any]],
    name: str,
    videos: Mapping[int, object],
    categories: Mapping[int, object],
) -> tuple[list[dict[str, Any]], list[str]]:
    """The annotations of listed videos and categories, and warnings about the others."""
    seen: dict[int, Any] = {}
    for index, entry in enumerate(entries):
        where = f"{name}, annotations[{index}]"
        key = integer_of(entry, "id", where)
        if key == 0:
            raise InputError(
                f"{where} has id 0, which the official evaluator reads as 'not matched'; expected "
                "any other integer"
            )
        _add_new(seen, key, entry, where)
        integer_of(entry, "video_id", where)
        integer_of(entry, "category_id", where)
    warnings = []
    for field, listed in (("video_id", videos), ("category_id", categories)):
        others = [entry for entry in entries if entry[field] not in listed]
        if others:
            warnings.append(
                f"annotations left out because their {field} is not listed: {len(others)} (the "
                f"first is annotation {others[0]['id']} with {field} {others[0][field]})"
            )
    known = [e for e in entries if e["video_id"] in videos and e["category_id"] in categories]
    return known, warnings


def _object(entry: dict[str, Any], where: str) -> AnnotatedObject:
    is_crowd = entry.get("iscrowd", 0)
    if not (isinstance(is_crowd, int) and is_crowd in (0, 1)):
        raise InputError(f"{where} has iscrowd {shown(is_crowd)}; expected 0 or 1")
    average = _average_area(value_of(entry, "areas", where), where)
    hidden = occlusion_score(entry.get("occlusion"), where)
    return AnnotatedObject(
        entry["id"], entry["video_id"], entry["category_id"], bool(is_crowd), average, hidden
    )


def _average_area(areas: Any, where: str) -> float:
    """The mean of the areas that are neither null nor 0; 0 where there is none."""
    if not isinstance(areas, list):
        raise InputError(f"{where} has areas {shown(areas)}; expected a list of pixel counts")
    for frame, area in enumerate(areas):
        is_number = isinstance(area, float) or type(area) is int
        if area is not None and not (is_number and 0 <= area < 1 << 53):
            raise InputError(
                f"{where}, frame {frame} has area {shown(area)}; expected a number of pixels or "
                "null"
            )
    given = [float(area) for area in areas if area]
    return float(np.mean(given)) if given else 0.0


def _masks(entry: dict[str, Any], video: Video, where: str) -> Sequence[Any]:
    """The masks as compressed RLE. Those that are in this form already are not yet checked."""
    segmentations = value_of(entry, "segmentations", where)
    if not isinstance(segmentations, list):
        raise InputError(
            f"{where} has segmentations {shown(segmentations)}; expected a list with one mask "
            "or null per frame"
        )

    def compressed(frame: int, mask: Any) -> Any:
        return _compressed(mask, video, f"{where}, frame {frame}: the mask")

    stored = without_absent(segmentations)
    if isinstance(stored, SparseTube):
        given = zip(stored.frames, stored.masks, strict=True)
        return SparseTube(len(stored), {frame: compressed(frame, mask) for frame, mask in given})
    return [compressed(frame, mask) for frame, mask in enumerate(stored)]


def _compressed(mask: Any, video: Video, where: str) -> RLE | Any:
    if isinstance(mask, list) and mask:
        check_polygons(mask, video.height, video.width, where)
        return from_polygons(mask, video.height, video.width)
    if isinstance(mask, dict) and isinstance(mask.get("counts"), list):
        check_run_lengths(mask, where)
        return from_run_lengths(mask["counts"], *mask["size"])
    return mask


def _length_warnings(entries: list[dict[str, Any]], videos: Mapping[int, Video]) -> list[str]:
    warnings = []
    for field in ("segmentations", "areas", "occlusion"):
        given = [e for e in entries if field != "occlusion" or e.get(field)]
        others = [e for e in given if len(e[field]) != videos[e["video_id"]].length]
        if others:
            first = others[0]
            warnings.append(
                f"annotations whose {field} differ in length from their video: {len(others)} (the "
                f"first is annotation {first['id']}: {len(first[field])} of "
                f"{videos[first['video_id']].length} frames)"
            )
    return warnings


def _occlusion_warnings(
    entries: list[dict[str, Any]], objects: Sequence[AnnotatedObject]
) -> list[str]:
    """Counts the objects without a label in a file that labels occlusion."""
    if not any("occlusion" in entry for entry in entries):
        return []
    others = [thing for thing in objects if thing.occlusion_score is None]
    if not others:
        return []
    return [
        "annotations without an occlusion label, which count in none of the occlusion levels: "
        f"{len(others)} of {len(objects)} (the first is annotation {others[0].id})"
    ]
