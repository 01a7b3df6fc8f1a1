"""Annotations per image with track ids, as TAO, CVAT and others write them, to and from videos.

COCO's form (cocodataset.org, "Data format"): each image names its video (`video_id`) and its place
in it (`frame_id` or `frame_index`), or lies in the video's folder; each annotation names its
track: `track_id` (TAO), `instance_id` (CocoVID of mmtracking, BDD100K) or `attributes.track_id`
(CVAT).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from vis_bench.data.annotation_files import category_names, read_entries
from vis_bench.data.annotations import CATEGORY_KEYS, compressed_mask
from vis_bench.data.convert.labelled import (
    SCORES,
    Instance,
    LabelledVideo,
    LabelledVideos,
    Losses,
)
from vis_bench.data.convert.ytvis import box
from vis_bench.data.video import MAX_PIXELS, in_natural_order
from vis_bench.errors import InputError
from vis_bench.files import integer_of, shown
from vis_bench.masks.rle import RLE, area, check_rle

TRACK_KEYS = ("track_id", "instance_id", "attributes.track_id")
FRAME_KEYS = ("frame_id", "frame_index")
Key = tuple[int, int | str]  # video, track as its file names it


def read_coco(content: Mapping[str, Any], name: str) -> LabelledVideos:
    """Videos of the content of a file with images and tracks.

    Ids of tracks are kept where they are whole numbers from 1 that no two videos share; else
    tracks are numbered from 1 in the order of the file.
    """
    categories = category_names(content, name)
    images = _images_by_video(content, name)
    place_of = {
        image["id"]: (video, t) for video, own in images.items() for t, image in enumerate(own)
    }
    titles = _titles(content, images)
    given = _listed_videos(content)
    entries: dict[Key, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    losses: Losses = Counter()
    for entry in read_entries(content, "annotations", name):
        where = f"{name}, annotation {entry['id']}"
        number = integer_of(entry, "image_id", where)
        if number not in place_of:
            raise InputError(f"{where} has image_id {number}, which is not among the images")
        if integer_of(entry, "category_id", where) not in categories:
            raise InputError(
                f"{where} has category_id {entry['category_id']}, which is not among the categories"
            )
        video, t = place_of[number]
        entries[video, _track_of(entry, where)].append((t, entry))
    listed = _listed_tracks(content, set(images), categories, name)
    for key in listed:
        entries.setdefault(key, [])
    numbers = _numbers(list(entries))
    by_video: dict[int, list[Key]] = defaultdict(list)
    for key in entries:
        by_video[key[0]].append(key)

    def videos() -> Iterator[LabelledVideo]:
        for video, own in images.items():
            height, width = own[0]["height"], own[0]["width"]
            instances = [
                _instance(
                    numbers[key],
                    [*entries.pop(key), *listed.get(key, [])],
                    (height, width),
                    f"{name}, track {shown(key[1])} of video {titles[video]}",
                    losses,
                )
                for key in by_video[video]
            ]
            names = [str(image.get("file_name", f"{t:05d}.jpg")) for t, image in enumerate(own)]
            keys = {k: given[video][k] for k in CATEGORY_KEYS if k in given.get(video, {})}
            yield LabelledVideo(video, titles[video], height, width, names, instances, keys=keys)

    return LabelledVideos(name, categories, len(images), videos(), losses)


def _images_by_video(content: Mapping[str, Any], name: str) -> dict[int, list[dict[str, Any]]]:
    """The images of each video in order, by the video's id."""
    groups: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for image in read_entries(content, "images", name):
        where = f"{name}, image {image['id']}"
        size = [integer_of(image, key, where) for key in ("height", "width")]
        if min(size) < 1 or size[0] * size[1] >= MAX_PIXELS:
            needed = "expected at least 1 each, with a product below 2^24 pixels"
            raise InputError(f"{where} has height and width {size}; {needed}")
        groups[_video_of(image, where)].append(image)
    if all(type(key) is str for key in groups):
        folders = [str(path) for path in in_natural_order(map(Path, groups))]
        groups = defaultdict(list, {n: groups[key] for n, key in enumerate(folders, start=1)})
    elif not all(type(key) is int for key in groups):
        raise InputError(f"{name} has images with and without video_id; expected it in all or none")
    return {key: _ordered(own, f"{name}, video {key}") for key, own in groups.items()}


def _video_of(image: Mapping[str, Any], where: str) -> int | str:
    if image.get("video_id") is not None:
        return integer_of(image, "video_id", where)
    if not isinstance(image.get("file_name"), str):
        raise InputError(f"{where} has neither video_id nor file_name; expected one of them")
    return str(PurePosixPath(image["file_name"]).parent)


def _ordered(images: list[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    sizes = {(image["height"], image["width"]) for image in images}
    if len(sizes) > 1:
        raise InputError(f"{where} has frames of {sorted(sizes)}; expected frames of one size")
    key = next((key for key in FRAME_KEYS if key in images[0]), None)
    if key is None:
        places = _natural_places([str(image.get("file_name")) for image in images])
    else:
        places = [integer_of(image, key, where) for image in images]
    [(again, number)] = Counter(places).most_common(1)
    if number > 1:
        raise InputError(f"{where} has two frames with {key or 'file_name'} {again}")
    order = sorted(range(len(images)), key=places.__getitem__)
    return [images[n] for n in order]


def _natural_places(names: Sequence[str]) -> list[int]:
    """Rank of each name in natural order; equal names have one rank."""
    rank = {str(path): n for n, path in enumerate(in_natural_order(map(Path, set(names))))}
    return [rank[str(Path(name))] for name in names]


def _titles(content: Mapping[str, Any], images: Mapping[int, Sequence[Any]]) -> dict[int, str]:
    """Names of videos: as listed, or the folder of the first frame, or the id."""
    given = {key: entry.get("name") for key, entry in _listed_videos(content).items()}
    titles = {}
    for key, own in images.items():
        folder = str(PurePosixPath(str(own[0].get("file_name", ""))).parent)
        title = given.get(key) or (folder if folder not in ("", ".") else key)
        titles[key] = str(title)
    return titles


def _listed_videos(content: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Entries of `videos` by id, if the file has any."""
    listed = content.get("videos")
    return {
        entry["id"]: entry
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, dict) and type(entry.get("id")) is int
    }


def _track_of(entry: Mapping[str, Any], where: str) -> int | str:
    attributes = entry.get("attributes")
    values = [entry.get("track_id"), entry.get("instance_id")]
    values.append(attributes.get("track_id") if isinstance(attributes, dict) else None)
    track = next((value for value in values if value is not None), None)
    if type(track) is int or isinstance(track, str):
        return track
    if track is None:
        raise InputError(f"{where} names no track; expected one of {', '.join(TRACK_KEYS)}")
    raise InputError(f"{where} has the track {shown(track)}; expected a whole number or text")


def _listed_tracks(
    content: Mapping[str, Any], videos: set[int], categories: Mapping[int, str], name: str
) -> dict[Key, list[tuple[None, dict[str, Any]]]]:
    """Entries of `tracks`, where TAO lists tracks without annotations, too."""
    listed: dict[Key, list[tuple[None, dict[str, Any]]]] = {}
    for entry in read_entries(content, "tracks", name) if "tracks" in content else []:
        where = f"{name}, track {entry['id']}"
        video, category = (integer_of(entry, key, where) for key in ("video_id", "category_id"))
        if video in videos and category in categories:
            listed[video, entry["id"]] = [(None, entry)]
    return listed


def _numbers(keys: Sequence[Key]) -> dict[Key, int]:
    tracks = [track for _, track in keys]
    whole = all(type(track) is int and track > 0 for track in tracks)
    if whole and len(set(tracks)) == len(tracks):
        return {key: int(key[1]) for key in keys}
    return {key: number for number, key in enumerate(keys, start=1)}


def _instance(
    number: int,
    entries: Sequence[tuple[int | None, dict[str, Any]]],
    size_HW: tuple[int, int],
    where: str,
    losses: Losses,
) -> Instance:
    masks: dict[int, RLE] = {}
    categories = {entry["category_id"] for _, entry in entries}
    if len(categories) > 1:
        raise InputError(f"{where} has the categories {sorted(categories)}; expected one")
    for t, entry in entries:
        if t is None:
            continue
        place = f"{where}, frame {t}: the mask"
        if not entry.get("segmentation"):
            losses["boxes without a mask"] += 1
            continue
        mask = compressed_mask(entry["segmentation"], *size_HW, place)
        check_rle(mask, *size_HW, place)
        if t in masks:
            raise InputError(f"{where} has two masks in frame {t}; expected one")
        if area(mask):
            masks[t] = mask
    crowd = any(entry.get("iscrowd") for _, entry in entries)
    return Instance(number, categories.pop(), masks, crowd)


def coco_file(source: LabelledVideos, losses: Losses) -> Iterator[bytes]:
    """A file with images and tracks, piece by piece; areas and boxes are those of the masks."""
    images: list[dict[str, Any]] = []
    videos: list[dict[str, Any]] = []
    tracks: list[dict[str, Any]] = []
    number = 0
    separator = b'{"annotations":['
    for video in source.videos:
        videos.append({"id": video.id, "name": video.name, **video.keys})
        first = len(images) + 1
        images += (
            {
                "id": first + t,
                "video_id": video.id,
                "frame_id": t,
                "file_name": name,
                "height": video.height,
                "width": video.width,
            }
            for t, name in enumerate(video.file_names)
        )
        for instance in video.instances:
            track = {
                "category_id": instance.category_id,
                "video_id": video.id,
                "iscrowd": int(instance.is_crowd),
            }
            tracks.append({"id": instance.id, **track})
            losses[SCORES] += instance.score is not None
            for t, mask in sorted(instance.masks.items()):
                number += 1
                entry = {
                    "id": number,
                    "image_id": first + t,
                    **track,
                    "track_id": instance.id,
                    "instance_id": instance.id,
                    "segmentation": mask,
                    "area": area(mask),
                    "bbox": box(mask),
                }
                yield separator + orjson.dumps(entry)
                separator = b","
    yield separator if separator != b"," else b""
    categories = [{"id": key, "name": text} for key, text in source.categories.items()]
    for key, value in (("images", images), ("videos", videos), ("tracks", tracks)):
        yield (b"]," if key == "images" else b",") + orjson.dumps(key) + b":" + orjson.dumps(value)
    yield b',"categories":' + orjson.dumps(categories) + b"}"
