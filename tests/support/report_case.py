"""A small data set, frames as files, and two records on it, for tests of the report."""

import hashlib
import json
from pathlib import Path

from PIL import Image

from drawing_case import (
    CROSSING,
    LEFT,
    NOWHERE,
    RIGHT,
    H,
    T,
    W,
    annotations_of,
    tube,
    write_videos_results,
)
from record_example import example_record
from vis_bench.record.store import record_json

HOSTILE = """"'><script>window.hacked = 1</script><img src=x onerror=window.hacked=1>{{ 7*7 }}$x$"""
NEAR = tube(*[(20, 11)] * T)
SWAPPED = tube((20, 64), (20, 64), (20, 8), (20, 8))


def write_case(
    folder: Path, *, name="cats", category="cat", num_videos=3, **changes
) -> dict[str, Path]:
    """Writes videos and two records, of which `changes` are fields; returns their paths.

    Of more than three videos the others have one object, which the second record misses. With fewer
    the records are of the first ones; None leaves it open.
    """
    written = 3 if num_videos is None else num_videos
    others = [f"fish {i}" for i in range(4, written + 1)]
    videos = {
        name: [(LEFT, 1), (RIGHT, 2)],
        "dogs": [(LEFT, 1)],
        "birds": [(RIGHT, 2)],
        **{name: [(LEFT, 1)] for name in others},
    }
    content = annotations_of(videos, categories=(category, "dog"))
    annotations = folder / "gt.json"
    annotations.write_text(json.dumps(content))
    for i, video in enumerate(videos):
        for t in range(T):
            path = folder / "frames" / video / f"{t:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (W, H), (70 + 40 * i, 80 + 10 * t, 90)).save(path)
    tracks = {
        "good": [[(NEAR, 1, 0.9), (RIGHT, 2, 0.8)], [(LEFT, 1, 0.7)], [(RIGHT, 1, 0.6)]],
        "bad": [[(CROSSING, 1, 0.9), (SWAPPED, 2, 0.8)], [(NOWHERE, 1, 0.7)], [(RIGHT, 2, 0.9)]],
    }
    for method, masks in (("good", LEFT), ("bad", NOWHERE)):
        tracks[method] += [[(masks, 1, 0.9)]] * len(others)
    regions = {
        "model+tracker": {
            "fps": 12.5, "latency_ms_p50": 80.0, "latency_ms_p90": 90.0, "latency_ms_p99": 95.0,
            "num_timed": 6, "speed_spread": 0.02, "peak_memory_bytes": 300 << 20,
            "stage_ms_per_frame": {"encode": 60.0, "predict": 15.5, "other": 0.5},
        }
    }  # fmt: skip
    paths = {"frames": folder / "frames", "annotations": annotations}
    for method in tracks:
        values = {
            "method": method,
            "config_sha256": method * 8,
            "num_videos": num_videos,
            "num_frames": written * T,
            "dataset": "toy",
            "ap": None,
            "ap50": None,
            "ap75": None,
            "fps": 12.5,
            "regions": regions,
            "timed_region": "model+tracker",
            "gflops_per_frame": 31.5,
            "annotations_sha256": hashlib.sha256(annotations.read_bytes()).hexdigest(),
            "predictions": f"{method}.results.json",
            **changes,
        }
        write_videos_results(folder / f"{method}.results.json", dict(enumerate(tracks[method], 1)))
        paths[method] = folder / f"{method}.json"
        paths[method].write_bytes(record_json(example_record(**values)))
    return paths
