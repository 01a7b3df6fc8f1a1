"""`python tests/support/compare_workload.py DIR` writes two results files over 300 videos.

Objects are rectangles that move; predictions are jittered objects, some of another class or of
nothing at all; the second file has other jitter and is a little worse.
"""

import json
import sys
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

HEIGHT, WIDTH, LENGTH = 72, 128, 20
NUM_VIDEOS, NUM_CATEGORIES, TRACKS_PER_VIDEO = 300, 40, 30


def generate(
    seed=0, num_videos=NUM_VIDEOS, num_categories=NUM_CATEGORIES, tracks_per_video=TRACKS_PER_VIDEO
):
    rng = np.random.default_rng(seed)
    videos, annotations = [], []
    results: tuple[list[dict], list[dict]] = ([], [])
    for video in range(1, num_videos + 1):
        names = [f"{video:04d}/{frame:05d}.jpg" for frame in range(LENGTH)]
        videos.append(
            {"id": video, "height": HEIGHT, "width": WIDTH, "length": LENGTH, "file_names": names}
        )
        boxes = [_random_box(rng) for _ in range(rng.integers(1, 5))]
        labels = [int(label) for label in rng.integers(1, num_categories + 1, len(boxes))]
        for box, label in zip(boxes, labels, strict=True):
            masks = _masks(box)
            areas = [int(coco_mask.area(mask)) for mask in masks]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "video_id": video,
                    "iscrowd": 0,
                    "category_id": label,
                    "areas": areas,
                    "segmentations": [_text(mask) for mask in masks],
                }
            )
        for tracks, worse in zip(results, (0.0, 0.02), strict=True):
            for _ in range(tracks_per_video):
                tracks.append(_track(video, boxes, labels, num_categories, worse, rng))
    categories = [{"id": k, "name": f"kind {k}"} for k in range(1, num_categories + 1)]
    content = {"videos": videos, "categories": categories, "annotations": annotations}
    return content, *results


def copied(annotations, tracks, counts):
    """Repeat each video and its tracks `counts[id]` times, each copy under an id of its own."""
    videos, things, copies = [], [], []
    for video in annotations["videos"]:
        for _ in range(counts[video["id"]]):
            key = len(videos) + 1
            videos.append({**video, "id": key})
            things += [
                {**thing, "id": 1000 * key + place, "video_id": key}
                for place, thing in enumerate(annotations["annotations"])
                if thing["video_id"] == video["id"]
            ]
            copies += [{**t, "video_id": key} for t in tracks if t["video_id"] == video["id"]]
    return {**annotations, "videos": videos, "annotations": things}, copies


def _random_box(rng):
    """x, y, width, height and the movement per frame, in pixels."""
    size = rng.uniform([12, 12], [50, 40])
    corner = rng.uniform([0, 0], [WIDTH - 60, HEIGHT - 45])
    return np.concatenate([corner, size, rng.normal(0, 0.6, 2)])


def _track(video, boxes, labels, kinds, worse, rng):
    chosen = int(rng.integers(len(boxes)))
    jitter = rng.choice([0.02, 0.08, 0.3]) + worse
    box = boxes[chosen] + rng.normal(0, jitter, 6) * np.array([30, 30, 30, 30, 0, 0])
    label = labels[chosen] if rng.random() < 0.6 else int(rng.integers(1, kinds + 1))
    score = float(np.clip(0.9 - jitter - rng.exponential(0.2), 0.001, 1))
    masks = _masks(box if rng.random() < 0.9 else _random_box(rng))
    return {
        "video_id": video,
        "category_id": label,
        "score": round(score, 4),
        "segmentations": [_text(mask) for mask in masks],
    }


def _masks(box):
    steps = np.arange(LENGTH)[:, None]
    corners = np.clip(box[:2] + steps * box[4:], 0, [WIDTH - 4, HEIGHT - 4])
    sizes = np.clip(np.minimum(box[2:4], [WIDTH, HEIGHT] - corners), 3, None)
    return coco_mask.frPyObjects(np.hstack([corners, sizes]), HEIGHT, WIDTH)


def _text(mask):
    return {"size": mask["size"], "counts": mask["counts"].decode()}


def write(folder, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "annotations.json", folder / "a.json", folder / "b.json"
    for path, content in zip(paths, generate(seed), strict=True):
        path.write_text(json.dumps(content))
    return paths


if __name__ == "__main__":
    write(Path(sys.argv[1]))
