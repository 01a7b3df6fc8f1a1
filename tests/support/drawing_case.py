"""Small videos of squares, their frames as files, and results on them, for tests of drawing."""

import numpy as np
import orjson
from PIL import Image

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.frames import ImageFiles
from vis_bench.data.results_file import Results, Track
from vis_bench.data.video import Video
from vis_bench.masks.rle import encode_masks

H, W, T = 60, 96, 4
GROUND = (70, 80, 90)


def square(top, left, side=16):
    mask_HW = np.zeros((H, W), bool)
    mask_HW[top : top + side, left : left + side] = True
    return mask_HW


def tube(*corners, side=16):
    """RLEs of a square whose upper left corner is given per frame; None is absent."""
    return [
        None if corner is None else encode_masks(square(*corner, side)[None])[0]
        for corner in corners
    ]


LEFT = tube(*[(20, 8)] * T)
RIGHT = tube(*[(20, 64)] * T)
CROSSING = tube((20, 8), (20, 8), (20, 64), (20, 64))
NOWHERE = tube(*[(42, 38)] * T)


def results(*tracks, name="r.json"):
    """Results of (segmentations, category, score) tuples, all of video 1."""
    return Results.of([Track(1, c, s, masks) for masks, c, s in tracks], name)


def annotations(*objects, video="cats", length=T):
    """The content of an annotations file with one video; objects are (segmentations, category)."""
    return annotations_of({video: objects}, length=length)


def annotations_of(videos, categories=("cat", "dog"), length=T):
    """The content of an annotations file; `videos` has the objects of each by its name."""
    return {
        "videos": [
            {
                "id": place,
                "width": W,
                "height": H,
                "length": length,
                "file_names": [f"{name}/{t:05d}.png" for t in range(length)],
            }
            for place, name in enumerate(videos, 1)
        ],
        "categories": [{"id": k, "name": name} for k, name in enumerate(categories, 1)],
        "annotations": [
            {
                "id": i,
                "video_id": video_id,
                "category_id": category,
                "iscrowd": 0,
                "segmentations": masks,
                "areas": [256 if m else None for m in masks],
            }
            for i, (video_id, masks, category) in enumerate(
                (
                    (place, *own)
                    for place, objects in enumerate(videos.values(), 1)
                    for own in objects
                ),
                1,
            )
        ],
    }


def truth(*objects):
    return GroundTruth.of(annotations(*objects))


def write_frames(folder, video="cats", length=T, size=(H, W)):
    paths = [folder / video / f"{t:05d}.png" for t in range(length)]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for path in paths:
        Image.new("RGB", size[::-1], GROUND).save(path)
    return paths


def frame_files(folder):
    return Video(1, "cats", H, W, ImageFiles(write_frames(folder), "cats", (H, W)))


def write_results(path, *tracks, video_id=1):
    """Write a results file of (segmentations, category, score) tuples, all of one video."""
    return write_videos_results(path, {video_id: tracks})


def write_videos_results(path, videos):
    """Write a results file; `videos` has the tracks of each by its id."""
    entries = [
        {"video_id": video, "category_id": c, "score": s, "segmentations": masks}
        for video, tracks in videos.items()
        for masks, c, s in tracks
    ]
    path.write_bytes(orjson.dumps(entries))
    return path
