"""Reads annotation files: every kind is brought to one form, and its entries are checked.

A file in YouTube-VIS form has `videos`, `categories` and `annotations`. COCO's (cocodataset.org,
"Data format") has `images` in place of `videos`, and one mask, area and box per annotation in place
of a list with an entry per frame; images are read as videos of one frame.

Readers report problems to two functions: to `defect` those that make a measurement wrong, to `flaw`
the others. `annotations`, `datasets` and `split` refuse the first defect and ignore
flaws; `validate` collects both.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any, Literal

import orjson

from vis_bench.data.categories import TRAINING_PARTS
from vis_bench.data.frames import plain_name
from vis_bench.data.video import MAX_PIXELS
from vis_bench.digests import PinnedFile
from vis_bench.errors import InputError
from vis_bench.files import integer_of, parse_json, shown

ProblemKind = Literal[
    "file", "categories", "id", "length", "size", "frame", "mask", "area", "box", "value"
]
Tell = Callable[[ProblemKind, str, str], None]  # kind, place, message

SHORT, LONG = "short", "long"
# In `info` of annotations joined from several files: the video ids of each, by its name.
PARTS_KEY = "parts"
PAIRS_KEY = "video_np_pairs"  # of SA-Co/VEval: the (video, phrase) pairs that are asked for
OCCLUSION = "occlusion"
MAX_FRAMES = 1 << 31  # of a video

NO_ANNOTATIONS = (
    "has no annotations, like the public valid.json and test.json; docs/reproduce.md says which "
    "validation annotations are public, and `vis-bench split` cuts a held-out part from others"
)

# Spellings of a flag in files; 0 and 1 stand for false and true, too.
_FLAGS = {None: False, 0: False, 1: True, "0": False, "1": True, "false": False, "true": True}
# Set in content that `as_videos` has made of images.
OF_IMAGES = "of_images"
# An image's annotation -> a video's, a list with an entry per frame.
PER_FRAME_OF_IMAGE = {"segmentation": "segmentations", "area": "areas", "bbox": "bboxes"}


def refuse(_kind: ProblemKind, where: str, message: str) -> None:
    """Raise the problem as an InputError."""
    raise InputError(f"{where} {message}")


def ignore(_kind: ProblemKind, where: str, message: str) -> None:
    """Let a problem pass."""


@dataclass(frozen=True)
class VideoEntry:
    """A video as its file describes it; malformed values are None, or no names.

    `name` is the folder of its first frame, or an image's file name, or else the id; `where` is
    what messages call the entry.
    """

    id: int
    name: str
    where: str
    size_HW: tuple[int, int] | None
    length: int | None
    file_names: Sequence[Any]


def kind_problem(content: Any, *, needs_annotations: bool) -> str | None:
    """Reason why the content is another file of a data set; None if it is annotations."""
    needed = "expected an object with videos" + (
        ", categories and annotations" if needs_annotations else ""
    )
    if isinstance(content, list):
        return f"is a JSON list (a results file?), as eval --predictions reads it; {needed}"
    if not isinstance(content, dict):
        return f"holds {shown(content)}; {needed}"
    for key, owner in (("masklet", "SA-V"), ("sequences", "BURST")):
        if key in content and "videos" not in content:
            return f"is of {owner}; {needed}, as written by: vis-bench convert FILE OUT --to ytvis"
    if isinstance(content.get("videos"), dict):
        return f"has videos as an object, like meta.json; {needed}"
    if _is_coco_with_tracks(content):
        return (
            "is COCO with tracks, a mask per annotation; expected one list of masks per track, as "
            "written by: vis-bench convert FILE OUT --to ytvis"
        )
    if needs_annotations and "videos" in content and content.get("annotations") is None:
        return NO_ANNOTATIONS
    return None


def _is_coco_with_tracks(content: Mapping[str, Any]) -> bool:
    """True for images of videos: beside `videos`, or with annotations that name tracks.

    Content that `as_videos` has made of images is recognized as well.
    """
    if isinstance(content.get("videos"), list) and content.get("images"):
        return True
    entries = content.get("annotations")
    if not is_of_images(content) or not isinstance(entries, list):
        return False
    return any(isinstance(entry, dict) and _names_a_track(entry) for entry in entries)


def crowd_flag(entry: Mapping[str, Any], where: str) -> bool:
    """The flag `iscrowd`, in each spelling that files have; False where it is null or missing."""
    flag = entry.get("iscrowd")
    if isinstance(flag, (float, list, dict)) or flag not in _FLAGS:
        expected = '0, 1, true, false (also as "0" or "true") or null'
        raise InputError(f"{where} has iscrowd {shown(flag)}; expected {expected}")
    return _FLAGS[flag]


def other_keys(entry: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Keys of an entry that its form does not define and that are kept nowhere else."""
    return {key: value for key, value in entry.items() if key not in known}


def cut_lists(
    content: Mapping[str, Any], videos: Collection[int]
) -> tuple[dict[str, Any], Counter[str]]:
    """Content whose lists, such as `video_np_pairs`, hold only some of the videos.

    Returns:
        the content, and the number of entries that were cut from each list.
    """
    kept, cut = dict(content), Counter[str]()
    for key, entries in content.items():
        if isinstance(entries, list):
            name = "id" if key == "videos" else "video_id"
            numbers = [e.get(name) if isinstance(e, dict) else None for e in entries]
            is_kept = [type(n) is not int or n in videos for n in numbers]
            kept[key], cut[key] = [*compress(entries, is_kept)], is_kept.count(False)
    return kept, +cut


def _names_a_track(entry: Mapping[str, Any]) -> bool:
    """True for an annotation with a track as TAO (`track_id`) or CVAT (an attribute) write it."""
    attributes = entry.get("attributes")
    return any(
        isinstance(keys, dict) and keys.get("track_id") is not None for keys in (entry, attributes)
    )


def check_kind(content: Any, name: str, *, needs_annotations: bool = True) -> None:
    """Refuse another file of a data set; `name` is its name in messages."""
    problem = kind_problem(content, needs_annotations=needs_annotations)
    if problem is not None:
        raise InputError(f"{name} {problem}")


def read_entries(
    content: Mapping[str, Any], key: str, name: str, defect: Tell = refuse, flaw: Tell = ignore
) -> list[dict[str, Any]]:
    """The objects of the list `content[key]`, with their ids checked."""
    values = content.get(key)
    if not isinstance(values, list):
        has = f"has {key} {shown(values)}" if key in content else f"has no {key!r}"
        defect("file", name, f"{has}; expected a list of objects")
        return []
    entries: list[dict[str, Any]] = []
    seen: set[int] = set()
    for index, entry in enumerate(values):
        where = f"{name}, {key}[{index}]"
        if not isinstance(entry, dict):
            defect("value", where, f"is {shown(entry)}; expected an object")
            continue
        entries.append(entry)
        number = entry.get("id")
        if type(number) is not int:
            has = f"has id {shown(number)}" if "id" in entry else "has no 'id'"
            defect("id", where, f"{has}; expected an integer")
            continue
        if number in seen:
            defect("id", where, f"repeats id {number}; expected an id of its own")
        elif number == 0 and key == "annotations" and "image_id" not in entry:
            defect(
                "id",
                where,
                "has id 0, which evaluators read as 'none'; expected 1 or more, as written by: "
                "vis-bench convert FILE OUT --to ytvis",
            )
        seen.add(number)
    return entries


def video_entries(
    content: Mapping[str, Any], name: str, defect: Tell = refuse, flaw: Tell = ignore
) -> dict[int, VideoEntry]:
    """The videos of a file by id."""
    videos: dict[int, VideoEntry] = {}
    of_images = is_of_images(content)
    for entry in read_entries(content, "videos", name, defect, flaw):
        number = entry.get("id")
        if type(number) is int and number not in videos:
            where = f"{name}, {'image' if of_images else 'video'} {number}"
            videos[number] = _video_entry(entry, of_images, where, defect, flaw)
    return videos


def _video_entry(
    entry: dict[str, Any], of_images: bool, where: str, defect: Tell, flaw: Tell
) -> VideoEntry:
    size_HW = _size(entry, where, defect)
    names = _file_names(entry, where, defect, flaw)
    length = _length(entry, names, where, defect, flaw)
    folder, _, file = plain_name(str(names[0])).rpartition("/") if names else ("", "", "")
    title = (file if of_images else folder) or str(entry["id"])
    return VideoEntry(entry["id"], title, where, size_HW, length, names or [])


def _size(entry: dict[str, Any], where: str, defect: Tell) -> tuple[int, int] | None:
    size: list[Any] = [entry.get("height"), entry.get("width")]
    if all(type(side) is int and side > 0 for side in size) and size[0] * size[1] < MAX_PIXELS:
        return size[0], size[1]
    needed = "expected whole numbers of at least 1, with a product below 2^24 pixels"
    defect("size", where, f"has height and width {shown(size)}; {needed}")
    return None


def _file_names(entry: dict[str, Any], where: str, defect: Tell, flaw: Tell) -> list[Any] | None:
    names = entry.get("file_names")
    if names is not None and not isinstance(names, list):
        defect("length", where, f"has file_names {shown(names)}; expected a list")
        return None
    if not names:
        flaw("length", where, f"has file_names {shown(names)}; expected one for each frame")
    return names


def _length(
    entry: dict[str, Any], names: list[Any] | None, where: str, defect: Tell, flaw: Tell
) -> int | None:
    """The number of frames; that of the names where the entry has none that can be used."""
    if "length" not in entry and names:
        flaw("length", where, "has no length; expected a number of frames")
        return len(names)
    length = entry.get("length")
    if type(length) is not int or not 0 <= length < MAX_FRAMES:
        needed = "expected a whole number of frames below 2^31"
        defect("length", where, f"has length {shown(length)}; {needed}")
        return None if names is None else len(names)
    if length == 0:
        flaw("length", where, "has length 0; expected a number of frames")
    elif names and len(names) != length:
        flaw("length", where, f"has length {length} but {len(names)} file_names")
    return length


def asked_categories(content: Mapping[str, Any], where: str) -> dict[int, frozenset[int]] | None:
    """Category ids that are asked for in each video, by its id; None where all are in all."""
    entries = content.get(PAIRS_KEY)
    if entries is None:
        return None
    if not isinstance(entries, list):
        raise InputError(f"{where} has {PAIRS_KEY} {shown(entries)}; expected a list of pairs")
    asked: dict[int, set[int]] = {}
    for index, entry in enumerate(entries):
        place = f"{where}, {PAIRS_KEY}[{index}]"
        if not isinstance(entry, dict):
            raise InputError(f"{place} is {shown(entry)}; expected an object")
        video, category = (integer_of(entry, key, place) for key in ("video_id", "category_id"))
        asked.setdefault(video, set()).add(category)
    return {video: frozenset(categories) for video, categories in asked.items()}


def category_names(
    content: Mapping[str, Any], name: str, defect: Tell = refuse, flaw: Tell = ignore
) -> dict[int, str]:
    """The categories of a file, id -> name, in its order."""
    entries = read_entries(content, "categories", name, defect, flaw)
    return {e["id"]: str(e.get("name", e["id"])) for e in entries if type(e.get("id")) is int}


def category_keys(content: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Keys of the entries of checked categories beside their ids and names."""
    return {entry["id"]: other_keys(entry, ("id", "name")) for entry in content["categories"]}


def is_of_images(content: Any) -> bool:
    """True if the content of an annotations file lists images, or did before `as_videos`."""
    if not isinstance(content, dict):
        return False
    if "videos" in content:
        return content.get(OF_IMAGES) is True
    return isinstance(content.get("images"), list)


def as_videos(content: Any) -> Any:
    """The content of an annotations file with each image as a video of one frame.

    An image's id becomes the video's. Malformed and missing values stay as they are, so that the
    reader behind names the defect. Content of videos is returned unchanged.
    """
    if not is_of_images(content) or "videos" in content:
        return content
    changed = {"videos": [_video_of_image(image) for image in content["images"]], OF_IMAGES: True}
    if isinstance(content.get("annotations"), list):
        changed["annotations"] = [_per_frame(entry) for entry in content["annotations"]]
    return {**other_keys(content, ("images",)), **changed}


def _video_of_image(image: Any) -> Any:
    if not isinstance(image, dict):
        return image
    names = [image["file_name"]] if "file_name" in image else []
    return {**other_keys(image, ("file_name",)), "length": 1, "file_names": names}


def _per_frame(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    kept = other_keys(entry, ("image_id", *PER_FRAME_OF_IMAGE))
    number = {"video_id": entry["image_id"]} if "image_id" in entry else {}
    lists = {video: [entry[key]] for key, video in PER_FRAME_OF_IMAGE.items() if key in entry}
    return {**kept, **number, **lists}


@dataclass(frozen=True)
class Cut:
    """Part of a training split as the command `split` describes it in its file.

    `protocol` names the shared rule that chose the videos, such as `heldout-v1`; None for a rule of
    one's own, or if the file does not list the videos that its checksum is of.
    """

    part: str
    protocol: str | None


def cut_of(content: Any) -> Cut | None:
    """Read what `split` wrote into `info`; None for other files."""
    info = content.get("info") if isinstance(content, dict) else None
    cut = info.get("split") if isinstance(info, dict) else None
    if not isinstance(cut, dict) or cut.get("part") not in TRAINING_PARTS:
        return None
    ids = [entry.get("id") for entry in content.get("videos") or () if isinstance(entry, dict)]
    whole = cut.get("videos_sha256") == videos_checksum(ids)
    protocol = cut.get("protocol")
    return Cut(cut["part"], protocol if whole and isinstance(protocol, str) else None)


def videos_checksum(ids: Iterable[Any]) -> str:
    """Checksum (SHA-256) of a set of videos: their ids in rising order, a line each."""
    lines = "".join(f"{key}\n" for key in sorted(key for key in ids if type(key) is int))
    return hashlib.sha256(lines.encode()).hexdigest()


def join_short_and_long(short: PinnedFile, long: PinnedFile) -> dict[str, Any]:
    """One content of two files, of short and of long videos, as YouTube-VIS 2022 has them.

    Its AP is the mean of the APs of both (as in tue-mps/videomt 39411e9,
    `utils/yt2022_evaluate.py`), so `info` lists the videos of each. Annotations of long videos get
    other ids where the files share any.

    Raises:
        InputError: for files of another kind, that differ in their categories, or that both list
            a video, as one file given twice does.
    """
    paths = (short.path, long.path)
    contents = [parse_json(file.read(), str(file.path)) for file in (short, long)]
    for content, path in zip(contents, paths, strict=True):
        check_kind(content, str(path))
    videos = _ids_of("videos", contents, paths)
    shared = sorted(set(videos[0]) & set(videos[1]))
    if shared:
        raise InputError(
            f"{paths[0]} and {paths[1]} both list video {shared[0]}; expected the annotations of "
            "short videos in one and of long videos in the other"
        )
    _check_same_categories(contents, paths)
    info = contents[0].get("info")
    parts = dict(zip((SHORT, LONG), videos, strict=True))
    ids = _ids_of("annotations", contents, paths)
    of_long = contents[1]["annotations"]
    if set(ids[0]) & set(ids[1]):
        first = max(ids[0]) + 1 - min(ids[1])
        of_long = [{**entry, "id": first + entry["id"]} for entry in of_long]
    return {
        **contents[0],
        "info": {**(info if isinstance(info, dict) else {}), PARTS_KEY: parts},
        "videos": [video for content in contents for video in content["videos"]],
        "annotations": [*contents[0]["annotations"], *of_long],
    }


def _ids_of(key: str, contents: Sequence[Any], paths: Iterable[Path]) -> list[list[int]]:
    return [
        [entry["id"] for entry in read_entries(content, key, str(path))]
        for content, path in zip(contents, paths, strict=True)
    ]


def _check_same_categories(contents: Sequence[Any], paths: Sequence[Path]) -> None:
    one, other = (category_names(c, str(p)) for c, p in zip(contents, paths, strict=True))
    if one != other:
        first = min(key for key in {**one, **other} if one.get(key) != other.get(key))
        raise InputError(
            f"{paths[0]} and {paths[1]} differ in category {first}: {one.get(first)!r} and "
            f"{other.get(first)!r}; expected the same categories in both"
        )


def annotations_checksum(data: bytes) -> str:
    """Checksum (SHA-256) of an annotations file, by which records are found comparable.

    Occlusion labels leave AP and AR as they are, so a file with labels has the checksum of the same
    file, written without spaces, without them. A file without any has the checksum of its bytes.
    """
    if f'"{OCCLUSION}"'.encode() in data:
        content = parse_json(data, "an annotations file")
        without = _without_occlusion(content)
        data = data if without == content else orjson.dumps(without)
    return hashlib.sha256(data).hexdigest()


def _without_occlusion(content: Any) -> Any:
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        return content
    return {
        **content,
        "annotations": [
            other_keys(entry, (OCCLUSION,)) if isinstance(entry, dict) else entry
            for entry in content["annotations"]
        ],
    }
