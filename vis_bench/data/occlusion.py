"""How much of an object is hidden, as OVIS annotates it: one label per frame, one score per object.

Qi et al., Occluded Video Instance Segmentation, arXiv 2102.01558; the score is the one of the
official evaluator (qjy981010/cocoapi, `OVISeval`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vis_bench.errors import InputError
from vis_bench.files import shown

NOT_HIDDEN, PARTLY_HIDDEN, MOSTLY_HIDDEN = "no_occlusion", "slight_occlusion", "severe_occlusion"
LABEL_SCORES: Mapping[str, float] = {NOT_HIDDEN: 0.0, PARTLY_HIDDEN: 0.25, MOSTLY_HIDDEN: 0.75}


def occlusion_score(labels: Any, where: str) -> float | None:
    """The mean over the more hidden half of an object's labelled frames; None without a label.

    Args:
        labels: a label per frame, or None where the object is not seen; None where the object has
            none at all.
        where: what messages call the object.

    Raises:
        InputError: for anything else, naming the frame (counted from 0).
    """
    check_labels(labels, where)
    scores = sorted(LABEL_SCORES[label] for label in labels or () if label is not None)
    half = scores[len(scores) // 2 :]
    return sum(half) / len(half) if half else None


def check_labels(labels: Any, where: str) -> None:
    """Refuses what is not a list of labels; see `occlusion_score`."""
    if labels is None:
        return
    if not isinstance(labels, list):
        raise InputError(
            f"{where} has occlusion {shown(labels)}; expected a list with one label or null per "
            "frame"
        )
    for frame, label in enumerate(labels):
        if label is not None and not is_label(label):
            raise InputError(
                f"{where}, frame {frame} has occlusion {shown(label)}; expected one of "
                f"{', '.join(LABEL_SCORES)} or null"
            )


def is_label(value: Any) -> bool:
    """Whether a JSON value is one of the three labels."""
    return isinstance(value, str) and value in LABEL_SCORES


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
