"""TETA: localization, association and classification, each judged without the other two.

Li et al., "Tracking Every Thing in the Wild", ECCV 2022, in the exhaustive form that SA-Co uses on
masks; as SysCV/tet computes it, with its dependence on the order of the categories: a class that no
track comes near forgets the false positives that earlier classes have charged to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from vis_bench.metrics.tracking.frames import Frames, assign, associate, reached

# The thresholds of IoU; classes are judged from the eleventh, 0.5, on.
ALPHAS = np.arange(0.0, 0.99, 0.05)
FIRST_CLASS_ALPHA = 10
TETA_NUMBERS = ("teta", "loca", "assoca", "clsa", "locre", "locpr", "assocre", "assocpr", "clsre",
                "clspr")  # fmt: skip
# From this IoU on, a track is near an object.
NEAR_IOU = 0.5


@dataclass(frozen=True)
class TetaCounts:
    """Counts of one class, summed over videos: (A,) at 20 thresholds.

    The last three have the 10 thresholds from 0.5 on.

    Attributes:
        loc_tp_A, loc_fn_A, loc_fp_A: pairs, objects in none, and tracks near an object in none.
        assoc_a_A, assoc_re_A, assoc_pr_A: association scores summed over the pairs.
        cls_tp_A, cls_fn_A, cls_fp_A: pairs of the object's class and of another, and tracks of this
            class that are another object's or none's.
    """

    loc_tp_A: np.ndarray
    loc_fn_A: np.ndarray
    loc_fp_A: np.ndarray
    assoc_a_A: np.ndarray
    assoc_re_A: np.ndarray
    assoc_pr_A: np.ndarray
    cls_tp_A: np.ndarray
    cls_fn_A: np.ndarray
    cls_fp_A: np.ndarray

    @classmethod
    def total(cls, parts: Iterable[TetaCounts]) -> TetaCounts:
        """The sum over videos, of which there is at least one."""
        parts = list(parts)
        return cls(*(sum(getattr(part, f.name) for part in parts) for f in fields(cls)))

    def curves(self) -> dict[str, np.ndarray]:
        """The metrics at each threshold, fractions (A,); those of classes are already averaged.

        Counts (B, A) of several selections of videos give (B, A).
        """
        pairs_A = np.maximum(1, self.loc_tp_A)
        loc_re_A, loc_pr_A, loc_a_A = _ratios(self.loc_tp_A, self.loc_fn_A, self.loc_fp_A)
        cls_re, cls_pr, cls_a = (
            np.broadcast_to(ratio_A.mean(-1, keepdims=True), pairs_A.shape)
            for ratio_A in _ratios(self.cls_tp_A, self.cls_fn_A, self.cls_fp_A)
        )
        assoc_a_A = self.assoc_a_A / pairs_A
        return {
            "teta": (loc_a_A + assoc_a_A + cls_a) / 3,
            "loca": loc_a_A,
            "assoca": assoc_a_A,
            "clsa": cls_a,
            "locre": loc_re_A,
            "locpr": loc_pr_A,
            "assocre": self.assoc_re_A / pairs_A,
            "assocpr": self.assoc_pr_A / pairs_A,
            "clsre": cls_re,
            "clspr": cls_pr,
        }


def count_teta(
    frames: Frames, category_G: np.ndarray, category_D: np.ndarray, classes: Sequence[int]
) -> dict[int, TetaCounts]:
    """The counts of one video for those of `classes` that occur there, in their order.

    Args:
        frames: all objects and tracks of the video.
        category_G, category_D: their categories, numbered from 0.
        classes: the categories that have an annotated mask in any video, in the order of the
            annotations.
    """
    frames = frames.with_objects()
    owner_Q = _owners(frames, category_G)
    category_Q = category_D[frames.track_Q]
    present = {*category_G.tolist(), *category_D.tolist()}
    own = [key for key in classes if key in present]
    cls_fp = {key: np.zeros(len(ALPHAS) - FIRST_CLASS_ALPHA) for key in own}
    located: dict[int, dict[str, np.ndarray]] = {}
    num_tracked = np.bincount(category_Q, minlength=max(own, default=0) + 1)
    for key in own:
        rows_G = category_G == key
        near_Q = _near(frames, rows_G) if rows_G.any() else np.zeros(len(owner_Q), bool)
        near_Q &= (owner_Q == _NOBODY) | (owner_Q == key)
        if not near_Q.any():
            cls_fp[key] = np.full_like(cls_fp[key], num_tracked[key])
            located[key] = _nothing_located(int(frames.num_frames_G()[rows_G].sum()))
            continue
        cls_fp[key] += ((category_Q == key) & ~near_Q).sum()
        columns_D = np.zeros(len(category_D), bool)
        columns_D[frames.track_Q[near_Q]] = True
        located[key], wrong = _locate(
            frames.chosen(rows_G, columns_D),
            near_Q[columns_D[frames.track_Q]],
            category_D[columns_D],
            key,
        )
        for other, count_A in wrong.items():
            if other in cls_fp:
                cls_fp[other] += count_A
    return {key: TetaCounts(**located[key], cls_fp_A=cls_fp[key]) for key in own}


_NOBODY = -1


def _near(frames: Frames, rows_G: np.ndarray) -> np.ndarray:
    """The masks of tracks that are near one of some objects, bool (Q,)."""
    near_L = (frames.iou_L >= NEAR_IOU) & rows_G[frames.object_R[frames.other_L]]
    near_Q = np.zeros(len(frames.track_Q), bool)
    near_Q[frames.mask_L[near_L]] = True
    return near_Q


def _owners(frames: Frames, category_G: np.ndarray) -> np.ndarray:
    """The category of the object that takes each mask of a track, (Q,)."""
    all_G = np.ones(len(category_G), bool)
    columns_D = np.zeros(frames.num_tracks, bool)
    columns_D[frames.track_Q[_near(frames, all_G)]] = True
    pairs = assign(frames.chosen(all_G, columns_D))
    taken_P = pairs.iou_P >= NEAR_IOU
    (masks,) = columns_D[frames.track_Q].nonzero()
    owner_Q = np.full(len(frames.track_Q), _NOBODY)
    owner_Q[masks[pairs.mask_P[taken_P]]] = category_G[pairs.object_P[taken_P]]
    return owner_Q


def _nothing_located(num_objects: int) -> dict[str, np.ndarray]:
    """Count but for `cls_fp_A` without a track nearby."""
    zeros_A = np.zeros(len(ALPHAS))
    counts = {field.name: zeros_A for field in fields(TetaCounts) if field.name != "cls_fp_A"}
    none_A = zeros_A[FIRST_CLASS_ALPHA:]
    return counts | {"loc_fn_A": zeros_A + num_objects, "cls_tp_A": none_A, "cls_fn_A": none_A}


def _locate(
    frames: Frames, near_Q: np.ndarray, category_D: np.ndarray, key: int
) -> tuple[dict[str, np.ndarray], dict[int, np.ndarray]]:
    """Counts of one class in one video but for `cls_fp_A`; pairs with tracks of others, by class.

    Args:
        frames: the objects of the class and the tracks that are ever near one.
        near_Q: which of their masks are.
    """
    pairs = assign(frames, keep_apart=True)
    level_P = pairs.levels(ALPHAS)
    association = associate(frames, pairs, level_P, len(ALPHAS))
    is_near_P = near_Q[pairs.mask_P]
    category_P = category_D[pairs.track_P]
    by_class = {
        other: _at_levels(level_P[category_P == other])[FIRST_CLASS_ALPHA:]
        for other in np.unique(category_P).tolist()
    }
    right_A = by_class.pop(key, np.zeros(len(ALPHAS) - FIRST_CLASS_ALPHA))
    located = {
        "loc_tp_A": association.pairs_A,
        "loc_fn_A": frames.num_frames_G().sum() - association.pairs_A,
        "loc_fp_A": near_Q.sum() - _at_levels(level_P[is_near_P]),
        "assoc_a_A": association.jaccard_A,
        "assoc_re_A": association.recall_A,
        "assoc_pr_A": association.precision_A,
        "cls_tp_A": right_A,
        "cls_fn_A": association.pairs_A[FIRST_CLASS_ALPHA:] - right_A,
    }
    return located, by_class


def _at_levels(level_P: np.ndarray) -> np.ndarray:
    """Number of pairs that reach each threshold, (A,)."""
    return reached(np.bincount(level_P, minlength=len(ALPHAS) + 1))


def _ratios(
    tp_A: np.ndarray, fn_A: np.ndarray, fp_A: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Recall, precision and the share of right among right, missed and wrong."""
    return (
        tp_A / np.maximum(1, tp_A + fn_A),
        tp_A / np.maximum(1, tp_A + fp_A),
        tp_A / np.maximum(1, tp_A + fn_A + fp_A),
    )
