"""Annotations in two files, one of short and one of long videos, as YouTube-VIS 2022 has them.

AP is computed on each file and the mean of both is the data set's (the data set's own evaluation,
as in tue-mps/videomt 39411e9, `utils/yt2022_evaluate.py`). One results file holds the predictions
for both; video ids are those of the one list of all videos, so no id is in both files.

Both files are joined into one content whose `info` says which videos came from which file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vis_bench.data.annotations import PARTS_KEY, GroundTruth, check_kind, read_annotations
from vis_bench.errors import InputError
from vis_bench.files import integer_of, objects_of, read_json

SHORT, LONG = "short", "long"


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
