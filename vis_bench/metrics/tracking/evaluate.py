"""HOTA, IDF1, TETA and CLEAR of a results file: over detections, over classes, and without classes.

Each is a sum over videos, so that a resample, in which each video counts some number of times, only
weighs these sums: one matrix product for all resamples.

Shape letters: B resamples, V videos, F fields of counts, A thresholds of IoU.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.metrics.exclusions import judged
from vis_bench.metrics.overlaps import Overlaps, video_overlaps
from vis_bench.metrics.resample import mean_over_categories, weighted_sums
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.metrics.tracking.clear import COUNTED, ClearCounts, count_clear
from vis_bench.metrics.tracking.duplicates import distinct_tracks
from vis_bench.metrics.tracking.excused import Excusable
from vis_bench.metrics.tracking.frames import Frames, takes_part
from vis_bench.metrics.tracking.hota import HotaCounts, count_apart, count_hota
from vis_bench.metrics.tracking.identity import IdentityCounts, count_identity
from vis_bench.metrics.tracking.teta import TETA_NUMBERS, TetaCounts, count_teta

if TYPE_CHECKING:
    from vis_bench.metrics.scores import Asked


@dataclass(frozen=True)
class Counts:
    """Counts of HOTA and IDF1, and of CLEAR where asked for, of one sequence or of several."""

    hota: HotaCounts
    identity: IdentityCounts
    clear: ClearCounts | None = None

    @classmethod
    def of(cls, frames: Frames, clear_frames: int | None = None) -> Counts:
        """Count one sequence; `clear_frames`: those of its video, None for no CLEAR."""
        clear = None if clear_frames is None else count_clear(frames, clear_frames)
        return cls(count_hota(frames), count_identity(frames), clear)

    @classmethod
    def total(cls, parts: Iterable[Counts]) -> Counts:
        """The sum over sequences."""
        parts = list(parts)
        clear = [part.clear for part in parts if part.clear is not None]
        return cls(
            HotaCounts.total(part.hota for part in parts),
            IdentityCounts.total(part.identity for part in parts),
            ClearCounts.total(clear) if clear else None,
        )

    def curves(self) -> dict[str, np.ndarray]:
        """The metrics of `HotaCounts.curves` at each threshold, and `tp`, `fn`, `fp`."""
        counts = {"tp": self.hota.tp_A, "fn": self.hota.fn_A, "fp": self.hota.fp_A}
        return {**self.hota.curves(), **counts}

    def numbers(self) -> dict[str, float]:
        """Means over the thresholds, IDF1 with what it is made of, and CLEAR if counted."""
        means = {name: float(curve_A.mean()) for name, curve_A in self.hota.curves().items()}
        clear = {} if self.clear is None else self.clear.numbers()
        return {**means, **self.identity.ratios(), **vars(self.identity), **clear}


@dataclass(frozen=True)
class VideoCounts:
    """Counts of one video; categories are ids.

    Attributes:
        id: the video's.
        sequences: by category, where the video has objects or tracks of it.
        class_agnostic: all its objects and the tracks that repeat no better one.
        teta: by category that occurs in the video, of those that have an annotated mask in any.
        num_tracks, num_distinct_tracks: that take part, with and without classes.
    """

    id: int
    sequences: Mapping[int, Counts]
    class_agnostic: Counts
    teta: Mapping[int, TetaCounts]
    num_tracks: int
    num_distinct_tracks: int


@dataclass(frozen=True)
class TrackingEvaluation:
    """The tracking metrics of one results file, as fractions.

    Attributes:
        score_threshold: tracks with a higher score take part.
        categories: id to name, sorted by id.
        annotated: the categories that have an annotated mask.
        videos: what is counted, in order of id.
        clear: CLEAR is counted, too.
    """

    score_threshold: float
    categories: Mapping[int, str]
    annotated: frozenset[int]
    videos: Sequence[VideoCounts]
    clear: bool = False

    @property
    def _nothing(self) -> Counts:
        """Counts of a category that does not occur."""
        return replace(Counts.total([]), clear=ClearCounts() if self.clear else None)

    def summary(self) -> dict[str, dict[str, float | None]]:
        """The numbers of each way to combine; all None where nothing is annotated.

        `det_averaged`, `class_averaged`, `class_averaged_all_listed` and `class_agnostic` hold
        `hota`, `deta`, `assa`, `loca`, `detre`, `detpr`, `assre`, `asspr`, `owta`, `idf1`, `idr`,
        `idp`, the counts `idtp`, `idfn`, `idfp`, and where asked for the numbers of `ClearCounts`;
        `teta` holds `teta`, `loca`, `assoca`, `clsa`,
        `locre`, `locpr`, `assocre`, `assocpr`, `clsre`, `clspr`.
        """
        if not self.annotated:
            tracked = dict.fromkeys(self._nothing.numbers())
            groups = (
                "det_averaged",
                "class_averaged",
                "class_averaged_all_listed",
                "class_agnostic",
            )
            return {**dict.fromkeys(groups, tracked), "teta": dict.fromkeys(TETA_NUMBERS)}
        return {
            "det_averaged": {**self.detections().numbers()},
            "class_averaged": {**self.class_averaged()},
            "class_averaged_all_listed": {**self.class_averaged(all_listed=True)},
            "class_agnostic": {**self.class_agnostic().numbers()},
            "teta": {**self.teta()},
        }

    def headline(self) -> dict[str, float | None]:
        """Fields of a record: `tracking_score_threshold` and the numbers that tables show.

        `hota`, `deta`, `assa`, `loca`, `idf1` over all detections; `teta` averaged over categories.
        """
        summary = self.summary()
        names = ("hota", "deta", "assa", "loca", "idf1")
        return {
            "tracking_score_threshold": self.score_threshold,
            **{name: summary["det_averaged"][name] for name in names},
            "teta": summary["teta"]["teta"],
        }

    def per_category(self, *, occurs: bool = False) -> list[dict[str, Any]]:
        """Per category in order of id: `id`, `name`, whether `annotated`, and its numbers.

        As `Counts.numbers`, and `teta`, which is None for a category without annotated masks.

        Args:
            occurs: leaves out categories without annotations and tracks.
        """
        teta, listed = self.teta_per_category(), self.categories.items()
        return [
            {
                "id": key,
                "name": name,
                "annotated": key in self.annotated,
                **self.category(key).numbers(),
                "teta": teta.get(key),
            }
            for key, name in listed
            if not occurs or key in self._by_category
        ]

    def category(self, key: int) -> Counts:
        """One category over all videos."""
        return self._by_category.get(key, self._nothing)

    @cached_property
    def _by_category(self) -> dict[int, Counts]:
        """The categories that have an annotation or a track in any video, in order of id."""
        sequences: dict[int, list[Counts]] = {}
        for video in self.videos:
            for key, counts in video.sequences.items():
                sequences.setdefault(key, []).append(counts)
        return {key: Counts.total(sequences[key]) for key in sorted(sequences)}

    def detections(self) -> Counts:
        """All categories together, each detection with the same weight."""
        return Counts.total(counts for v in self.videos for counts in v.sequences.values())

    def class_agnostic(self) -> Counts:
        """All objects and tracks as if of one class, without tracks that repeat a better one."""
        return Counts.total(video.class_agnostic for video in self.videos)

    def class_averaged_curves(self, *, all_listed: bool = False) -> dict[str, np.ndarray]:
        """As `Counts.curves`: means over the annotated (or all) categories, and sums of counts."""
        curves = [counts.curves() for counts in self._by_class(all_listed)]
        return self._over_classes(curves, self._nothing.curves(), ("tp", "fn", "fp"), all_listed)

    def class_averaged(self, *, all_listed: bool = False) -> dict[str, float]:
        """As `Counts.numbers`: means over the annotated (or all) categories, and sums of counts.

        A category without anything has HOTA 0 and LocA 1, so that `all_listed`, which is how
        TrackEval averages, depends on how many the annotations list.
        """
        numbers = [counts.numbers() for counts in self._by_class(all_listed)]
        summed = ("idtp", "idfn", "idfp", *COUNTED)
        found = self._over_classes(numbers, self._nothing.numbers(), summed, all_listed)
        return {name: value.item() for name, value in found.items()}

    def _over_classes(
        self,
        by_class: Sequence[Mapping[str, Any]],
        nothing: Mapping[str, Any],
        summed: Sequence[str],
        all_listed: bool,
    ) -> dict[str, Any]:
        """The sum of each value over the classes where it is `summed`, else its mean."""
        by_name = {name: np.array([own[name] for own in by_class]) for name in by_class[0]}
        return {
            name: values_K.sum(axis=0)
            if name in summed
            else self._with_absent(values_K, nothing[name], all_listed).mean(axis=0)
            for name, values_K in by_name.items()
        }

    def _by_class(self, all_listed: bool) -> list[Counts]:
        """Counts of the annotated categories, or of all that occur."""
        return [
            counts for k, counts in self._by_category.items() if all_listed or k in self.annotated
        ]

    def _with_absent(self, values_K: ArrayLike, absent: ArrayLike, all_listed: bool) -> np.ndarray:
        """Values of the categories that occur among those of all, which are summed in order."""
        values_K = np.asarray(values_K)
        if not all_listed:
            return values_K
        all_K = np.full((len(self.categories), *values_K.shape[1:]), absent)
        places = [n for n, key in enumerate(self.categories) if key in self._by_category]
        all_K[places] = values_K
        return all_K

    def teta_category(self, key: int) -> TetaCounts:
        """TETA's counts of one annotated category over all videos."""
        return TetaCounts.total(v.teta[key] for v in self.videos if key in v.teta)

    def teta_per_category(self) -> Mapping[int, Mapping[str, float]]:
        """TETA and its parts of each annotated category, by id."""
        return self._teta_per_category

    @cached_property
    def _teta_per_category(self) -> dict[int, dict[str, float]]:
        return {
            key: {
                name: float(curve_A.mean())
                for name, curve_A in self.teta_category(key).curves().items()
            }
            for key in self.categories
            if key in self.annotated
        }

    def teta(self) -> dict[str, float]:
        """TETA and its parts, averaged over the annotated categories."""
        parts = list(self.teta_per_category().values())
        return {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}


def evaluate_tracking(
    ground_truth: GroundTruth,
    results: Results,
    score_threshold: float = SCORE_THRESHOLD,
    overlaps: Sequence[Overlaps] | None = None,
    asked: Asked | None = None,
) -> TrackingEvaluation:
    """Evaluate the tracks whose score is above the threshold.

    Args:
        results: of videos that the annotations list; see `check_results`.
        overlaps: of each video, with at least these tracks of `judged` results; counted here unless
            given.
        asked: says whether CLEAR is counted, too; it is not unless given.
    """
    if overlaps is None:
        results = judged(ground_truth, results)
    tracked_N = takes_part(ground_truth, results, score_threshold)
    if overlaps is None:
        overlaps = video_overlaps(ground_truth, results, tracked_N)
    annotated = annotated_categories(ground_truth)
    order = ground_truth.category_order
    place = {key: index for index, key in enumerate(order)}
    classes = [place[key] for key in order if key in annotated]
    clear = asked is not None and asked.clear
    videos = []
    for video, own in zip(ground_truth.videos, overlaps, strict=True):
        own_tracked_N = tracked_N[own.tracks.rows_N]
        rows_D = own.tracks.rows_N[own_tracked_N]
        frames = Frames.of(own, video.length, own_tracked_N)
        category_G = [place[ground_truth.objects[row].category_id] for row in own.objects.rows_N]
        category_D = [place[results.tracks[row].category_id] for row in rows_D]
        videos.append(
            _count(
                video.id,
                frames,
                np.array(category_G, np.int64),
                np.array(category_D, np.int64),
                distinct_tracks(results, own, own_tracked_N),
                order,
                classes,
                Excusable.of(ground_truth, results, video.id, own, own_tracked_N, frames),
                video.length if clear else None,
            )
        )
    return TrackingEvaluation(score_threshold, ground_truth.categories, annotated, videos, clear)


def annotated_categories(ground_truth: GroundTruth) -> frozenset[int]:
    """The categories with a mask that is not empty, within its video's length."""
    tubes = ground_truth.tubes
    length_of = {video.id: video.length for video in ground_truth.videos}
    return frozenset(
        thing.category_id
        for index, thing in enumerate(ground_truth.objects)
        if tubes.has_pixels(index, min(length_of[thing.video_id], tubes.lengths_N[index])).any()
    )


def _count(
    video_id: int,
    frames: Frames,
    category_G: np.ndarray,
    category_D: np.ndarray,
    distinct_D: np.ndarray,
    order: Sequence[int],
    classes: Sequence[int],
    excusable: Excusable | None,
    clear_frames: int | None,
) -> VideoCounts:
    all_G, all_D = np.ones(len(category_G), bool), np.ones(len(category_D), bool)
    teta_frames = excusable.left_out(frames, all_G, all_D) if excusable else frames
    teta = count_teta(teta_frames, category_G, category_D, classes)
    return VideoCounts(
        video_id,
        {
            order[place]: count_category(
                frames, category_G == place, category_D == place, excusable, clear_frames
            )
            for place in np.union1d(category_G, category_D).tolist()
        },
        count_category(frames, all_G, distinct_D, excusable, clear_frames),
        {order[place]: counts for place, counts in teta.items()},
        len(category_D),
        int(distinct_D.sum()),
    )


def count_category(
    frames: Frames,
    chosen_G: np.ndarray,
    chosen_D: np.ndarray,
    excusable: Excusable | None = None,
    clear_frames: int | None = None,
) -> Counts:
    """Count the sequence of some objects and tracks of a video."""
    if excusable is not None:
        return Counts.of(excusable.left_out(frames, chosen_G, chosen_D), clear_frames)
    if clear_frames is not None or (chosen_G.any() and chosen_D.any()):
        return Counts.of(frames.chosen(chosen_G, chosen_D), clear_frames)
    num_objects = int(frames.num_frames_G()[chosen_G].sum())
    num_tracks = int(frames.num_frames_D()[chosen_D].sum())
    return Counts(count_apart(num_objects, num_tracks), IdentityCounts(0, num_objects, num_tracks))


CountsT = TypeVar("CountsT", HotaCounts, TetaCounts)

HOTA_NUMBERS = ("hota", "deta", "assa", "loca")
TRACKING_NUMBERS = (*HOTA_NUMBERS, "idf1", "teta")


def resample_tracking(
    evaluation: TrackingEvaluation, counts_BV: np.ndarray
) -> dict[str, np.ndarray]:
    """The headline numbers of each resample, as `TrackingEvaluation.headline` has them, and MOTA
    and IDSW where CLEAR is counted.

    They are those of a data set that holds every video as often as it was drawn; a category whose
    objects are all in videos that were not drawn does not take part in TETA's mean.

    Args:
        evaluation: of one results file, on at least one video.
        counts_BV: how many times each of its videos counts. A row of ones gives the numbers of the
            evaluation itself, up to the order of summation.

    Returns:
        `hota`, `deta`, `assa`, `loca`, `idf1` over all detections and `teta` averaged over the
        categories, as fractions, (B,) each; NaN where the drawn videos hold no annotated mask.
    """
    per_video = [Counts.total(video.sequences.values()) for video in evaluation.videos]
    hota = _drawn([counts.hota for counts in per_video], counts_BV)
    curves = hota.curves()
    numbers = {name: curves[name].mean(1) for name in HOTA_NUMBERS}
    numbers["idf1"] = _idf1_B([counts.identity for counts in per_video], counts_BV)
    numbers["teta"] = _teta_B(evaluation, counts_BV)
    if evaluation.clear:
        numbers |= _clear_B([counts.clear or ClearCounts() for counts in per_video], counts_BV)
    nothing_B = np.isnan(numbers["teta"])
    return {name: np.where(nothing_B, np.nan, values_B) for name, values_B in numbers.items()}


def _drawn(videos: Sequence[CountsT], counts_BV: np.ndarray) -> CountsT:
    """The counts of each resample, (B, A) in each field."""
    kind = type(videos[0])
    names = [field.name for field in fields(kind)]
    counts_VX = np.stack([np.concatenate([getattr(v, name) for name in names]) for v in videos])
    ends = np.cumsum([len(getattr(videos[0], name)) for name in names])
    drawn_BX = weighted_sums(counts_BV, counts_VX)
    return kind(*np.split(drawn_BX, ends[:-1], axis=1))


def _idf1_B(videos: Sequence[IdentityCounts], counts_BV: np.ndarray) -> np.ndarray:
    counts_VF = np.array([[v.idtp, v.idfn, v.idfp] for v in videos])
    drawn_BF = (counts_BV @ counts_VF).tolist()
    return np.array([IdentityCounts(*drawn_F).ratios()["idf1"] for drawn_F in drawn_BF])


def _clear_B(videos: Sequence[ClearCounts], counts_BV: np.ndarray) -> dict[str, np.ndarray]:
    """MOTA, and IDSW of as many videos as there are."""
    drawn_BF = counts_BV @ np.array([astuple(counts) for counts in videos])
    numbers = ClearCounts(*drawn_BF.T).numbers()
    share_B = np.where(counts_BV.any(1), counts_BV.mean(1), 1)
    return {"mota": np.asarray(numbers["mota"]), "idsw": np.asarray(numbers["idsw"]) / share_B}


def _teta_B(evaluation: TrackingEvaluation, counts_BV: np.ndarray) -> np.ndarray:
    """TETA averaged over the categories that have an annotated mask among the drawn videos."""
    columns = [
        _teta_of_category_B(
            {n: v.teta[key] for n, v in enumerate(evaluation.videos) if key in v.teta}, counts_BV
        )
        for key in sorted(evaluation.annotated)
    ]
    if not columns:
        return np.full(len(counts_BV), np.nan)
    return mean_over_categories(np.stack(columns, 1))


def _teta_of_category_B(videos: Mapping[int, TetaCounts], counts_BV: np.ndarray) -> np.ndarray:
    """TETA of one category, (B,), from its videos by place; NaN where no drawn one has a mask."""
    if not videos:
        return np.full(len(counts_BV), np.nan)
    drawn = _drawn([*videos.values()], counts_BV.take([*videos], axis=1))
    # Every mask is either paired or missed.
    annotated_B = (drawn.loc_tp_A + drawn.loc_fn_A)[:, 0] > 0
    return np.where(annotated_B, drawn.curves()["teta"].mean(1), np.nan)
