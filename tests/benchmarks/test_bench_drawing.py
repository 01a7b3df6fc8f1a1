"""Time of drawing 50 frames of 720p with 10 tracks; run with --benchmark-only.

The aim: 1,000 such frames in under 2 minutes on 2 cores.
"""

import numpy as np
import pytest
from PIL import Image

from vis_bench.data.frames import ImageFiles
from vis_bench.data.results_file import Results, Track
from vis_bench.data.video import Video
from vis_bench.masks.rle import encode_masks
from vis_bench.progress import Bars
from vis_bench.runs.sources import Side
from vis_bench.show.overlay.overlays import OverlayPlan, draw_overlays

H, W, T, N = 720, 1280, 50, 10


@pytest.fixture(scope="module")
def workload(tmp_path_factory):
    """A moving backdrop and ten moving discs."""
    folder = tmp_path_factory.mktemp("frames")
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 255, (45, 80, 3), dtype=np.uint8))
    backdrop = small.resize((W + T, H))
    files = [folder / f"{t:05d}.jpg" for t in range(T)]
    for t, path in enumerate(files):
        backdrop.crop((t, 0, t + W, H)).save(path, quality=90)
    rows_H1, columns_W = np.arange(H)[:, None], np.arange(W)
    tracks = []
    for n in range(N):
        y, x = rng.uniform((120, 120), (H - 120, W - 120))
        speed_y, speed_x = rng.uniform(-4, 4, 2)
        radius = rng.uniform(40, 120)
        masks_THW = np.stack(
            [
                np.hypot(rows_H1 - y - t * speed_y, columns_W - x - t * speed_x) < radius
                for t in range(T)
            ]
        )
        tracks.append(Track(1, n + 1, 1 - n / 20, encode_masks(masks_THW)))
    return Video(1, "discs", H, W, ImageFiles(files, "discs", (H, W))), Results.of(tracks)


def test_a_strip_and_an_animation(benchmark, workload, tmp_path):
    video, results = workload
    arguments = ([video], [Side("method", results)], None, {}, tmp_path, OverlayPlan())
    files, _ = benchmark.pedantic(draw_overlays, (*arguments, Bars(quiet=True)), rounds=1)
    benchmark.extra_info["frames"] = T
    assert len(files["discs"]) == 2
