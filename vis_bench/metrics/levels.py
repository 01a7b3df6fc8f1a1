"""The objects that are hard to follow: hidden ones, and those that leave and return.

A level is like an area range: objects outside it are ignored, while a detection that matches
nothing counts in every level. Light, moderate and heavy occlusion are those of OVIS's official
evaluator (qjy981010/cocoapi, `OVISeval`): closed ranges of the occlusion score, so that an object
on a border is in two. `returning` is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.masks.tubes import MaskTubes

# Lowest and highest occlusion score; so, mo, ho are what OVIS calls them.
OCCLUSION_RANGES: Mapping[str, tuple[float, float]] = {
    "so": (0.0, 0.25), "mo": (0.25, 0.5), "ho": (0.5, 1.0),
}  # fmt: skip
RETURNING = "returning"
LEVELS = (*OCCLUSION_RANGES, RETURNING)


@dataclass(frozen=True)
class ObjectLevels:
    """Which of N objects are in which of L levels.

    Attributes:
        names: the levels that any object is in, in the order of `LEVELS`.
        inside_NL: bool.
    """

    names: tuple[str, ...]
    inside_NL: np.ndarray

    @classmethod
    def of(cls, ground_truth: GroundTruth) -> ObjectLevels:
        """The levels of annotated objects. One without an occlusion label is in none of three."""
        score_N = np.array(
            [
                np.nan if thing.occlusion_score is None else thing.occlusion_score
                for thing in ground_truth.objects
            ]
        )
        inside = {
            name: (score_N >= low) & (score_N <= high)
            for name, (low, high) in OCCLUSION_RANGES.items()
        }
        inside[RETURNING] = returning(ground_truth.tubes)
        names = tuple(name for name in LEVELS if inside[name].any())
        columns = [inside[name] for name in names]
        empty_N0 = np.zeros((len(score_N), 0), bool)
        return cls(names, np.stack(columns, 1) if columns else empty_N0)


def returning(tubes: MaskTubes) -> np.ndarray:
    """Whether each tube has a mask, then none, then one again; bool (N,)."""
    (present,) = np.nonzero(tubes.areas_P1[:-1])
    tube_p, frame_p = tubes.tube_P[present], tubes.frame_P[present]
    returns_here = (np.diff(tube_p) == 0) & (np.diff(frame_p) > 1)
    return np.bincount(tube_p[1:][returns_here], minlength=len(tubes)) > 0
