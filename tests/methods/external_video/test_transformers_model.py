"""A real network behind `callable`: transformers' Mask2Former, whose queries are the tracks."""

import numpy as np
import pytest
import torch

import fill
from methods import build_method
from vis_bench.data.video import Video
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.masks.rle import decode

pytestmark = pytest.mark.extra("transformers")

PROJECT = """
from pathlib import Path

import numpy
import torch
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

torch.manual_seed(0)
BACKBONE = SwinConfig(
    image_size=64, embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 2], window_size=4,
    out_features=["stage1", "stage2", "stage3", "stage4"],
)
MODEL = Mask2FormerForUniversalSegmentation(Mask2FormerConfig(
    backbone_config=BACKBONE, feature_size=32, mask_feature_size=32, hidden_dim=32,
    encoder_feedforward_dim=32, dim_feedforward=32, encoder_layers=1, decoder_layers=2,
    num_attention_heads=2, num_queries=5, num_labels=3,
)).eval()

@torch.no_grad()
def predict(frames, height, width):
    numpy.save(Path(__file__).with_name("given.npy"), frames)
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2) / 127.5 - 1
    output = MODEL(pixels)
    probs = output.class_queries_logits.softmax(-1)[..., :-1].mean(0)
    masks = torch.nn.functional.interpolate(
        output.masks_queries_logits, size=(height, width), mode="bilinear"
    ) > 0
    for query, scores in enumerate(probs):
        yield {
            "score": scores.max(), "category": scores.argmax(), "masks": masks[:, query],
            "track_id": query,
        }
"""
SIZE = 48, 80


@pytest.fixture
def project(tmp_path):
    (tmp_path / "lab_mask2former.py").write_text(PROJECT)
    return tmp_path


def test_its_masks_and_scores_come_through(project):
    frames = list(fill.frames(3, *SIZE, 4))
    plan = InferencePlan("whole", 1, 64, torch.device("cpu"))
    method = build_method(
        "external_video",
        num_classes=3,
        function="lab_mask2former:predict",
        project_path=str(project),
    )
    method.prepare_for_inference()
    found = track_video(method, Video(1, "v", *SIZE, frames), plan, [1, 2, 3])
    resized = np.load(project / "given.npy")
    assert resized.shape == (3, 64, 107, 3)
    assert resized.dtype == np.uint8
    module = {"__file__": str(project / "again.py")}
    exec(PROJECT, module)
    expected = [*module["predict"](resized, *SIZE)]
    expected.sort(key=lambda track: -float(track["score"]))
    assert len(expected) == len(found) > 1
    for track, theirs in zip(found, expected, strict=True):
        assert track.score == float(theirs["score"])
        assert track.category_id == 1 + int(theirs["category"])
        for rle, mask in zip(track.segmentations, theirs["masks"].numpy(), strict=True):
            assert np.array_equal(mask, np.zeros(SIZE, bool) if rle is None else decode(rle))
