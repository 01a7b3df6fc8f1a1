"""BURST's annotations and predictions, a JSON file of sequences, as videos.

A sequence has a dict per annotated frame, from a track's number to its mask, whose run lengths are
those of the sequence's size (Ali2500/BURST-benchmark, `ANNOTATION_FORMAT.md`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vis_bench.data.annotation_files import other_keys, read_entries
from vis_bench.data.convert.coco import read_coco
from vis_bench.data.convert.labelled import LabelledVideos
from vis_bench.errors import InputError
from vis_bench.files import shown, value_of

SEQUENCES = "sequences"
# Categories that TrackEval's evaluation of BURST leaves out.
LEFT_OUT = frozenset(
    [
        *(20, 63, 108, 180, 188, 204, 212, 247, 303, 403, 407, 415, 490, 504, 507, 513, 529, 567),
        *(569, 588, 672, 691, 702, 708, 711, 720, 736, 737, 798, 813, 815, 827, 831, 851, 877, 883),
        *(912, 971, 976, 1130, 1133, 1134, 1169, 1184, 1220),
    ]
)
_FRAMES, _MASKS, _CLASSES = "annotated_image_paths", "segmentations", "track_category_ids"
_KNOWN = ("height", "width", _FRAMES, _MASKS, _CLASSES)


def read_burst(content: Mapping[str, Any], file: str) -> LabelledVideos:
    """The videos of a file's content, each named `split/dataset/sequence` as its frames' folder."""
    videos: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    distractors, without = set(), 0
    for sequence in read_entries(content, SEQUENCES, file):
        video, where = sequence["id"], f"{file}, sequence {sequence['id']}"
        names, frames, classes = (value_of(sequence, k, where) for k in _KNOWN[2:])
        _check(names, frames, classes, where)
        parts = (content.get("split"), sequence.get("dataset"), sequence.get("seq_name", video))
        name = "/".join(str(part) for part in parts if part is not None)
        videos.append({**other_keys(sequence, _KNOWN), "name": name})
        size = [sequence.get("height"), sequence.get("width")]
        seen = set()
        for t, (path, masks) in enumerate(zip(names, frames, strict=True)):
            image = {"id": len(images), "video_id": video, "frame_id": t}
            sides = dict(zip(("height", "width"), size, strict=True))
            images.append({**image, **sides, "file_name": f"{name}/{path}"})
            for track, mask in masks.items():
                seen.add(track)
                category = classes.get(track, mask.get("category_id"))
                if category in LEFT_OUT:
                    distractors.add((video, track))
                    continue
                code = {"size": size, "counts": value_of(mask, "rle", f"{where}, frame {t}")}
                links = {"id": len(annotations), "image_id": image["id"], "category_id": category}
                links["track_id"] = int(track) if track.isdecimal() else track
                own = other_keys(mask, ("rle",))
                annotations.append({**own, **links, "segmentation": code})
        without += len(classes.keys() - seen)
    # Predictions may have no list of categories.
    used = [{"id": key} for key in dict.fromkeys(e["category_id"] for e in annotations)]
    lists = {"videos": videos, "images": images, "annotations": annotations}
    found = read_coco({"categories": used, **other_keys(content, (SEQUENCES,)), **lists}, file)
    found.losses["tracks of categories that TrackEval leaves out of BURST"] += len(distractors)
    found.losses["tracks without a mask"] += without
    return found


def _check(names: Any, frames: Any, classes: Any, where: str) -> None:
    """Refuse a sequence of another form."""
    lists = isinstance(names, list) and isinstance(frames, list) and len(names) == len(frames)
    if not lists or not all(map(_is_of_masks, frames)):
        raise InputError(
            f"{where} has {_FRAMES} {shown(names)} and {_MASKS} {shown(frames)}; expected lists of "
            "one length, of names and of masks by track"
        )
    if not isinstance(classes, dict):
        raise InputError(f"{where} has {_CLASSES} {shown(classes)}; expected categories by track")


def _is_of_masks(frame: Any) -> bool:
    return isinstance(frame, dict) and all(isinstance(mask, dict) for mask in frame.values())
