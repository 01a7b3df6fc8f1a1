"""Detections of a frame joined with a memory of identities (arXiv 1905.04804, sections 4.2, 4.3).

As MMDetection 3 has it (`MaskTrackRCNNTracker`). Everything here is a function of the detections
and of the state, a dict of tensors:

| key | per identity in memory, in the order of birth |
|---|---|
| `ids_M` | its number, from 0 |
| `embeddings_MC`, `boxes_M4`, `labels_M` | of its latest detection |
| `seen_M` | the frame of that detection |
| `scores_M`, `votes_MK` | the sum of its detections' scores, and their number by class |
| `frame`, `born` | frames so far, and identities so far; scalars |

Shape letters: N detections, M identities in memory, S identities seen in a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.layers.boxes import pairwise_iou
from methods.layers.transformer import full_precision
from methods.masktrack_rcnn.detector import DETECTIONS
from vis_bench.method import State

# Weights of the cues: detection score, overlap, equal class (equation 3).
SCORE_WEIGHT, OVERLAP_WEIGHT, CLASS_WEIGHT = 1.0, 2.0, 10.0
# An identity leaves the memory when it was not seen for so many frames.
MEMORY_FRAMES = 20
MOST_ALIVE = MEMORY_FRAMES * DETECTIONS
# A detection takes an identity if it scores more than this, and than those before it.
LEAST_SCORE = -1e6


@dataclass(frozen=True)
class Detections:
    """Detections of one frame, the best first.

    `boxes_N4` are corners in any unit, the same one in all frames.
    """

    boxes_N4: Tensor
    scores_N: Tensor
    labels_N: Tensor
    embeddings_NC: Tensor


@dataclass(frozen=True)
class Seen:
    """Identities of a frame: their numbers, latest detections, and class probabilities so far.

    The mean score of all detections stands at the most frequent class; other classes have 0.
    """

    ids_S: Tensor
    rows_S: Tensor
    class_probs_SK: Tensor


def start(detections: Detections, num_classes: int) -> State:
    """The state before the first frame."""
    number = detections.labels_N.new_zeros(())
    return _born(detections, number.new_zeros(0), number, num_classes) | {
        "frame": number,
        "born": number,
    }


def _born(detections: Detections, rows_R: Tensor, first_id: Tensor, num_classes: int) -> State:
    """Identities in memory that begin with these detections, not counted yet."""
    scores_R = detections.scores_N.new_zeros(len(rows_R))
    return {
        "ids_M": first_id + torch.arange(len(rows_R), device=rows_R.device),
        "embeddings_MC": detections.embeddings_NC[rows_R],
        "boxes_M4": detections.boxes_N4[rows_R],
        "labels_M": detections.labels_N[rows_R],
        "seen_M": torch.zeros_like(rows_R),
        "scores_M": scores_R,
        "votes_MK": scores_R.new_zeros(len(rows_R), num_classes),
    }


def match_scores(detections: Detections, state: State) -> Tensor:
    """Score (N, 1 + M) of each detection as a new identity, and as each one in memory."""
    with full_precision(detections.boxes_N4.device):
        logits_NM = detections.embeddings_NC.float() @ state["embeddings_MC"].float().T
    zeros_N1 = logits_NM.new_zeros(len(logits_NM), 1)
    # Not `log_softmax`: probabilities that underflow become minus infinity.
    appearance_NL = torch.cat([zeros_N1, logits_NM], 1).softmax(1).log()
    overlap_NM = pairwise_iou(detections.boxes_N4, state["boxes_M4"]).nan_to_num(0.0)
    same_NM = (detections.labels_N[:, None] == state["labels_M"]).float()
    return (
        appearance_NL
        + SCORE_WEIGHT * detections.scores_N.log()[:, None]
        + OVERLAP_WEIGHT * torch.cat([zeros_N1, overlap_NM], 1)
        + CLASS_WEIGHT * torch.cat([zeros_N1 + 1, same_NM], 1)
    )


def step(detections: Detections, state: State) -> tuple[State, Tensor, Seen]:
    """Give the detections of the next frame their identities, and update the memory.

    Returns:
        The state behind the frame; the identity of each detection, -1 for one that is lost to a
        better one, (N,); the identities seen. Two detections can share an identity: the later one
        takes it, because it scores more, and the earlier one keeps it.
    """
    later = state["frame"] + 1
    if len(detections.scores_N) == 0:
        seen = Seen(detections.labels_N, detections.labels_N, state["votes_MK"][:0])
        return state | {"frame": later}, detections.labels_N, seen
    scores_NL = match_scores(detections, state)
    value_N, column_N = scores_NL.max(1).values, scores_NL.argmax(1)
    # Detections before (rows) each one (columns) with the same choice and at least its score.
    rivals_NN = (column_N[:, None] == column_N) & (value_N[:, None] >= value_N)
    is_new_N = column_N == 0
    takes_N = is_new_N | ((value_N > LEAST_SCORE) & ~rivals_NN.triu(1).any(0))

    # New identities stand behind the memory, in the order of their detections.
    new_R = is_new_N.nonzero()[:, 0]
    size, num_classes = state["votes_MK"].shape
    place_N = torch.where(is_new_N, size - 1 + is_new_N.cumsum(0), column_N - 1)
    born = _born(detections, new_R, state["born"], num_classes)
    memory = {key: torch.cat([state[key], new]) for key, new in born.items()}
    identity_N = torch.where(takes_N, memory["ids_M"][place_N], -1)

    taking_A = takes_N.nonzero()[:, 0]
    place_A, label_A = place_N[taking_A], detections.labels_N[taking_A]
    score_A = detections.scores_N[taking_A]
    memory["scores_M"].index_add_(0, place_A, score_A)
    memory["votes_MK"].index_put_((place_A, label_A), torch.ones_like(score_A), accumulate=True)

    # Of two detections that share an identity, the later one is remembered.
    latest_M = torch.full_like(memory["ids_M"], -1).scatter_reduce(0, place_A, taking_A, "amax")
    # Here and below slices cut nothing: they bound the shapes where there are no values.
    place_S = (latest_M >= 0).nonzero()[: len(place_N), 0]
    row_S = latest_M[place_S]
    latest = {
        "embeddings_MC": detections.embeddings_NC,
        "boxes_M4": detections.boxes_N4,
        "labels_M": detections.labels_N,
        "seen_M": state["frame"].expand(len(place_N)),
    }
    for key, values_N in latest.items():
        memory[key].index_copy_(0, place_S, values_N[row_S])
    votes_SK = memory["votes_MK"][place_S]
    score_S = memory["scores_M"][place_S] / votes_SK.sum(1)
    columns_K = torch.arange(num_classes, device=row_S.device)
    is_label_SK = votes_SK.argmax(1)[:, None] == columns_K
    seen = Seen(memory["ids_M"][place_S], row_S, is_label_SK * score_S[:, None])

    alive_M = (state["frame"] - memory["seen_M"] < MEMORY_FRAMES).nonzero()[:MOST_ALIVE, 0]
    memory = {key: values[alive_M] for key, values in memory.items()}
    return memory | {"frame": later, "born": state["born"] + len(new_R)}, identity_N, seen
