"""`draw` and `report` on many videos, and on frames full of tracks."""

import json

import numpy as np
import pytest
from PIL import Image

from vis_bench.cli import main
from vis_bench.masks.rle import encode_masks

H, W, T = 48, 64, 2


def write_case(folder, num_videos, num_tracks):
    """Annotations, and results that find about two thirds of the objects."""
    draw = np.random.default_rng(0)
    (folder / "frames").mkdir()
    for t in range(T):
        frame_HW3 = draw.integers(0, 255, (H, W, 3), np.uint8)
        Image.fromarray(frame_HW3).save(folder / "frames" / f"{t}.png")

    def tube():
        masks_THW = np.zeros((T, H, W), bool)
        for mask_HW in masks_THW:
            y, x = draw.integers(0, H - 8), draw.integers(0, W - 8)
            mask_HW[y : y + 8, x : x + 8] = True
        return encode_masks(masks_THW)

    videos, objects, tracks = [], [], []
    for key in range(1, num_videos + 1):
        names = [f"{t}.png" for t in range(T)]
        videos.append({"id": key, "width": W, "height": H, "length": T, "file_names": names})
        for n in range(num_tracks):
            one = {"video_id": key, "category_id": 1 + n % 3, "segmentations": tube()}
            objects.append({**one, "id": len(objects) + 1, "iscrowd": 0, "areas": [64] * T})
            seen = one["segmentations"] if draw.random() < 0.66 else tube()
            tracks.append({**one, "segmentations": seen, "score": float(draw.random())})
    categories = [{"id": key, "name": f"class {key}"} for key in (1, 2, 3)]
    truth = {"videos": videos, "annotations": objects, "categories": categories}
    (folder / "gt.json").write_text(json.dumps(truth))
    (folder / "r.json").write_text(json.dumps(tracks))


LARGE = [pytest.param(*size, marks=pytest.mark.slow) for size in ((1, 500), (1000, 2))]


@pytest.mark.parametrize(("num_videos", "num_tracks"), [(1, 60), (40, 2), *LARGE])
def test_every_video_is_drawn_and_reported(tmp_path, num_videos, num_tracks, capsys):
    write_case(tmp_path, num_videos, num_tracks)
    data = ["--annotations", tmp_path / "gt.json", "--frames", tmp_path / "frames"]
    words = ["draw", tmp_path / "r.json", *data, "--output", tmp_path / "drawn", "--side", "64"]
    assert main(list(map(str, [*words, "--min-score", "0"]))) == 0
    assert len(list((tmp_path / "drawn").glob("*_strip.png"))) == num_videos
    words = ["report", tmp_path / "r.json", *data, "--output", tmp_path / "r.html", "--json"]
    assert main(list(map(str, [*words, "--resamples", "5", "--max-size", "1"]))) == 0
    printed = capsys.readouterr()
    said = json.loads(printed.out[printed.out.index("{") :])
    assert len(said["videos"]) + len(said["left_out"]) == num_videos
    assert (tmp_path / "r.html").stat().st_size <= 1e6 + 3e5
    assert all(len(line) < 300 for line in printed.err.splitlines())
