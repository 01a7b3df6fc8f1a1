"""Single frames of the synthetic videos, in COCO's form.

The rule: every `EVERY`-th frame of each video, from its first one on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vis_bench.data.synthetic.videos import SyntheticVideos
from vis_bench.data.video import Video

EVERY = 5


def image_videos(drawn: SyntheticVideos) -> list[Video]:
    """The images as videos of one frame, with ids from 1; their pixels are drawn when indexed."""
    return [
        Video(number, f"{video.name}/{t:05d}", video.height, video.width, video.frames[t : t + 1])
        for number, (video, t) in enumerate(_chosen(drawn), start=1)
    ]


def image_annotations(drawn: SyntheticVideos) -> dict[str, Any]:
    """The whole annotations file in COCO's form, as a JSON-able dictionary."""
    content = drawn.annotations()
    chosen = list(_chosen(drawn))
    numbers = {(video.id, t): number for number, (video, t) in enumerate(chosen, start=1)}
    info = content["info"]
    return {
        "info": {**info, "description": f"single frames of {info['description']}", "every": EVERY},
        "licenses": [],
        "images": [
            {
                "id": number,
                "height": video.height,
                "width": video.width,
                "file_name": f"{video.name}/{t:05d}.png",
            }
            for number, (video, t) in enumerate(chosen, start=1)
        ],
        "categories": content["categories"],
        "annotations": [
            {"id": number, **entry}
            for number, entry in enumerate(_objects(content, numbers), start=1)
        ],
    }


def _chosen(drawn: SyntheticVideos) -> Iterator[tuple[Video, int]]:
    for video in drawn.videos:
        for t in range(0, video.length, EVERY):
            yield video, t


def _objects(
    content: dict[str, Any], numbers: dict[tuple[int, int], int]
) -> Iterator[dict[str, Any]]:
    """The objects of each chosen frame that are seen in it, without ids."""
    for (video_id, t), number in numbers.items():
        for entry in content["annotations"]:
            if entry["video_id"] == video_id and entry["segmentations"][t] is not None:
                yield {
                    "image_id": number,
                    "category_id": entry["category_id"],
                    "iscrowd": 0,
                    "segmentation": entry["segmentations"][t],
                    "bbox": entry["bboxes"][t],
                    "area": entry["areas"][t],
                }
