"""The bundled mini models: their files, and their AP on a few videos.

`golden/mini_ap.json` holds what `measure` gave on the first videos of the validation split.
"""

import json
from statistics import mean

import pytest
import torch
from safetensors.torch import load_file

from methods import build_method
from paths import ROOT
from vis_bench.data.datasets import load_dataset
from vis_bench.data.results_file import Results
from vis_bench.inference.checkpoint import WeightsFile, load_weights
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.masks.rle import area
from vis_bench.metrics.ap import evaluate
from vis_bench.runs.config import load_cells

STORED = json.loads((ROOT / "tests" / "golden" / "mini_ap.json").read_text())
MINIS = ("ifc", "ms_sts", "seqformer")
LIMIT_BYTES = 4 << 20
# A last bit that another processor rounds differently may turn a pixel, rarely a match. AP moves in
# steps; the mean score of all tracks and the mean area of their masks show smaller changes too.
TOLERANCES = {
    "ap": {"abs": 0.02}, "ap50": {"abs": 0.02}, "ap75": {"abs": 0.02},
    "mean_score": {"abs": 1e-3}, "mean_area": {"rel": 0.01},
}  # fmt: skip


def cell_of(name):
    (cell,) = load_cells(ROOT / "configs" / f"{name}_mini_synthetic.yaml")
    return cell


def load_mini(name):
    cell = cell_of(name)
    method = build_method(name, num_classes=6, **cell.options)
    load_weights(method, WeightsFile.at(ROOT / cell.weights))
    method.prepare_for_inference()
    return method


def measure(name, clip_length, clip_stride, num_videos):
    """AP, AP50, AP75, the tracks' mean score and the mean area of their masks in pixels."""
    dataset = load_dataset("synthetic", "val")
    videos = dataset.videos[:num_videos]
    plan = InferencePlan(clip_length, clip_stride, cell_of(name).resolution, torch.device("cpu"))
    method = load_mini(name)
    tracks = [t for video in videos for t in track_video(method, video, plan, dataset.category_ids)]
    found = evaluate(dataset.ground_truth(videos), Results.of(tracks)).summary()
    areas = [area(rle) for track in tracks for rle in track.segmentations if rle is not None]
    return {
        **{key: found[key] for key in ("ap", "ap50", "ap75")},
        "mean_score": mean(track.score for track in tracks),
        "mean_area": mean(areas),
    }


@pytest.mark.parametrize("stored", STORED, ids=lambda s: f"{s['method']}-{s['clip_length']}")
def test_ap_on_a_few_videos_is_the_stored_one(stored):
    found = measure(
        stored["method"], stored["clip_length"], stored["clip_stride"], stored["num_videos"]
    )
    for metric, value in found.items():
        assert value == pytest.approx(stored[metric], **TOLERANCES[metric]), metric


@pytest.mark.parametrize("name", MINIS)
def test_weights_are_small_and_complete(name):
    path = ROOT / cell_of(name).weights
    assert path.stat().st_size <= LIMIT_BYTES
    with torch.device("meta"):
        method = build_method(name, num_classes=6, **cell_of(name).options)
    own = {key: tensor.shape for key, tensor in method.state_dict().items()}
    assert {key: tensor.shape for key, tensor in load_file(path).items()} == own


@pytest.mark.parametrize("name", MINIS)
def test_every_model_has_its_card(name):
    card = (ROOT / "methods" / "weights" / f"{name}_mini.md").read_text()
    for topic in ("Data", "Seed", "Steps", "Time", "Machine", "AP", "Command"):
        assert f"\n| {topic}" in card, topic
    assert ("reconstruction" in card) == (name == "ms_sts")
