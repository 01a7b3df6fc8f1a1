"""Where a data set's files lie below `--data-root`.

For `ytvis2019`, split `val`, the folder is the first of these that exists: `ytvis2019`,
`ytvis_2019`, or the root itself. In it,

    val.json, val/JPEGImages/<video>/<frame>.jpg

is the default layout; the official archives' names are recognized too: `valid` for `val`,
`valid.json`, `valid/instances.json` (2021), `annotations_valid.json` and frames directly in `valid`
(OVIS), `annotations/annotations_valid.json` (OVIS, as in tue-mps/videomt), and
`annotations/instances_val_sub.json` (VNext's instructions).

The validation annotations of `ytvis2022` are two files, `gt_short.json` and `gt_long.json`, in the
folder or in `annotations` below it (as in tue-mps/videomt, `datasets/README.md`). Without them the
list of all videos is found as above.

`coco` has `annotations/instances_val2017.json` and its images in `val2017`.

`heldout` and `rest`, which the command `split` writes, have their frames in the folder of `train`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from vis_bench.data.categories import SHORT_AND_LONG
from vis_bench.data.shared_videos import TRAINING_PARTS
from vis_bench.errors import InputError

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
