"""Folders of indexed PNG masks, in the form of DAVIS and YouTube-VOS, to and from videos.

A folder per video holds a PNG per frame whose pixels are 0 or the place of an instance, from 1.
`meta.json` beside them (YouTube-VOS) names the category of each place. The files written here
have DAVIS's colors, and their `meta.json` holds ids, crowd flags and names of frames as well, so
that they are read back as they were. Masks are in natural order, which is that of the frames. 255
is void, but where no mask has another index, as in DAVIS 2016.

SA-V and SAM 2 write a folder per object instead, `VIDEO/000/FRAME.png`, with masks of one index.
"""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from PIL import Image

from vis_bench.data.annotation_files import (
    category_keys,
    category_names,
    crowd_flag,
    other_keys,
)
from vis_bench.data.annotations import IGNORE_REGIONS
from vis_bench.data.convert.labelled import (
    ONLY_CATEGORY,
    Labelled,
    LabelledVideo,
    LabelledVideos,
    Lost,
    files_below,
    index_map,
)
from vis_bench.data.frames import open_image, plain_name
from vis_bench.data.video import in_natural_order
from vis_bench.errors import InputError
from vis_bench.files import integer_of, read_json, shown
from vis_bench.grouping import grouped
from vis_bench.masks.rle import RLE, check_rle, decode, encode_masks

META = "meta.json"
BELOW = "Annotations"  # the folder of the videos' folders in DAVIS and YouTube-VOS
VOID = 255
Frame = dict[int, Path]  # the file of a frame by the place that its pixels have, 0 for their own
ONLY_VOID = "videos whose masks have 255 alone, which is void where others have more"
FILE_NAMES = "file_names"  # of the frames, in META as in YouTube-VIS
OBJECT_KEYS = ("category", "frames", "id", "category_id", "iscrowd", "score", "place")


def read_png(folder: Path) -> LabelledVideos:
    """Videos of a folder of folders of masks; those without `meta.json` have one category.

    Frames that `meta.json` does not name are named .jpg after their masks.
    """
    root = folder / BELOW if (folder / BELOW).is_dir() else folder
    files = grouped(files_below(root, ".png"), lambda path: path.parent)
    if not files or root in files:
        raise InputError(f"{folder} has no folders of .png masks; expected one folder per video")
    meta = next((read_json(path) for path in (root / META, folder / META) if path.is_file()), None)
    known = _known_videos(meta, str(folder / META))
    frames_of = {path: [{0: file} for file in in_natural_order(own)] for path, own in files.items()}
    remarks = []
    if meta is None and all(map(_is_of_object, files, files.values())):
        if all(path.parent != root for path in files):
            frames_of, known = _videos_of_objects(files, root)
        else:
            first = min(files).name
            remarks = [
                f"{folder} has the folders {first} .., each read as a video; for folders of the "
                "objects of one video, give the parent folder"
            ]
    names = {str(path.relative_to(root)): path for path in in_natural_order(frames_of)}
    categories = _categories(meta, known, str(folder / META))
    taken = [entry.get("id") for entry in known.values()]
    free = (n for n in range(1, len(names) + len(known) + 2) if n not in taken)
    has_void = _has_void(files)
    losses: Lost = Counter({f"videos of {META} without masks": len(known.keys() - names.keys())})

    def videos() -> Iterator[LabelledVideo]:
        last = max((n for e in known.values() for n in _instance_ids(e)), default=0)
        for name, path in names.items():
            entry = known.get(name, {})
            number = entry["id"] if type(entry.get("id")) is int else next(free)
            video = _video(number, name, frames_of[path], entry, categories, last, has_void)
            last = max([last, *(instance.id for instance in video.instances)])
            losses[ONLY_VOID] += bool(video.void) and not video.instances
            yield video

    return LabelledVideos(
        *(str(folder), categories, len(names), videos(), losses),
        keys=_kept(meta or {}, ("videos", "categories")),
        category_keys=category_keys(meta) if meta and "categories" in meta else {},
        remarks=remarks,
    )


def _is_of_object(folder: Path, masks: Sequence[Path]) -> bool:
    """True for the folder of an object, which is named by its number, with masks of one index."""
    if not folder.name.isdecimal():
        return False
    is_number = folder.name in (f"{int(folder.name):03d}", str(int(folder.name)))
    return is_number and len(np.unique(read_indexes(masks[0]))) <= 2


def _videos_of_objects(
    files: Mapping[Path, Sequence[Path]], root: Path
) -> tuple[dict[Path, list[Frame]], dict[str, dict[str, Any]]]:
    """The frames of videos that any of their objects has a mask of, and the objects as `meta.json`
    would list them, counted from 1.
    """
    frames_of, known = {}, {}
    first = min(int(own.name) for own in files)  # SA-V's count from 0, SAM 2's as prompted
    for video, folders in grouped(in_natural_order(files), lambda path: path.parent).items():
        frames: dict[Path, Frame] = {}
        for place, folder in enumerate(folders, start=1):
            for file in files[folder]:
                frames.setdefault(Path(file.stem), {})[place] = file
        frames_of[video] = [frames[stem] for stem in in_natural_order(frames)]
        ids = {str(n): {"masklet_id": int(own.name)} for n, own in enumerate(folders, start=1)}
        objects = {
            place: {"keys": keys, "place": keys["masklet_id"] + (first == 0)}
            for place, keys in ids.items()
        }
        known[str(video.relative_to(root))] = {"objects": objects}
    return frames_of, known


def _has_void(files: Mapping[Path, Sequence[Path]]) -> bool:
    """True if 255 is void: any mask has another index."""
    masks = (read_indexes(file) for own in files.values() for file in own)
    return any(0 < place < VOID for places_HW in masks for place in np.unique(places_HW))


def _known_videos(meta: Any, where: str) -> Mapping[str, dict[str, Any]]:
    if meta is None:
        return {}
    videos = meta.get("videos") if isinstance(meta, dict) else None
    entries = videos.values() if isinstance(videos, dict) else [None]
    if not all(isinstance(e, dict) and isinstance(e.get("objects"), dict) for e in entries):
        raise InputError(f"{where} has videos {shown(videos)}; expected objects of each by name")
    assert isinstance(videos, dict), "refused if not"
    for name, entry in videos.items():
        for place, thing in entry["objects"].items():
            if not (place.isdecimal() and isinstance(thing, dict)):
                raise InputError(
                    f"{where}, video {name}, has the object {shown(place)}: {shown(thing)}; "
                    "expected its place in the masks and its category"
                )
    return videos


def _categories(meta: Any, known: Mapping[str, dict[str, Any]], where: str) -> dict[int, str]:
    if meta and "categories" in meta:
        return category_names(meta, where)
    things = [thing for entry in known.values() for thing in entry["objects"].values()]
    names = {str(thing.get("category", ONLY_CATEGORY)) for thing in things} or {ONLY_CATEGORY}
    return dict(enumerate(sorted(names), start=1))


def _instance_ids(entry: Mapping[str, Any]) -> list[int]:
    return [thing["id"] for thing in entry["objects"].values() if type(thing.get("id")) is int]


def _masks(
    frames: Sequence[Frame], objects: Mapping[str, Any] | None
) -> tuple[tuple[int, ...], dict[int, dict[int, RLE]]]:
    """Size of the frames, and masks by place and frame; `objects` lists the places, if it does."""
    masks: dict[int, dict[int, RLE]] = defaultdict(dict)
    size_HW: tuple[int, ...] = ()
    for t, own, path in ((t, *pair) for t, frame in enumerate(frames) for pair in frame.items()):
        places_HW = read_indexes(path)
        places_HW = own * (places_HW > 0) if own else places_HW
        if size_HW and places_HW.shape != size_HW:
            raise InputError(
                f"{path} is of {places_HW.shape}; expected {size_HW}, as the frames before it"
            )
        size_HW = places_HW.shape
        present = [int(place) for place in np.unique(places_HW) if place]
        rles = encode_masks(places_HW == np.array(present).reshape(-1, 1, 1))
        for place, rle in zip(present, rles, strict=True):
            if objects is not None and str(place) not in objects and place != VOID:
                raise InputError(f"{path} has pixels of {place}, which {META} does not list")
            masks[place][t] = rle
    return size_HW or (1, 1), masks


def _video(
    key: int,
    name: str,
    frames: Sequence[Frame],
    entry: Mapping[str, Any],
    categories: Mapping[int, str],
    last: int,
    has_void: bool,
) -> LabelledVideo:
    """One video; objects that META gives no id are numbered after `last`."""
    where, objects = f"video {name}", entry.get("objects")
    (height, width), masks = _masks(frames, objects)
    is_void = has_void if objects is None else str(VOID) not in objects
    void = masks.pop(VOID, {}) if is_void else {}
    id_of = {text: key for key, text in categories.items()}
    instances = []
    for place in sorted({*masks, *map(int, objects or ())}):
        thing = (objects or {}).get(str(place), {})
        if type(thing.get("id")) is not int:
            last += 1
            thing = thing | {"id": last}
        of_thing = f"object {place} of {where}"
        instances.append(_object(thing, place, masks.get(place, {}), id_of, of_thing))
    names = _frame_names(entry, name, [next(iter(frame.values())) for frame in frames])
    regions = _ignore_regions(entry, height, width, where)
    known = ("id", "objects", FILE_NAMES, IGNORE_REGIONS)
    return LabelledVideo(
        *(key, name, height, width, names, instances, regions, void), _kept(entry, known)
    )


def _object(
    thing: Mapping[str, Any],
    place: int,
    masks: Mapping[int, RLE],
    id_of: Mapping[str, int],
    where: str,
) -> Labelled:
    category = id_of.get(str(thing.get("category", ONLY_CATEGORY)), 1)
    category = integer_of({"category_id": category, **thing}, "category_id", where)
    score = thing.get("score")
    if score is not None and type(score) not in (int, float):
        raise InputError(f"{where} has score {shown(score)}; expected a number")
    is_crowd = crowd_flag(thing, where)
    own = _kept(thing, OBJECT_KEYS)
    return Labelled(thing["id"], category, masks, is_crowd, score, own, thing.get("place", place))


def _ignore_regions(
    entry: Mapping[str, Any], height: int, width: int, where: str
) -> dict[int, RLE]:
    given = entry.get(IGNORE_REGIONS) or {}
    if not isinstance(given, dict) or not all(t.isdecimal() for t in given):
        raise InputError(f"{where} has {IGNORE_REGIONS} {shown(given)}; expected masks by frame")
    for t, mask in given.items():
        check_rle(mask, height, width, f"{where}, frame {t}: the mask of {IGNORE_REGIONS}")
    return {int(t): mask for t, mask in given.items()}


def _kept(entry: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """Keys that are not read, and those that `write_png` has put together as `keys`."""
    own: Any = entry.get("keys")
    is_ours = isinstance(own, dict)
    return {**other_keys(entry, (*known, "keys") if is_ours else known), **(own if is_ours else {})}


def _frame_names(entry: Mapping[str, Any], video: str, masks: Sequence[Path]) -> list[str]:
    names = entry.get(FILE_NAMES)
    if names is None:
        return [f"{video}/{path.stem}.jpg" for path in masks]
    if not isinstance(names, list) or len(names) != len(masks):
        raise InputError(
            f"video {video} has {len(masks)} masks and, in {META}, the {FILE_NAMES} "
            f"{shown(names)}; expected a name for each mask"
        )
    return [str(name) for name in names]


def read_indexes(path: Path, modes: Sequence[str] = ("P", "L", "1")) -> np.ndarray:
    """The value of each pixel, (H, W), of a PNG of one of Pillow's modes."""
    try:
        with open_image(path) as image:
            if image.mode not in modes:
                bits = 16 if "I" in modes else 8
                needed = f"expected an indexed PNG of {bits} bits, as others of its folder"
                raise InputError(f"{path} has the mode {image.mode}; {needed}")
            return np.asarray(image).astype(np.int32)
    except InputError:
        raise
    except Exception as error:  # Pillow raises many kinds for broken files
        raise InputError(f"{path} cannot be decoded: {error or type(error).__name__}") from None


def write_png(source: LabelledVideos, folder: Path, losses: Lost) -> None:
    """Write a folder of masks per video, and `meta.json`; the instance in front keeps a pixel."""
    palette = davis_palette()
    videos = {}
    for video in source.videos:
        if Path(video.name).parts[0] == BELOW:
            raise InputError(
                f"{source.name} has the video {video.name!r}; expected another name than {BELOW}, "
                "which is the folder of all videos in this form"
            )
        most = VOID - 1 if video.void else VOID  # a byte per pixel
        if len(video.instances) > most:
            raise InputError(
                f"video {video.name} has {len(video.instances)} instances; expected at most "
                f"{most}, which indexed PNGs hold"
            )
        frames = defaultdict(list)
        for t, stem in enumerate(_stems(video.file_names)):
            places_HW = index_map(video, t, losses)
            if t in video.void:
                places_HW[decode(video.void[t]) & (places_HW == 0)] = VOID
            for place in np.unique(places_HW).tolist():
                frames[place].append(stem)
            path = folder / video.name / f"{stem}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_png(places_HW, palette))
        objects = {
            str(place): {
                "category": source.categories.get(instance.category_id, ONLY_CATEGORY),
                "frames": frames[place],
                "id": instance.id,
                "category_id": instance.category_id,
                **({"iscrowd": 1} if instance.is_crowd else {}),
                **({} if instance.score is None else {"score": instance.score}),
                "keys": instance.keys,
            }
            for place, instance in enumerate(video.instances, start=1)
        }
        names = list(video.file_names)
        videos[video.name] = {
            **{"id": video.id, FILE_NAMES: names, "objects": objects},
            "keys": video.keys,
        }
        if video.regions:
            videos[video.name][IGNORE_REGIONS] = {str(t): m for t, m in video.regions.items()}
    content = {"videos": videos, "categories": source.category_entries()}
    (folder / META).write_bytes(orjson.dumps({**content, "keys": source.keys}))


def _stems(file_names: Sequence[str]) -> list[str]:
    """Names of the masks: those of their frames, or numbers where these are in another order."""
    stems = [Path(plain_name(name)).stem for name in file_names]
    masks = [Path(f"{stem}.png") for stem in stems]
    is_plain = all(path.name.isprintable() and not path.name.startswith(".") for path in masks)
    if is_plain and len(set(masks)) == len(masks) and in_natural_order(masks) == masks:
        return stems
    return [f"{t:05d}" for t in range(len(stems))]


def _png(places_HW: np.ndarray, palette: bytes) -> bytes:
    image = Image.fromarray(places_HW.astype(np.uint8), "P")
    image.putpalette(palette)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def davis_palette() -> bytes:
    """PASCAL VOC's colors, which DAVIS uses: bits of the index, spread over red, green and blue."""
    index_256 = np.arange(256)
    colors_256x3 = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            is_set = (index_256 >> (3 * bit + channel)) & 1 if 3 * bit + channel < 8 else 0
            colors_256x3[:, channel] |= np.asarray(is_set << (7 - bit), np.uint8)
    return colors_256x3.tobytes()
