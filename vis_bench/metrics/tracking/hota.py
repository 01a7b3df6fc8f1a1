"""HOTA: the geometric mean of how well objects are found and how well identities are kept.

Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021; as
TrackEval computes it. Counts are kept per threshold and added up over sequences; ratios come last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from vis_bench.metrics.tracking.frames import Frames, assign, associate, reached

# The thresholds of IoU from which on a pair counts: 0.05, 0.10 .. 0.95.
ALPHAS = np.arange(0.05, 0.99, 0.05)


@dataclass(frozen=True)
class HotaCounts:
    """Counts at each of 19 thresholds, summed over sequences, each (A,).

    Attributes:
        tp_A, fn_A, fp_A: pairs; objects and tracks that are in none, per frame.
        ass_a_A, ass_re_A, ass_pr_A: association scores summed over the pairs.
        iou_A: the pairs' IoU.
    """

    tp_A: np.ndarray
    fn_A: np.ndarray
    fp_A: np.ndarray
    ass_a_A: np.ndarray
    ass_re_A: np.ndarray
    ass_pr_A: np.ndarray
    iou_A: np.ndarray

    @classmethod
    def total(cls, parts: Iterable[HotaCounts]) -> HotaCounts:
        """The sum over sequences."""
        parts = list(parts)
        if not parts:
            return cls(*(np.zeros(len(ALPHAS)) for _ in fields(cls)))
        return cls(*(np.sum([getattr(p, f.name) for p in parts], axis=0) for f in fields(cls)))

    def curves(self) -> dict[str, np.ndarray]:
        """The metrics at each threshold, fractions (A,); what nothing divides is 0, LocA 1.

        Counts (B, A) of several selections of videos give (B, A).
        """
        pairs_A = np.maximum(1, self.tp_A)
        det_re_A = self.tp_A / np.maximum(1, self.tp_A + self.fn_A)
        det_pr_A = self.tp_A / np.maximum(1, self.tp_A + self.fp_A)
        det_a_A = self.tp_A / np.maximum(1, self.tp_A + self.fn_A + self.fp_A)
        ass_a_A = self.ass_a_A / pairs_A
        return {
            "hota": np.sqrt(det_a_A * ass_a_A),
            "deta": det_a_A,
            "assa": ass_a_A,
            "loca": np.where(self.tp_A > 0, self.iou_A / pairs_A, 1.0),
            "detre": det_re_A,
            "detpr": det_pr_A,
            "assre": self.ass_re_A / pairs_A,
            "asspr": self.ass_pr_A / pairs_A,
            "owta": np.sqrt(det_re_A * ass_a_A),
        }


def count_apart(num_objects: int, num_tracks: int) -> HotaCounts:
    """Count a sequence in which nothing overlaps, by its numbers of masks."""
    zeros_A = np.zeros(len(ALPHAS))
    missed_A, strays_A = zeros_A + num_objects, zeros_A + num_tracks
    return HotaCounts(zeros_A, missed_A, strays_A, zeros_A, zeros_A, zeros_A, zeros_A)


def count_hota(frames: Frames) -> HotaCounts:
    """Count one sequence: the objects and tracks of one video that are compared."""
    pairs = assign(frames)
    level_P = pairs.levels(ALPHAS)
    association = associate(frames, pairs, level_P, len(ALPHAS))
    iou_L = np.bincount(level_P, weights=pairs.iou_P, minlength=len(ALPHAS) + 1)
    return HotaCounts(
        association.pairs_A,
        frames.num_frames_G().sum() - association.pairs_A,
        frames.num_frames_D().sum() - association.pairs_A,
        association.jaccard_A,
        association.recall_A,
        association.precision_A,
        reached(iou_L),
    )
