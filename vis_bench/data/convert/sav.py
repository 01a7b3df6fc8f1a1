"""SA-V's annotations of a video, a JSON file with the masks of each annotated frame, as a video.

`masklet[t][n]` is the mask of object n in frame 4 t (facebookresearch/sam2, `sav_dataset`): every
fourth frame is annotated, and is named by its number among all frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vis_bench.data.annotation_files import other_keys
from vis_bench.data.convert.coco import read_coco
from vis_bench.data.convert.labelled import ONLY_CATEGORY, LabelledVideos
from vis_bench.errors import InputError
from vis_bench.files import shown, value_of

STEP = 4
MASKS = "masklet"
_KNOWN = ("video_id", "video_height", "video_width", MASKS, "masklet_num")
_LINKS = {"video_id": 1, "category_id": 1}


def read_sav(content: Mapping[str, Any], file: str) -> LabelledVideos:
    """The video of a file's content; its objects have one category."""
    frames = content[MASKS]
    if not isinstance(frames, list) or not all(isinstance(masks, list) for masks in frames):
        raise InputError(f"{file} has {MASKS} {shown(frames)}; expected SA-V's lists of masks")
    size = {side: _whole(content, f"video_{side}", file) for side in ("height", "width")}
    name = str(value_of(content, "video_id", file))
    num_objects = max(map(len, frames), default=0)
    of_objects = {
        key: value
        for key, value in content.items()
        if key.startswith(MASKS) and isinstance(value, list) and len(value) == num_objects
    }
    as_coco = {
        "categories": [{"id": 1, "name": ONLY_CATEGORY}],
        "videos": [{**other_keys(content, (*_KNOWN, *of_objects)), "id": 1, "name": name}],
        "images": [
            {"id": t, "video_id": 1, "frame_id": t, **size}
            | {"file_name": f"{name}/{STEP * t:05d}.jpg"}
            for t in range(len(frames))
        ],
        "tracks": [
            {**{key: values[n] for key, values in of_objects.items() if key != MASKS}, **_LINKS}
            | {"id": n + 1}
            for n in range(num_objects)
        ],
        "annotations": [
            {"id": t * num_objects + n, "image_id": t, "track_id": n + 1, **_LINKS}
            | {"segmentation": mask}
            for t, masks in enumerate(frames)
            for n, mask in enumerate(masks)
            if mask is not None
        ],
    }
    return read_coco(as_coco, file)


def _whole(content: Mapping[str, Any], key: str, file: str) -> int:
    """A size, which SA-V writes as 848.0."""
    value = value_of(content, key, file)
    if type(value) not in (int, float) or value != int(value) or value < 1:
        raise InputError(f"{file} has {key} {shown(value)}; expected a whole number of pixels")
    return int(value)
