"""SA-V's annotations of a video, a JSON file with the masks of each annotated frame, as a video.

`masklet[t][n]` is the mask of object n in frame 4 t (facebookresearch/sam2, `sav_dataset`): every
fourth frame is annotated, and is named by its number among all frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from vis_bench.data.annotation_files import other_keys
from vis_bench.data.convert.labelled import (
    NO_PIXEL,
    Instance,
    LabelledVideo,
    LabelledVideos,
    Losses,
)
from vis_bench.errors import InputError
from vis_bench.files import shown, value_of
from vis_bench.masks.rle import area, check_rle

STEP = 4
MASKS = "masklet"
_KNOWN = ("video_id", "video_height", "video_width", MASKS, "masklet_num")


def read_sav(content: Mapping[str, Any], file: str) -> LabelledVideos:
    """The video of a file's content; its objects have one category."""
    frames = content[MASKS]
    if not isinstance(frames, list) or not all(isinstance(masks, list) for masks in frames):
        raise InputError(f"{file} has {MASKS} {shown(frames)}; expected SA-V's lists of masks")
    height, width = (_whole(content, key, file) for key in ("video_height", "video_width"))
    name = str(value_of(content, "video_id", file))
    num_objects = max(map(len, frames), default=0)
    of_objects = {
        key: value
        for key, value in content.items()
        if key.startswith(MASKS) and isinstance(value, list) and len(value) == num_objects
    }
    losses: Losses = Counter()
    instances = []
    for n in range(num_objects):
        masks = {t: own[n] for t, own in enumerate(frames) if n < len(own) and own[n] is not None}
        for t, mask in masks.items():
            check_rle(mask, height, width, f"{file}, object {n}, annotated frame {t}: the mask")
        found = {t: mask for t, mask in masks.items() if area(mask)}
        losses[NO_PIXEL] += len(masks) - len(found)
        keys = {key: values[n] for key, values in of_objects.items() if key != MASKS}
        instances.append(Instance(n + 1, 1, found, keys=keys))
    keys = other_keys(content, (*_KNOWN, *of_objects))
    names = [f"{name}/{STEP * t:05d}.jpg" for t in range(len(frames))]
    video = LabelledVideo(1, name, height, width, names, instances, keys=keys)
    return LabelledVideos(file, {1: "object"}, 1, iter([video]), losses)


def _whole(content: Mapping[str, Any], key: str, file: str) -> int:
    """A size, which SA-V writes as 848.0."""
    value = value_of(content, key, file)
    if type(value) not in (int, float) or value != int(value) or value < 1:
        raise InputError(f"{file} has {key} {shown(value)}; expected a whole number of pixels")
    return int(value)
