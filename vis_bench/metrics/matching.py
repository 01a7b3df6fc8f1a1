"""Greedy matching of detections to ground truth, one video and category at a time.

The rules are those of youtubevos/cocoapi (`YTVOSeval.evaluateVid`), for all IoU thresholds and
area ranges together.

A level is like an area range: objects outside it are ignored, while a detection that matches
nothing counts in every level. Light, moderate and heavy occlusion are those of OVIS's official
evaluator (qjy981010/cocoapi, `OVISeval`): closed ranges of the occlusion score, so that an object
on a border is in two. `returning`, objects that leave and return, and `staying`, all others, are
ours.

Shape letters: T=10 IoU thresholds, A=4 area ranges and after them the levels that the annotations
have, D detections, G objects, V videos, n all kept detections of one category.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol, overload

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.masks.tubes import MaskTubes
from vis_bench.metrics.exclusions import excused_shares, judged
from vis_bench.metrics.overlaps import FrameMasks, space_time_iou

# Lowest and highest occlusion score; so, mo, ho are what OVIS calls them.
OCCLUSION_RANGES: Mapping[str, tuple[float, float]] = {
    "so": (0.0, 0.25), "mo": (0.25, 0.5), "ho": (0.5, 1.0),
}  # fmt: skip
RETURNING, STAYING = "returning", "staying"
LEVELS = (*OCCLUSION_RANGES, RETURNING, STAYING)


def object_levels(ground_truth: GroundTruth) -> dict[str, np.ndarray]:
    """The levels that any object is in, in the order of `LEVELS`: its objects, bool (N,).

    An object without an occlusion label is in `returning` or `staying` alone, and in neither where
    no object returns.
    """
    score_N = np.array(
        [
            np.nan if thing.occlusion_score is None else thing.occlusion_score
            for thing in ground_truth.objects
        ]
    )
    inside = {
        name: (score_N >= low) & (score_N <= high) for name, (low, high) in OCCLUSION_RANGES.items()
    }
    inside[RETURNING] = returning(ground_truth.tubes)
    inside[STAYING] = ~inside[RETURNING] & inside[RETURNING].any()
    return {name: inside_N for name, inside_N in inside.items() if inside_N.any()}


def returning(tubes: MaskTubes) -> np.ndarray:
    """Tubes that have a mask, then none, then one again; bool (N,)."""
    (present,) = np.nonzero(tubes.areas_P)
    tube_p, frame_p = tubes.tube_P[present], tubes.frame_P[present]
    returns_here = (np.diff(tube_p) == 0) & (np.diff(frame_p) > 1)
    return np.bincount(tube_p[1:][returns_here], minlength=len(tubes)) > 0


IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)


def threshold_place(iou: float) -> int:
    """Place of an IoU such as 0.75 among `IOU_THRESHOLDS`, which are rounded otherwise."""
    return int(np.argmin(abs(IOU_THRESHOLDS - iou)))


AT_50, AT_75 = map(threshold_place, (0.5, 0.75))
AREA_NAMES = ("all", "small", "medium", "large")
AREA_RANGES = np.array([[0, 1e10], [0, 128**2], [128**2, 256**2], [256**2, 1e10]])


@dataclass(frozen=True)
class CategoryMatches:
    """The kept detections of one category, in the order in which they are accumulated.

    That is by falling score; ties stand in the order of their videos, then of their ranks.

    Attributes:
        video_n: index into `Matches.videos`.
        rank_n: place among the detections of its video, best first, from 0.
        score_n: confidence.
        hits_ATn: True for a match with an object that counts.
        misses_ATn: True for a detection without a match that counts. Where neither is True the
            detection is ignored.
        num_objects_VA: objects that count, per video.
    """

    id: int
    name: str
    video_n: np.ndarray
    rank_n: np.ndarray
    score_n: np.ndarray
    hits_ATn: np.ndarray
    misses_ATn: np.ndarray
    num_objects_VA: np.ndarray


@dataclass(frozen=True)
class ListedCategories(Sequence[CategoryMatches]):
    """All categories that annotations list, of which few may occur, as in SA-Co/VEval.

    Attributes:
        names: of all by id, in order.
        occurring: those with an annotation or a detection, by their place among all.
        shape_VA: of `num_objects_VA`.
    """

    names: Mapping[int, str]
    occurring: Mapping[int, CategoryMatches]
    shape_VA: tuple[int, int]

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, place: int) -> CategoryMatches: ...
    @overload
    def __getitem__(self, place: slice) -> list[CategoryMatches]: ...
    def __getitem__(self, place: int | slice) -> CategoryMatches | list[CategoryMatches]:
        places = range(len(self))[place]
        if isinstance(places, range):
            return [self[number] for number in places]
        return self.occurring.get(places) or replace(
            self._absent, id=self._listed[places][0], name=self._listed[places][1]
        )

    @cached_property
    def _listed(self) -> list[tuple[int, str]]:
        return list(self.names.items())

    @cached_property
    def _absent(self) -> CategoryMatches:
        """A category that does not occur."""
        none_n = np.zeros(0, np.int64)
        none_ATn = np.zeros((self.shape_VA[1], len(IOU_THRESHOLDS), 0), bool)
        counts_VA = np.zeros(self.shape_VA, np.int32)
        return CategoryMatches(
            0, "", none_n, none_n, none_n.astype(float), none_ATn, none_ATn, counts_VA
        )


def occurring(categories: Sequence[CategoryMatches]) -> Iterable[CategoryMatches]:
    """The categories that have an annotation or a detection."""
    return categories.occurring.values() if isinstance(categories, ListedCategories) else categories


@dataclass(frozen=True)
class Matches:
    """All matches of one results file; videos and categories are sorted by id.

    `levels`: what the columns after the area ranges are, names of `LEVELS`. `parts`: 1 for
    each video of a part and 0 for others, by the part's name; see `GroundTruth.parts`.
    """

    videos: Sequence[Video]
    categories: Sequence[CategoryMatches]
    levels: Sequence[str] = ()
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def ranges(self) -> tuple[str, ...]:
        """Names of the columns of `CategoryMatches`: the area ranges, then the levels."""
        return *AREA_NAMES, *self.levels

    def with_objects(self) -> Matches:
        """The matches of categories that hold an object, which alone count in means."""
        held = [own for own in occurring(self.categories) if own.num_objects_VA.any()]
        return replace(self, categories=held)


def num_holding(categories: Sequence[CategoryMatches], area: int = 0) -> int:
    """The number of videos that hold an object of some categories in one area range."""
    counts_V = sum(category.num_objects_VA[:, area] for category in occurring(categories))
    return int(np.count_nonzero(counts_V))


def num_objects(categories: Iterable[CategoryMatches], area: int = 0) -> int:
    """Objects of some categories in one area range that are no crowds."""
    return sum(int(category.num_objects_VA[:, area].sum()) for category in categories)


class PairIoUs(Protocol):
    """IoUs of a video's tracks with its objects; see `overlaps.Overlaps`."""

    @property
    def tracks(self) -> FrameMasks: ...
    @property
    def objects(self) -> FrameMasks: ...
    def ious(self, rows_D: np.ndarray, columns_G: np.ndarray) -> np.ndarray: ...


def match(
    ground_truth: GroundTruth, results: Results, overlaps: Sequence[PairIoUs] | None = None
) -> Matches:
    """Match every detection of a listed video and category; the best of each are kept,
    as many as `ground_truth.max_tracks`.

    Args:
        overlaps: of each video, with at least the tracks `takes_part` of `judged` results; counted
            here unless given.

    Raises:
        InputError: for annotations of single images, which COCOeval evaluates (see `images`).
    """
    if ground_truth.of_images:
        raise InputError(
            f"{ground_truth.name} lists single images, which have only AP and AR; expected videos"
        )
    results = judged(ground_truth, results)
    detections = _rank_detections(ground_truth, results)
    objects = _group_objects(ground_truth)
    levels = object_levels(ground_truth)
    outside_NA = _outside(results.tubes.average_areas_N())[detections.track_N]
    outside_NA = np.pad(outside_NA, ((0, 0), (0, len(levels))))
    misses_NAT = np.repeat(~outside_NA[:, :, None], len(IOU_THRESHOLDS), 2)
    hits_NAT = np.zeros_like(misses_NAT)
    for start, stop, key in detections.groups():
        if key in objects:
            rows_D, columns_G = detections.track_N[start:stop], objects[key]
            if overlaps is None:
                ious_DG = space_time_iou(results.tubes, rows_D, ground_truth.tubes, columns_G)
            else:
                ious_DG = _known_ious(overlaps[key[0]], rows_D, columns_G)
            crowd_G, ignored_GA = _ignored_objects(ground_truth, levels, columns_G)
            matched_DAT, on_ignored_DAT = match_group(ious_DG, crowd_G, ignored_GA)
            hits_NAT[start:stop] = matched_DAT & ~on_ignored_DAT
            misses_NAT[start:stop] &= ~matched_DAT
    if ground_truth.exclusions:
        shares = excused_shares(ground_truth, results)
        share_N = np.array([shares.get(row, 0.0) for row in detections.track_N.tolist()])
        misses_NAT &= (share_N[:, None] < IOU_THRESHOLDS)[:, None]
    shape_VA = len(ground_truth.videos), len(AREA_RANGES) + len(levels)
    counts_VA = _count_objects(ground_truth, levels, objects)
    places_n = detections.by_category()
    listed = list(ground_truth.categories.items())
    found = {
        place: CategoryMatches(
            *listed[place],
            detections.video_N[own],
            detections.rank_N[own],
            detections.score_N[own],
            np.ascontiguousarray(hits_NAT[own].transpose(1, 2, 0)),
            np.ascontiguousarray(misses_NAT[own].transpose(1, 2, 0)),
            counts_VA[place] if place in counts_VA else np.zeros(shape_VA, np.int32),
        )
        for place in sorted({*places_n, *counts_VA})
        for own in [places_n.get(place, np.zeros(0, np.int64))]
    }
    return Matches(
        ground_truth.videos,
        ListedCategories(ground_truth.categories, found, shape_VA),
        tuple(levels),
        {
            name: np.array([int(video.id in ids) for video in ground_truth.videos])
            for name, ids in ground_truth.parts.items()
        },
    )


def takes_part(ground_truth: GroundTruth, results: Results) -> np.ndarray:
    """The tracks whose overlaps `match` needs, bool: some object is of their category."""
    detections, objects = _rank_detections(ground_truth, results), _group_objects(ground_truth)
    needed_N = np.zeros(len(results.tracks), bool)
    for start, stop, key in detections.groups():
        needed_N[detections.track_N[start:stop]] = key in objects
    return needed_N


def _known_ious(overlaps: PairIoUs, rows_D: np.ndarray, columns_G: np.ndarray) -> np.ndarray:
    sides = (overlaps.tracks, rows_D), (overlaps.objects, columns_G)
    places = [np.searchsorted(side.rows_N, rows) for side, rows in sides]
    return overlaps.ious(*places)


def match_group(
    ious_DG: np.ndarray, crowd_G: np.ndarray, ignored_GA: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Match the detections of one video and category, best score first, to its objects.

    A detection takes the object of highest IoU, at or above the threshold, that is still free; on
    equal IoU the later one. An ignored object is taken only where no other can be. A crowd stays
    free.

    Returns:
        Two bool arrays (D, A, T): a match was made; it was made with an ignored object.
    """
    ignored_AG = ignored_GA.T
    free_ATG = np.ones((len(ignored_AG), len(IOU_THRESHOLDS), len(crowd_G)), bool)
    matched_DAT = np.zeros((len(ious_DG), *free_ATG.shape[:2]), bool)
    on_ignored_DAT = np.zeros_like(matched_DAT)
    preference_DG = ious_DG.argsort(1, kind="stable").argsort(1)
    for detection in np.flatnonzero(ious_DG.max(1) >= IOU_THRESHOLDS[0]):
        reached_TG = ious_DG[detection] >= IOU_THRESHOLDS[:, None]
        open_ATG = free_ATG & reached_TG
        counted_ATG = open_ATG & ~ignored_AG[:, None]
        open_ATG &= ignored_AG[:, None] <= ~counted_ATG.any(2, keepdims=True)
        chosen_AT = np.where(open_ATG, preference_DG[detection], -1).argmax(2)
        matched_AT = open_ATG.any(2)
        areas, thresholds = np.nonzero(matched_AT)
        chosen = chosen_AT[areas, thresholds]
        free_ATG[areas, thresholds, chosen] = crowd_G[chosen]
        matched_DAT[detection] = matched_AT
        on_ignored_DAT[detection, areas, thresholds] = ignored_AG[areas, chosen]
    return matched_DAT, on_ignored_DAT


@dataclass(frozen=True)
class _KeptDetections:
    """The kept detections, by video, category and rank; `video_N`, `category_N` are indices."""

    track_N: np.ndarray
    video_N: np.ndarray
    category_N: np.ndarray
    rank_N: np.ndarray
    score_N: np.ndarray

    def groups(self) -> list[tuple[int, int, tuple[int, int]]]:
        """(start, stop, (video, category)) of each group."""
        starts = np.flatnonzero(self.rank_N == 0).tolist()
        stops = [*starts, len(self.rank_N)][1:]
        keys = zip(self.video_N[starts].tolist(), self.category_N[starts].tolist(), strict=True)
        return list(zip(starts, stops, keys, strict=True))

    def by_category(self) -> dict[int, np.ndarray]:
        """Places of the detections of each category by falling score; ties stay in order."""
        order = np.lexsort((-self.score_N, self.category_N))
        found_K, starts_K = np.unique(self.category_N[order], return_index=True)
        return dict(zip(found_K.tolist(), np.split(order, starts_K[1:]), strict=False))


def _rank_detections(ground_truth: GroundTruth, results: Results) -> _KeptDetections:
    video_index = {video.id: index for index, video in enumerate(ground_truth.videos)}
    category_index = {key: index for index, key in enumerate(ground_truth.categories)}
    columns = [
        (index, video_index[track.video_id], category_index[track.category_id])
        for index, track in enumerate(results.tracks)
        if track.category_id in category_index
    ]
    track_N, video_N, category_N = np.array(columns, np.int64).reshape(-1, 3).T
    score_N = np.array([float(track.score) for track in results.tracks])[track_N]
    order = np.lexsort((-score_N, category_N, video_N))
    group_N = (video_N * len(category_index) + category_N)[order]
    place_N = np.arange(len(order))
    starts_here = np.diff(group_N, prepend=-1) != 0
    rank_N = place_N - np.maximum.accumulate(np.where(starts_here, place_N, 0))
    within_N = rank_N < ground_truth.max_tracks
    kept = order[within_N]
    return _KeptDetections(
        track_N[kept],
        video_N[kept],
        category_N[kept],
        rank_N[within_N],
        score_N[kept],
    )


def _group_objects(ground_truth: GroundTruth) -> dict[tuple[int, int], np.ndarray]:
    """The objects of each video and category that have any, in file order."""
    video_index = {video.id: index for index, video in enumerate(ground_truth.videos)}
    category_index = {key: index for index, key in enumerate(ground_truth.categories)}
    groups: dict[tuple[int, int], list[int]] = {}
    for index, thing in enumerate(ground_truth.objects):
        key = video_index[thing.video_id], category_index[thing.category_id]
        groups.setdefault(key, []).append(index)
    return {key: np.array(indices) for key, indices in groups.items()}


def _outside(areas_N: np.ndarray) -> np.ndarray:
    """Average areas outside each range, bool (N, A)."""
    return (areas_N[:, None] < AREA_RANGES[:, 0]) | (areas_N[:, None] > AREA_RANGES[:, 1])


def _ignored_objects(
    ground_truth: GroundTruth, levels: Mapping[str, np.ndarray], columns_G: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Crowds among some objects, (G,), and objects ignored in each range, (G, A)."""
    chosen = [ground_truth.objects[index] for index in columns_G]
    crowd_G = np.array([thing.is_crowd for thing in chosen])
    outside_GA = _outside(np.array([thing.average_area for thing in chosen]))
    outside_GA = np.column_stack(
        [outside_GA, *(~inside_N[columns_G] for inside_N in levels.values())]
    )
    return crowd_G, crowd_G[:, None] | outside_GA


def _count_objects(
    ground_truth: GroundTruth,
    levels: Mapping[str, np.ndarray],
    objects: dict[tuple[int, int], np.ndarray],
) -> dict[int, np.ndarray]:
    """Objects that count of each category that has annotations, (V, A)."""
    shape_VA = len(ground_truth.videos), len(AREA_RANGES) + len(levels)
    counts = {category: np.zeros(shape_VA, np.int32) for _, category in objects}
    for (video, category), columns_G in objects.items():
        _, ignored_GA = _ignored_objects(ground_truth, levels, columns_G)
        counts[category][video] = (~ignored_GA).sum(0)
    return counts
