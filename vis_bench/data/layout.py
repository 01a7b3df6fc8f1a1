"""The places of the files of known data sets below the data root.

The files of a known data set are found below `--data-root`. For `ytvis2019`, split `val`, the
folder is the first of these that exists: `ytvis2019`, `ytvis_2019`, or the root itself. In it,

    val.json, val/JPEGImages/<video>/<frame>.jpg

is the default layout; the official archives' names are recognized too: `valid` for `val`,
`valid.json`, `valid/instances.json` (2021), `annotations_valid.json` and frames directly in `valid`
(OVIS), `annotations/annotations_valid.json` (OVIS, as in tue-mps/videomt), and
`annotations/instances_val_sub.json` (VNext's instructions). Validation annotations that came out
later come first: `validGT.json` of `ovis`, `validation_gt.json` of `ytvis2021` (see `official`),
and the two files of `ytvis2022`, `gt_short.json` and `gt_long.json`, in the folder or in
`annotations` below it (as in tue-mps/videomt, `datasets/README.md`); without them the list of all
videos is found as above, and with it they must list the same videos. `coco` has
`annotations/instances_val2017.json` and its images in `val2017`. `heldout` and `rest`, which the
command `split` writes, have their frames in the folder of `train`.

`lvvis` has `val_instances.json` and frames in `JPEGImages/val` (haochenheheda/LVVIS, README.md);
`hqytvis` has `ytvis_hq-test.json`, and its frames are those of YouTube-VIS 2019's training split,
unless it has a folder of its own; `saco_veval`, whose splits are `sav_val`, `sav_test`, `yt1b_val`
and so on, has `annotation/saco_veval_sav_val.json` and its frames below `media`
(facebookresearch/sam3, scripts/eval/veval/README.md).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from vis_bench.data.categories import SHORT_AND_LONG, TRAINING_PARTS
from vis_bench.data.official import PUBLIC_ANNOTATIONS
from vis_bench.errors import InputError

SPLIT_NAMES = {"train": ("train",), "val": ("val", "valid"), "test": ("test",)}
ANNOTATIONS = (
    "{split}.json",
    "{split}/instances.json",
    "annotations_{split}.json",
    "annotations/instances_{split}_sub.json",
    "annotations/annotations_{split}.json",
)
FRAMES = ("{split}/JPEGImages", "{split}")
ANNOTATIONS_OF: Mapping[str, Sequence[str]] = {
    "coco": ("annotations/instances_{split}2017.json",),
    "lvvis": ("{split}_instances.json", "annotations/{split}_instances.json"),
    "hqytvis": ("ytvis_hq-{split}.json", "annotations/ytvis_hq-{split}.json"),
    "saco_veval": ("annotation/saco_veval_{split}.json", "saco_veval_{split}.json"),
}
FRAMES_OF: Mapping[str, Sequence[str]] = {
    "coco": ("{split}2017", "images/{split}2017"),
    "lvvis": ("JPEGImages/{split}", *FRAMES),
    "hqytvis": ("JPEGImages", "train/JPEGImages"),
}
# The folders of SA-Co/VEval's frames below `media`, by the first word of a split.
VEVAL_FRAMES: Mapping[str, Sequence[str]] = {
    "sav": ("media/saco_sav/JPEGImages_24fps",),
    "yt1b": ("media/saco_yt1b/JPEGImages_6fps", "media/sa_yt1b/JPEGImages_6fps"),
    "smartglasses": ("media/saco_sg/JPEGImages_6fps",),
}


def find_annotations(data_root: Path, name: str, split: str) -> Path:
    """The annotations file of a split."""
    whole_forms = ANNOTATIONS_OF.get(name, ANNOTATIONS)
    if split == "val" and name in PUBLIC_ANNOTATIONS:
        public = PUBLIC_ANNOTATIONS[name]
        whole_forms = (public, f"annotations/{public}", *whole_forms)
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
    """The two annotations files of a split that has two; None where neither is there."""
    if name != SHORT_AND_LONG or split != "val":
        return None
    for folder in _folders(data_root, name):
        for place in (folder, folder / "annotations"):
            short, long = place / "gt_short.json", place / "gt_long.json"
            exist = [path for path in (short, long) if path.is_file()]
            if len(exist) == 2:
                return short, long
            if exist:
                missing = long if exist == [short] else short
                raise InputError(
                    f"found {exist[0]} but no {missing}; expected both, since AP of {name} is the "
                    "mean of short and long videos"
                )
    return None


def find_list(data_root: Path, name: str, split: str) -> Path | None:
    """The list of a split's videos, which may lack annotations; None where there is none."""
    lists = _candidates(data_root, name, split, ANNOTATIONS)
    return next(filter(Path.is_file, lists), None)


def find_frames(data_root: Path, name: str, split: str) -> Path:
    """The folder that a split's file names start from."""
    folder = "train" if split in TRAINING_PARTS else split
    forms = FRAMES_OF.get(name, FRAMES)
    if name == "saco_veval":
        forms = VEVAL_FRAMES.get(split.split("_")[0], ())
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
    """The data set's existing folder; else all candidates."""
    own = [data_root / name, data_root / name.replace("ytvis", "ytvis_")]
    if name == "hqytvis":
        own = [data_root / name, *_folders(data_root, "ytvis2019")]
        return [folder for folder in dict.fromkeys(own) if folder.is_dir()] or own
    return [folder for folder in own if folder.is_dir()][:1] or [*dict.fromkeys(own), data_root]


def _first(
    candidates: Sequence[Path], exists: Callable[[Path], bool], what: str, key: str, hint: str = ""
) -> Path:
    for path in candidates:
        if exists(path):
            return path
    looked = ", ".join(str(path) for path in candidates)
    raise InputError(
        f"found no {what}: looked for {looked}; {hint}--data-root or the config's dataset.{key} "
        "names their place"
    )
