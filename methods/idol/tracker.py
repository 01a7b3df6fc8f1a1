"""IDOL's tracker: queries of one frame after the other become detections, and these tracks (Wu et
al., ECCV 2022, arXiv 2207.10661, section 3.3), by the rules of the authors' code (wjf5203/VNext,
`projects/IDOL`).

An *identity* is what the tracker remembers; its embeddings are matched with those of detections.
A *track* is a stretch of an identity's sightings in the output. An identity that is withdrawn from
the output stays remembered; when it comes back it starts another track.

Shape letters: Q queries, N detections of a frame, M remembered identities, K classes, C channels of
an embedding, 3 the last sightings, oldest first.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.layers.boxes import corners, pairwise_iou, suppress
from methods.layers.transformer import full_precision
from vis_bench.method import State

# An identity's embeddings that are remembered, and the frames after which it is forgotten.
SIGHTINGS = 3
FORGOTTEN_AFTER = 10
# Scores that a new identity needs where nothing is remembered; elsewhere it is an option.
FIRST_SCORE = 0.2
MIN_MATCH = 0.5
# From this frame on, tracks with fewer sightings are withdrawn when they are absent twice.
WITHDRAWN_FROM = 9
KEPT_FROM_SIGHTINGS = 3
DROPPED = -1
# Of the query that a detection comes from, and of two boxes of a class.
MIN_SCORE = 0.1
MAX_BOX_IOU = 0.9
# Two empty masks have IoU 1.
EPSILON = 1e-6


def selected_queries(class_probs_QK: Tensor, boxes_Q4: Tensor) -> Tensor:
    """Numbers (N,) of the queries that pass the selection and the NMS of boxes, best first.

    - A query is as good as its most probable class. Those above `MIN_SCORE` pass; where none does,
      the best one passes whatever its score.
    - Boxes suppress worse ones of the same class above `MAX_BOX_IOU`. Each class is moved to a
      place of its own first, which also rounds the coordinates as theirs are rounded.

    Args:
        boxes_Q4: cx, cy, w, h.
    """
    scores_Q, classes_Q = class_probs_QK.max(-1)
    passed_Q = scores_Q > MIN_SCORE
    numbers_Q = torch.arange(len(scores_Q), device=scores_Q.device)
    passed_Q = passed_Q | (~passed_Q.any() & (numbers_Q == scores_Q.argmax()))
    queries_N = passed_Q.nonzero()[:, 0]
    best_first_N = scores_Q[queries_N].sort(descending=True, stable=True).indices
    queries_N = queries_N[best_first_N]
    boxes_N4 = corners(boxes_Q4[queries_N])
    moved_N4 = boxes_N4 + (classes_Q[queries_N] * (boxes_N4.amax() + 1))[:, None]
    return queries_N[suppress(pairwise_iou(moved_N4, moved_N4) > MAX_BOX_IOU)]


def kept_masks(mask_logits_NHW: Tensor, max_iou: float) -> Tensor:
    """True for each detection, best first, whose mask no better one suppresses; (N,).

    Classes do not count, and the padding of the frame does.
    """
    return suppress(mask_iou(mask_logits_NHW) > max_iou)


def mask_iou(mask_logits_NHW: Tensor) -> Tensor:
    """Intersection over union of every pair of masks: (N, N)."""
    masks_NP = (mask_logits_NHW > 0).flatten(1).float()
    with full_precision(masks_NP.device):
        common_NN = masks_NP @ masks_NP.T
    area_N = masks_NP.sum(1)
    union_NN = area_N[:, None] + area_N - common_NN
    return (common_NN + EPSILON) / (union_NN + EPSILON)


@dataclass(frozen=True)
class Detected:
    """Detections of one frame, best first; `follow` takes them on the host."""

    class_probs_NK: Tensor
    embeddings_NC: Tensor

    @property
    def scores_N(self) -> Tensor:
        """Probability of the most probable class."""
        return self.class_probs_NK.amax(-1)

    def on_host(self) -> Detected:
        """The same on the CPU."""
        return Detected(self.class_probs_NK.cpu(), self.embeddings_NC.cpu())


@dataclass(frozen=True)
class FrameTracks:
    """Identity and track of each detection of a frame, -1 for those that are dropped.

    `class_probs_NK`: of the track, the mean over its sightings so far. `withdrawn`: tracks that
    leave the output with this frame.
    """

    identities_N: Tensor
    tracks_N: Tensor
    class_probs_NK: Tensor
    withdrawn: list[int]


def follow(found: Detected, memory: State | None, new_score: float) -> tuple[FrameTracks, State]:
    """Match the detections of the next frame with the remembered identities.

    Args:
        memory: returned for the frame before, None for the first one. An entry of each tensor with
            a dimension M belongs to a remembered identity, in the order of their numbers:
            `embeddings_M3C`, `scores_M3`, `seen_M` (how often), `last_M` (frame of the last
            sighting), `identity_M`, `track_M` (-1: withdrawn), and of the track `sightings_M` and
            `probs_sum_MK`. `next_2`: numbers of the next identity and the next track; `frame`.
        new_score: a detection without a match becomes a new identity above it.
    """
    memory = nothing_remembered(found) if memory is None else memory
    scores_N, frame = found.scores_N, memory["frame"]
    num_known = len(memory["seen_M"])
    rows_N = matches(found.embeddings_NC, memory)
    is_new_N = (rows_N == DROPPED) & (scores_N > (new_score if num_known else FIRST_SCORE))
    num_new = int(is_new_N.sum())
    rows_N[is_new_N] = torch.arange(num_known, num_known + num_new)
    memory = with_new_identities(memory, num_new)
    followed_N = rows_N != DROPPED
    rows = rows_N[followed_N]

    embeddings, scores = memory["embeddings_M3C"], memory["scores_M3"]
    embeddings[rows] = torch.cat(
        [embeddings[rows, 1:], found.embeddings_NC[followed_N, None]], dim=1
    )
    scores[rows] = torch.cat([scores[rows, 1:], scores_N[followed_N, None]], dim=1)
    memory["seen_M"][rows] += 1
    memory["last_M"][rows] = frame

    starting = rows[memory["track_M"][rows] == DROPPED]
    memory["track_M"][starting] = memory["next_2"][1] + torch.arange(len(starting))
    memory["next_2"][1] += len(starting)
    memory["sightings_M"][starting] = 0
    memory["probs_sum_MK"][starting] = 0
    memory["sightings_M"][rows] += 1
    memory["probs_sum_MK"][rows] += found.class_probs_NK[followed_N]

    identities_N, tracks_N = torch.full_like(rows_N, DROPPED), torch.full_like(rows_N, DROPPED)
    identities_N[followed_N] = memory["identity_M"][rows]
    tracks_N[followed_N] = memory["track_M"][rows]
    probs_NK = found.class_probs_NK.clone()
    probs_NK[followed_N] = memory["probs_sum_MK"][rows] / memory["sightings_M"][rows, None]
    withdrawn = withdraw(memory) if frame >= WITHDRAWN_FROM else []
    return FrameTracks(identities_N, tracks_N, probs_NK, withdrawn), without_forgotten(memory)


def matches(embeddings_NC: Tensor, memory: State) -> Tensor:
    """Row of the memory that each detection continues, -1 for none: (N,).

    Better detections choose first, and what one has chosen is gone for the others. An identity
    needs more than `MIN_MATCH`; since the softmaxes of `similarity` run over different axes, two
    may have it, and then the one that was seen more often, weighted by the similarity, is chosen.
    """
    rows_N = torch.full((len(embeddings_NC),), DROPPED)
    seen_M = memory["seen_M"].numpy()
    if not len(seen_M):
        return rows_N
    similarity_NM = similarity(embeddings_NC, memory).numpy()
    for row, similarity_M in enumerate(similarity_NM):
        candidates = (similarity_M > MIN_MATCH).nonzero()[0]
        if len(candidates):
            weighted = similarity_M[candidates] * seen_M[candidates]
            rows_N[row] = chosen = int(candidates[weighted.argmax()])
            similarity_NM[row + 1 :, chosen] = 0
    return rows_N


def similarity(embeddings_NC: Tensor, memory: State) -> Tensor:
    """Mean of the softmaxes of dot products over the identities and over the detections: (N, M)."""
    with full_precision(embeddings_NC.device):
        logits_NM = embeddings_NC @ memory_embeddings(memory).T
    return (logits_NM.softmax(1) + logits_NM.softmax(0)) / 2


def memory_embeddings(memory: State) -> Tensor:
    """Embedding of each identity: (M, C).

    The mean of those of its last L sightings, weighted by their score plus j / L for the j-th
    oldest.
    """
    length_M1 = memory["seen_M"].clamp(max=SIGHTINGS)[:, None]
    # Sightings stand at the end: 1, 2, 3 where there are three, 0, 1, 2 where there are two.
    place_M3 = torch.arange(1, SIGHTINGS + 1) - SIGHTINGS + length_M1
    weights_M3 = (memory["scores_M3"] + place_M3 / length_M1) * (place_M3 > 0)
    summed_MC = (memory["embeddings_M3C"] * weights_M3[..., None]).sum(1)
    return summed_MC / weights_M3.sum(1, keepdim=True)


def withdraw(memory: State) -> list[int]:
    """Take the tracks from the output that were seen rarely, and neither in this frame nor in the
    one before; returns their numbers.
    """
    absent_M = memory["last_M"] < memory["frame"] - 1
    rare_M = memory["sightings_M"] < KEPT_FROM_SIGHTINGS
    gone_M = absent_M & rare_M & (memory["track_M"] != DROPPED)
    tracks = memory["track_M"][gone_M].tolist()
    memory["track_M"][gone_M] = DROPPED
    return tracks


def nothing_remembered(found: Detected) -> State:
    """Memory before the first frame."""
    num_channels, num_classes = found.embeddings_NC.shape[1], found.class_probs_NK.shape[1]
    integers = {name: torch.zeros(0, dtype=torch.int64) for name in INTEGERS}
    return {
        "embeddings_M3C": torch.zeros(0, SIGHTINGS, num_channels),
        "scores_M3": torch.zeros(0, SIGHTINGS),
        "probs_sum_MK": torch.zeros(0, num_classes),
        **integers,
        "next_2": torch.zeros(2, dtype=torch.int64),
        "frame": torch.zeros((), dtype=torch.int64),
    }


INTEGERS = ("seen_M", "last_M", "identity_M", "track_M", "sightings_M")
PER_IDENTITY = ("embeddings_M3C", "scores_M3", "probs_sum_MK", *INTEGERS)


def with_new_identities(memory: State, count: int) -> State:
    """The memory with entries for identities that nothing is known of yet; a copy."""
    grown = {
        name: torch.cat([tensor, tensor.new_zeros(count, *tensor.shape[1:])])
        if name in PER_IDENTITY
        else tensor.clone()
        for name, tensor in memory.items()
    }
    num_known = len(memory["seen_M"])
    grown["identity_M"][num_known:] = memory["next_2"][0] + torch.arange(count)
    grown["track_M"][num_known:] = DROPPED
    grown["next_2"][0] += count
    return grown


def without_forgotten(memory: State) -> State:
    """The memory after its frame, without identities that were not seen for too long."""
    kept_M = memory["frame"] - memory["last_M"] < FORGOTTEN_AFTER
    left = {name: memory[name][kept_M] for name in PER_IDENTITY}
    return {**left, "next_2": memory["next_2"], "frame": memory["frame"] + 1}
