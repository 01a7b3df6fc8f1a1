"""Looks for everything that is wrong with a file in YouTube-VIS form, and with its frames.

Images in COCO's form are checked as videos of one frame, and called so.

Where `dataset` and `annotations` stop at the first defect that makes a measurement wrong, this
goes on and names them all. It ends with a list of problems for any content of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vis_bench.data.annotation_files import as_videos
from vis_bench.data.categories import check_dataset_name, contradiction
from vis_bench.data.validate.groups import problems_text
from vis_bench.data.validate.objects import object_problems
from vis_bench.data.validate.problem import Problem, entries_of, id_problems, is_integer
from vis_bench.data.validate.videos import VideoEntry, frame_problems, read_video
from vis_bench.errors import InputError
from vis_bench.files import parse_json, read_bytes, shown
from vis_bench.progress import Bars

__all__ = ["Problem", "problems_text", "validate"]


def validate(
    annotations: Path, frames: Path | None = None, name: str | None = None, bars: Bars | None = None
) -> list[Problem]:
    """Checks an annotations file, and the frames that it names where their folder is given.

    Finds: another kind of file (`meta.json`, a results file, a `valid.json` without annotations);
    ids that are 0, given twice, or refer to nothing; categories of another data set; lists of
    another length than their video; sizes that differ between video, mask and frame; malformed
    masks; areas that contradict masks; missing and unreadable frames.

    Args:
        annotations: the file.
        frames: the folder that `file_names` start from; decodes every frame.
        name: the data set it should be, one of `categories.DATASETS`.
        bars: shows progress.

    Raises:
        InputError: for a file or folder that does not exist, or an unknown name.
    """
    if name is not None:
        check_dataset_name(name)
    if frames is not None and not frames.is_dir():
        raise InputError(f"folder of frames {frames} does not exist")
    where = str(annotations)
    data = read_bytes(annotations)
    try:
        content = parse_json(data, where)
    except InputError as error:
        return [Problem("file", where, str(error))]
    return list(problems_of(content, where, frames, name, bars or Bars(quiet=True)))


def problems_of(
    content: Any, where: str, frames: Path | None, name: str | None, bars: Bars
) -> Iterator[Problem]:
    """The problems of a file's content; see `validate`."""
    content = as_videos(content)
    wrong = _wrong_kind(content)
    if wrong is not None:
        yield Problem("file", where, wrong)
        return
    categories, problems = _categories(content, where, name)
    yield from problems
    videos, problems = _videos(content, where)
    yield from problems
    yield from _object_problems(content, videos, categories, where, bars)
    if frames is not None:
        with bars.bar(f"frames of {where}", len(videos)) as advance:
            yield from frame_problems(list(videos.values()), frames, advance)


def _wrong_kind(content: Any) -> str | None:
    needed = "expected an object with videos, categories and annotations"
    if isinstance(content, list):
        return f"is a JSON list (a results file?); {needed}"
    if not isinstance(content, dict):
        return f"holds {shown(content)}; {needed}"
    if isinstance(content.get("videos"), dict):
        return f"has videos as an object, like meta.json; {needed}"
    return None


def _categories(
    content: dict[str, Any], where: str, name: str | None
) -> tuple[dict[int, str], list[Problem]]:
    entries, problems = entries_of(content, "categories", where)
    problems += id_problems(entries, "categories", where)
    listed = {e["id"]: str(e.get("name")) for e in entries if is_integer(e.get("id"))}
    conflict = contradiction(name, listed) if name is not None else None
    if name is not None and conflict is not None:
        text = f"is not for data set {name}: {conflict}"
        problems.append(Problem("categories", where, text))
    return listed, problems


def _videos(content: dict[str, Any], where: str) -> tuple[dict[int, VideoEntry], list[Problem]]:
    entries, problems = entries_of(content, "videos", where)
    problems += id_problems(entries, "videos", where)
    if not entries:
        problems.append(Problem("file", where, "lists no videos"))
    videos: dict[int, VideoEntry] = {}
    for entry in entries:
        if is_integer(entry.get("id")):
            video, found = read_video(entry, where)
            problems += found
            videos.setdefault(video.id, video)
    return videos, problems


def _object_problems(
    content: dict[str, Any], videos: dict[int, VideoEntry], categories: dict[int, str], where: str,
    bars: Bars,
) -> Iterator[Problem]:  # fmt: skip
    if not content.get("annotations"):
        text = (
            "has no annotations, like the public valid.json and test.json, so AP cannot be measured"
        )
        yield Problem("file", where, text)
        return
    entries, problems = entries_of(content, "annotations", where)
    yield from problems
    yield from id_problems(entries, "annotations", where)
    with bars.bar(f"annotations of {where}", len(entries)) as advance:
        for entry in entries:
            yield from object_problems(entry, videos, categories, where)
            advance()
