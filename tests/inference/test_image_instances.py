"""The rule of single images: one class per instance, the method's order, masks in two steps."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from vis_bench.inference.clips import Clip
from vis_bench.inference.image_instances import ImageInstances
from vis_bench.inference.preprocess import masks_to_image
from vis_bench.masks.rle import decode
from vis_bench.method import ClipPrediction, ImageRule, Padding

SIZE = (40, 60)
IDS = [1, 5, 90]


def logits_of(count, height=5, width=8, seed=0):
    return torch.randn(count, height, width, generator=torch.Generator().manual_seed(seed))


def instances(rule, *predictions, size=SIZE, input_size=(20, 30)):
    tracker = ImageInstances(rule, len(predictions), size, input_size)
    for t, prediction in enumerate(predictions):
        tracker.update(Clip(t, t + 1), prediction)
        tracker.close_frames(t + 1)
    return tracker.tracks(7, IDS)


def prediction(logits_NHW, probs_NK):
    return ClipPrediction(torch.tensor(probs_NK), logits_NHW[:, None])


@pytest.mark.parametrize("size", [(40, 60), (13, 19), (20, 30)])
def test_masks_take_two_steps(size):
    """Against the two interpolations and thresholds written out, in 64 bits where none ties."""
    logits_NHW = logits_of(6)
    masks, kept = masks_to_image(logits_NHW, (20, 30), *size)
    first = F.interpolate(logits_NHW[None].double(), size=(20, 30), mode="bilinear")[0] > 0
    exact = F.interpolate(first[None].double(), size=size, mode="bilinear")[0]
    decided = (exact - 0.5).abs() > 1e-6
    assert kept.tolist() == list(range(6))
    assert masks.shape == (6, *size)
    assert torch.equal(masks[decided], (exact > 0.5)[decided])
    assert decided.float().mean() > 0.9


def test_empty_first_masks_are_dropped_and_vanishing_ones_stay():
    logits_NHW = torch.full((3, 20, 30), -5.0)
    logits_NHW[1, 7, 11] = 5.0  # one pixel, which vanishes at a quarter of the size
    logits_NHW[2, :, :15] = 5.0
    masks, kept = masks_to_image(logits_NHW, (20, 30), 5, 7)
    assert kept.tolist() == [1, 2]
    assert masks.flatten(1).sum(1).tolist()[0] == 0
    found = instances(ImageRule(), prediction(logits_NHW, [[0.9, 0.0, 0.0]] * 3), size=(5, 7))
    assert [int(decode(track.segmentations[0]).sum() > 0) for track in found] == [0, 1]


def test_no_instance_at_all():
    masks, kept = masks_to_image(torch.zeros(0, 5, 8), (20, 30), *SIZE)
    assert masks.shape == (0, *SIZE)
    assert kept.tolist() == []
    nothing = ClipPrediction(torch.zeros(0, 3), torch.zeros(0, 1, 5, 8))
    assert instances(ImageRule(), nothing) == []
    none_seen = prediction(torch.full((2, 5, 8), -1.0), [[0.5, 0.1, 0.1]] * 2)
    assert instances(ImageRule(), none_seen) == []


def test_one_class_each_in_the_methods_order_whatever_the_score():
    probs = [[0.01, 0.002, 0.0], [0.2, 0.3, 0.5], [0.1, 0.8, 0.05]]
    found = instances(ImageRule(), prediction(logits_of(3), probs))
    assert [track.category_id for track in found] == [1, 90, 5]
    assert [track.score for track in found] == pytest.approx([0.01, 0.5, 0.8])
    assert {track.video_id for track in found} == {7}


@pytest.mark.parametrize("most", [0, 1, 4, 9])
def test_no_more_than_the_rule_says(most, monkeypatch):
    logits_NHW = logits_of(9)
    logits_NHW[[0, 3]] = -1.0
    probs = [[0.1 * n, 0.0, 0.0] for n in range(1, 10)]
    whole = instances(ImageRule(9), prediction(logits_NHW, probs))
    assert len(whole) == 7
    monkeypatch.setattr("vis_bench.inference.encode.DENSE_PIXELS", 2 * 40 * 60)
    assert instances(ImageRule(most), prediction(logits_NHW, probs)) == whole[:most]


def test_every_frame_is_an_image():
    first, second = (prediction(logits_of(2, seed=s), [[0.9, 0.1, 0.0]] * 2) for s in (1, 2))
    found = instances(ImageRule(), first, second)
    assert [[mask is None for mask in track.segmentations] for track in found] == [
        [False, True],
        [False, True],
        [True, False],
        [True, False],
    ]
    alone = instances(ImageRule(), second)
    assert [track.segmentations[1] for track in found[2:]] == [t.segmentations[0] for t in alone]


def test_padding_is_cut_off():
    logits_NHW, probs = logits_of(3, 24, 32), [[0.9, 0.1, 0.0]] * 3
    padded = replace(prediction(logits_NHW, probs), padding=Padding((20, 30), (24, 32)))
    cut = prediction(logits_NHW[:, :20, :30], probs)
    assert instances(ImageRule(), padded) == instances(ImageRule(), cut)
