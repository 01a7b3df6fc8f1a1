"""Checks the entries of `annotations` against their videos and their own masks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from vis_bench.data.occlusion import LABEL_SCORES, is_label
from vis_bench.data.validate.problem import Kind, Problem, in_frames, is_integer
from vis_bench.data.validate.videos import VideoEntry
from vis_bench.errors import InputError
from vis_bench.files import shown
from vis_bench.masks.polygons import check_polygons, from_polygons
from vis_bench.masks.rle import RLE, area, check_run_lengths, check_size, from_run_lengths

# Areas of polygons are often those of the outline, not of its pixels.
RLE_SLACK = (1.0, 0.01)  # pixels, and a fraction of the mask's area
POLYGON_SLACK = (10.0, 0.1)
PER_FRAME = ("segmentations", "areas", "bboxes", "occlusion")
OPTIONAL = ("bboxes", "occlusion")  # AP needs neither


def object_problems(
    entry: dict[str, Any], videos: Mapping[int, VideoEntry], categories: Collection[int], where: str
) -> Iterator[Problem]:
    """All that is wrong with one annotation.

    Args:
        entry: the annotation; its id is checked elsewhere.
        videos: those the file lists, by id.
        categories: ids that the file lists.
        where: what the file is called.
    """
    where = f"{where}, annotation {shown(entry.get('id'))}"
    number = entry.get("video_id")
    video = videos.get(number) if type(number) is int else None
    if video is None:
        yield Problem("id", where, f"has video_id {shown(number)}, which is not among the videos")
    else:
        where = f"{where} (video {video.id})"
    category = entry.get("category_id")
    if not is_integer(category) or category not in categories:
        text = f"has category_id {shown(category)}, which is not among the categories"
        yield Problem("categories", where, text)
    if entry.get("iscrowd", 0) not in (0, 1):
        yield Problem("value", where, f"has iscrowd {shown(entry['iscrowd'])} instead of 0 or 1")
    if video is not None:
        yield from _extent_problems(entry, video, where)
    yield from _mask_problems(entry, video, where)
    yield from _label_problems(entry, where)


def _extent_problems(entry: dict[str, Any], video: VideoEntry, where: str) -> Iterator[Problem]:
    """Lists of another length than the video, and sizes and lengths that it contradicts."""
    for key in PER_FRAME:
        values = entry.get(key)
        if values is None and key in OPTIONAL:
            continue
        if not isinstance(values, list):
            yield Problem("length", where, f"has {key} {shown(values)} instead of a list")
        elif video.length is not None and len(values) != video.length:
            items = "occlusion labels" if key == "occlusion" else key
            text = f"has {len(values)} {items} but its video has {video.length} frames"
            yield Problem("length", where, text)
    if entry.get("length", video.length) != video.length and video.length is not None:
        text = f"has length {shown(entry['length'])} but its video has {video.length} frames"
        yield Problem("length", where, text)
    if video.size_HW is not None:
        height, width = video.size_HW
        own = [entry.get("height", height), entry.get("width", width)]
        if own != [height, width]:
            text = f"has height and width {shown(own)} but its video is {height}x{width}"
            yield Problem("size", where, text)


def _mask_problems(
    entry: dict[str, Any], video: VideoEntry | None, where: str
) -> Iterator[Problem]:
    """Masks, areas and boxes frame by frame; the same defect in many frames is one problem."""
    found: dict[tuple[Kind, str], list[tuple[int, str]]] = defaultdict(list)
    masks = entry.get("segmentations")
    for t, mask in enumerate(masks if isinstance(masks, list) else []):
        for kind, sort, text in _frame_defects(entry, t, mask, video):
            found[kind, sort].append((t, text))
    for (kind, _), frames in found.items():
        yield Problem(kind, where, in_frames([t for t, _ in frames], frames[0][1]))


Defect = tuple[Kind, str, str]  # kind, key that defects of the same sort share, message


def _label_problems(entry: dict[str, Any], where: str) -> Iterator[Problem]:
    """Occlusion labels that do not exist."""
    labels = entry.get("occlusion")
    if not isinstance(labels, list):
        return
    wrong = [t for t, label in enumerate(labels) if label is not None and not is_label(label)]
    if wrong:
        text = (
            f"has occlusion {shown(labels[wrong[0]])} instead of one of "
            f"{', '.join(LABEL_SCORES)} or null"
        )
        yield Problem("value", where, in_frames(wrong, text))


def _frame_defects(
    entry: dict[str, Any], t: int, mask: Any, video: VideoEntry | None
) -> Iterator[Defect]:
    size_HW = video.size_HW if video is not None else None
    present = mask is not None and mask != [] and mask != {}
    pixels = 0
    if present:
        try:
            rle = mask_rle(mask, size_HW)
            if rle is None:
                return
            pixels = area(rle)
        except InputError as error:
            yield "mask", "malformed", f"has a malformed mask: {error}"
            return
        if size_HW is not None and tuple(rle["size"]) != size_HW:
            text = f"has a mask of {_times(rle['size'])} but its video is {_times(size_HW)}"
            yield "size", "mask", text
    slack = POLYGON_SLACK if isinstance(mask, list) else RLE_SLACK
    yield from _area_defects(_at(entry.get("areas"), t), pixels, slack)
    yield from _box_defects(_at(entry.get("bboxes"), t), pixels > 0)


def mask_rle(mask: Any, size_HW: tuple[int, int] | None) -> RLE | None:
    """A mask of any of COCO's three forms as compressed RLE; None for polygons of unknown size.

    Raises:
        InputError: for a malformed one.
    """
    if isinstance(mask, list):
        if size_HW is None:
            return None
        check_polygons(mask, *size_HW, "it")
        return from_polygons(mask, *size_HW)
    if isinstance(mask, dict) and isinstance(mask.get("counts"), list):
        check_run_lengths(mask, "it")
        return from_run_lengths(mask["counts"], *mask["size"])
    if not isinstance(mask, dict) or not isinstance(mask.get("counts"), str):
        raise InputError(f"it is {shown(mask)}")
    check_size(mask.get("size"), "it")
    return {"size": mask["size"], "counts": mask["counts"]}


def _area_defects(said: Any, pixels: int, slack: tuple[float, float]) -> Iterator[Defect]:
    if said is _MISSING:
        return
    if said is not None and not _is_number(said):
        yield "area", "value", f"has area {shown(said)} instead of a number of pixels or null"
    elif abs((said or 0) - pixels) > max(slack[0], slack[1] * pixels):
        yield "area", "wrong", f"has area {shown(said)} but a mask of {pixels} pixels"


def _box_defects(box: Any, seen: bool) -> Iterator[Defect]:
    if box is _MISSING:
        return
    if box is None or box == []:
        if seen:
            yield "box", "missing", "has a mask but no box"
    elif not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        yield "box", "value", f"has box {shown(box)} instead of x, y, width, height"
    elif not seen and box[2] * box[3] > 0:
        yield "box", "extra", "has a box but no mask"


_MISSING = object()


def _at(values: Any, t: int) -> Any:
    return values[t] if isinstance(values, list) and t < len(values) else _MISSING


def _is_number(value: object) -> bool:
    return is_integer(value) or (isinstance(value, float) and math.isfinite(value))


def _times(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"
