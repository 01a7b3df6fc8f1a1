"""`python tests/simulations/eval_workload.py DIR KIND` writes the files that `eval` is timed on.

4,900 predictions over 60 videos of 720p: objects are unions of wobbly blobs that move, grow, shrink
and sometimes leave; predictions are jittered objects, and a few that show nothing. KIND `many` has
two to five objects a video, `few` one to three larger ones with ragged outlines, whose codes are
longer.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vis_bench.masks.polygons import from_polygons
from vis_bench.masks.rle import area

HEIGHT, WIDTH = 720, 1280
NUM_VIDEOS, NUM_PREDICTIONS, NUM_CATEGORIES = 60, 4900, 40


@dataclass(frozen=True)
class Kind:
    """Numbers of objects in a video, their sizes in pixels, and how ragged their outlines are."""

    objects: tuple[int, int]
    sizes: tuple[int, int]
    ragged: float
    corners: int


KINDS = {"many": Kind((2, 5), (20, 110), 0.05, 48), "few": Kind((1, 3), (40, 110), 0.08, 96)}


@dataclass(frozen=True)
class Blobs:
    """An object: P wobbly blobs on a common path. Lengths in pixels, angles in radians."""

    kind: Kind
    offsets_P2: np.ndarray
    radii_P: np.ndarray
    wobble_P: np.ndarray
    center_2: np.ndarray
    velocity_2: np.ndarray
    growth: float

    def outline(self, part, frame):
        """The polygon x, y, x, y, ... of one blob in one frame."""
        angles = np.linspace(0, 2 * np.pi, self.kind.corners, endpoint=False)
        wave = 1 + 0.25 * np.sin(3 * angles + self.wobble_P[part] + 0.2 * frame)
        scale = self.growth**frame
        wave += self.kind.ragged * np.sin(11 * self.kind.corners // 48 * angles + frame)
        radius = scale * self.radii_P[part] * wave
        center = self.center_2 + frame * self.velocity_2 + scale * self.offsets_P2[part]
        points = center + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        return np.clip(points, 0, [WIDTH, HEIGHT]).round(1).ravel()

    def masks(self, length):
        """One mask per frame, None where the object is out of sight."""
        masks = [self._mask(frame) for frame in range(length)]
        return [mask if area(mask) else None for mask in masks]

    def _mask(self, frame):
        parts = [self.outline(part, frame).tolist() for part in range(len(self.radii_P))]
        return from_polygons(parts, HEIGHT, WIDTH)


def random_blobs(rng, kind):
    """An object of two to four blobs somewhere in the frame."""
    parts = int(rng.integers(2, 5))
    size = float(rng.uniform(*kind.sizes))
    return Blobs(
        kind=kind,
        offsets_P2=rng.normal(0, size * 0.7, (parts, 2)),
        radii_P=rng.uniform(0.4, 1.0, parts) * size,
        wobble_P=rng.uniform(0, 6, parts),
        center_2=rng.uniform([200, 120], [WIDTH - 200, HEIGHT - 120]),
        velocity_2=rng.normal(0, 8, 2),
        growth=float(rng.uniform(0.985, 1.015)),
    )


def jittered(blobs, rng):
    """What a method might predict for an object: nearly right or well off."""
    amount = float(rng.choice([0.02, 0.08, 0.3]))
    size = blobs.radii_P.mean()
    return Blobs(
        kind=blobs.kind,
        offsets_P2=blobs.offsets_P2 + rng.normal(0, amount * size, blobs.offsets_P2.shape),
        radii_P=blobs.radii_P * rng.normal(1, amount, len(blobs.radii_P)).clip(0.3, 2),
        wobble_P=blobs.wobble_P + rng.normal(0, amount * 3, len(blobs.wobble_P)),
        center_2=blobs.center_2 + rng.normal(0, amount * size, 2),
        velocity_2=blobs.velocity_2 + rng.normal(0, amount, 2),
        growth=blobs.growth,
    )


def generate(seed=0, num_videos=NUM_VIDEOS, num_predictions=NUM_PREDICTIONS, kind=KINDS["many"]):
    rng = np.random.default_rng(seed)
    videos, annotations, predictions = [], [], []
    for video_id in range(1, num_videos + 1):
        length = int(rng.integers(20, 37))
        names = [f"{video_id:04d}/{frame:05d}.jpg" for frame in range(length)]
        video = {"id": video_id, "height": HEIGHT, "width": WIDTH, "length": length}
        videos.append(video | {"file_names": names})
        fewest, most = kind.objects
        objects = [random_blobs(rng, kind) for _ in range(rng.integers(fewest, most + 1))]
        kinds = rng.integers(1, NUM_CATEGORIES + 1, 2)
        labels = [int(kind) for kind in rng.choice(kinds, len(objects))]
        for blobs, label in zip(objects, labels, strict=True):
            identity = {"id": len(annotations) + 1, "video_id": video_id, "category_id": label}
            masks = blobs.masks(length)
            areas = [area(mask) if mask else None for mask in masks]
            annotations.append({**identity, "iscrowd": 0, "segmentations": masks, "areas": areas})
        quota = num_predictions * video_id // num_videos - len(predictions)
        for _ in range(quota):
            predictions.append(_prediction(video_id, length, objects, labels, rng))
    categories = [{"id": k, "name": f"kind {k}"} for k in range(1, NUM_CATEGORIES + 1)]
    annotations_file = {"videos": videos, "categories": categories, "annotations": annotations}
    return annotations_file, predictions


def _prediction(video_id, length, objects, labels, rng):
    which = int(rng.integers(len(objects)))
    label = labels[which] if rng.random() < 0.4 else int(rng.integers(1, NUM_CATEGORIES + 1))
    blobs = (
        jittered(objects[which], rng) if rng.random() < 0.9 else random_blobs(rng, objects[0].kind)
    )
    return {
        "video_id": video_id,
        "category_id": label,
        "score": round(float(rng.random()), 4),
        "segmentations": blobs.masks(length),
    }


def write(folder, seed=0, num_videos=NUM_VIDEOS, kind=KINDS["many"]):
    num_predictions = NUM_PREDICTIONS * num_videos // NUM_VIDEOS
    annotations, predictions = generate(seed, num_videos, num_predictions, kind)
    paths = folder / "annotations.json", folder / "predictions.json"
    for path, content in zip(paths, (annotations, predictions), strict=True):
        path.write_text(json.dumps(content))
    return paths


if __name__ == "__main__":
    write(Path(sys.argv[1]), kind=KINDS[sys.argv[2]])
