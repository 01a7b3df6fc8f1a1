"""MOTS text files, as MOTS20 and KITTI MOTS have them, to and from videos.

A file per video with a line per mask: frame, id, class, height, width, run lengths (Voigtlaender
et al., MOTS: Multi-Object Tracking and Segmentation, CVPR 2019). An id is 1000 times the class plus
the instance's number; class 10 marks regions to ignore. Frames start at 1 (MOTS20) or 0 (KITTI).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from vis_bench.data.convert.labelled import (
    EMPTY,
    SCORES,
    Instance,
    LabelledVideo,
    LabelledVideos,
    Losses,
    files_below,
    index_map,
)
from vis_bench.data.video import in_natural_order
from vis_bench.errors import InputError
from vis_bench.files import read_bytes
from vis_bench.masks.rle import RLE, area, check_rle, encode_masks

IGNORED = 10
CLASSES = {1: "car", 2: "pedestrian", IGNORED: "ignore"}  # of both data sets
PER_CLASS = 1000
MOST_CLASS = 999_999  # ids of nine digits
GROUND_TRUTH = ("gt", "gt.txt")  # of a MOTS20 video, in its folder


def read_mots(path: Path) -> LabelledVideos:
    """Videos of a file or a folder of them; a video ends with its last mask.

    Frames are named after their numbers, `name/000001.jpg`. Classes keep their numbers; what is
    ignored becomes a crowd.
    """
    files = _files(path)
    # One pass before the videos are asked for: categories, and whether any file has a frame 0.
    classes, first = set(), 1
    for file in files.values():
        for frame, _, kind, _ in _lines(file):
            classes.add(kind)
            first = min(first, frame)
    categories = {key: CLASSES.get(key, f"class {key}") for key in sorted(classes)}

    def videos() -> Iterator[LabelledVideo]:
        next_id = 1
        for number, (name, file) in enumerate(files.items(), start=1):
            video = _video(number, name, file, first, next_id)
            next_id += len(video.instances)
            yield video

    return LabelledVideos(str(path), categories, len(files), videos())


def _files(path: Path) -> dict[str, Path]:
    """The files by their videos' names."""
    if path.is_file():
        return {path.stem: path}
    found = files_below(path, ".txt")
    of_gt = [p for p in found if p.parts[-2:] == GROUND_TRUTH]
    named = {p: p.parent.parent if of_gt else p.with_suffix("") for p in of_gt or found}
    files = {str(name.relative_to(path)): p for p, name in named.items()}
    if not files:
        raise InputError(f"{path} has no .txt files; expected one per video")
    return {str(name): files[str(name)] for name in in_natural_order(map(Path, files))}


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


def _video(number: int, name: str, file: Path, first: int, next_id: int) -> LabelledVideo:
    masks: dict[tuple[int, int], dict[int, RLE]] = defaultdict(dict)
    size, length = None, 0
    for frame, key, kind, mask in _lines(file):
        t = frame - first
        if size is not None and mask["size"] != size:
            raise InputError(f"{file} has masks of {size} and {mask['size']}; expected one size")
        if t in masks[key, kind]:
            raise InputError(f"{file} has two masks of id {key} in frame {frame}; expected one")
        size, length = mask["size"], max(length, t + 1)
        if area(mask):
            masks[key, kind][t] = mask
    instances = [
        Instance(next_id + n, kind, own, kind == IGNORED)
        for n, ((_, kind), own) in enumerate(sorted(masks.items(), key=lambda pair: pair[0]))
    ]
    names = [f"{name}/{t + first:06d}.jpg" for t in range(length)]
    height, width = size or (1, 1)
    return LabelledVideo(number, name, height, width, names, instances)


def write_mots(source: LabelledVideos, folder: Path, losses: Losses) -> None:
    """Writes a file per video, with frames from 1; the instance in front keeps a pixel."""
    plain = {key: text for key, text in source.categories.items() if CLASSES.get(key) != text}
    losses["names of categories"] += len(plain)
    id_of: dict[Path, int] = {}
    for video in source.videos:
        id_of[Path(video.name)] = video.id
        keys = _keys(video, losses)
        lines = []
        last = -1
        for t in range(video.length):
            places_HW = index_map(video, t, losses)
            for place, instance in enumerate(video.instances, start=1):
                if t not in instance.masks or not (places_HW == place).any():
                    continue
                [rle] = encode_masks((places_HW == place)[None])
                kind, key = keys[place]
                size = f"{video.height} {video.width}"
                lines.append(f"{t + 1} {key} {kind} {size} {rle['counts']}\n")
                last = t
        losses["frames behind the last mask of their video"] += video.length - 1 - last
        renamed = sum(
            name != f"{video.name}/{t + 1:06d}.jpg" for t, name in enumerate(video.file_names)
        )
        losses["file names of frames"] += renamed
        path = folder / f"{video.name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines))
    places = enumerate(in_natural_order(id_of), start=1)
    losses["ids of videos, which are numbered by name"] += sum(id_of[p] != n for n, p in places)


def _keys(video: LabelledVideo, losses: Losses) -> dict[int, tuple[int, int]]:
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
        if not 0 <= kind <= MOST_CLASS:
            raise InputError(
                f"video {video.name} has category {kind}; expected 0 to {MOST_CLASS}, which MOTS "
                "ids hold"
            )
        if numbers[kind] >= PER_CLASS:
            raise InputError(
                f"video {video.name} has more than {PER_CLASS} instances of category {kind}; "
                "expected at most that, which MOTS ids hold"
            )
        keys[place] = kind, kind * PER_CLASS + numbers[kind]
        numbers[kind] += 1
    return keys
