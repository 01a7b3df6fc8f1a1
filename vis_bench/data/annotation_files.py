"""Annotation files brought to one form: COCO's images, two files of short and long videos."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from vis_bench.errors import InputError
from vis_bench.files import integer_of, objects_of, parse_json, read_json, shown

# Set in content that `as_videos` has made of images.
_MARK = "of_images"

# As an image's annotation has it -> as a video's has it, a list with an entry per frame.
_PER_FRAME = {"segmentation": "segmentations", "area": "areas", "bbox": "bboxes"}


def is_of_images(content: Any) -> bool:
    """Whether the content of an annotations file lists images, or did before `as_videos`."""
    if not isinstance(content, dict):
        return False
    if "videos" in content:
        return content.get(_MARK) is True
    return isinstance(content.get("images"), list)


def as_videos(content: Any) -> Any:
    """The content of an annotations file with each image as a video of one frame.

    An image's id becomes the video's. What is missing stays missing, and what is not an object
    stays as it is, so that whoever reads it names the defect. Content of videos is returned as it
    is.
    """
    if not is_of_images(content) or "videos" in content:
        return content
    changed = {"videos": [_video(image) for image in content["images"]], _MARK: True}
    if isinstance(content.get("annotations"), list):
        changed["annotations"] = [_object(entry) for entry in content["annotations"]]
    return {**{key: value for key, value in content.items() if key != "images"}, **changed}


def _video(image: Any) -> Any:
    if not isinstance(image, dict):
        return image
    video = {key: value for key, value in image.items() if key != "file_name"}
    names = [image["file_name"]] if "file_name" in image else []
    return {**video, "length": 1, "file_names": names}


def _object(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    kept = {key: value for key, value in entry.items() if key not in {"image_id", *_PER_FRAME}}
    return {**kept, **_renamed(entry)}


def _renamed(entry: Mapping[str, Any]) -> dict[str, Any]:
    number = {"video_id": entry["image_id"]} if "image_id" in entry else {}
    return number | {video: [entry[key]] for key, video in _PER_FRAME.items() if key in entry}


SHORT, LONG = "short", "long"
# In `info` of annotations joined from several files: the video ids of each, by its name.
PARTS_KEY = "parts"


def check_kind(content: Any, name: str, *, needs_annotations: bool = True) -> None:
    """Refuses the other files that come with the data sets; `name` is what messages call this one.

    Raises:
        InputError: saying which it seems to be.
    """
    needed = "expected an object with videos" + (
        ", categories and annotations" if needs_annotations else ""
    )
    if isinstance(content, list):
        raise InputError(f"{name} is a JSON list (a results file?); {needed}")
    if not isinstance(content, dict):
        raise InputError(f"{name} holds {shown(content)}; {needed}")
    if isinstance(content.get("videos"), dict):
        raise InputError(f"{name} has videos as an object, like meta.json; {needed}")
    if needs_annotations and "videos" in content and content.get("annotations") is None:
        raise InputError(
            f"{name} has no annotations, like the public valid.json and test.json; predictions for "
            "those are evaluated by the data set's server (see the command submit)"
        )


def join_short_and_long(short: Path, long: Path) -> dict[str, Any]:
    """The content of an annotations file with the videos of both.

    Annotations of long videos get other ids where the files share any.

    Raises:
        InputError: for files of another kind, that differ in their categories, or that both list
            a video, as one file given twice does.
    """
    paths = {SHORT: Path(short), LONG: Path(long)}
    contents = {part: _content(path) for part, path in paths.items()}
    videos = {part: _ids(contents[part], "videos", paths[part]) for part in paths}
    shared = sorted(set(videos[SHORT]) & set(videos[LONG]))
    if shared:
        raise InputError(
            f"{short} and {long} both list video {shared[0]}; expected the annotations of short "
            "videos in one and of long videos in the other"
        )
    names = [_category_names(contents[part], paths[part]) for part in paths]
    if names[0] != names[1]:
        one, other = names
        first = min(key for key in {**one, **other} if one.get(key) != other.get(key))
        raise InputError(
            f"{short} and {long} differ in category {first}: {one.get(first)!r} and "
            f"{other.get(first)!r}; expected the same categories in both"
        )
    info = contents[SHORT].get("info")
    return {
        **contents[SHORT],
        "info": {**(info if isinstance(info, dict) else {}), PARTS_KEY: videos},
        "videos": [video for content in contents.values() for video in content["videos"]],
        "annotations": _annotations(contents, paths),
    }


def _content(path: Path) -> dict[str, Any]:
    content = read_json(path)
    check_kind(content, str(path))
    return content


def _ids(content: Mapping[str, Any], key: str, path: Path) -> list[int]:
    return [
        integer_of(entry, "id", f"{path}, {key}[{index}]")
        for index, entry in enumerate(objects_of(content, key, str(path)))
    ]


def _category_names(content: Mapping[str, Any], path: Path) -> dict[int, str]:
    ids = _ids(content, "categories", path)
    names = [str(entry.get("name", "")) for entry in content["categories"]]
    return dict(sorted(zip(ids, names, strict=True)))


def _annotations(
    contents: Mapping[str, Mapping[str, Any]], paths: Mapping[str, Path]
) -> list[dict[str, Any]]:
    """The annotations of both; those of long videos after the others."""
    ids = {part: _ids(contents[part], "annotations", paths[part]) for part in contents}
    entries = {part: contents[part]["annotations"] for part in contents}
    if not set(ids[SHORT]) & set(ids[LONG]):
        return [*entries[SHORT], *entries[LONG]]
    first = max(ids[SHORT]) + 1 - min(ids[LONG])
    renumbered = [{**entry, "id": first + entry["id"]} for entry in entries[LONG]]
    return [*entries[SHORT], *renumbered]


LABELS = "occlusion"


def annotations_checksum(data: bytes) -> str:
    """The SHA-256 of an annotations file, from what AP and AR depend on.

    Occlusion labels sort the objects that are there and leave AP and AR as they are, so they do not
    count: a file with labels has the checksum of the same file, written without spaces, without
    them. A file without any has the checksum of its bytes.

    Args:
        data: the file's bytes.

    Raises:
        InputError: for a file with labels that is not JSON.
    """
    if f'"{LABELS}"'.encode() in data:
        content = parse_json(data, "an annotations file")
        without = without_labels(content)
        data = data if without == content else orjson.dumps(without)
    return hashlib.sha256(data).hexdigest()


def without_labels(content: Any) -> Any:
    """The content of an annotations file without occlusion labels."""
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        return content
    return {
        **content,
        "annotations": [
            {key: value for key, value in entry.items() if key != LABELS}
            if isinstance(entry, dict)
            else entry
            for entry in content["annotations"]
        ],
    }
