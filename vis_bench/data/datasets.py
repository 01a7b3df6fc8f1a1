"""Data sets as videos: those with a known name, and any other in YouTube-VIS form."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import orjson

from vis_bench.data import nominal, synthetic
from vis_bench.data.annotation_files import (
    annotations_checksum,
    as_videos,
    is_of_images,
    join_short_and_long,
)
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.categories import (
    CATEGORIES,
    DATASETS,
    SHORT_AND_LONG,
    TRAINING_PARTS,
    check_dataset_name,
    contradiction,
)
from vis_bench.data.frames import ImageFiles, frame_paths, is_file, turned_warning
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.files import integer_of, objects_of, read_bytes, read_json, shown, value_of
from vis_bench.masks.rle import check_size

FOLDERS = {
    "ytvis2019": ("ytvis2019", "ytvis_2019", "."),
    "ytvis2021": ("ytvis2021", "ytvis_2021", "."),
    "ytvis2022": ("ytvis2022", "ytvis_2022", "."),
    "ovis": ("ovis", "."),
    "coco": ("coco", "."),
    "synthetic": ("synthetic", "."),
    "synthetic_images": ("synthetic_images", "."),
    "nominal": ("nominal", "."),
}
SPLIT_NAMES = {"train": ("train",), "val": ("val", "valid"), "test": ("test",)}
ANNOTATIONS = (
    "{split}.json",
    "{split}/instances.json",
    "annotations_{split}.json",
    "annotations/instances_{split}_sub.json",
    "annotations/annotations_{split}.json",
)
COCO_ANNOTATIONS = ("annotations/instances_{split}2017.json",)
SHORT_AND_LONG_FILES = (
    ("gt_short.json", "gt_long.json"),
    ("annotations/gt_short.json", "annotations/gt_long.json"),
)
FRAMES = ("{split}/JPEGImages", "{split}")
COCO_FRAMES = ("{split}2017", "images/{split}2017")


def find_annotations(data_root: Path, name: str, split: str) -> Path:
    """The annotations file of a split.

    Raises:
        InputError: saying what was looked for, and what changes that.
    """
    whole_forms = COCO_ANNOTATIONS if name == "coco" else ANNOTATIONS
    forms = ANNOTATIONS[:1] if split in TRAINING_PARTS else whole_forms
    candidates = _candidates(data_root, name, split, forms)
    what = f"annotations of {name} {split}"
    hint = ""
    if split in TRAINING_PARTS:
        whole = _candidates(data_root, name, "train", whole_forms)
        train = next(filter(Path.is_file, whole), whole[0])
        command = shlex.join(["vis-bench", "split", str(train), str(candidates[0].parent)])
        hint = f"`{command}` writes them; "
    return _first(candidates, Path.is_file, what, "annotations", hint)


def find_short_and_long(data_root: Path, name: str, split: str) -> tuple[Path, Path] | None:
    """The two annotations files of a split that has two; None where neither is there.

    Raises:
        InputError: where only one is there.
    """
    if (name, SPLIT_NAMES.get(split)) != (SHORT_AND_LONG, SPLIT_NAMES["val"]):
        return None
    for folder in _folders(data_root, name):
        for files in SHORT_AND_LONG_FILES:
            short, long = (folder / file for file in files)
            if short.is_file() and long.is_file():
                return short, long
            if short.is_file() or long.is_file():
                there, missing = (short, long) if short.is_file() else (long, short)
                raise InputError(
                    f"found {there} but no {missing}; expected both, since AP of {name} is the "
                    "mean of short and long videos"
                )
    return None


def find_frames(data_root: Path, name: str, split: str) -> Path:
    """The folder that a split's file names start from.

    Raises:
        InputError: saying what was looked for, and what changes that.
    """
    folder = "train" if split in TRAINING_PARTS else split
    forms = COCO_FRAMES if name == "coco" else FRAMES
    candidates = _candidates(data_root, name, folder, forms)
    return _first(candidates, Path.is_dir, f"frames of {name} {split}", "frames")


def _candidates(data_root: Path, name: str, split: str, forms: Iterable[str]) -> list[Path]:
    spellings = SPLIT_NAMES.get(split, (split,))
    return [
        folder / form.format(split=spelling)
        for folder in _folders(data_root, name)
        for form in forms
        for spelling in spellings
    ]


def _folders(data_root: Path, name: str) -> list[Path]:
    """The folder of the data set's own that exists; else all that it might have been."""
    folders = [data_root / folder for folder in FOLDERS[name]]
    return [folder for folder in folders[:-1] if folder.is_dir()][:1] or folders


def _first(
    candidates: Sequence[Path], exists: Callable[[Path], bool], what: str, key: str, hint: str = ""
) -> Path:
    for path in candidates:
        if exists(path):
            return path
    looked = ", ".join(str(path) for path in candidates)
    raise InputError(
        f"found no {what}: looked for {looked}; {hint}--data-root or the config's dataset.{key} "
        "says where they are"
    )


__all__ = ["Dataset", "ImageFiles", "load_dataset", "read_categories", "read_dataset"]


@dataclass(frozen=True)
class Dataset:
    """A split of a data set.

    `videos` decode their frames when indexed. `categories`: id -> name, in order. `content` makes
    the content of the annotations file, read from `annotations_path` where there is one.
    `has_annotations` is False for the public validation and test files, which list videos only.
    `part` is what the command `split` wrote into a file that it cut: `heldout` or `rest`.
    `of_images`: the videos are single images, a frame each; results are written in COCO's form.
    """

    name: str
    split: str
    videos: Sequence[Video]
    categories: Mapping[int, str]
    has_annotations: bool
    annotations_path: Path | None
    content: Callable[[], dict[str, Any]]
    part: str | None = None
    of_images: bool = False

    @property
    def full_name(self) -> str:
        """`data set/split`, where the file itself goes before the config that calls it so."""
        return f"{self.name}/{self.part or self.split}"

    @property
    def category_ids(self) -> list[int]:
        """The ids of the categories, which is what the columns of class probabilities stand for."""
        return list(self.categories)

    @cached_property
    def annotations_sha256(self) -> str:
        """The checksum of the annotations file, or of the JSON it would be."""
        path = self.annotations_path
        data = orjson.dumps(self.content()) if path is None else read_bytes(path)
        return annotations_checksum(data)

    def ground_truth(self, videos: Sequence[Video] | None = None) -> GroundTruth:
        """The annotations of some of the videos (default: all), checked for evaluation.

        Raises:
            InputError: where there are none, or for the first thing wrong with them.
        """
        name = str(self.annotations_path or f"{self.name} {self.split}")
        content = self.content()
        some = videos is not None and len(videos) < len(self.videos)
        if not (some and self.has_annotations):
            return GroundTruth.of(content, name)
        if self.annotations_path is not None:
            GroundTruth.of(content, name)  # what is wrong anywhere in a file is said at once
        return GroundTruth.of(_only(content, {video.id for video in videos or ()}), name)

    def check_frames(self, videos: Sequence[Video]) -> list[str]:
        """Looks at the files of the frames of some videos, without decoding them.

        Returns:
            Warnings, a sentence each.

        Raises:
            InputError: for the first frame that is missing, is not an image, or has another size
                than its video.
        """
        in_files = [video.frames for video in videos if isinstance(video.frames, ImageFiles)]
        turned = [path for frames in in_files for path in frames.check()]
        if not turned:
            return []
        of = f"of {self.full_name}, in {turned[0].parent} and elsewhere,"
        return [turned_warning(turned, sum(map(len, in_files)), of)]


def load_dataset(
    name: str,
    split: str,
    *,
    plain: bool = False,
    annotations: Path | None = None,
    frames: Path | None = None,
    data_root: Path | None = None,
) -> Dataset:
    """Opens a split of a data set by name.

    Args:
        name: one of `categories.DATASETS`; or any other, with both `annotations` and `frames`.
        split: `train`, `val` or `test`; `heldout` or `rest`, which the command `split` writes.
        plain: the easy variant of the synthetic videos.
        annotations: a file in YouTube-VIS form or COCO's; default: found below `data_root` (see
            `layout`), where the validation set of `ytvis2022` has two, which are joined.
        frames: the folder that the file names start from; default as above.
        data_root: the folder with the data sets. Synthetic videos are drawn in memory without
            any of the three.

    Raises:
        InputError: for an unknown name or split, files that are missing, malformed, or of another
            data set; it says which option changes that.
    """
    if annotations is None or frames is None:
        check_dataset_name(name)
    in_memory = annotations is None and frames is None and split not in TRAINING_PARTS
    if name == "synthetic" and in_memory:
        return _in_memory(split, plain)
    if name == "synthetic_images" and in_memory and not plain:
        return _images_in_memory(split)
    if name == nominal.NAME and in_memory and not plain:
        return _nominal_in_memory(split)
    if plain and name != "synthetic":
        raise InputError(f"plain is true for {name}; only synthetic videos have a plain variant")
    if annotations is None or frames is None:
        root = _required(data_root, name, "annotations" if annotations is None else "frames")
        both = None if annotations else find_short_and_long(root, name, split)
        if both is not None:
            frames = frames or find_frames(root, name, split)
            return _short_and_long(name, split, both, frames)
        annotations = annotations or find_annotations(root, name, split)
        frames = frames or find_frames(root, name, split)
    return read_dataset(name, split, annotations, frames)


def read_dataset(name: str, split: str, annotations: Path, frames: Path) -> Dataset:
    """Opens a data set in YouTube-VIS form, or of images in COCO's form, from its annotations file
    and its folder of frames.

    A known data set has its own categories, all of them, and the file's must not contradict them;
    any other has the file's.

    Raises:
        InputError: as `load_dataset`.
    """
    content = _read_content(annotations)
    entries = video_entries(content, str(annotations))
    categories = _known_categories(name, content, annotations)
    of_images = is_of_images(content)
    videos = [_video(entry, frames, str(annotations), of_images) for entry in entries]
    _check_frames(frames, entries)
    return Dataset(
        name, split, videos, categories, bool(content.get("annotations")),
        annotations, partial(_read_content, annotations), _part(content), of_images,
    )  # fmt: skip


def _read_content(annotations: Path) -> Any:
    return as_videos(read_json(annotations))


def _short_and_long(name: str, split: str, both: tuple[Path, Path], frames: Path) -> Dataset:
    """A data set whose annotations are two files; videos are those of both, short ones first."""
    content = partial(join_short_and_long, *both)
    title = f"{both[0]} and {both[1]}"
    joined = content()
    entries = video_entries(joined, title)
    categories = _known_categories(name, joined, both[0])
    videos = [_video(entry, frames, title) for entry in entries]
    _check_frames(frames, entries)
    return Dataset(name, split, videos, categories, True, None, content)


def read_categories(annotations: Path) -> dict[int, str]:
    """The categories of an annotations file, id -> name, in the order of their ids.

    Raises:
        InputError: for a file that lists none, or one id twice.
    """
    return _own_categories(read_json(annotations), annotations)


def video_entries(content: Any, name: str) -> list[dict[str, Any]]:
    """The entries of `videos` in an annotations file; `name` is what messages call the file.

    Raises:
        InputError: for a file of another kind, `meta.json` among them.
    """
    needed = "expected an object with a list of videos, like train.json and valid.json"
    if not isinstance(content, dict):
        raise InputError(f"{name} holds {shown(content)}; {needed}")
    if isinstance(content.get("videos"), dict):
        raise InputError(f"{name} has videos as an object, like meta.json; {needed}")
    entries = objects_of(content, "videos", name)
    if not entries:
        raise InputError(f"{name} lists no videos; expected at least one")
    return entries


def _in_memory(split: str, plain: bool) -> Dataset:
    drawn = synthetic.generate(split, plain=plain)
    return Dataset(
        "synthetic", split, drawn.videos, _sorted(CATEGORIES["synthetic"]), True, None,
        partial(_annotations, drawn),
    )  # fmt: skip


@cache
def _annotations(drawn: synthetic.SyntheticVideos) -> dict[str, Any]:
    return drawn.annotations()


def _images_in_memory(split: str) -> Dataset:
    drawn = synthetic.generate(split)
    return Dataset(
        "synthetic_images", split, synthetic.image_videos(drawn),
        _sorted(CATEGORIES["synthetic_images"]), True, None, partial(_image_annotations, drawn),
        of_images=True,
    )  # fmt: skip


@cache
def _image_annotations(drawn: synthetic.SyntheticVideos) -> dict[str, Any]:
    return as_videos(synthetic.image_annotations(drawn))


def _nominal_in_memory(split: str) -> Dataset:
    return Dataset(
        nominal.NAME, split, nominal.nominal_videos(split), _sorted(CATEGORIES[nominal.NAME]),
        False, None, partial(nominal.nominal_content, split),
    )  # fmt: skip


def _required(data_root: Path | None, name: str, key: str) -> Path:
    if data_root is None:
        raise InputError(
            f"data set {name} is read from files: give --data-root DIR, or dataset.{key} in the "
            "config"
        )
    if not data_root.is_dir():
        raise InputError(
            f"--data-root {data_root} is not a folder; expected the one with the data sets"
        )
    return data_root


def _video(entry: dict[str, Any], frames: Path, name: str, of_images: bool = False) -> Video:
    number = integer_of(entry, "id", f"{name}, an entry of videos")
    where = f"{name}, video {number}"
    size = [value_of(entry, "height", where), value_of(entry, "width", where)]
    height, width = check_size(size, where)
    file_names = value_of(entry, "file_names", where)
    if not isinstance(file_names, list) or not file_names:
        raise InputError(
            f"{where} has file_names {shown(file_names)}; expected a list of at least one"
        )
    length = entry.get("length", len(file_names))
    if length != len(file_names):
        raise InputError(f"{where} has length {shown(length)} but {len(file_names)} file_names")
    files = frame_paths(file_names, frames, where)
    title = files[0].name if of_images else files[0].parent.name or str(number)
    return Video(number, title, height, width, ImageFiles(files, title, (height, width)))


def _known_categories(name: str, content: dict[str, Any], path: Path) -> dict[int, str]:
    """The categories of a data set; those of the file where the name is not a known one."""
    if name not in DATASETS:
        return _own_categories(content, path)
    problem = contradiction(name, _listed_categories(content, path))
    if problem:
        raise InputError(f"{path} is not for data set {name}: {problem}")
    return _sorted(CATEGORIES[name])


def _own_categories(content: Any, path: Path) -> dict[int, str]:
    listed = _listed_categories(content, path) if isinstance(content, dict) else {}
    if not listed:
        raise InputError(f"{path} lists no categories; expected an id and a name for each")
    if len(listed) != len(content["categories"]):
        raise InputError(f"{path} lists the id of a category twice; expected an id of its own each")
    return _sorted(listed)


def _listed_categories(content: dict[str, Any], path: Path) -> dict[int, str]:
    entries = objects_of(content, "categories", str(path)) if content.get("categories") else []
    where = f"{path}, an entry of categories"
    ids = [integer_of(entry, "id", where) for entry in entries]
    return {key: str(entry.get("name", key)) for key, entry in zip(ids, entries, strict=True)}


def _part(content: dict[str, Any]) -> str | None:
    """The part that the command `split` wrote into `info`."""
    info = content.get("info")
    cut = info.get("split") if isinstance(info, dict) else None
    part = cut.get("part") if isinstance(cut, dict) else None
    return part if part in TRAINING_PARTS else None


def _check_frames(frames: Path, entries: Sequence[dict[str, Any]]) -> None:
    """Looks at the first frame only: the others are missed when they are decoded."""
    if not frames.is_dir():
        raise InputError(f"folder of frames {frames} does not exist; dataset.frames names another")
    if not is_file(frames / entries[0]["file_names"][0]):
        raise InputError(
            f"folder of frames {frames} does not hold {entries[0]['file_names'][0]}; expected the "
            "folder that the annotations' file_names start from (dataset.frames)"
        )


def _only(content: dict[str, Any], video_ids: set[int]) -> dict[str, Any]:
    """The content of a checked annotations file without other videos and their annotations."""
    return {
        **content,
        "videos": [entry for entry in content["videos"] if entry.get("id") in video_ids],
        "annotations": [
            entry for entry in content["annotations"] if entry.get("video_id") in video_ids
        ],
    }


def _sorted(categories: Mapping[int, str]) -> dict[int, str]:
    return dict(sorted(categories.items()))
