"""Scores of tracks: HOTA over the score threshold, scores against IoU, and confused classes.

Shape letters: D tracks and G objects of one video.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vis_bench.metrics.compare import Analysis
from vis_bench.metrics.exclusions import excused_shares, judged
from vis_bench.metrics.frame_matches import FOUND, VideoTracks
from vis_bench.metrics.overlaps import Overlaps, video_overlaps
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.metrics.tracking.score_threshold import HotaOverThreshold, hota_over_threshold
from vis_bench.show.report.table import measured, whole, words
from vis_bench.table.model import Column, Entry, Table
from vis_bench.text import count

# Of a confusion table, which grows with the square of their number: as many as YouTube-VIS has.
MOST_CLASSES = 40


@dataclass(frozen=True)
class TrackScores(HotaOverThreshold):
    """One side's tracks by their scores.

    Attributes:
        bins: tenth of the score -> mean score, mean IoU with an object of the class, and number.
        confusion: number of pairs by annotated and predicted category; None for no object, or no
            track.
    """

    bins: Mapping[int, tuple[float, float, int]]
    confusion: Mapping[tuple[int | None, int | None], int]

    @property
    def num_confused(self) -> int:
        """Tracks on an object of another class."""
        pairs = self.confusion.items()
        return sum(n for pair, n in pairs if None not in pair and len({*pair}) == 2)

    @property
    def num_missed(self) -> int:
        """Objects without a track above the threshold."""
        return sum(n for (_, predicted), n in self.confusion.items() if predicted is None)


def track_scores(side: Analysis) -> TrackScores:
    """Evaluate the tracks of one side by their scores."""
    side = replace(side, results=judged(side.truth, side.results))
    truth, results, tracking = side.truth, side.results, side.evaluation.tracking
    threshold = SCORE_THRESHOLD if tracking is None else tracking.score_threshold
    listed_N = np.array([t.category_id in truth.categories for t in results.tracks], bool)
    overlaps = video_overlaps(truth, results, listed_N)
    videos = [own.before(video.length) for own, video in zip(overlaps, truth.videos, strict=True)]
    return TrackScores(
        **vars(hota_over_threshold(truth, results, threshold)),
        bins=_bins(side, videos),
        confusion=_confusion(side, videos, threshold),
    )


def _bins(side: Analysis, videos: Sequence[Overlaps]) -> dict[int, tuple[float, float, int]]:
    scores, ious = [np.zeros(0)], [np.zeros(0)]
    for own in videos:
        video = _tracks(side, own)
        fits_DG = (video.category_D[:, None] == video.category_G) & ~video.crowd_G
        scores.append(video.score_D)
        ious.append(np.where(fits_DG, video.iou_DG, 0.0).max(1, initial=0.0))
    score_N, iou_N = np.concatenate(scores), np.concatenate(ious)
    tenth_N = np.clip(np.floor(10 * score_N + 1e-9), 0, 9).astype(int)
    return {
        tenth: (float(score_N[inside].mean()), float(iou_N[inside].mean()), int(inside.sum()))
        for tenth in np.unique(tenth_N).tolist()
        for inside in [tenth_N == tenth]
    }


def _confusion(
    side: Analysis, videos: Sequence[Overlaps], threshold: float
) -> Counter[tuple[int | None, int | None]]:
    """Match tracks above a threshold to objects of any class, best score first, and count."""
    confusion: Counter[tuple[int | None, int | None]] = Counter()
    excused = excused_shares(side.truth, side.results)
    for own in videos:
        video = _tracks(side, own)
        video = video.kept(video.score_D > threshold)
        category_D, category_G = video.category_D, video.category_G
        free_G = ~video.crowd_G
        for d in video.by_score():
            iou_G = np.where(free_G, video.iou_DG[d], 0.0)
            on_crowd = np.where(video.crowd_G, video.iou_DG[d], 0.0).max(initial=0.0) >= FOUND
            if iou_G.max(initial=0.0) >= FOUND:
                g = int(iou_G.argmax())
                free_G[g] = False
                confusion[int(category_G[g]), int(category_D[d])] += 1
            elif not on_crowd and excused.get(int(video.row_D[d]), 0.0) < FOUND:
                confusion[None, int(category_D[d])] += 1
        for g in np.flatnonzero(free_G).tolist():
            confusion[int(category_G[g]), None] += 1
    return confusion


def _tracks(side: Analysis, own: Overlaps) -> VideoTracks:
    tracks = [side.results.tracks[row] for row in own.tracks.rows_N]
    objects = [side.truth.objects[row] for row in own.objects.rows_N]
    return VideoTracks(
        row_D=own.tracks.rows_N,
        score_D=np.array([track.score for track in tracks], float),
        category_D=np.array([track.category_id for track in tracks], int),
        category_G=np.array([thing.category_id for thing in objects], int),
        crowd_G=np.array([thing.is_crowd for thing in objects], bool),
        iou_DG=own.space_time_iou,
        iou_GG=np.zeros((len(objects), len(objects))),  # which repairs alone read
    )


def bin_table(scores: Sequence[TrackScores], letters: Sequence[str]) -> Table:
    """A row per tenth of the score that any track has: mean IoU and number of tracks."""
    headings = [Column("Score")]
    for letter in letters:
        headings += [Column(f"IoU {letter}".strip()), Column(f"Tracks {letter}".strip())]
    rows = []
    for tenth in sorted({tenth for own in scores for tenth in own.bins}):
        row = [Entry(f"{tenth / 10:.1f} to {(tenth + 1) / 10:.1f}", order=tenth)]
        for own in scores:
            found = own.bins.get(tenth)
            row += [measured(found and found[1], 2), whole(found and found[2])]
        rows.append(row)
    return Table.of(headings, rows, "Mean IoU of tracks by score")


def confused(scores: Sequence[TrackScores], letters: Sequence[str]) -> str:
    """A sentence with the tracks on objects of other classes, and the objects without a track."""
    parts = []
    for letter, own in zip(letters, scores, strict=True):
        mistaken = count(own.num_confused, "object") if own.num_confused else "no object"
        missed = count(own.num_missed, "object")
        parts.append(f"{letter or 'the method'} gives {mistaken} another class and misses {missed}")
    above = " or ".join(f"{t:g}" for t in sorted({own.threshold for own in scores}))
    return f"With scores above {above}, {'; '.join(parts)}."


def confusion_table(side: Analysis, scores: TrackScores, letter: str) -> Table:
    """A row per annotated class, a column per predicted one, without empty ones; of many classes
    those that are mistaken for others most often.
    """
    known = sorted({key for pair in scores.confusion for key in pair if key is not None})
    totals, mistaken = Counter[int | None](), Counter[int | None]()
    for (annotated, predicted), number in scores.confusion.items():
        totals[annotated] += number
        if None not in (annotated, predicted) and annotated != predicted:
            mistaken.update({annotated: number, predicted: number})
    shown = sorted(sorted(known, key=lambda key: -mistaken[key])[:MOST_CLASSES])
    names: dict[int | None, str] = {key: side.truth.categories[key] for key in shown}
    names[None] = "no object"
    headings = [
        Column("Annotated", numeric=False),
        *(Column(names[key], hint="predicted class") for key in shown),
        Column("no track", hint="above the threshold"),
    ]
    rows = []
    for key, name in names.items():
        row = [scores.confusion.get((key, other), 0) for other in names]
        total = max(1, totals[key])
        cells = [Entry(str(n or ""), order=n, shade=n / total) for n in row]
        rows.append([words(name), *cells])
    rows[-1][-1] = Entry("")  # of what is neither annotated nor predicted
    of = f" of {letter}" if letter else ""
    caption = f"Tracks{of} by annotated and predicted class (score above {scores.threshold:g})"
    if len(shown) < len(known):
        caption += f"; the {len(shown)} of {len(known)} classes that are mistaken for others most"
    return Table.of(headings, rows, caption)
