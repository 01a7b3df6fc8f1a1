"""Finds everything that is wrong with a file in YouTube-VIS or COCO's form, and with its frames.

Readers for measurements stop at the first defect of `annotation_files`; this collects them all, and
more. It ends with a list of problems for any content of the file.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vis_bench.data.annotation_files import (
    NO_ANNOTATIONS,
    OCCLUSION,
    PER_FRAME_OF_IMAGE,
    ProblemKind,
    Tell,
    VideoEntry,
    as_videos,
    category_names,
    crowd_flag,
    ignore,
    is_of_images,
    kind_problem,
    read_entries,
    video_entries,
)
from vis_bench.data.annotations import Exclusions, compressed_mask, label_problem, unknown_labels
from vis_bench.data.categories import check_dataset_name, contradiction
from vis_bench.data.frames import frame_paths, is_file, open_image
from vis_bench.data.video import frame_files, video_without_frames
from vis_bench.errors import InputError
from vis_bench.files import parse_json, read_bytes, shown
from vis_bench.masks.rle import area
from vis_bench.progress import Advance, Bars
from vis_bench.text import one_line

THREADS = 4  # Pillow decodes outside Python's lock
REDUCED = 8  # JPEG decodes to an eighth of its size, which still reads every byte
NUM_PLACES = 3  # of equal problems that are printed

# Areas of polygons are often those of the outline, not of its pixels.
RLE_SLACK = (1.0, 0.01)  # pixels, and a fraction of the mask's area
POLYGON_SLACK = (10.0, 0.1)
PER_FRAME = ("segmentations", "areas", "bboxes", OCCLUSION)
OPTIONAL = ("areas", "bboxes", OCCLUSION)  # computed from the masks, or not needed for AP

# Parts of messages in which equal problems differ.
_VALUES = (
    (re.compile(r" \(and in \d+ more frames\)"), ""),
    (re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""), "VALUE"),
    (re.compile(r"\[[^\[\]]*\]|\{[^{}]*\}"), "VALUE"),
    (re.compile(r"[^\s,;:]*[/\\][^\s,;:]*"), "VALUE"),
    (re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"), "VALUE"),
)


@dataclass(frozen=True)
class Problem:
    """One defect.

    `kind` groups defects of a sort. `where` names the file, and the video or annotation as far
    as they are known. `message` names the defect and its frame (counted from 0).
    """

    kind: ProblemKind
    where: str
    message: str


def validate(
    annotations: Path, frames: Path | None = None, name: str | None = None, bars: Bars | None = None
) -> list[Problem]:
    """Check an annotations file, and the frames that it names where their folder is given.

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
    bars = bars or Bars(quiet=True)
    where, of_images = str(annotations), False
    problems: list[Problem] = []

    def report(kind: ProblemKind, place: str, message: str) -> None:
        problems.append(Problem(kind, place, _of_image(message) if of_images else message))

    data = read_bytes(annotations)
    try:
        content = as_videos(parse_json(data, where))
    except InputError as error:
        return [Problem("file", where, str(error))]
    of_images = is_of_images(content)
    problem = kind_problem(content, needs_annotations=False)
    if problem is not None:
        return [Problem("file", where, problem)]
    videos = _check_content(content, where, name, report, bars)
    if frames is not None:
        with bars.bar(f"frames of {where}", len(videos)) as advance:
            _check_frames(videos, frames, report, advance)
    return problems


def _check_content(
    content: Mapping[str, Any], where: str, name: str | None, report: Tell, bars: Bars
) -> list[VideoEntry]:
    """Check everything but frames; return the videos."""
    categories = category_names(content, where, report, report)
    conflict = contradiction(name, categories) if name is not None else None
    if conflict is not None:
        report("categories", where, f"is not for data set {name}: {conflict}")
    videos = video_entries(content, where, report, report)
    if not content.get("videos"):
        report("file", where, "lists no videos")
    for video in videos.values():
        _check_names(video, report)
    for entry in read_entries(content, "videos", where, ignore, ignore):
        _check_exclusions(videos, entry, report)
    if content.get("annotations"):
        entries = read_entries(content, "annotations", where, report, report)
        with bars.bar(f"annotations of {where}", len(entries)) as advance:
            for entry in entries:
                _check_object(entry, videos, categories, where, report)
                advance()
    else:
        report("file", where, NO_ANNOTATIONS)
    return list(videos.values())


def _of_image(message: str) -> str:
    """A message in the words of COCO's images, which have no frames and no lists per frame."""
    for word, of_video in (*PER_FRAME_OF_IMAGE.items(), ("image_id", "video_id")):
        message = re.sub(rf"\b{of_video}\b", word, message)
    message = re.sub(r"^frame 0 |^frame 0, (?=\S+, )", "", message)
    return re.sub(r"\b(its|the) video", r"\1 image", message.replace("; expected a list", ""))


def _check_exclusions(
    videos: Mapping[int, VideoEntry], entry: Mapping[str, Any], report: Tell
) -> None:
    video = videos.get(entry["id"]) if type(entry.get("id")) is int else None
    if video is None or video.size_HW is None or video.length is None:
        return
    try:
        frames = video_without_frames(video.id, video.name, *video.size_HW, video.length)
        Exclusions.of(entry, frames, video.where)
    except InputError as error:
        report("mask", video.where, str(error).removeprefix(video.where).lstrip(", "))


def _check_names(video: VideoEntry, report: Tell) -> None:
    seen = set()
    for t, name in enumerate(video.file_names):
        if not _path_of(video, name, Path()):
            text = f"frame {t} has the file name {shown(name)}; expected a path inside the folder"
            report("value", video.where, text)
        elif name in seen:
            report("value", video.where, f"frame {t} names the file of an earlier frame, {name!r}")
        else:
            seen.add(name)


def _path_of(video: VideoEntry, name: Any, frames: Path) -> Path | None:
    try:
        return frame_paths([name], frames, video.where)[0]
    except InputError:
        return None


def _check_frames(
    videos: Sequence[VideoEntry], frames: Path, report: Tell, advance: Advance
) -> None:
    """Open every frame of the videos; one call of `advance` per video."""
    with ThreadPoolExecutor(THREADS) as pool:
        for video in videos:
            present = _present_frames(video, frames, report)
            for (t, path), opened in zip(
                present.items(), pool.map(_opened, present.values()), strict=True
            ):
                if isinstance(opened, str):
                    text = f"frame {t}, {path}, cannot be decoded: {opened}"
                    report("frame", video.where, text)
                elif video.size_HW is not None and opened != video.size_HW:
                    sizes = f"is {_times(opened)}; the video is {_times(video.size_HW)}"
                    report("size", video.where, f"frame {t}, {path}, {sizes}")
            advance()


def _beside(path: Path) -> str:
    """A hint at the same frame with another ending."""
    listed = frame_files(path.parent) if path.parent.is_dir() else []
    others = [other.name for other in listed if other.stem == path.stem]
    return f", but {others[0]} (names are taken from frames by: convert --frames)" if others else ""


def _opened(path: Path) -> tuple[int, int] | str:
    """The height and width of an image that decodes to its end, or the reason why not."""
    try:
        with open_image(path) as image:
            width, height = image.size
            image.draft("RGB", (max(1, width // REDUCED), max(1, height // REDUCED)))
            image.load()
            return height, width
    except Exception as error:  # Pillow raises many kinds for broken files
        return str(error) or type(error).__name__


def _check_object(
    entry: dict[str, Any],
    videos: Mapping[int, VideoEntry],
    categories: Collection[int],
    where: str,
    report: Tell,
) -> None:
    """Check one annotation against its video and its own masks; its id is checked elsewhere."""
    where = f"{where}, annotation {shown(entry.get('id'))}"
    number = entry.get("video_id")
    video = videos.get(number) if type(number) is int else None
    if video is None:
        report("id", where, f"has video_id {shown(number)}, which is not among the videos")
    else:
        where = f"{where} ({video.where.split()[-2]} {video.id})"
    category = entry.get("category_id")
    if type(category) is not int or category not in categories:
        text = f"has category_id {shown(category)}, which is not among the categories"
        report("categories", where, text)
    try:
        crowd_flag(entry, "it")
    except InputError as error:
        report("value", where, str(error).removeprefix("it "))
    if video is not None:
        _check_extent(entry, video, where, report)
    _check_masks(entry, video, where, report)
    labels = entry.get(OCCLUSION)
    if isinstance(labels, list) and (wrong := unknown_labels(labels)):
        report("value", where, _in_frames(wrong, label_problem(labels[wrong[0]])))


def _present_frames(video: VideoEntry, frames: Path, report: Tell) -> dict[int, Path]:
    """Files of the video's frames that are there; reports the others."""
    named = [_path_of(video, name, frames) for name in video.file_names]
    paths = {t: path for t, path in enumerate(named) if path is not None}
    present = {t: path for t, path in paths.items() if is_file(path)}
    missing = [t for t in paths if t not in present]
    if missing:
        first = paths[missing[0]]
        text = f"is missing: there is no file {first}{_beside(first)}"
        report("frame", video.where, _in_frames(missing, text))
    return present


def _check_extent(entry: dict[str, Any], video: VideoEntry, where: str, report: Tell) -> None:
    """Report lists that are not as long as the video, and contradicting sizes and lengths."""
    for key in PER_FRAME:
        values = entry.get(key)
        if values is None and key in OPTIONAL:
            continue
        if not isinstance(values, list):
            text = f"{key} {shown(values)}" if key in entry else f"no {key}"
            report("value", where, f"has {text}; expected a list")
        elif video.length is not None and len(values) != video.length:
            items = "occlusion labels" if key == OCCLUSION else key
            text = f"has {len(values)} {items} but its video has {video.length} frames"
            report("length", where, text)
    if entry.get("length", video.length) != video.length and video.length is not None:
        text = f"has length {shown(entry['length'])} but its video has {video.length} frames"
        report("length", where, text)
    if video.size_HW is not None:
        _check_size(entry, video.size_HW, where, report)


def _check_size(entry: dict[str, Any], size_HW: tuple[int, int], where: str, report: Tell) -> None:
    height, width = size_HW
    own = [entry.get("height", height), entry.get("width", width)]
    if own != [height, width]:
        text = f"has height and width {shown(own)} but its video is {height}x{width}"
        report("size", where, text)


Defect = tuple[ProblemKind, str, str]  # kind, key that defects of the same sort share, message


def _check_masks(entry: dict[str, Any], video: VideoEntry | None, where: str, report: Tell) -> None:
    """Masks, areas and boxes frame by frame; the same defect in many frames is one problem."""
    found: dict[tuple[ProblemKind, str], list[tuple[int, str]]] = defaultdict(list)
    masks = entry.get("segmentations")
    size_HW = None if video is None else video.size_HW
    for t, mask in enumerate(masks if isinstance(masks, list) else []):
        for kind, sort, text in _frame_defects(entry, t, mask, size_HW):
            found[kind, sort].append((t, text))
    for (kind, _), frames in found.items():
        report(kind, where, _in_frames([t for t, _ in frames], frames[0][1]))


def _frame_defects(
    entry: dict[str, Any], t: int, mask: Any, size_HW: tuple[int, int] | None
) -> Iterator[Defect]:
    pixels = 0
    if mask is not None and mask != [] and mask != {}:
        if isinstance(mask, list) and size_HW is None:
            return
        try:
            rle = compressed_mask(mask, *(size_HW or (0, 0)), "it")
            pixels = area(rle)
        except InputError as error:
            yield "mask", "malformed", f"has a malformed mask: {error}"
            return
        if size_HW is not None and tuple(rle["size"]) != size_HW:
            text = f"has a mask of {_times(rle['size'])} but its video is {_times(size_HW)}"
            yield "size", "mask", text
    slack = POLYGON_SLACK if isinstance(mask, list) else RLE_SLACK
    for stated in _of_frame(entry, "areas", t):
        yield from _area_defects(stated, pixels, slack)
    for stated in _of_frame(entry, "bboxes", t):
        yield from _box_defects(stated, pixels > 0)


def _of_frame(entry: dict[str, Any], key: str, t: int) -> list[Any]:
    """The entry of one frame in a list per frame; empty where it has none."""
    values = entry.get(key)
    return values[t : t + 1] if isinstance(values, list) else []


def _area_defects(given: Any, pixels: int, slack: tuple[float, float]) -> Iterator[Defect]:
    if given is not None and not _is_number(given):
        yield "area", "value", f"has area {shown(given)}; expected a number of pixels or null"
    elif abs((given or 0) - pixels) > max(slack[0], slack[1] * pixels):
        yield "area", "wrong", f"has area {shown(given)} but a mask of {pixels} pixels"


def _box_defects(box: Any, has_pixels: bool) -> Iterator[Defect]:
    if box is None or box == []:
        if has_pixels:
            yield "box", "missing", "has a mask but no box"
    elif not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        yield "box", "value", f"has box {shown(box)}; expected x, y, width, height"
    elif not has_pixels and box[2] * box[3] > 0:
        yield "box", "extra", "has a box but no mask"


def _is_number(value: object) -> bool:
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))


def _times(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"


def _in_frames(frames: Sequence[int], message: str) -> str:
    """The message with the first of the frames, and how many more there are."""
    more = f" (and in {len(frames) - 1} more frames)" if len(frames) > 1 else ""
    return f"frame {frames[0]} {message}{more}"


def problems_text(problems: Sequence[Problem], *, show_all: bool = False) -> str:
    """Text of the problems, grouped unless all are wanted, with their number at the end."""
    if not problems:
        return "no problems found"
    if show_all:
        return "\n".join(map(_line, problems))
    groups = group_problems(problems)
    lines = []
    for group in groups:
        if len(group) > 1:
            lines.append(f"{len(group)} {group[0].kind} problems alike:")
        indent = "  " if len(group) > 1 else ""
        lines += [indent + _line(problem) for problem in group[:NUM_PLACES]]
        if len(group) > NUM_PLACES:
            lines.append(f"  and {len(group) - NUM_PLACES} more")
    if len(problems) > len(groups):
        lines.append(f"{len(problems)} problems in all; --all prints a line for each")
    return "\n".join(lines)


def group_problems(problems: Sequence[Problem]) -> list[list[Problem]]:
    """Groups of one kind whose messages differ only in values, in the order of their first ones."""
    groups: dict[tuple[ProblemKind, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        pattern = problem.message
        for values, instead in _VALUES:
            pattern = values.sub(instead, pattern)
        groups[problem.kind, pattern].append(problem)
    return list(groups.values())


def _line(problem: Problem) -> str:
    return one_line(f"{problem.where}: {problem.message}")
