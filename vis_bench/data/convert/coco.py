"""Annotations per image with track ids, as TAO, CVAT and others write them, to and from videos.

COCO's form (cocodataset.org, "Data format"): each image names its video (`video_id`) and its place
in it (`frame_id` or `frame_index`), or lies in the video's folder; each annotation names its
track: `track_id` (TAO), `instance_id` (CocoVID of mmtracking, BDD100K) or `attributes.track_id`
(CVAT).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from os.path import commonpath
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from vis_bench.data.annotation_files import (
    category_keys,
    category_names,
    crowd_flag,
    other_keys,
    read_entries,
)
from vis_bench.data.annotations import compressed_mask
from vis_bench.data.convert.labelled import (
    FRAME_KEYS,
    NO_MASK,
    NO_PIXEL,
    SCORES,
    Labelled,
    LabelledVideo,
    LabelledVideos,
    Lost,
    count_keys,
    count_measures,
    frame_keys,
)
from vis_bench.data.convert.ytvis import OBJECT_KEYS, masks_of_frames
from vis_bench.data.frames import plain_name
from vis_bench.data.video import MAX_PIXELS, in_natural_order
from vis_bench.errors import InputError
from vis_bench.files import integer_of, shown
from vis_bench.masks.rle import RLE, area, box, check_rle

TRACK_KEYS = ("track_id", "instance_id", "attributes.track_id")
NUMBER_KEYS = ("frame_id", "frame_index")
_OF_IMAGES = "a file of single images needs no conversion: validate, run and eval read it"

_NUMBERED = re.compile(r"(.*?)([0-9]*)$", re.DOTALL)  # a name and the number at its end
TrackKey = tuple[int, int | str]  # video, track as its file names it
# Keys that `LabelledVideos` has fields for, or that link one list of the file with another.
LISTS = ("images", "videos", "tracks", "annotations", "categories")
IMAGE_KEYS = ("id", "video_id", "file_name", "height", "width")
VIDEO_KEYS = ("id", "name", "height", "width", "length", "file_names")
TRACK_LINKS = ("id", "video_id", "category_id", "iscrowd")
MASK_KEYS = (*TRACK_LINKS, "image_id", "track_id", "instance_id", "segmentation", "area", "bbox")
CONTRADICTED = "crowd flags of tracks that are not those of their masks, which are read"
OTHER_VIDEO = "video ids of masks that are not those of their images, which are read"
SOME_FLAGGED = "crowd flags of tracks that have other masks without, and are read as objects"


def read_coco(content: Mapping[str, Any], name: str) -> LabelledVideos:
    """Videos of the content of a file with images and tracks.

    Ids of tracks are kept where they are whole numbers from 1 that no two videos share; else
    tracks are numbered from 1 in the order of the file.
    """
    categories = category_names(content, name)
    losses: Lost = Counter()
    images = _images_by_video(content, name, losses)
    place_of = _places(images)
    listed_videos = _listed_videos(content, images, losses)
    titles = {
        key: str(listed_videos[key].get("name") or _folder(own) or key)
        for key, own in images.items()
    }
    entries: dict[TrackKey, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for entry in read_entries(content, "annotations", name):
        where = f"{name}, annotation {entry['id']}"
        number = integer_of(entry, "image_id", where)
        if number not in place_of:
            raise InputError(f"{where} has image_id {number}, which is not among the images")
        if integer_of(entry, "category_id", where) not in categories:
            losses["annotations of unlisted categories"] += 1
            continue
        video, t = place_of[number]
        given = entry.get("video_id", video)
        losses[OTHER_VIDEO] += images[video][t].get("video_id") not in (None, given)
        entries[video, track_of(entry, where)].append((t, entry))
    listed = _listed_tracks(content, set(images), categories, name, losses)
    for key in listed:
        entries.setdefault(key, [])
    numbers = _numbers(list(entries))
    by_video: dict[int, list[TrackKey]] = defaultdict(list)
    for key in entries:
        by_video[key[0]].append(key)

    def videos() -> Iterator[LabelledVideo]:
        for video, own in images.items():
            height, width = own[0]["height"], own[0]["width"]
            instances = [
                _instance(
                    *(numbers[key], key[1]),
                    [*entries.pop(key), *listed.get(key, [])],
                    (height, width),
                    len(own),
                    f"{name}, track {shown(key[1])} of video {titles[video]}",
                    losses,
                )
                for key in by_video[video]
            ]
            names = [str(image.get("file_name", f"{t:05d}.jpg")) for t, image in enumerate(own)]
            keys = other_keys(listed_videos[video], VIDEO_KEYS)
            if titles[video] != (_folder(own) or str(video)):
                keys["name"] = titles[video]
            yield LabelledVideo(
                *(video, titles[video], height, width, names, instances),
                keys=_with_frames(keys, [*map(_keys_of_image, own, count())]),
            )

    return LabelledVideos(
        *(name, categories, len(images), videos(), losses),
        *(other_keys(content, LISTS), category_keys(content)),
    )


def _with_frames(keys: dict[str, Any], of_frames: Sequence[Any]) -> dict[str, Any]:
    """Keys of a video or a track with those of each of its frames."""
    return {**keys, FRAME_KEYS: [own or None for own in of_frames]} if any(of_frames) else keys


def _keys_of_image(image: Mapping[str, Any], t: int) -> dict[str, Any]:
    """Other keys of an image, and its number where that is not t."""
    linked = [key for key in NUMBER_KEYS if image.get(key) == t]
    return other_keys(image, (*IMAGE_KEYS, *linked))


def places_of_images(content: Mapping[str, Any], name: str) -> dict[int, tuple[int, int]]:
    """The video and the frame of each image by its id."""
    return _places(_images_by_video(content, name, Counter()))


def _places(images: Mapping[int, Sequence[Mapping[str, Any]]]) -> dict[int, tuple[int, int]]:
    return {image["id"]: (video, t) for video, own in images.items() for t, image in enumerate(own)}


def _images_by_video(
    content: Mapping[str, Any], name: str, losses: Lost
) -> dict[int, list[dict[str, Any]]]:
    """The images of each video in order, by the video's id."""
    groups: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    images = read_entries(content, "images", name)
    _make_names_plain(images, losses)
    for image in images:
        where = f"{name}, image {image['id']}"
        size = [integer_of(image, key, where) for key in ("height", "width")]
        if min(size) < 1 or size[0] * size[1] >= MAX_PIXELS:
            needed = "expected at least 1 each, with a product below 2^24 pixels"
            raise InputError(f"{where} has height and width {size}; {needed}")
        groups[_video_of(image, where)].append(image)
    if all(type(key) is str for key in groups):
        folders = [str(path) for path in in_natural_order(map(Path, groups))]
        for folder in folders:
            _refuse_several_videos(groups[folder], f"{name}, folder {folder!r},")
        groups = defaultdict(list, {n: groups[key] for n, key in enumerate(folders, start=1)})
    elif not all(type(key) is int for key in groups):
        raise InputError(f"{name} has images with and without video_id; expected it in all or none")
    return {key: _ordered(own, f"{name}, video {key}") for key, own in groups.items()}


def _make_names_plain(images: Sequence[dict[str, Any]], losses: Lost) -> None:
    """Give images paths below one folder, whatever system their names were written on."""
    named = [image for image in images if isinstance(image.get("file_name"), str)]
    names = [plain_name(image["file_name"]) for image in named]
    for start in ("/", "../"):
        folders = {PurePosixPath(name).parent for name in names if name.startswith(start)}
        root = PurePosixPath(commonpath(folders)) if folders else PurePosixPath()
        if folders == {root} and root.name != "..":
            root = root.parent  # the folder of a single video is its name
        for n, name in enumerate(names):
            if name.startswith(start):
                losses[f"beginnings {root} of names of frames"] += 1
                names[n] = str(PurePosixPath(name).relative_to(root))
    for image, name in zip(named, names, strict=True):
        image["file_name"] = name


def _video_of(image: Mapping[str, Any], where: str) -> int | str:
    if image.get("video_id") is not None:
        return integer_of(image, "video_id", where)
    if not isinstance(image.get("file_name"), str):
        raise InputError(f"{where} has neither video_id nor file_name; expected one of them")
    return str(PurePosixPath(image["file_name"]).parent)


def _refuse_several_videos(images: Sequence[Mapping[str, Any]], where: str) -> None:
    """Refuse frames of one folder that are counted anew behind another text."""
    numbers_of: dict[str, set[int]] = defaultdict(set)
    for image in images:
        text, number = _NUMBERED.findall(PurePosixPath(image["file_name"]).stem)[0]
        if number:
            numbers_of[text].add(int(number))
    again = Counter(n for numbers in numbers_of.values() if len(numbers) > 1 for n in numbers)
    if any(times > 1 for times in again.values()):
        texts = ", ".join(f"{text}.." for text, numbers in numbers_of.items() if len(numbers) > 1)
        raise InputError(
            f"{where} has frames that are counted several times ({texts}), as several videos "
            "are; expected video_id in each image, or a folder for each video"
        )


def _folder(images: Sequence[Mapping[str, Any]]) -> str:
    """The folder of the first image; empty if it lies in none."""
    folder = str(PurePosixPath(str(images[0].get("file_name", ""))).parent)
    return "" if folder == "." else folder


def _ordered(images: list[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    sizes = {(image["height"], image["width"]) for image in images}
    if len(sizes) > 1:
        raise InputError(f"{where} has frames of {sorted(sizes)}; expected frames of one size")
    key = next((key for key in NUMBER_KEYS if images[0].get(key) is not None), None)
    if key is None:
        given: list[Any] = [Path(str(image.get("file_name"))) for image in images]
        in_order = in_natural_order(given)
    else:
        given = [integer_of(image, key, where) for image in images]
        in_order = sorted(given)
    [(again, number)] = Counter(given).most_common(1)
    if number > 1:
        raise InputError(f"{where} has two frames with {key or 'file_name'} {again}")
    image_of = dict(zip(given, images, strict=True))
    return [image_of[place] for place in in_order]


def _listed_videos(
    content: Mapping[str, Any], images: Mapping[int, object], losses: Lost
) -> Mapping[int, Mapping[str, Any]]:
    """Entries of `videos`, as far as the file has any, by id."""
    listed = content.get("videos")
    entries = [e for e in listed if isinstance(e, dict)] if isinstance(listed, list) else []
    by_id = {entry["id"]: entry for entry in entries if type(entry.get("id")) is int}
    losses["listed videos without images"] += len(by_id.keys() - images.keys())
    return defaultdict(dict, by_id)


def track_of(entry: Mapping[str, Any], where: str, otherwise: str = _OF_IMAGES) -> int | str:
    """The track that an entry names; `otherwise` ends the refusal of one that names none."""
    attributes = entry.get("attributes")
    values = [entry.get("track_id"), entry.get("instance_id")]
    values.append(attributes.get("track_id") if isinstance(attributes, dict) else None)
    track = next((value for value in values if value is not None), None)
    if type(track) is int or isinstance(track, str):
        return track
    if track is None:
        raise InputError(
            f"{where} names no track; expected one of {', '.join(TRACK_KEYS)}; {otherwise}"
        )
    raise InputError(f"{where} has the track {shown(track)}; expected a whole number or text")


def _listed_tracks(
    content: Mapping[str, Any],
    videos: set[int],
    categories: Mapping[int, str],
    name: str,
    losses: Lost,
) -> dict[TrackKey, list[tuple[None, dict[str, Any]]]]:
    """Entries of `tracks`, where TAO lists tracks without annotations, too."""
    listed: dict[TrackKey, list[tuple[None, dict[str, Any]]]] = {}
    for entry in read_entries(content, "tracks", name) if "tracks" in content else []:
        where = f"{name}, track {entry['id']}"
        video, category = (integer_of(entry, key, where) for key in ("video_id", "category_id"))
        if video in videos and category in categories:
            listed[video, entry["id"]] = [(None, entry)]
        else:
            losses["tracks of unlisted videos or categories"] += 1
    return listed


def _numbers(keys: Sequence[TrackKey]) -> dict[TrackKey, int]:
    tracks = [track for _, track in keys]
    whole = all(type(track) is int and track > 0 for track in tracks)
    if whole and len(set(tracks)) == len(tracks):
        return {key: int(key[1]) for key in keys}
    return {key: number for number, key in enumerate(keys, start=1)}


def _instance(
    number: int,
    track: int | str,
    entries: Sequence[tuple[int | None, dict[str, Any]]],
    size_HW: tuple[int, int],
    length: int,
    where: str,
    losses: Lost,
) -> Labelled:
    masks: dict[int, RLE] = {}
    of_masks: list[Any] = [None] * length
    flags: list[bool] = []
    categories = {entry["category_id"] for _, entry in entries}
    if len(categories) > 1:
        raise InputError(f"{where} has the categories {sorted(categories)}; expected one")
    for t, entry in entries:
        if t is None:
            continue
        place = f"{where}, frame {t}: the mask"
        of_masks[t] = other_keys(entry, MASK_KEYS)
        if not entry.get("segmentation"):
            losses[NO_MASK] += 1
            continue
        flags.append(crowd_flag(entry, f"{where}, frame {t}"))
        mask = compressed_mask(entry["segmentation"], *size_HW, place)
        check_rle(mask, *size_HW, place)
        if t in masks:
            raise InputError(f"{where} has two masks in frame {t}; expected one")
        count_measures(mask, entry.get("area"), entry.get("bbox"), losses)
        if area(mask):
            masks[t] = mask
        else:
            losses[NO_PIXEL] += 1
    is_crowd = _is_crowd(entries, flags, where, losses)
    keys = {key: value for t, entry in entries if t is None for key, value in entry.items()}
    keys = other_keys(keys, (*TRACK_LINKS, *OBJECT_KEYS))
    if track != number:
        keys.setdefault("track_id", track)
    keys = _with_frames(keys, of_masks)
    return Labelled(number, categories.pop(), masks, is_crowd, keys=keys)


def _is_crowd(
    entries: Sequence[tuple[int | None, dict[str, Any]]],
    flags: Sequence[bool],
    where: str,
    losses: Lost,
) -> bool:
    """True where all masks are flagged, or the track that is listed where none has a flag."""
    of_track = [crowd_flag(e, where) for t, e in entries if t is None and "iscrowd" in e]
    if not any("iscrowd" in entry for t, entry in entries if t is not None):
        flags = of_track
    flags = flags or of_track or [crowd_flag(entry, where) for _, entry in entries]
    losses[SOME_FLAGGED] += any(flags) and not all(flags)
    losses[CONTRADICTED] += of_track not in ([], [all(flags)])
    return all(flags)


def coco_file(source: LabelledVideos, losses: Lost) -> Iterator[bytes]:
    """A file with images and tracks, piece by piece; areas and boxes are those of the masks."""
    images: list[dict[str, Any]] = []
    videos: list[dict[str, Any]] = []
    tracks: list[dict[str, Any]] = []
    number = 0
    separator = b'{"annotations":['
    for video in source.videos:
        of_frames = dict(enumerate(frame_keys(video.keys)))
        keys = other_keys(video.keys, (FRAME_KEYS,) if of_frames else ())
        videos.append({"name": video.name, **keys, **masks_of_frames(video), "id": video.id})
        first = len(images) + 1
        images += (
            {
                "frame_id": t,
                **of_frames.get(t, {}),
                "id": first + t,
                "video_id": video.id,
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
            of_masks = dict(enumerate(frame_keys(instance.keys)))
            keys = other_keys(instance.keys, (FRAME_KEYS,) if of_masks else ())
            tracks.append({**keys, "id": instance.id, **track})
            without = [own for t, own in of_masks.items() if t not in instance.masks]
            count_keys(without, "frames in which an instance has no mask", losses)
            losses[SCORES] += instance.score is not None
            for t, mask in sorted(instance.masks.items()):
                number += 1
                entry = {
                    **of_masks.get(t, {}),
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
    count_keys(({key: None for key in LISTS if key in source.keys},), "the file", losses)
    categories = source.category_entries()
    lists = {"images": images, "videos": videos, "tracks": tracks, "categories": categories}
    for key, value in {**lists, **other_keys(source.keys, LISTS)}.items():
        yield (b"]," if value is images else b",") + orjson.dumps(key) + b":" + orjson.dumps(value)
    yield b"}"
