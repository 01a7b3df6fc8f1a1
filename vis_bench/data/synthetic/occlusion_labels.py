"""OVIS's occlusion labels, from the pixels of each object that the objects in front of it hide.

Only pixels of the object within the frame count: the rest is cut off rather than hidden.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vis_bench.data.annotations import MOSTLY_HIDDEN, NOT_HIDDEN, PARTLY_HIDDEN
from vis_bench.data.synthetic.render import Scene, render_owners


class Visibility(NamedTuple):
    """Who is seen, and how large the N instances of a scene would be with nothing before them.

    Attributes:
        owners_THW: `owner_HW` of `render.render` in every frame.
        extents_NT: pixels of each instance within each frame, hidden ones included.
    """

    owners_THW: np.ndarray
    extents_NT: np.ndarray

    def hidden_NT(self) -> np.ndarray:
        """The fraction of each instance that others hide; NaN where it is out of the frame."""
        visible_TN = [
            np.bincount(owner_HW.ravel(), minlength=len(self.extents_NT) + 1)[1:]
            for owner_HW in self.owners_THW
        ]
        hidden_NT = self.extents_NT - np.transpose(visible_TN)
        unknown_NT = np.full(hidden_NT.shape, np.nan)
        return np.divide(hidden_NT, self.extents_NT, out=unknown_NT, where=self.extents_NT > 0)


def visibility_of(scene: Scene) -> Visibility:
    """Counts every instance in every frame."""
    drawn = [render_owners(scene, t) for t in range(scene.length)]
    owners, extents = zip(*drawn, strict=True)
    return Visibility(np.stack(owners), np.stack(extents, 1))


def labels_of(hidden_T: np.ndarray) -> list[str | None]:
    """OVIS's label of an object in each frame; None where nothing of it is seen."""
    return [label_of(hidden) if hidden < 1 else None for hidden in hidden_T.tolist()]


def label_of(hidden: float) -> str:
    """The label of an object of which a fraction is hidden, 0 to 1.

    OVIS's labels were given by annotators, not counted. The scores that its evaluator gives them,
    .25 and .75, are the middles of "up to half hidden" and "more than half hidden", and so the
    labels are drawn here: not a pixel hidden, up to half, more than half.
    """
    if not 0 <= hidden <= 1:
        raise ValueError(f"hidden fraction is {hidden}; expected a number from 0 to 1")
    if hidden == 0:
        return NOT_HIDDEN
    return PARTLY_HIDDEN if hidden <= 0.5 else MOSTLY_HIDDEN
