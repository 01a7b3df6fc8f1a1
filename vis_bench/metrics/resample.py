"""AP and AR of many resamples of the videos at once.

Matches are computed once; in a resample each video counts some number of times, and a resample only
accumulates again: a detection counts as often as its video. Precision can peak only where a hit is,
so all that a resample needs are the numbers of hits and of counted detections up to each hit. The
numbers equal `precision_recall.accumulate` with the same counts.

Shape letters: B resamples, b those of one block, V videos, T=10 IoU thresholds, K categories that
hold an object, A area ranges and levels, M=3 limits on the detections per video and category, N=3
kinds of AP, n detections, H hits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vis_bench.errors import InputError
from vis_bench.metrics.matching import (
    AREA_NAMES,
    AT_50,
    AT_75,
    IOU_THRESHOLDS,
    CategoryMatches,
    Matches,
    occurring,
)
from vis_bench.metrics.precision_recall import MAX_DETECTIONS, RECALL_LEVELS

_DENSE = 1024  # no fewer than 128, of which NumPy makes a sum at once
# Blocks of resamples have about so many values and no fewer resamples; bounds the memory.
_BLOCK, _FEWEST_TOGETHER = 1 << 17, 4
# Products of up to so many multiplications stay on one thread of OpenBLAS. A larger one wakes all,
# which then spin for much longer than it takes.
_ONE_THREAD = 1 << 18
_FEWEST_ROWS = 32
_TOGETHER = 128  # videos whose own AP is computed at once
# Others have no more weights than this, and rows whose product is the same to the last digit.
_FLOATS, _TILE = 1 << 22, 64


@dataclass(frozen=True)
class ResampledScores:
    """Per resample and category that holds an object; NaN where the drawn videos hold none that
    counts.

    `aps_BNAK` by area range and level: AP, AP50 and AP75; means over the thresholds: `recall_BMK`
    by limit on the detections, `recall_BAK` by area range and level.
    """

    aps_BNAK: np.ndarray
    recall_BMK: np.ndarray
    recall_BAK: np.ndarray

    def by_category(self, area: int = 0) -> dict[str, np.ndarray]:
        """`ap`, `ap50`, `ap75` and `ar100` of each category in one range, (B, K) each."""
        aps = {name: self.aps_BNAK[:, n, area] for n, name in enumerate(("ap", "ap50", "ap75"))}
        return {**aps, "ar100": self.recall_BAK[:, area]}

    def numbers(self, area: int = 0) -> dict[str, np.ndarray]:
        """The same over all categories, (B,) each; in the range of all areas also `ar1`, `ar10`."""
        values = self.by_category(area)
        if area == 0:
            most = values.pop("ar100")
            values |= {f"ar{n}": self.recall_BMK[:, m] for m, n in enumerate(MAX_DETECTIONS[:-1])}
            values["ar100"] = most
        return {name: mean_over_categories(values_BK) for name, values_BK in values.items()}


def mean_over_categories(values_BK: np.ndarray) -> np.ndarray:
    """The mean over the categories that have a value, (B,); NaN where none has."""
    there_BK = ~np.isnan(values_BK)
    count_B = there_BK.sum(1)
    total_B = np.where(there_BK, values_BK, 0).sum(1)
    return np.divide(total_B, count_B, out=np.full(len(values_BK), np.nan), where=count_B > 0)


def weighted_sums(counts_BV: np.ndarray, values_VX: np.ndarray) -> np.ndarray:
    """The product of both in float64, (B, X), some rows at a time: those that stay on one thread,
    or as many as memory allows.
    """
    (held,) = values_VX.any(1).nonzero()
    values_VX = values_VX[held]
    rows = _ONE_THREAD // max(values_VX.size, 1)
    if rows < _FEWEST_ROWS:
        rows = max(1, _FLOATS // max(len(held), 1) // _TILE) * _TILE
    products = [
        counts_BV[start : start + rows].take(held, axis=1).astype(np.float64) @ values_VX
        for start in range(0, max(len(counts_BV), 1), rows)
    ]
    return np.concatenate(products)


def resampled_ap(matches: Matches, counts_BV: np.ndarray, area: int = 0) -> np.ndarray:
    """AP of each resample, as `ResampledScores.numbers` has it, without the other numbers.

    Args:
        counts_BV: as `resample`.
        area: place among the area ranges and, after them, the levels.
    """
    _check_whole(counts_BV)
    matches = replace(matches, categories=list(occurring(matches.categories)))
    inside_PV = matches.parts.values() if area < len(AREA_NAMES) else ()
    parts = [_ap_B(matches, _of_part(counts_BV, inside_V), area) for inside_V in inside_PV]
    return mean_over_categories(np.stack(parts, 1)) if parts else _ap_B(matches, counts_BV, area)


def _check_whole(counts_BV: np.ndarray) -> None:
    """Refuse weights in parts: recall 1 could miss its level by rounding."""
    for counts_V in counts_BV:
        wrong = counts_V[(counts_V < 0) | (counts_V != np.floor(counts_V))]
        if wrong.size:
            raise InputError(
                f"a video counts {wrong[0]:g} times in a resample; expected a whole number from 0"
            )


def _of_part(counts_BV: np.ndarray, inside_V: np.ndarray) -> np.ndarray:
    return counts_BV * inside_V.astype(counts_BV.dtype)


def _ap_B(matches: Matches, counts_BV: np.ndarray, area: int) -> np.ndarray:
    ap_BK = np.empty((len(counts_BV), len(matches.categories)))
    for k, category in enumerate(matches.categories):
        for rows, own, counts_bV in _blocks(category, counts_BV):
            ap_BK[rows, k] = _aps_BN(own, area, counts_bV)[:, 0]
    return mean_over_categories(ap_BK)


def ap_by_video(matches: Matches) -> np.ndarray:
    """AP of each video by itself, (V,): `resampled_ap` of each, without the others' detections."""
    held = matches.with_objects().categories
    ap_VK = np.full((len(matches.videos), len(held)), np.nan)
    for k, category in enumerate(held):
        hits_1Tn, misses_1Tn = category.hits_ATn[:1], category.misses_ATn[:1]
        places_Tn, num_T = hits_1Tn[0].cumsum(1) - 1, hits_1Tn[0].sum(1)
        order_n = np.argsort(category.video_n // _TOGETHER, kind="stable")
        starts = range(0, len(ap_VK), _TOGETHER)
        ends = np.searchsorted(category.video_n[order_n] // _TOGETHER, np.arange(1, len(starts)))
        for start, own_n in zip(starts, np.split(order_n, ends), strict=True):
            objects_VA = category.num_objects_VA[start : start + _TOGETHER]
            if objects_VA[:, 0].any():
                own = replace(
                    category,
                    video_n=category.video_n[own_n] - start,
                    hits_ATn=hits_1Tn[:, :, own_n],
                    misses_ATn=misses_1Tn[:, :, own_n],
                    num_objects_VA=objects_VA,
                )
                alone_VV = np.eye(len(objects_VA), dtype=np.int64)
                ap_VN = _aps_BN(own, 0, alone_VV, (places_Tn[:, own_n], num_T))
                ap_VK[start : start + _TOGETHER, k] = ap_VN[:, 0]
    if matches.parts:
        ap_VK[~np.any([*matches.parts.values()], axis=0)] = np.nan
    return mean_over_categories(ap_VK)


def resample(
    matches: Matches,
    counts_BV: np.ndarray,
    advance: Callable[[], object] = lambda: None,
    num_ranges: int | None = None,
) -> ResampledScores:
    """Accumulate every resample, of the categories that hold an object.

    Args:
        matches: of one results file. Of annotations with parts, each part is accumulated alone,
            and the numbers are means over parts as those of `Evaluation.summary`; those of levels
            are of all videos together, as `Evaluation.per_level`.
        counts_BV: how many times each video counts, whole numbers from 0.
        advance: called after each category.
        num_ranges: accumulates the first of the area ranges and levels only; all unless given.

    Raises:
        InputError: for counts that are not whole.
    """
    _check_whole(counts_BV)
    held = matches.with_objects().categories
    num_ranges = num_ranges or len(matches.ranges)
    whole = _resample(held, counts_BV, num_ranges, advance)
    if not matches.parts:
        return whole
    parts = [
        _resample(held, _of_part(counts_BV, inside_V), num_ranges, lambda: None)
        for inside_V in matches.parts.values()
    ]
    return ScoresOfParts(whole.aps_BNAK, whole.recall_BMK, whole.recall_BAK, parts)


def _resample(
    categories: Sequence[CategoryMatches],
    counts_BV: np.ndarray,
    num_ranges: int,
    advance: Callable[[], object],
) -> ResampledScores:
    num_samples, num_limits = len(counts_BV), len(MAX_DETECTIONS)
    aps_BNAK = np.empty((num_samples, 3, num_ranges, len(categories)))
    recall_BMK = np.empty((num_samples, num_limits, len(categories)))
    recall_BAK = np.empty((num_samples, num_ranges, len(categories)))
    for k, category in enumerate(categories):
        for rows, own, counts_bV in _blocks(category, counts_BV):
            for a in range(num_ranges):
                aps_BNAK[rows, :, a, k] = _aps_BN(own, a, counts_bV)
                recall_BAK[rows, a, k] = _recall_B(own, a, MAX_DETECTIONS[-1], counts_bV)
            for m, limit in enumerate(MAX_DETECTIONS):
                recall_BMK[rows, m, k] = _recall_B(own, 0, limit, counts_bV)
        advance()
    return ResampledScores(aps_BNAK, recall_BMK, recall_BAK)


def _blocks(
    category: CategoryMatches, counts_BV: np.ndarray
) -> Iterator[tuple[slice, CategoryMatches, np.ndarray]]:
    """Some resamples at a time: the category among the videos that hold an object or a detection
    of it, and how often each of these counts.
    """
    held = np.union1d(np.flatnonzero(category.num_objects_VA.any(1)), category.video_n)
    own = replace(
        category,
        video_n=np.searchsorted(held, category.video_n),
        num_objects_VA=category.num_objects_VA[held],
    )
    size = max(_FEWEST_TOGETHER, _BLOCK // max(1, len(held), len(own.video_n)))
    for start in range(0, len(counts_BV), size):
        rows = slice(start, start + size)
        yield rows, own, counts_BV[rows].take(held, axis=1).astype(np.int64)


def _objects_B(category: CategoryMatches, area: int, counts_BV: np.ndarray) -> np.ndarray:
    """Objects of one range in each resample."""
    return counts_BV @ category.num_objects_VA[:, area]


def _recall_B(
    category: CategoryMatches, area: int, limit: int, counts_BV: np.ndarray
) -> np.ndarray:
    """The mean over thresholds of the share of objects found by the first detections."""
    within_n = category.rank_n < limit
    hits_n = category.hits_ATn[area][:, within_n].sum(0)
    hits_V = np.bincount(category.video_n[within_n], hits_n, minlength=counts_BV.shape[1])
    objects_B = _objects_B(category, area, counts_BV)
    return _ratio(counts_BV @ hits_V / len(IOU_THRESHOLDS), objects_B)


def _aps_BN(
    category: CategoryMatches,
    area: int,
    counts_BV: np.ndarray,
    among: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """AP, AP50 and AP75 of each resample in one range, (B, 3); NaN without objects.

    Args:
        among: (T, n) and (T,): of a category of more videos, the places of these detections among
            all hits, and the number of those.
    """
    objects_B = _objects_B(category, area, counts_BV)
    by_threshold = category.hits_ATn[area], category.misses_ATn[area], *(among or ())
    columns: list[np.ndarray] = []
    for t, own in enumerate(zip(*by_threshold, strict=True)):
        if t and all(
            np.array_equal(now, rows[t - 1]) for now, rows in zip(own, by_threshold, strict=True)
        ):
            columns.append(columns[-1])
        else:
            columns.append(_threshold_ap_B(category.video_n, counts_BV, objects_B, *own))
    mean_B = sum(columns[1:], columns[0]) / len(columns)
    return np.stack([mean_B, columns[AT_50], columns[AT_75]], 1)


def _threshold_ap_B(
    video_n: np.ndarray,
    counts_BV: np.ndarray,
    objects_B: np.ndarray,
    hit_n: np.ndarray,
    miss_n: np.ndarray,
    place_n: np.ndarray | None = None,
    num_places: int = 0,
) -> np.ndarray:
    """AP per resample at one threshold, from detections in the order of accumulation."""
    (counted,) = (hit_n | miss_n).nonzero()
    (at_H,) = hit_n[counted].nonzero()
    counts_Bn = counts_BV.take(video_n[counted], axis=1)
    hits_BH = counts_Bn[:, at_H].cumsum(1)
    counted_BH = counts_Bn.cumsum(1)[:, at_H]
    place_H = at_H if place_n is None else place_n[counted[at_H]]
    area_B = _area_under(hits_BH, counted_BH, objects_B, place_H, num_places)
    return np.where(objects_B > 0, area_B, np.nan)


def _area_under(
    hits_BH: np.ndarray,
    counted_BH: np.ndarray,
    objects_B: np.ndarray,
    place_H: np.ndarray,
    num_places: int,
) -> np.ndarray:
    """Mean precision envelope at the 101 recall levels, (B,)."""
    precision_BH = hits_BH / (counted_BH + np.spacing(1))
    envelope_BH = np.maximum.accumulate(precision_BH[:, ::-1], axis=1)[:, ::-1]
    recall_BH = _ratio(hits_BH, objects_B[:, None])
    levels_BH = np.searchsorted(RECALL_LEVELS, recall_BH, side="right")
    levels_BH[np.isnan(recall_BH)] = 0
    reached_BH = np.diff(levels_BH, axis=1, prepend=0)
    area_BH = envelope_BH * reached_BH
    area_B = area_BH.sum(1)
    if num_places > len(place_H):  # more than two numbers depend on the zeros between
        for b in (np.count_nonzero(area_BH, 1) > 2).nonzero()[0]:
            (own,) = area_BH[b].nonzero()
            area_B[b] = sum_among_zeros(area_BH[b : b + 1, own], place_H[own], num_places)[0]
    return area_B / len(RECALL_LEVELS)


def sum_among_zeros(values_AU: np.ndarray, place_U: np.ndarray, size: int) -> np.ndarray:
    """Sums of values at rising places among zeros, (A,), to the last digit of `size` numbers' sum.

    They are added in NumPy's pairwise order: both halves alone, the first of a multiple of 8.
    """
    if size <= _DENSE or not len(place_U):
        dense_AX = np.zeros((len(values_AU), size if len(place_U) else 0))
        dense_AX[:, place_U] = values_AU
        return dense_AX.sum(1)
    half = size // 2 - size // 2 % 8
    cut = int(np.searchsorted(place_U, half))
    return sum_among_zeros(values_AU[:, :cut], place_U[:cut], half) + sum_among_zeros(
        values_AU[:, cut:], place_U[cut:] - half, size - half
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    out = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    return np.divide(part, whole, out=out, where=whole > 0)


@dataclass(frozen=True)
class ScoresOfParts(ResampledScores):
    """The scores over all videos, and by area range means over the parts that have them."""

    parts: Sequence[ResampledScores]

    def by_category(self, area: int = 0) -> dict[str, np.ndarray]:
        """As `ResampledScores`."""
        if area >= len(AREA_NAMES):
            return super().by_category(area)
        return _means([part.by_category(area) for part in self.parts])

    def numbers(self, area: int = 0) -> dict[str, np.ndarray]:
        """As `ResampledScores`."""
        if area >= len(AREA_NAMES):
            return super().numbers(area)
        return _means([part.numbers(area) for part in self.parts])


def _means(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The mean of each number over the parts in which it is not NaN."""
    stacked = {key: np.stack([numbers[key] for numbers in parts], -1) for key in parts[0]}
    return {
        key: mean_over_categories(values.reshape(-1, len(parts))).reshape(values.shape[:-1])
        for key, values in stacked.items()
    }
