"""Concept metrics of SA-Co/VEval: cgF1, phrase AP and pHOTA of (video, phrase) pairs.

SAM 3 (Carion et al., arXiv 2511.16719) asks for all objects of a noun phrase in a video. Each pair
of a video and a phrase is a sequence of one class. Of tracks with a score of 0.5 and more,

    cgF1 = positive micro F1 x IL_MCC

is the product of how well the objects of the pairs that have any are found, and of how well the
pairs that have any are told from those that have none (Matthews correlation). Phrase AP ranks the
tracks of all phrases together; pHOTA adds the counts of HOTA over all pairs.

Two rules for crowds: `punished`, of the reference (facebookresearch/sam3 99d02f28), drops them, so
that a track on a crowd is a false positive; `forgiven`, ours, leaves such tracks out, and pairs
with crowds alone as well. Phrase AP ignores crowds as COCO does; in pHOTA they are objects.

Shape letters: P pairs, T=10 IoU thresholds, D kept tracks and G objects of a pair, S samples of the
videos, V videos, F counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vis_bench.data.annotation_files import PAIRS_KEY
from vis_bench.data.annotations import AnnotatedObject, GroundTruth
from vis_bench.data.results_file import Results, Track, read_results
from vis_bench.data.video import video_without_frames
from vis_bench.errors import InputError
from vis_bench.files import integer_of, read_json, shown
from vis_bench.metrics.assignment import linear_sum_assignment
from vis_bench.metrics.check_results import refuse_unknown_videos
from vis_bench.metrics.exclusions import not_applied
from vis_bench.metrics.half_samples import NUM_RESAMPLES, count_samples
from vis_bench.metrics.matching import AT_50, AT_75, IOU_THRESHOLDS, Matches, match
from vis_bench.metrics.overlaps import Overlaps, video_overlaps
from vis_bench.metrics.resample import resample
from vis_bench.metrics.scores import Score, interval_fields
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.metrics.tracking.evaluate import (
    TrackingEvaluation,
    evaluate_tracking,
    resample_tracking,
)

PUNISHED, FORGIVEN = "punished", "forgiven"
_F1_EPSILON, _PRESENCE_EPSILON = 1e-4, 1e-6
_PHRASE = 1  # the one class of every pair


@dataclass(frozen=True)
class ConceptTruth:
    """Annotations with the (video, phrase) pairs that were asked for, in file order, each once."""

    truth: GroundTruth
    listed: Sequence[tuple[int, int]]


def read_concepts(path: Path) -> ConceptTruth:
    """Read annotations in YouTube-VIS form with `video_np_pairs`.

    Raises:
        InputError: for annotations without pairs, or a pair of an unknown video.
    """
    content = read_json(path)
    entries = content.get(PAIRS_KEY) if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise InputError(
            f"{path} has no list {PAIRS_KEY!r}; expected the pairs of video_id and category_id "
            "that were asked for, as SA-Co/VEval lists them"
        )
    truth = GroundTruth.of(content, str(path))
    known = {video.id for video in truth.videos}
    listed: dict[tuple[int, int], None] = {}
    for index, entry in enumerate(entries):
        where = f"{path}, {PAIRS_KEY}[{index}]"
        if not isinstance(entry, dict):
            raise InputError(f"{where} is {shown(entry)}; expected an object")
        video, phrase = (integer_of(entry, key, where) for key in ("video_id", "category_id"))
        if video not in known:
            raise InputError(f"{where} has video_id {video}, which is not among the videos")
        listed[video, phrase] = None
    return ConceptTruth(truth, list(listed))


@dataclass(frozen=True)
class Pair:
    """Counts of one pair.

    Attributes:
        has_objects, has_tracks: of presence.
        tp_T, fp_T, fn_T: tracks and objects at each IoU.
    """

    has_objects: bool
    has_tracks: bool
    tp_T: np.ndarray
    fp_T: np.ndarray
    fn_T: np.ndarray

    @property
    def presence(self) -> str:
        """TP, FP, FN or TN."""
        return ("T" if self.has_objects == self.has_tracks else "F") + "NP"[self.has_tracks]

    def counts(self) -> np.ndarray:
        """The terms of sums over pairs, (4 + 4 T,), in the order of `ConceptCounts`."""
        kinds = [self.presence == kind for kind in ("TP", "FP", "FN", "TN")]
        positive_fp_T = self.fp_T * self.has_objects
        return np.concatenate([kinds, self.tp_T, self.fp_T, self.fn_T, positive_fp_T])


@dataclass(frozen=True)
class ConceptCounts:
    """Sums over pairs, each alone or a row per sample of the videos; letters as in SAM 3.

    Attributes:
        presence_S4: pairs with objects and tracks, with tracks alone, objects alone, neither.
        tp_ST, fp_ST, fn_ST: over all pairs; positive_fp_ST: over those with objects.
    """

    presence_S4: np.ndarray
    tp_ST: np.ndarray
    fp_ST: np.ndarray
    fn_ST: np.ndarray
    positive_fp_ST: np.ndarray

    @classmethod
    def of(cls, counts_SF: np.ndarray) -> ConceptCounts:
        """Make the counts from sums of `Pair.counts`."""
        return cls(*np.split(counts_SF, [4, 14, 24, 34], axis=1))

    @property
    def recall_ST(self) -> np.ndarray:
        """Share of the objects that are found."""
        return self.tp_ST / (self.tp_ST + self.fn_ST + _F1_EPSILON)

    @property
    def positive_micro_precision_ST(self) -> np.ndarray:
        """Share of the tracks that find one, where there are objects."""
        return self.tp_ST / (self.tp_ST + self.positive_fp_ST + _F1_EPSILON)

    @property
    def positive_micro_f1_ST(self) -> np.ndarray:
        """F1 of the pairs with objects, all objects with the same weight."""
        precision_ST, recall_ST = self.positive_micro_precision_ST, self.recall_ST
        return 2 * precision_ST * recall_ST / (precision_ST + recall_ST + _F1_EPSILON)

    @property
    def il_mcc_S(self) -> np.ndarray:
        """Matthews correlation of presence; 0 where a row or column of its table is empty."""
        tp_S, fp_S, fn_S, tn_S = self.presence_S4.T
        product_S = (tp_S + fp_S) * (tp_S + fn_S) * (tn_S + fp_S) * (tn_S + fn_S)
        return (tp_S * tn_S - fp_S * fn_S) / (np.sqrt(product_S) + _PRESENCE_EPSILON)

    @property
    def cgf1_ST(self) -> np.ndarray:
        """CgF1 at each IoU."""
        return self.positive_micro_f1_ST * self.il_mcc_S[:, None]

    def numbers(self) -> dict[str, float]:
        """Numbers of the first row, as fractions; cgF1 and IL_MCC may be below 0."""
        cgf1_T = self.cgf1_ST[0]
        return {
            "cgf1": float(cgf1_T.mean()),
            "cgf1_50": float(cgf1_T[AT_50]),
            "cgf1_75": float(cgf1_T[AT_75]),
            "il_mcc": float(self.il_mcc_S[0]),
            "positive_micro_f1": float(self.positive_micro_f1_ST[0].mean()),
        }


@dataclass(frozen=True)
class ConceptEvaluation:
    """The concept metrics of one results file.

    Attributes:
        keys: (video id, category id) of each pair: those with an annotation or a track, sorted,
            then the listed ones that have neither.
        punished, forgiven: counts of each pair; `forgiven` has none of pairs with crowds alone.
        matches: of phrase AP; its videos are the pairs.
        tracking: of pHOTA, likewise.
        warnings: about annotations that are left out.
    """

    keys: Sequence[tuple[int, int]]
    punished: Sequence[Pair]
    forgiven: Sequence[Pair | None]
    matches: Matches
    tracking: TrackingEvaluation
    warnings: Sequence[str]

    @property
    def num_videos(self) -> int:
        """Videos that are in a pair."""
        return len({video for video, _ in self.keys})

    def counts(self, rule: str, weights_SP: np.ndarray) -> ConceptCounts:
        """Sums in which each pair counts some number of times."""
        pairs = self.punished if rule == PUNISHED else self.forgiven
        nothing_F = np.zeros(4 + 4 * len(IOU_THRESHOLDS))
        counts_PF = [nothing_F if pair is None else pair.counts() for pair in pairs]
        return ConceptCounts.of(weights_SP @ np.stack([nothing_F, *counts_PF])[1:])

    def numbers(self) -> dict[str, Any]:
        """The numbers as fractions with 95 % intervals over videos; None without one.

        Those of cgF1 are by the reference's rule for crowds; `forgiven` has them by ours.
        """
        samples = self._samples
        values = {
            **samples[PUNISHED].numbers(),
            **{name: _known(values_S[0]) for name, values_S in self._phrase_aps.items()},
            "phota": self._phota,
        }
        own = {rule: self._ends("cgf1", own.cgf1_ST.mean(1), -1.0) for rule, own in samples.items()}
        return {
            **values,
            **own[PUNISHED],
            **self._ends("phrase_ap", self._phrase_aps["phrase_ap"]),
            **self._ends("phota", self._phota_S),
            "crowd_rule": PUNISHED,
            FORGIVEN: {**samples[FORGIVEN].numbers(), **own[FORGIVEN]},
            "num_pairs": len(self.keys),
            "num_positive": sum(pair.has_objects for pair in self.punished),
        }

    @cached_property
    def _weights_SV(self) -> np.ndarray:
        return count_samples(self.num_videos, NUM_RESAMPLES, 0)

    @cached_property
    def _video_P(self) -> np.ndarray:
        """The place of each pair's video among those in a pair."""
        return np.unique([video for video, _ in self.keys], return_inverse=True)[1]

    @cached_property
    def _samples(self) -> dict[str, ConceptCounts]:
        weights_SP = self._weights_SV[:, self._video_P]
        return {rule: self.counts(rule, weights_SP) for rule in (PUNISHED, FORGIVEN)}

    @cached_property
    def _phrase_aps(self) -> dict[str, np.ndarray]:
        """Phrase AP of each sample; the pairs of a video are drawn together."""
        [category] = self.matches.categories
        shape = self.num_videos, category.num_objects_VA.shape[1]
        objects_VA = np.zeros(shape, np.int32)
        np.add.at(objects_VA, self._video_P[: len(self.matches.videos)], category.num_objects_VA)
        by_video = replace(
            category, video_n=self._video_P[category.video_n], num_objects_VA=objects_VA
        )
        matches = replace(self.matches, categories=[by_video])
        numbers = resample(matches, self._weights_SV, num_ranges=1).numbers()
        return {f"phrase_{key}": numbers[key] for key in ("ap", "ap50", "ap75")}

    @property
    def _phota(self) -> float:
        return self.tracking.detections().numbers()["hota"]

    @cached_property
    def _phota_S(self) -> np.ndarray:
        if not self.tracking.videos or not self.tracking.annotated:
            return np.full(len(self._weights_SV), np.nan)
        weights_SP = self._weights_SV[:, self._video_P[: len(self.tracking.videos)]]
        return resample_tracking(self.tracking, weights_SP)["hota"]

    def _ends(self, name: str, values_S: np.ndarray, least: float = 0.0) -> dict[str, float | None]:
        """Ends of the interval of one number."""
        score = Score("phrase", "", name, self.num_videos, lambda: {name: values_S}, least=least)
        return interval_fields({name: score})


def evaluate_concept_files(annotations: Path, predictions: Path) -> ConceptEvaluation:
    """Read and evaluate a results file in YouTube-VIS form."""
    return evaluate_concepts(read_concepts(annotations), read_results(predictions))


def evaluate_concepts(concepts: ConceptTruth, results: Results) -> ConceptEvaluation:
    """Evaluate tracks by (video, phrase) pairs.

    Each pair with an object or a track becomes a video of its own, whose one class is the phrase. A
    track of a pair that is not listed counts too: one without objects.

    Raises:
        InputError: for a track of a video that the annotations do not list.
    """
    truth = concepts.truth
    refuse_unknown_videos(truth, results)
    present = sorted({*map(_pair, truth.objects), *map(_pair, results.tracks)})
    pairs, of_pairs = _pairs_as_videos(truth, results, present)
    overlaps = [
        replace(own, empty_iou=1.0)
        for own in video_overlaps(pairs, of_pairs, np.ones(len(of_pairs.tracks), bool))
    ]
    counted = [_count_pair(own, pairs, of_pairs) for own in overlaps]
    nothing = Pair(False, False, *(np.zeros(len(IOU_THRESHOLDS), int) for _ in range(3)))
    found = set(present)
    without = [pair for pair in concepts.listed if pair not in found]
    return ConceptEvaluation(
        [*present, *without],
        [*(pair for pair, _ in counted), *(nothing for _ in without)],
        [*(pair for _, pair in counted), *(nothing for _ in without)],
        match(pairs, of_pairs, overlaps),
        evaluate_tracking(pairs, of_pairs, SCORE_THRESHOLD, overlaps),
        [*truth.warnings, *not_applied(truth, "metrics of phrases")],
    )


def _pair(own: AnnotatedObject | Track) -> tuple[int, int]:
    return own.video_id, own.category_id


def _pairs_as_videos(
    truth: GroundTruth, results: Results, present: Sequence[tuple[int, int]]
) -> tuple[GroundTruth, Results]:
    """Annotations and results with a video for each pair, numbered from 1, of one class."""
    sizes = {video.id: video for video in truth.videos}
    number = {pair: place for place, pair in enumerate(present, 1)}
    objects = [
        replace(thing, video_id=number[_pair(thing)], category_id=_PHRASE, occlusion_score=None)
        for thing in truth.objects
    ]
    tracks = [
        replace(track, video_id=number[_pair(track)], category_id=_PHRASE)
        for track in results.tracks
    ]
    videos = []
    for (video_id, _), place in number.items():
        video = sizes[video_id]
        videos.append(video_without_frames(place, "", video.height, video.width, video.length))
    pairs = replace(
        truth,
        videos=videos,
        categories={_PHRASE: "phrase"},
        category_order=[_PHRASE],
        objects=objects,
        parts={},
        exclusions={},
    )
    return pairs, Results(results.name, tracks, results.tubes)


def _count_pair(
    overlaps: Overlaps, truth: GroundTruth, results: Results
) -> tuple[Pair, Pair | None]:
    """The counts of one pair by both rules for crowds."""
    rows, columns = overlaps.tracks.rows_N.tolist(), overlaps.objects.rows_N.tolist()
    kept_N = np.array([results.tracks[row].score >= SCORE_THRESHOLD for row in rows], bool)
    crowd_M = np.array([truth.objects[column].is_crowd for column in columns], bool)
    iou_DG = overlaps.space_time_iou[np.ix_(kept_N, ~crowd_M)]
    # One assignment for all thresholds, of the largest sum of IoUs.
    d, g = linear_sum_assignment(-iou_DG)
    matched_TD = np.zeros((len(IOU_THRESHOLDS), len(iou_DG)), bool)
    matched_TD[:, d] = iou_DG[d, g] >= IOU_THRESHOLDS[:, None]
    num_objects, num_tracks = iou_DG.shape[1], iou_DG.shape[0]
    tp_T = matched_TD.sum(1)
    found = bool(num_objects), bool(num_tracks), tp_T
    punished = Pair(*found, num_tracks - tp_T, num_objects - tp_T)
    if not crowd_M.any():
        return punished, punished
    if not num_objects:
        return punished, None
    on_crowd_D = _largest_share(overlaps, kept_N, crowd_M)
    forgiven_TD = ~matched_TD & (on_crowd_D >= IOU_THRESHOLDS[:, None])
    return punished, replace(punished, fp_T=punished.fp_T - forgiven_TD.sum(1))


def _largest_share(overlaps: Overlaps, kept_N: np.ndarray, crowd_M: np.ndarray) -> np.ndarray:
    """The largest share of each kept track's pixels that lie on one crowd, (D,); 0 without any."""
    tracks = overlaps.tracks
    pixels_N = np.bincount(tracks.row_Q, weights=tracks.area_Q, minlength=len(kept_N))
    shared_NM = overlaps.shared_NM[np.ix_(kept_N, crowd_M)]
    pixels_D1 = pixels_N[kept_N, None]
    share_NM = np.divide(shared_NM, pixels_D1, out=np.zeros(shared_NM.shape), where=pixels_D1 > 0)
    return share_NM.max(1, initial=0.0)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
