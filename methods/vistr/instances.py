"""One class and score for each instance of a clip, from the classes of its frames.

The authors' `inference.py` (github.com/Epiphqny/VisTR) has the rule: every frame of an instance
votes for its most probable class, the score is the mean of these largest probabilities, and an
instance is absent from a frame where even the largest is next to nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Below this largest probability an instance is absent from the frame.
PRESENT_PROBABILITY = 0.001
# The column of an object that its frame does not show; it can win the vote, and then the instance
# has no category.
ABSENT_COLUMN = 0


class InstanceClasses(NamedTuple):
    """`class_probs_NK`: the score at the voted category, 0 elsewhere. `present_NT`: booleans."""

    class_probs_NK: Tensor
    present_NT: Tensor


def vote(probs_TNC: Tensor) -> InstanceClasses:
    """Lets the frames vote.

    Args:
        probs_TNC: probabilities of N instances in each frame: first the column of an absent object,
            then those of the K categories, without "no object". The lowest column wins a tie.
    """
    largest_TN, labels_TN = probs_TNC.max(-1)
    columns_C = torch.arange(probs_TNC.shape[-1], device=probs_TNC.device)
    votes_NC = (labels_TN[..., None] == columns_C).sum(0)
    winner_N = (votes_NC * len(columns_C) - columns_C).argmax(-1)
    scores_N1 = largest_TN.mean(0)[:, None]
    class_probs_NC = torch.where(winner_N[:, None] == columns_C, scores_N1, 0.0)
    present_NT = (largest_TN >= PRESENT_PROBABILITY).T
    return InstanceClasses(class_probs_NC[:, ABSENT_COLUMN + 1 :], present_NT)
