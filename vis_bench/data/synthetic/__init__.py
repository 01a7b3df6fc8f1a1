"""Seeded videos of moving objects with exact masks, in YouTube-VIS form.

`generate` gives a split in memory, `write_dataset` writes it to disk. The same seed gives the same
pixels and masks on every machine, whatever else draws random numbers.

From draws to bytes: `random_draws` draws numbers, `appearance` has outlines, textures and classes,
`trajectories` how objects move; `scene_generator` draws a whole scene, `render` its pixels, and
`videos` makes splits, annotations and files.
"""

from vis_bench.data.synthetic.appearance import CLASSES, plain_color
from vis_bench.data.synthetic.render import render
from vis_bench.data.synthetic.videos import (
    FIRST_VIDEOS,
    SyntheticVideos,
    VideoKey,
    generate,
    image_annotations,
    image_videos,
    open_video,
    scene_of,
    write_dataset,
)

__all__ = [
    "CLASSES",
    "FIRST_VIDEOS",
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
