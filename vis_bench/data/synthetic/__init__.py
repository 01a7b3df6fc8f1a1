"""Seeded videos of moving objects with exact masks, in YouTube-VIS form.

`generate` gives a split in memory, `write_dataset` writes it to disk. The same seed gives the same
pixels and masks on every machine, whatever else draws random numbers.

Files, from draws to bytes: `random_draws` draws numbers, `shapes` and `textures` are what classes
are made of (`classes`), `motion` and `courses` say how objects move, `backdrop` what lies behind
them, `compose` draws a whole `scene`, `render` its pixels, `hidden` counts who hides whom, `videos`
makes splits and annotations, `images` takes single frames of them, and `write` puts videos into
files.
"""

from vis_bench.data.synthetic.classes import CLASSES, plain_color
from vis_bench.data.synthetic.images import image_annotations, image_videos
from vis_bench.data.synthetic.render import render
from vis_bench.data.synthetic.videos import (
    SyntheticVideos,
    VideoKey,
    generate,
    open_video,
    scene_of,
)
from vis_bench.data.synthetic.write import write_dataset

__all__ = [
    "CLASSES",
    "SyntheticVideos",
    "VideoKey",
    "generate",
    "image_annotations",
    "image_videos",
    "open_video",
    "plain_color",
    "render",
    "scene_of",
    "write_dataset",
]
