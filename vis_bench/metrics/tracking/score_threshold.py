"""HOTA over the score threshold, and the videos that a threshold leaves without a track.

AP uses the full ranking of scores, HOTA one threshold: a method whose scores are all below it has
HOTA 0 beside any AP.

Shape letters: C thresholds, V videos, N tracks; D tracks and G objects of one video.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.metrics.exclusions import judged
from vis_bench.metrics.overlaps import video_overlaps
from vis_bench.metrics.tracking.evaluate import annotated_categories, count_category
from vis_bench.metrics.tracking.excused import Excusable
from vis_bench.metrics.tracking.frames import Frames, takes_part
from vis_bench.metrics.tracking.hota import HotaCounts
from vis_bench.text import count

THRESHOLDS = (0.0, 0.05, *(n / 10 for n in range(1, 10)))


@dataclass(frozen=True)
class HotaOverThreshold:
    """HOTA over all detections of the tracks with a score above each threshold, as a fraction.

    Attributes:
        threshold: of the reported tracking metrics.
        thresholds_C, hota_C: HOTA over the threshold; NaN where nothing is annotated.
        unseen_V: videos in which only tracks below the threshold exist, bool.
    """

    threshold: float
    thresholds_C: np.ndarray
    hota_C: np.ndarray
    unseen_V: np.ndarray

    @property
    def best(self) -> tuple[float, float]:
        """The threshold of the highest HOTA, and that HOTA."""
        place = int(np.nanargmax(self.hota_C)) if not np.isnan(self.hota_C).all() else 0
        return float(self.thresholds_C[place]), float(self.hota_C[place])


def hota_over_threshold(
    ground_truth: GroundTruth, results: Results, threshold: float
) -> HotaOverThreshold:
    """HOTA at each of `THRESHOLDS` and at the given one; overlaps are counted once."""
    thresholds_C = np.array(sorted({*THRESHOLDS, threshold}))
    score_N = np.array([track.score for track in results.tracks], float)
    above_C = np.array([int((score_N > low).sum()) for low in thresholds_C])
    _, first, inverse = np.unique(above_C, return_index=True, return_inverse=True)
    hota = hota_at(ground_truth, results, thresholds_C[first].tolist())
    return HotaOverThreshold(
        threshold,
        thresholds_C,
        np.array(hota)[inverse],
        unseen_videos(ground_truth, results, threshold),
    )


def hota_at(
    ground_truth: GroundTruth, results: Results, thresholds: Sequence[float]
) -> list[float]:
    """HOTA at each score threshold; NaN where nothing is annotated.

    A video's objects and tracks of a class are counted once for thresholds that keep as many.
    """
    if not thresholds or not annotated_categories(ground_truth):
        return [np.nan] * len(thresholds)
    results = judged(ground_truth, results)
    lowest_N = takes_part(ground_truth, results, min(thresholds))
    overlaps = video_overlaps(ground_truth, results, lowest_N)
    parts: list[list[HotaCounts]] = [[] for _ in thresholds]
    place = {key: n for n, key in enumerate(ground_truth.category_order)}
    for video, own in zip(ground_truth.videos, overlaps, strict=True):
        objects = [ground_truth.objects[row] for row in own.objects.rows_N]
        tracks = [results.tracks[row] for row in own.tracks.rows_N]
        score_D = np.array([track.score for track in tracks], float)
        category_D = np.array([track.category_id for track in tracks], int)
        category_G = np.array([thing.category_id for thing in objects], int)
        every_D = np.ones(len(tracks), bool)
        frames = Frames.of(own, video.length, every_D)
        excusable = Excusable.of(ground_truth, results, video.id, own, every_D, frames)
        for key in sorted({*category_D.tolist(), *category_G.tolist()}, key=place.__getitem__):
            chosen_G, known = category_G == key, dict[int, HotaCounts]()
            for counts, threshold in zip(parts, thresholds, strict=True):
                chosen_D = (category_D == key) & (score_D > threshold)
                number = int(chosen_D.sum())
                if number not in known:
                    known[number] = count_category(frames, chosen_G, chosen_D, excusable).hota
                counts.append(known[number])
    return [float(HotaCounts.total(counts).curves()["hota"].mean()) for counts in parts]


def unseen_videos(ground_truth: GroundTruth, results: Results, threshold: float) -> np.ndarray:
    """Videos whose tracks of listed categories all have a score up to the threshold, bool (V,)."""
    highest: dict[int, float] = {}
    for track in judged(ground_truth, results).tracks:
        if track.category_id in ground_truth.categories:
            highest[track.video_id] = max(track.score, highest.get(track.video_id, track.score))
    return np.array(
        [highest.get(video.id, np.inf) <= threshold for video in ground_truth.videos], bool
    )


def caveat(sides: Sequence[HotaOverThreshold], names: Sequence[str]) -> str:
    """Sentences on the videos without a track above the threshold; empty where there is none."""
    unseen = [
        f"{name} has none in {int(side.unseen_V.sum())} of {count(len(side.unseen_V), 'video')}"
        for name, side in zip(names, sides, strict=True)
        if side.unseen_V.any()
    ]
    if not unseen:
        return ""
    letters = "AB" if len(sides) == 2 else [""]
    best = [
        f"{letter} {100 * hota:.1f} at {threshold:g}".strip()
        for letter, (threshold, hota) in zip(letters, (side.best for side in sides), strict=True)
    ]
    return (
        f"HOTA counts tracks with a score above {sides[0].threshold:g}; {'; '.join(unseen)}, "
        f"whatever the AP there. At the best threshold HOTA is {', '.join(best)}."
    )


def caveats(ground_truth: GroundTruth, results: Results, name: str, threshold: float) -> list[str]:
    """As `caveat` of one results file; HOTA over the threshold is computed only if needed."""
    unseen = unseen_videos(ground_truth, results, threshold).any()
    if not unseen or not annotated_categories(ground_truth):
        return []
    return [caveat([hota_over_threshold(ground_truth, results, threshold)], [name])]
