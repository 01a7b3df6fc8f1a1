"""Losses and the matcher against cases worked out by hand, loops and brute force."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from methods.training.losses import (
    box_costs,
    dice,
    focal_class_cost,
    generalized_iou,
    mask_focal,
    match,
    pairwise_dice,
    qualities_of_masks,
    quality_focal,
    sigmoid_focal,
    softmax_with_no_object,
)

UNIT = st.floats(0.01, 1.0)
BOX = st.tuples(UNIT, UNIT, UNIT, UNIT)


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("logit", "target", "loss"),
    [
        (0.0, 1.0, 0.25 * 0.5**2 * math.log(2)),
        (0.0, 0.0, 0.75 * 0.5**2 * math.log(2)),
        # probability 0.8 for a positive, then for a negative
        (math.log(4), 1.0, 0.25 * 0.2**2 * -math.log(0.8)),
        (math.log(4), 0.0, 0.75 * 0.8**2 * -math.log(0.2)),
    ],
)
def test_focal_loss_by_hand(logit, target, loss):
    assert sigmoid_focal(double(logit), double(target)).item() == pytest.approx(loss, rel=1e-12)


def test_mask_focal_is_the_mean_over_a_masks_pixels():
    logits = torch.randn(3, 10, dtype=torch.float64)
    targets = (torch.rand(3, 10) > 0.5).double()
    by_hand = [
        sum(sigmoid_focal(logits[n, x], targets[n, x]) for x in range(10)) / 10 for n in range(3)
    ]
    torch.testing.assert_close(mask_focal(logits, targets), torch.stack(by_hand))


def test_dice_by_hand():
    # probabilities 0.5 and 0.8 against 1 and 0: 1 - (2 * 0.5 + 1) / (1.3 + 1 + 1)
    loss = dice(double(0.0, math.log(4))[None], double(1.0, 0.0)[None])
    assert loss.item() == pytest.approx(1 - 2 / 3.3, rel=1e-12)


def test_pairwise_dice_is_dice_of_every_pair():
    logits, targets = torch.randn(4, 30).double(), (torch.rand(3, 30) > 0.6).double()
    pairs = pairwise_dice(logits, targets)
    for q in range(4):
        for n in range(3):
            torch.testing.assert_close(pairs[q, n], dice(logits[q : q + 1], targets[n : n + 1])[0])


@pytest.mark.parametrize(
    ("box", "other", "giou"),
    [
        ((0.5, 0.5, 0.2, 0.4), (0.5, 0.5, 0.2, 0.4), 1.0),
        # two unit squares half over each other: IoU 1/3, the hull is filled
        ((0.5, 0.5, 1.0, 1.0), (1.0, 0.5, 1.0, 1.0), 1 / 3),
        # two unit squares a unit apart: a third of the hull is empty
        ((0.5, 0.5, 1.0, 1.0), (2.5, 0.5, 1.0, 1.0), -1 / 3),
        # corner to corner: half of the hull is empty
        ((0.5, 0.5, 1.0, 1.0), (1.5, 1.5, 1.0, 1.0), -1 / 2),
    ],
)
def test_generalized_iou_by_hand(box, other, giou):
    assert generalized_iou(double(*box), double(*other)).item() == pytest.approx(giou, abs=1e-12)


@given(BOX, BOX, st.floats(0.1, 10), st.floats(-3, 3))
def test_generalized_iou_has_its_symmetries(box, other, scale, shift):
    a, b = double(*box), double(*other)
    giou = generalized_iou(a, b)
    assert -1 < giou <= 1 + 1e-12
    torch.testing.assert_close(generalized_iou(b, a), giou)
    moved = double(shift, shift, 0.0, 0.0)
    torch.testing.assert_close(
        generalized_iou(a * scale + moved, b * scale + moved), giou, rtol=1e-6, atol=1e-9
    )


def test_generalized_iou_of_boxes_without_extent_is_finite_and_has_gradients():
    boxes = torch.zeros(2, 4, requires_grad=True)
    giou = generalized_iou(boxes, torch.tensor([[0.0, 0, 0, 0], [0.5, 0.5, 0.1, 0.1]]))
    giou.sum().backward()
    assert giou.isfinite().all()
    assert boxes.grad.isfinite().all()


def test_softmax_with_certain_classes_is_pytorchs_weighted_mean():
    logits, labels = torch.randn(7, 4).double(), torch.tensor([0, 3, 1, 3, 3, 2, 0])
    expected = torch.nn.functional.cross_entropy(logits, labels, double(1.0, 1.0, 1.0, 0.3))
    found = softmax_with_no_object(logits, labels, torch.ones(7).double(), 0.3)
    torch.testing.assert_close(found, expected)


def test_softmax_leaves_the_rest_of_a_quality_to_no_object():
    # half of class 0 with probability 1/2, half of "no object" with probability 1/4
    logits = double(2.0, 1.0, 1.0).log()[None]
    loss = softmax_with_no_object(logits, torch.tensor([0]), double(0.5), 0.1)
    by_hand = (0.5 * math.log(2) + 0.5 * 0.1 * math.log(4)) / (0.5 + 0.5 * 0.1)
    assert loss.item() == pytest.approx(by_hand, rel=1e-12)


def test_quality_focal_equals_focal_where_all_is_certain():
    logits, positive = torch.randn(5, 6).double(), torch.rand(5, 6) > 0.5
    targets = positive.double()
    found = quality_focal(logits, targets, positive)
    torch.testing.assert_close(found, sigmoid_focal(logits, targets))


@pytest.mark.parametrize("quality", [0.0, 0.3, 0.8, 1.0])
def test_quality_focal_is_least_where_the_probability_is_the_quality(quality):
    probabilities = torch.linspace(0.01, 0.99, 99).double()
    wanted, positive = torch.full_like(probabilities, quality), torch.ones(99, dtype=torch.bool)
    losses = quality_focal(probabilities.logit(), wanted, positive)
    nearest = (probabilities - quality).abs().argmin()
    assert losses.argmin() == nearest


def test_qualities_are_space_time_ious():
    # of six cells of two frames one is found rightly, one missed, one found wrongly
    logits = torch.tensor([[3.0, -3.0, 3.0, -3.0, -3.0, -3.0]])
    targets = torch.tensor([[1.0, 0.9, 0.4, 0.0, 0.2, 0.0]])
    for share, quality in ((1.0, 1 / 3), (0.0, 1.0), (0.5, 2 / 3)):
        assert qualities_of_masks(logits, targets, share).tolist() == pytest.approx([quality])
    assert qualities_of_masks(logits[:0], targets[:0], 1.0).shape == (0,)


COSTS = st.tuples(st.integers(0, 6), st.integers(0, 4)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-9, 9, width=16))
)


def least_cost(cost):
    """The least total over every way to give min(Q, N) queries a target each."""
    queries, targets = cost.shape
    if queries < targets:
        return least_cost(cost.T)
    ways = itertools.permutations(range(queries), targets)
    return min(sum(cost[q, n] for n, q in enumerate(way)) for way in ways)


@given(COSTS)
def test_match_finds_the_least_total_cost(cost):
    matches = match(torch.from_numpy(cost))
    queries, targets = matches.queries_M.tolist(), matches.targets_M.tolist()
    assert len(set(queries)) == len(set(targets)) == len(queries) == min(cost.shape)
    assert queries == sorted(queries)
    assert cost[queries, targets].sum() == pytest.approx(least_cost(cost), abs=1e-3)


def test_match_refuses_what_a_diverged_training_gives():
    with pytest.raises(ValueError, match="diverged"):
        match(torch.tensor([[0.0, math.nan]]))


def test_class_cost_is_the_change_of_focal_loss():
    logits = torch.randn(5, 4, dtype=torch.float64)
    columns = torch.tensor([2, 0, 2])
    ones, zeros = torch.ones(5, 3).double(), torch.zeros(5, 3).double()
    wanted = sigmoid_focal(logits[:, columns], ones) - sigmoid_focal(logits[:, columns], zeros)
    torch.testing.assert_close(focal_class_cost(logits, columns), wanted, rtol=1e-5, atol=1e-6)


def test_box_costs_count_visible_frames_only():
    boxes_TQ4 = torch.tensor(
        [[[0.5, 0.5, 0.2, 0.2]], [[0.5, 0.5, 0.4, 0.4]], [[0.1, 0.1, 0.1, 0.1]]]
    )
    wanted_NT4 = torch.tensor([[[0.6, 0.5, 0.2, 0.2], [0.5, 0.5, 0.4, 0.4], [0.0, 0.0, 0.0, 0.0]]])
    distance, giou = box_costs(boxes_TQ4, wanted_NT4, torch.tensor([[True, True, False]]))
    # frame 0: x is 0.1 off and the boxes share half their width: IoU 1/3; frame 1: perfect
    assert distance.item() == pytest.approx((0.1 + 0.0) / 2, rel=1e-5)
    assert giou.item() == pytest.approx(-(1 / 3 + 1) / 2, rel=1e-5)
