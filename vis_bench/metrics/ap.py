"""AP and AR of a results file on YouTube-VIS annotations: bit-equal to the official evaluator.

`evaluate` takes what is in memory, `evaluate_files` reads it; matching and accumulation
(`precision_recall`) are separate, so that a resample of the videos only accumulates again.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vis_bench.data.annotations import (
    GroundTruth,
    read_annotations,
    read_short_and_long,
)
from vis_bench.data.doubts import MOST_TRACKS
from vis_bench.data.results_file import Results, read_results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.metrics import matching
from vis_bench.metrics.boundary import boundary_overlaps
from vis_bench.metrics.check_results import check_results
from vis_bench.metrics.coco import ImageEvaluation, evaluate_images
from vis_bench.metrics.exclusions import judged
from vis_bench.metrics.groups import GroupMatches, of_group
from vis_bench.metrics.matching import LEVELS, Matches, match, occurring
from vis_bench.metrics.overlaps import video_overlaps
from vis_bench.metrics.precision_recall import (
    Curves,
    accumulate,
    column,
    mean_of_parts,
    official_numbers,
)
from vis_bench.metrics.precision_recall import summarize as summarize
from vis_bench.metrics.scores import (
    DEFAULTS,
    OF_BOUNDARY,
    OF_PART,
    Asked,
    Scores,
    by_part,
    interval_fields,
    printed_scores,
)

if TYPE_CHECKING:
    from vis_bench.metrics.tracking.evaluate import TrackingEvaluation


# Name, and the longest video in frames. YouTube-VIS 2019 annotates 6 frames per second and no
# more than 36 frames, so that only later and longer data sets (2021, OVIS) have long videos.
VIDEO_LENGTHS: Mapping[str, float] = {"short": 24, "medium": 36, "long": np.inf}

# AP50 below which classes are suspected, and AP50 without classes from which they are to blame.
_FEW_CLASSES_MEET, _MASKS_MEET = 0.02, 0.2


@dataclass(frozen=True)
class Evaluation:
    """Evaluation of a results file; `warnings` are sentences about probable mistakes.

    Numbers are accumulated when they are asked for, an area range, level or limit at a time.

    `tracking`: HOTA, IDF1 and TETA; None where they were not asked for. `boundary`: AP and AR by
    masks and boundaries (see `metrics.boundary`), likewise. `asked` has the groups themselves.
    """

    matches: Matches
    warnings: Sequence[str]
    tracking: TrackingEvaluation | None = None
    boundary: Evaluation | None = None
    asked: Asked = DEFAULTS

    @property
    def videos(self) -> Sequence[Video]:
        """The videos of the annotations."""
        return self.matches.videos

    @property
    def num_categories(self) -> int:
        """The number of listed categories, of which few may occur."""
        return len(self.matches.categories)

    def summary(self) -> dict[str, float]:
        """The official 12 numbers as fractions; -1 where there is no ground truth.

        `ap`, `ap50`, `ap75`; `ap_s`, `ap_m`, `ap_l` by object area (up to 128^2, up to 256^2 and
        above, in pixels); `ar1`, `ar10`, `ar100` with that many detections per video and category;
        `ar_s`, `ar_m`, `ar_l`. A record holds null in place of -1. Where the annotations have
        parts, the mean of `per_part`; -1 where one of them has no ground truth.
        """
        parts = list(self.per_part().values())
        return mean_of_parts(parts) if parts else dict(self._numbers)

    @cached_property
    def _numbers(self) -> dict[str, float]:
        return official_numbers(self.matches)

    def record_numbers(self) -> dict[str, Any]:
        """Values of a record: the 12 numbers, parts, levels, tracking, boundaries, intervals."""
        narrow = {} if self.boundary is None else self.boundary.summary()
        return {
            **self.summary(),
            **self.plain_numbers(),
            **{
                f"{key}_{part}": numbers[key]
                for part, numbers in self.per_part().items()
                for key in OF_PART
            },
            **self.level_aps(),
            **({} if self.tracking is None else self.tracking.headline()),
            "max_tracks": self.asked.max_tracks,
            **{f"boundary_{name}": narrow[name] for name in OF_BOUNDARY if narrow},
            **interval_fields({s.field: s for s in self.scores.values() if s.kind != "group"}),
            "groups": self.groups_json(),
        }

    def plain_numbers(self) -> dict[str, float | None]:
        """The values of the plain metrics by name."""
        return {name: self.scores["overall", "", name].value for name in self.asked.plain}

    def groups_json(self) -> dict[str, dict[str, Any]]:
        """Numbers of each group with the ends of their intervals, by name."""
        scores = by_part(self.scores, "group")
        return {
            name: own.as_json(interval_fields(scores[name])) for name, own in self.per_group.items()
        }

    @cached_property
    def scores(self) -> Scores:
        """The numbers with an interval."""
        return printed_scores(self)

    @cached_property
    def per_group(self) -> Mapping[str, GroupMatches]:
        """The matches of each group that was asked for, by its name."""
        groups = self.asked.groups
        assert not isinstance(groups, Path)
        return {group.name: of_group(self.matches, group) for group in groups or ()}

    @property
    def interval(self) -> tuple[float, float] | None:
        """Low and high end of the 95 % interval of AP; None without one."""
        return self.scores["overall", "", "ap"].interval

    def per_part(self) -> dict[str, dict[str, float]]:
        """The same 12 numbers of the videos of each part, by its name; none without parts.

        They are those of the part's own annotations file. Numbers by category, level and length
        are of all videos together.
        """
        return {name: dict(numbers) for name, numbers in self._per_part.items()}

    @cached_property
    def _per_part(self) -> dict[str, dict[str, float]]:
        parts = self.matches.parts
        return {name: official_numbers(self.matches, inside_V) for name, inside_V in parts.items()}

    def level_aps(self) -> dict[str, float]:
        """`ap_so`, `ap_mo`, `ap_ho`, `ap_returning`, `ap_staying`: AP of each of `matching.LEVELS`.

        -1 for a level without an object, and so where the annotations have no occlusion labels.
        """
        return {f"ap_{name}": numbers["ap"] for name, numbers in self.per_level().items()}

    def per_category(self) -> list[dict[str, int | str | float]]:
        """Per category that has an annotation or a track, in order of id: `id`, `name`, the same 12
        numbers and the AP by level.
        """
        return [
            {
                "id": own.id,
                "name": own.name,
                **_category_numbers(replace(self.matches, categories=[own])),
            }
            for own in occurring(self.matches.categories)
        ]

    def per_level(self) -> dict[str, dict[str, float]]:
        """`num_objects`, `ap`, `ap50`, `ap75` and `ar100` of each level; -1 without an object."""
        return {name: dict(numbers) for name, numbers in self._per_level.items()}

    @cached_property
    def _per_level(self) -> dict[str, dict[str, float]]:
        return {name: _level(self.matches, name) for name in LEVELS}

    @cached_property
    def precision_TRK(self) -> np.ndarray:
        """Precision over all areas at each IoU threshold and recall level, of the categories that
        hold an object.
        """
        return column(self.matches.with_objects()).precision_TRK

    @property
    def curves(self) -> Curves:
        """All curves by area and limit at once, which may take gigabytes."""
        return accumulate(self.matches)

    @cached_property
    def _per_length(self) -> dict[str, dict[str, float]]:
        lengths_V = np.array([video.length for video in self.matches.videos])
        numbers: dict[str, dict[str, float]] = {}
        shortest = -1.0
        for name, longest in VIDEO_LENGTHS.items():
            inside_V = ((lengths_V > shortest) & (lengths_V <= longest)).astype(np.int64)
            own = column(self.matches.with_objects(), weights_V=inside_V).headline()
            numbers[name] = {"num_videos": int(inside_V.sum()), **own}
            shortest = longest
        return numbers

    def per_length(self) -> dict[str, dict[str, float]]:
        """`num_videos`, `ap`, `ap50`, `ap75` and `ar100` over short, medium and long videos.

        Short is up to 24 frames, medium 25 to 36, long above.
        """
        return self._per_length


def _category_numbers(alone: Matches) -> dict[str, float]:
    return {
        **official_numbers(alone),
        **{f"ap_{name}": _level(alone, name)["ap"] for name in LEVELS},
    }


def _level(matches: Matches, name: str) -> dict[str, float]:
    """The numbers of one level or area range."""
    if name not in matches.ranges:
        return {"num_objects": 0, "ap": -1.0, "ap50": -1.0, "ap75": -1.0, "ar100": -1.0}
    place, matches = matches.ranges.index(name), matches.with_objects()
    count = sum(int(category.num_objects_VA[:, place].sum()) for category in matches.categories)
    return {"num_objects": count, **column(matches, place).headline()}


def evaluate(ground_truth: GroundTruth, results: Results, asked: Asked = DEFAULTS) -> Evaluation:
    """Evaluate tracks on annotations.

    Raises:
        InputError: for tracks of a video that the annotations do not list, for tracks that can
            only be a mistake (see `check_results`), and as `read_groups` and `counting`.
    """
    ground_truth = ground_truth.counting(asked.max_tracks)
    most = None if ground_truth.max_tracks == MOST_TRACKS else ground_truth.max_tracks
    asked = replace(asked, groups=asked.chosen(ground_truth), max_tracks=most)
    threshold = asked.tracking_threshold
    warnings = [*ground_truth.warnings, *check_results(ground_truth, results)]
    results = judged(ground_truth, results)
    if threshold is None and not asked.boundary:
        return Evaluation(match(ground_truth, results), warnings, asked=asked)
    chosen_N = matching.takes_part(ground_truth, results)
    if threshold is not None:
        from vis_bench.metrics.tracking import frames

        chosen_N |= frames.takes_part(ground_truth, results, threshold)
    overlaps = video_overlaps(ground_truth, results, chosen_N)
    evaluation = Evaluation(match(ground_truth, results, overlaps), warnings, asked=asked)
    if threshold is not None:
        from vis_bench.metrics.tracking.evaluate import evaluate_tracking

        tracking = evaluate_tracking(ground_truth, results, threshold, overlaps, asked)
        evaluation = replace(evaluation, tracking=tracking)
    if asked.boundary:
        narrow = match(ground_truth, results, boundary_overlaps(ground_truth, overlaps))
        evaluation = replace(evaluation, boundary=Evaluation(narrow, []))
    return evaluation


def evaluate_files(
    annotations: Path,
    predictions: Path,
    asked: Asked = DEFAULTS,
    *,
    long_annotations: Path | None = None,
) -> Evaluation | ImageEvaluation:
    """Read, check and evaluate a results file.

    Args:
        annotations: of videos in YouTube-VIS form, or of single images in COCO's, which COCOeval
            evaluates.
        long_annotations: of the long videos, where `annotations` are those of the short ones; AP
            is then the mean of both (YouTube-VIS 2022).

    Raises:
        InputError: as `read_annotations`, `read_short_and_long`, `read_results`, `evaluate` and
            `evaluate_images`, and for metrics that images do not have.
    """
    with _collection_paused():
        truth = read_truth(annotations, long_annotations)
        return evaluate_results(truth, read_results(predictions), checked(truth, asked))


def read_truth(annotations: Path, long_annotations: Path | None = None) -> GroundTruth:
    """Read annotations of videos or images, or those of short and of long videos together."""
    if long_annotations is None:
        return read_annotations(annotations)
    return read_short_and_long(annotations, long_annotations)


def checked(truth: GroundTruth, asked: Asked) -> Asked:
    """The same with groups as they are read.

    Raises:
        InputError: as `read_groups`, and for metrics that images do not have.
    """
    if truth.of_images and asked.tracking_threshold is not None:
        raise InputError(
            f"{truth.name} lists single images, which have no tracks; leave out the "
            "tracking metrics"
        )
    for more, name in (
        (asked.boundary, "boundary AP"),
        (asked.groups, "groups"),
        (asked.max_tracks, "another limit of tracks"),
    ):
        if truth.of_images and more:
            raise InputError(f"{truth.name} lists single images; expected videos for {name}")
    return replace(asked, groups=asked.chosen(truth))


def evaluate_results(
    ground_truth: GroundTruth, results: Results, asked: Asked = DEFAULTS
) -> Evaluation | ImageEvaluation:
    """Evaluate a results file's tracks of videos or instances of images, as `evaluate_files`.

    Args:
        asked: as from `checked`.

    Raises:
        InputError: as `evaluate` and `evaluate_images`.
    """
    if ground_truth.of_images:
        return evaluate_images(ground_truth, results)
    return _with_caveats(evaluate(ground_truth, results, asked), ground_truth, results)


def _with_caveats(evaluation: Evaluation, truth: GroundTruth, results: Results) -> Evaluation:
    """The evaluation with warnings where classes, or the scores that HOTA needs, look mistaken."""
    found = _class_caveats(evaluation, truth, results)
    if evaluation.tracking is not None:
        from vis_bench.metrics.tracking.score_threshold import caveats

        found += caveats(truth, results, results.name, evaluation.tracking.score_threshold)
    return replace(evaluation, warnings=[*evaluation.warnings, *found]) if found else evaluation


def _class_caveats(evaluation: Evaluation, truth: GroundTruth, results: Results) -> list[str]:
    """A warning where tracks find objects, but under other classes, as by permuted category ids."""
    ap50 = evaluation.summary()["ap50"]
    if not 0 <= ap50 < _FEW_CLASSES_MEET:
        return []
    one_class = replace(
        truth,
        categories={1: "any"},
        category_order=[1],
        objects=[replace(thing, category_id=1) for thing in truth.objects],
        exclusions={},
    )
    tracks = [replace(track, category_id=1) for track in results.tracks]
    found = official_numbers(match(one_class, replace(results, tracks=tracks)))["ap50"]
    if found < _MASKS_MEET:
        return []
    return [
        f"AP50 is {100 * ap50:.1f}, and {100 * found:.1f} where classes are ignored: expected "
        f"category ids in {results.name} that mean the classes of {truth.name}"
    ]


@contextmanager
def _collection_paused() -> Iterator[None]:
    """Pause the garbage collector, which would walk the values of a large file repeatedly."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
