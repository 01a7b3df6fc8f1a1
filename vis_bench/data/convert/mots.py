"""MOTS text and PNG files, as MOTS20 and KITTI MOTS have them, to and from videos.

A text file per video has a line per mask: frame, id, class, height, width, run lengths; PNGs of 16
bits have ids for pixels (Voigtlaender et al., MOTS: Multi-Object Tracking and Segmentation, CVPR
2019). An id is 1000 times the class plus the instance's number; class 10 marks regions to ignore.
Frames count from 0 (KITTI MOTS) or from 1 (MOTS20) in all files alike.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.data.convert.labelled import (
    EMPTY,
    OVERLAPS,
    SCORES,
    Labelled,
    LabelledVideo,
    LabelledVideos,
    Lost,
    count_keys,
    files_below,
    index_map,
    number_of,
)
from vis_bench.data.convert.png import read_indexes
from vis_bench.data.frames import open_image
from vis_bench.data.video import frame_files, in_natural_order
from vis_bench.errors import InputError
from vis_bench.files import read_bytes
from vis_bench.masks.rle import RLE, area, check_rle, decode, encode_masks, with_text

IGNORED = 10
CLASSES = {1: "car", 2: "pedestrian", IGNORED: "ignore"}  # of both data sets
PER_CLASS = 1000
_REGION = IGNORED, IGNORED * PER_CLASS
MOST_CLASS = 999_999  # ids of nine digits
GROUND_TRUTH = ("gt", "gt.txt")  # of a MOTS20 video, in its folder
SEQMAP = "evaluate_mots.seqmap.val"  # KITTI's list of videos with their first and last frames
IMAGES = "img1"  # the folder of its frames, there
WIDE = ("I", "I;16", "I;16B")  # Pillow's modes of PNGs of 16 bits


def read_mots(path: Path, frames: Path | None = None) -> LabelledVideos:
    """Videos of a text file or a folder of them, or of a folder of folders of PNGs.

    With `frames`, a video has the frames of its folder there, found by their numbers. Without it,
    it is as long as `seqinfo.ini` or KITTI's `*.seqmap*` says, or else ends with its last mask, and
    frames are named after their numbers, `name/000001.jpg`. Classes keep their numbers.
    """
    files = _files(path)
    # One pass before the videos are asked for: categories, lengths, and the first frame.
    first, ends = _listed_frames(path, files)
    classes: set[int] = set()
    seen: dict[str, set[int]] = {name: set() for name in files}
    for name, file in files.items():
        for frame, key, kind, _ in _rows(file):
            seen[name].add(frame)
            classes |= {kind} if key or not file.is_dir() else set()
    remarks = []
    if first is None and any(0 in own for own in seen.values()):
        first = 0
    elif first is None:
        first = first_number(files)
        remarks.append(
            f"{path} has no list of its frames ({SEQMAP}, seqinfo.ini): by the names of its videos "
            f"it is read as {('KITTI MOTS', 'MOTS20')[first]}, whose frames count from {first}"
        )
    categories = {key: CLASSES.get(key, f"class {key}") for key in sorted(classes - {IGNORED})}

    def videos() -> Iterator[LabelledVideo]:
        next_id = 1
        for number, (name, file) in enumerate(files.items(), start=1):
            if frames is None:
                end = ends.get(name, 1 + max(seen[name], default=first - 1))
                names = {n: f"{name}/{n:06d}.jpg" for n in range(first, end)}
            else:
                names = _numbered_frames(frames, name, len(files) == 1)
            video = _video(number, name, file, names, next_id)
            next_id += len(video.instances)
            yield video

    named = frames is not None
    return LabelledVideos(
        *(str(path), categories, len(files), videos()),
        named=named,
        numbered=not named,
        remarks=() if named else remarks,
    )


def is_wide(file: Path) -> bool:
    """True for a PNG of 16 bits, as MOTS has them."""
    try:
        with open_image(file) as image:
            return image.mode in WIDE
    except Exception:  # Pillow raises many kinds for broken files, which `read_png` names
        return False


def first_number(names: Iterable[str]) -> int:
    """The number of the first frame by the videos' names: KITTI MOTS has names of four digits."""
    return int(not all(re.fullmatch(r"\d{4}", Path(name).name) for name in names))


def _files(path: Path) -> dict[str, Path]:
    """The text files, or the folders of PNGs, by their videos' names."""
    found = [path] if path.is_file() else [*{p.parent: p for p in files_below(path, ".png")}]
    found = found or files_below(path, ".txt")
    if not found:
        raise InputError(f"{path} has no .txt files and no .png masks; expected those of videos")
    files = {}
    for file in [p for p in found if p.parts[-2:] == GROUND_TRUTH] or found:
        folder = file if file.is_dir() else file.with_suffix("")
        folder = file.parents[1] if file.parts[-2:] == GROUND_TRUTH else folder
        below = path in folder.parents
        files[str(folder.relative_to(path)) if below else folder.absolute().name] = file
    return {str(name): files[str(name)] for name in in_natural_order(map(Path, files))}


def _listed_frames(path: Path, files: Mapping[str, Path]) -> tuple[int | None, dict[str, int]]:
    """The number of the first frame and, by video, the number behind its last one, as far as
    KITTI's list of sequences beside the files or MOTS20's file in each video's folder has them.
    """
    first, ends = None, {}
    for file in (file for folder in (path, path.parent) for file in folder.glob("*.seqmap*")):
        for name, start, last in re.findall(r"^(.+) \S+ (\d+) (\d+)\s*$", _text(file), re.M):
            if name in files:
                first, ends[name] = int(start), 1 + int(last)
    for name, file in files.items():
        folder = file.parents[1] if file.parts[-2:] == GROUND_TRUTH else file.with_suffix("")
        info = folder / "seqinfo.ini"
        found = re.search(r"seqLength\s*=\s*(\d+)", _text(info)) if info.is_file() else None
        if found:
            first, ends[name] = 1, 1 + int(found[1])
    return first, ends


def _text(file: Path) -> str:
    return read_bytes(file).decode("utf-8", "replace")


def _numbered_frames(frames: Path, name: str, alone: bool) -> dict[int, str]:
    """The names of a video's frames by the number that they end with; those of the only video may
    lie in `frames` itself.
    """
    folders = [frames / name / IMAGES, frames / name, *([frames] if alone else [])]
    folder = next((f for f in folders if f.is_dir() and frame_files(f)), None)
    if folder is None:
        raise InputError(f"there is no folder {frames / name}; expected the frames of video {name}")
    found: dict[int, str] = {}
    for file in frame_files(folder):
        number = number_of(file)
        if number is None or number in found:
            raise InputError(f"{file} has no number of its own; expected one for each frame")
        found[number] = file.relative_to(frames).as_posix()
    return dict(sorted(found.items()))


def _rows(file: Path) -> Iterator[tuple[int, int, int, RLE]]:
    """Frame, id, class and mask of each line of text, or of each id of a folder of PNGs."""
    return _pixels(file) if file.is_dir() else _lines(file)


def _pixels(folder: Path) -> Iterator[tuple[int, int, int, RLE]]:
    """As `_lines`, of PNGs named after their frames; background, id 0, is among them."""
    for file in frame_files(folder):
        if not file.stem.isdecimal():
            raise InputError(f"{file} is not named after its frame; expected a number")
        ids_HW = read_indexes(file, WIDE)
        for key in np.unique(ids_HW).tolist():
            yield int(file.stem), key, key // PER_CLASS, encode_masks(ids_HW[None] == key)[0]


def _lines(file: Path) -> Iterator[tuple[int, int, int, RLE]]:
    """Frame, id, class and mask of each line."""
    for number, line in enumerate(read_bytes(file).splitlines(), start=1):
        words = line.decode("utf-8", "replace").split(maxsplit=5)
        if not words:
            continue
        where = f"{file}, line {number},"
        whole = [w for w in words[:5] if w.isdecimal() and w.isascii() and len(w) < 10]
        if len(words) != 6 or len(whole) != 5:
            needed = "expected frame, id, class, height, width and run lengths"
            raise InputError(f"{where} is {line[:40].decode('utf-8', 'replace')!r}; {needed}")
        frame, key, kind, height, width = map(int, whole)
        mask: RLE = {"size": [height, width], "counts": words[5].strip()}
        check_rle(mask, height, width, f"{where} the mask")
        yield frame, key, kind, mask


def _video(
    number: int, name: str, file: Path, names: Mapping[int, str], next_id: int
) -> LabelledVideo:
    """A video of the frames that `names` has by number."""
    place_of = {frame: t for t, frame in enumerate(names)}
    masks: dict[tuple[int, int], dict[int, RLE]] = defaultdict(dict)
    regions: dict[int, RLE] = {}
    size: list[int] | None = None
    for frame, key, kind, mask in _rows(file):
        if size is not None and mask["size"] != size:
            raise InputError(f"{file} has masks of {size} and {mask['size']}; expected one size")
        if frame not in place_of:
            raise InputError(
                f"{file} has a mask in frame {frame}; expected frames {min(names, default=0)} to "
                f"{max(names, default=0)}, which video {name} has"
            )
        size, t = mask["size"], place_of[frame]
        if kind == IGNORED:
            both = [mask, regions.get(t, mask)]
            regions[t] = with_text(coco_mask.merge(both, intersect=False))
        elif key or not file.is_dir():
            if t in masks[key, kind]:
                raise InputError(f"{file} has two masks of id {key} in frame {frame}; expected one")
            if area(mask):
                masks[key, kind][t] = mask
    instances = [
        Labelled(next_id + n, kind, own)
        for n, ((_, kind), own) in enumerate(sorted(masks.items(), key=lambda pair: pair[0]))
    ]
    height, width = size or (1, 1)
    names_T = [*names.values()] if size else []
    return LabelledVideo(number, name, height, width, names_T, instances, regions)


def write_mots(source: LabelledVideos, folder: Path, losses: Lost) -> None:
    """Write a file per video, with frames from 1, and their lengths as KITTI lists them; the
    instance in front keeps a pixel.
    """
    plain = {key: text for key, text in source.categories.items() if CLASSES.get(key) != text}
    losses["names of categories"] += len(plain)
    count_keys((source.keys,), "the file", losses)
    count_keys(source.category_keys.values(), "categories", losses)
    ids_of: dict[Path, tuple[int, list[int]]] = {}  # a video's, and its objects' by key
    listed = []
    for video in source.videos:
        keys = _keys(video, losses)
        things = [(keys[n], i.id) for n, i in enumerate(video.instances, 1) if i.masks]
        objects = [number for key, number in sorted(things) if key != _REGION]
        ids_of[Path(video.name)] = video.id, objects
        losses["masks of void pixels"] += len(video.void)
        listed.append(f"{video.name} empty {1:06d} {video.length:06d}\n")
        count_keys((video.keys,), "videos", losses)
        count_keys((i.keys for i in video.instances), "instances", losses)
        lines = []
        for t in range(video.length):
            places_HW = index_map(video, t, losses)
            found = [
                (keys[n], places_HW == n)
                for n, own in enumerate(video.instances, 1)
                if t in own.masks
            ]
            if t in video.regions:
                region_HW = decode(video.regions[t])
                losses[OVERLAPS] += int((region_HW & (places_HW > 0)).sum())
                found.append((_REGION, region_HW & (places_HW == 0)))
            for (kind, key), mask_HW in found:
                if mask_HW.any():
                    [rle] = encode_masks(mask_HW[None])
                    size = f"{video.height} {video.width}"
                    lines.append(f"{t + 1} {key} {kind} {size} {rle['counts']}\n")
        renamed = sum(
            name != f"{video.name}/{t + 1:06d}.jpg" for t, name in enumerate(video.file_names)
        )
        losses["file names of frames"] += renamed
        path = folder / f"{video.name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines))
    (folder / SEQMAP).write_text("".join(listed))
    by_name = [ids_of[path] for path in in_natural_order(ids_of)]
    losses["ids of videos, which are numbered by name"] += _renumbered(own for own, _ in by_name)
    ids = (number for _, own in by_name for number in own)
    losses["ids of objects, which are numbered by video and class"] += _renumbered(ids)


def _renumbered(ids: Iterable[int]) -> int:
    """The number of ids that are not their places, from 1."""
    return sum(number != place for place, number in enumerate(ids, start=1))


def _keys(video: LabelledVideo, losses: Lost) -> dict[int, tuple[int, int]]:
    """Class and id of each instance's place."""
    numbers: Counter[int] = Counter()
    keys = {}
    for place, instance in enumerate(video.instances, start=1):
        kind = IGNORED if instance.is_crowd else instance.category_id
        losses[EMPTY] += not instance.masks
        losses[SCORES] += instance.score is not None
        losses["categories of crowds"] += instance.is_crowd and instance.category_id != IGNORED
        if kind == IGNORED and not instance.is_crowd:
            raise InputError(
                f"video {video.name} has category {IGNORED}, which MOTS ignores; expected others"
            )
        if not 0 <= kind <= MOST_CLASS or numbers[kind] >= PER_CLASS:
            raise InputError(
                f"video {video.name} has category {kind} {1 + numbers[kind]} times; expected up "
                f"to {PER_CLASS} of each category from 0 to {MOST_CLASS}, which MOTS ids hold"
            )
        keys[place] = _REGION if instance.is_crowd else (kind, kind * PER_CLASS + numbers[kind])
        numbers[kind] += not instance.is_crowd
    return keys
