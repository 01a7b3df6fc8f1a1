"""The areas under the ROC curves of the probes, level by level, and how far they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from methods.seqformer.model import STRIDES
from methods.training.linear_probe import fit_probe
from methods.training.separability.cells import Cells
from vis_bench.metrics.area_under_roc import OrderedPairs
from vis_bench.metrics.bootstrap import percentile_interval

ALL_LEVELS = "all"


@dataclass(frozen=True)
class LevelSeparability:
    """The area under the ROC curve on one level, or on `all` with one probe for all levels.

    `stride` in pixels. `low` and `high` are the ends of the 95 % interval (bootstrap over the held
    out videos). All three are None where training or held-out videos lack foreground or background.
    """

    stride: int | str
    foreground: int
    background: int
    auc: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class LevelGain:
    """How much larger an area is than with other weights, and the ends of its 95 % interval, for
    which both are judged on the same resamples.
    """

    stride: int | str
    gain: float | None
    low: float | None
    high: float | None


def held_out_pairs(train: Cells, held_out: Cells, num_videos: int) -> list[OrderedPairs | None]:
    """The ordered pairs of held-out cells on each level, and last on all levels together.

    None where a level lacks foreground or background.

    Args:
        train: what the probes are fitted to.
        held_out: cells of other videos.
        num_videos: how many videos the latter are of.
    """
    pairs = []
    for level in (*range(len(STRIDES)), None):
        here, there = train.of_level(level), held_out.of_level(level)
        if not (_has_both(here) and _has_both(there)):
            pairs.append(None)
            continue
        scores_N = fit_probe(here.features_NC, here.foreground_N).scores(there.features_NC)
        pairs.append(OrderedPairs.of(scores_N, there.foreground_N, there.video_N, num_videos))
    return pairs


def judge(
    pairs: Sequence[OrderedPairs | None], held_out: Cells, counts_BV: np.ndarray
) -> list[LevelSeparability]:
    """Each level's area and its interval.

    Args:
        pairs: of `held_out_pairs`.
        counts_BV: how many times each video counts in each resample.
    """
    rows = []
    for place, found in enumerate(pairs):
        level = place if place < len(STRIDES) else None
        foreground_N = held_out.of_level(level).foreground_N
        counts = int(foreground_N.sum()), int((~foreground_N).sum())
        interval = None if found is None else percentile_interval(found.areas(counts_BV))
        auc = None if found is None else found.area()
        rows.append(LevelSeparability(_stride(place), *counts, auc, *(interval or (None, None))))
    return rows


def gains(
    pairs: Sequence[OrderedPairs | None],
    others: Sequence[OrderedPairs | None],
    counts_BV: np.ndarray,
) -> list[LevelGain]:
    """Each level's area minus that of other features of the same cells."""
    rows = []
    for place, (one, other) in enumerate(zip(pairs, others, strict=True)):
        if one is None or other is None:
            rows.append(LevelGain(_stride(place), None, None, None))
            continue
        interval = percentile_interval(one.areas(counts_BV) - other.areas(counts_BV))
        ends = interval or (None, None)
        rows.append(LevelGain(_stride(place), one.area() - other.area(), *ends))
    return rows


def _has_both(cells: Cells) -> bool:
    return bool(cells.foreground_N.any() and not cells.foreground_N.all())


def _stride(place: int) -> int | str:
    return STRIDES[place] if place < len(STRIDES) else ALL_LEVELS
