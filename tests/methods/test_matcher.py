"""The matcher against brute force, and its costs against cases worked out by hand."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from methods.training.losses import box_costs, focal_class_cost, match, sigmoid_focal

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


def test_match_takes_the_better_total_not_the_best_pair():
    matches = match(torch.tensor([[0.0, 1.0], [0.5, 9.0]]))
    assert matches.queries_M.tolist() == [0, 1]
    assert matches.targets_M.tolist() == [1, 0]


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
