"""Masks of single frames that a tracker numbered, as a list in COCO's results form.

An entry names its track (`track_id`, `instance_id` or `attributes.track_id`) and its frame:
`video_id` with `frame_id` or `frame_index`, `file_name`, or `image_id`, an image of the annotations
or, where they list videos, the number of a frame through all of them, from 1 or 0.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from vis_bench.data.convert.coco import NUMBER_KEYS, places_of_images, read_coco, track_of
from vis_bench.data.convert.labelled import LabelledVideos
from vis_bench.errors import InputError
from vis_bench.files import shown

_UNTRACKED = "masks of single frames are no tracks of videos before a tracker has numbered them"


def read_detections(
    entries: Sequence[Any], name: str, truth: Mapping[str, Any], annotations: str
) -> LabelledVideos:
    """Tracks of the annotated videos, each of its most frequent category.

    Args:
        truth: content of COCO annotations with tracks.
        annotations: their name in messages.
    """
    place_of = places_of_images(truth, annotations)
    kept, outside = [], 0
    classes: dict[Hashable, Counter[Any]] = defaultdict(Counter)
    for index, (entry, image) in enumerate(_with_images(entries, name, truth, place_of)):
        if image is None:
            outside += 1
            continue
        key = place_of[image][0], track_of(entry, f"{name}, entry {index}", _UNTRACKED)
        classes[key][entry.get("category_id")] += 1
        kept.append((key, {**entry, "id": index, "image_id": image}))
    if outside and not kept:
        raise InputError(
            f"{name} has no mask in a frame of {annotations}; expected video_id and frame_id, "
            "file_name or image_id of its frames"
        )
    tracks = [{**own, "category_id": classes[key].most_common(1)[0][0]} for key, own in kept]
    opened = read_coco({**truth, "annotations": tracks, "tracks": []}, name)
    mixed = sum(len(own) > 1 for own in classes.values())
    opened.losses[f"masks of frames that {annotations} does not list"] += outside
    opened.losses["categories of tracks with several, which have their most frequent one"] += mixed
    return opened


def _with_images(
    entries: Sequence[Any],
    name: str,
    truth: Mapping[str, Any],
    place_of: Mapping[int, tuple[int, int]],
) -> list[tuple[dict[str, Any], int | None]]:
    """Each entry with the id of its image, or None where the annotations do not list it."""
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise InputError(f"{name}, entry {index} is {shown(entry)}; expected an object")
    known: dict[Any, int] = {key: key for key in place_of}
    keys: list[Any] = [entry.get("file_name", entry.get("image_id")) for entry in entries]
    frame = next((key for key in NUMBER_KEYS if entries and key in entries[0]), "")
    if any(isinstance(key, str) for key in keys):
        known = {_bare(image.get("file_name")): image["id"] for image in truth["images"]}
        keys = [*map(_bare, keys)]
    elif frame and "video_id" in entries[0]:
        known = {place: key for key, place in place_of.items()}
        keys = _from_zero(
            [(_whole(entry.get("video_id")), _whole(entry.get(frame))) for entry in entries],
            Counter(video for video, _ in known),
        )
    elif 0 in keys and 0 not in known:
        keys = [_whole(key) + 1 for key in keys]
    return [(entry, known.get(key)) for entry, key in zip(entries, keys, strict=True)]


def _from_zero(
    places: list[tuple[int, int]], length_of: Mapping[int, int]
) -> list[tuple[int, int]]:
    """Videos and frames counted from 0; the number of a last frame tells that they count from 1,
    unless there is a frame 0.
    """
    if all(t for _, t in places) and any(t == length_of.get(v) for v, t in places):
        return [(v, t - 1) for v, t in places]
    return places


def _whole(number: object) -> int:
    return number if type(number) is int else -1


def _bare(name: object) -> str:
    """A file's name with slashes and without its ending."""
    return str(PurePosixPath(str(name).replace("\\", "/")).with_suffix(""))
