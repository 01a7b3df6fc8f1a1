"""Made-up videos of the size that papers time: 36 frames of 720x1280, for speed and FLOPs.

Speed needs frames but no annotations. These are the first synthetic validation videos of 16:9,
enlarged; a video that is too short goes backwards from its end. Nothing is downloaded, and every
machine draws the same frames. 36 frames are YouTube-VIS 2019's longest video.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from vis_bench.data import synthetic
from vis_bench.data.categories import CATEGORIES
from vis_bench.data.frames import LazyFrames, there_and_back
from vis_bench.data.video import Video
from vis_bench.errors import InputError

NAME, SPLIT = "nominal", "val"
NUM_FRAMES = 36
SIZE_HW = (720, 1280)


def nominal_videos(split: str) -> list[Video]:
    """The videos; their frames are drawn when indexed."""
    if split != SPLIT:
        raise InputError(f"unknown split {split!r}; expected {SPLIT}, the only one of {NAME}")
    height, width = SIZE_HW
    drawn = synthetic.generate(SPLIT, num_videos=synthetic.FIRST_VIDEOS).videos
    wide = [video for video in drawn if video.width * height == video.height * width]
    return [
        Video(
            number, f"{NAME}_{number}", height, width, LazyFrames(NUM_FRAMES, partial(_frame, own))
        )
        for number, own in enumerate(wide, start=1)
    ]


def nominal_content(split: str) -> dict[str, Any]:
    """The content of an annotations file that lists the videos only."""
    height, width = SIZE_HW
    return {
        "info": {"description": "enlarged synthetic videos, for speed and FLOPs"},
        "videos": [
            {"id": video.id, "height": height, "width": width, "length": NUM_FRAMES}
            for video in nominal_videos(split)
        ],
        "categories": [{"id": key, "name": name} for key, name in CATEGORIES[NAME].items()],
    }


def _frame(video: Video, t: int) -> np.ndarray:
    """Frame `t` (720, 1280, 3) of a video that plays forward and backward."""
    small = there_and_back(video.frames, NUM_FRAMES)[t]
    height, width = SIZE_HW
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR))
