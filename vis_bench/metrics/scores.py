"""Numbers with intervals, and differences of them: AP, HOTA, AP of small objects or of a group.

Every number is a `Score`, which holds its values on half-samples of the videos (`half_samples`);
they are drawn when the first is asked for. Two methods are compared on the same half-samples, so
that what is hard about a video cancels.

Shape letters: B resamples, S samples: all videos once, then half-samples; V videos, K categories
that hold an object.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

import numpy as np

from vis_bench.arguments import MAX_TRACKS
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.groups import Group, read_groups
from vis_bench.metrics.groups import GroupMatches, of_videos
from vis_bench.metrics.half_samples import (
    FEWEST_VIDEOS,
    NUM_RESAMPLES,
    ROUNDING,
    ap_samples,
    count_samples,
    interval_of,
    p_value_of,
    standard_error,
)
from vis_bench.metrics.matching import (
    AREA_NAMES,
    CategoryMatches,
    Matches,
    num_holding,
    num_objects,
)
from vis_bench.metrics.resample import ap_by_video, resample

if TYPE_CHECKING:  # tracking metrics import a part of SciPy
    from vis_bench.metrics.ap import Evaluation
    from vis_bench.metrics.tracking.evaluate import TrackingEvaluation

Kind = Literal[
    "overall", "tracking", "area", "level", "category", "group", "length", "phrase", "error"
]
Key: TypeAlias = tuple[Kind, str, str]
T = TypeVar("T")
Test = TypeVar("Test", bound=Hashable)

SIZE = 0.05  # of a test
_TOGETHER = 512  # videos whose own numbers are drawn at once
# Plain metrics beside the official ones, by field of a record: fractions of resamples of the
# videos, (B,), from matches and from how often each video counts, (B, V).
PLAIN: Mapping[str, Callable[[Matches, np.ndarray], np.ndarray]] = {}
# Metrics of a part of the objects; of a group, by boundaries, of a length, and tracking metrics in
# a record.
BRIEF = ("ap", "ap50", "ap75", "ar100")
OF_GROUP = ("ap", "ap50", "ap75", "ar1", "ar10", "ar100")
OF_BOUNDARY = ("ap", "ap50", "ap75")
OF_PART = ("ap", "ap50", "ap75", "ar1", "ar10")
OF_TRACKING = ("hota", "idf1", "teta")
OF_CLEAR = ("mota", "idsw")
# Of several results: numbers of every row, and those whose difference from the first is tested.
SHOWN = ("ap", "ap50", "ap75", "ar10", "boundary_ap", "hota", *OF_CLEAR)
TESTED = ("ap", "boundary_ap", "hota", *OF_CLEAR)
# Factors by which tables of points print metrics that are counts.
IN_POINTS = {"idsw": 0.01}
# Lowest and highest value; of other metrics 0 and 1.
_RANGES = {"mota": (-math.inf, 1.0), "idsw": (0.0, math.inf)}
# Kinds whose parts are tested by swaps, and the families of tests that Holm's correction is over.
_SWAPPED = ("area", "level", "category")
_FAMILIES = {"area": "objects", "level": "objects", "category": "category", "group": "group"}


@dataclass(frozen=True)
class Asked:
    """Choice of what is evaluated beside AP and AR, and of the half-samples behind intervals.

    Attributes:
        tracking_threshold: tracks with a higher score take part in the tracking metrics; None for
            no such metrics.
        boundary: AP and AR by masks and boundaries, too.
        groups: of categories or videos, which are evaluated alone, too; or as for `read_groups`.
        num_resamples, seed: of the half-samples; the same seed draws the same.
        clear: CLEAR (MOTA, identity switches ...) beside the tracking metrics.
        max_tracks: the best tracks of a category and video that AP counts; None for the official
            number, or for that of the annotations.
    """

    tracking_threshold: float | None = None
    boundary: bool = False
    groups: Sequence[Group] | Path | None = ()
    num_resamples: int = NUM_RESAMPLES
    seed: int = 0
    clear: bool = False
    max_tracks: int | None = None

    @property
    def plain(self) -> Mapping[str, Callable[[Matches, np.ndarray], np.ndarray]]:
        """The plain metrics that are computed."""
        return PLAIN

    def chosen(self, truth: GroundTruth) -> Sequence[Group]:
        """The groups, read if a file names them."""
        groups = self.groups or ()
        return read_groups(groups, truth) if isinstance(groups, str | Path) else groups

    def counts(self, num_videos: int) -> np.ndarray:
        """Weights of the videos in all videos and in each half-sample, (S, V)."""
        return count_samples(num_videos, self.num_resamples, self.seed)

    def __post_init__(self) -> None:
        if self.max_tracks is not None:
            MAX_TRACKS.check("max_tracks", self.max_tracks)


DEFAULTS = Asked()


@dataclass(frozen=True)
class Difference:
    """One number of both methods, as fractions; `difference` is second minus first.

    `low`, `high`: the 95 % interval of the difference, from its `standard_error`. `p_value`:
    two-sided, of no difference; `adjusted_p_value`: by Holm's correction over the rows of its
    table. They are None where the difference does not vary or too few videos hold an object, and
    all are where none does.
    """

    first: float | None = None
    second: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    standard_error: float | None = None
    adjusted_p_value: float | None = None

    def scaled(self, factor: float) -> Difference:
        """The same in another unit."""
        ends = ("first", "second", "difference", "low", "high", "standard_error")
        values = {name: getattr(self, name) for name in ends}
        return replace(self, **{k: v if v is None else factor * v for k, v in values.items()})

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends; None where there are none."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def is_noise(self) -> bool | None:
        """True if the interval holds 0; None where there is no interval."""
        if self.low is None or self.high is None:
            return None
        return self.low <= ROUNDING and self.high >= -ROUNDING

    @property
    def is_significant(self) -> bool:
        """True where Holm's correction rejects no difference at 5 %."""
        return self.adjusted_p_value is not None and self.adjusted_p_value <= SIZE


def difference_of(
    first_S: np.ndarray,
    second_S: np.ndarray,
    num_videos: int,
    num_holding: int | None = None,
    most: float = 1.0,
) -> Difference:
    """Difference of a number with its interval and p-value, from values on the same samples.

    Args:
        num_holding: as for `interval_of`.
        most: largest difference that there can be.
    """
    if np.isnan(first_S[0]) or np.isnan(second_S[0]):
        return Difference()
    moved_S = second_S - first_S
    moved = float(moved_S[0])
    observed = float(first_S[0]), float(second_S[0]), moved
    ends = interval_of(moved_S, num_videos, -most, num_holding, most)
    error = standard_error(moved_S[1:], num_videos)
    if ends is None or error is None:
        return Difference(*observed)
    return Difference(*observed, *ends, p_value_of(moved, error, num_holding or num_videos), error)


@dataclass(frozen=True)
class Score:
    """One metric of one part of the data: AP of small objects, HOTA, AP of the group "novel".

    Attributes:
        part: name of an area range, level, group or length, id of a category; empty for all.
        draw: the part's numbers on the samples by metric, (S,) each; NaN where a sample holds
            nothing to find.
        num_holding: as for `interval_of`.
        num_objects: of an area range, level, category or group.
        least, most: values that the metric can have.
    """

    kind: Kind
    part: str
    metric: str
    num_videos: int
    draw: Callable[[], Mapping[str, np.ndarray]]
    num_holding: int | None = None
    num_objects: int | None = None
    least: float = 0.0
    most: float = 1.0

    @property
    def field(self) -> str:
        """The field of a record: `ap`, `hota`, `ap_short`."""
        return f"{self.metric}_{self.part}" if self.part else self.metric

    @property
    def samples_S(self) -> np.ndarray:
        """Values on all videos and on each half-sample."""
        return self.draw()[self.metric]

    @property
    def value(self) -> float | None:
        """The value on all videos; None where they hold nothing to find."""
        value = float(self.samples_S[0]) + 0.0  # no -0.0
        return None if np.isnan(value) else value

    @property
    def interval(self) -> tuple[float, float] | None:
        """Low and high end of the 95 % interval over the videos; None without one."""
        if self.num_videos < FEWEST_VIDEOS:  # nothing is drawn
            return None
        return interval_of(self.samples_S, self.num_videos, self.least, self.num_holding, self.most)

    def scaled(self, factor: float) -> Score:
        """The same in another unit; drawn no sooner than this one."""
        if factor == 1:
            return self
        return replace(self, draw=lambda: {self.metric: factor * self.samples_S})

    def minus(self, first: Score) -> Difference:
        """The paired difference from another method's score, or from another metric."""
        samples = first.samples_S, self.samples_S
        most = math.inf if math.isinf(self.most - self.least) else 1.0
        return difference_of(*samples, self.num_videos, self.num_holding, most)


Scores: TypeAlias = Mapping[Key, Score]


def by_part(rows: Mapping[Key, T], kind: Kind) -> dict[str, dict[str, T]]:
    """Rows of a kind by part and metric."""
    found: dict[str, dict[str, T]] = {}
    for (own, part, metric), row in rows.items():
        if own == kind:
            found.setdefault(part, {})[metric] = row
    return found


def over_all(rows: Mapping[Key, T], *kinds: Kind) -> dict[str, T]:
    """Rows over all videos by metric; of AP, AR and tracking unless kinds are given."""
    chosen = kinds or ("overall", "tracking")
    return {metric: row for (kind, _, metric), row in rows.items() if kind in chosen}


def interval_fields(scores: Mapping[str, Score]) -> dict[str, float | None]:
    """Ends of intervals by the names of the scores: `ap_low`, `ap_high`; None without one."""
    return {
        f"{name}_{end}": ends and ends[place]
        for name, score in scores.items()
        for ends in [score.interval]
        for place, end in enumerate(("low", "high"))
    }


def ap_score(
    matches: Matches,
    asked: Asked = DEFAULTS,
    key: Key = ("overall", "", "ap"),
) -> Score:
    """AP over all videos, drawn without the other numbers."""

    def draw() -> dict[str, np.ndarray]:
        return {key[2]: ap_samples(matches, asked.num_resamples, asked.seed)}

    return Score(*key, len(matches.videos), cache(draw))


def printed_scores(evaluation: Evaluation) -> Scores:
    """Scores whose intervals `eval` prints and a record holds."""
    asked, matches = evaluation.asked, evaluation.matches
    found = [ap_score(matches, asked)]
    plain = cache(lambda: _plain(asked, matches, asked.counts(len(matches.videos))))
    found += [Score("overall", "", name, len(matches.videos), plain) for name in asked.plain]
    if evaluation.boundary is not None:
        found.append(ap_score(evaluation.boundary.matches, asked, ("overall", "", "boundary_ap")))
    for name, inside_V in matches.parts.items():
        found.append(ap_score(of_videos(matches, inside_V == 1), asked, ("length", name, "ap")))
    if (tracking := evaluation.tracking) is not None:
        num_videos = len(tracking.videos)
        draw = cache(lambda: _tracking(tracking, asked.counts(num_videos)))
        names = (*OF_TRACKING, *(OF_CLEAR if tracking.clear else ()))
        for name in names:
            ends = _RANGES.get(name, (0.0, 1.0))
            found.append(Score("tracking", "", name, num_videos, draw, None, None, *ends))
    return _by_key([*found, *_group_scores(evaluation)])


def drawn_scores(
    evaluation: Evaluation, advance: Callable[[], object] = lambda: None
) -> tuple[Scores, dict[str, np.ndarray]]:
    """All scores, and `ap`, and `hota` if it was asked for, of each video by itself, (V,).

    AP, AR and tracking metrics over all videos; `ap`, `ap50`, `ap75` and `ar100` of each area
    range, level and category that holds an object.

    Args:
        advance: called after each category.
    """
    asked, matches = evaluation.asked, evaluation.matches.with_objects()
    num_videos, tracking = len(evaluation.videos), evaluation.tracking
    counts_SV = asked.counts(num_videos)
    found = resample(evaluation.matches, counts_SV, advance)
    scores: list[Score] = []

    def add(
        kind: Kind,
        numbers: Mapping[str, np.ndarray],
        part: str = "",
        categories: Sequence[CategoryMatches] | None = None,
        area: int = 0,
    ) -> None:
        sizes: tuple[int | None, int | None] = None, None
        if categories is not None:
            sizes = num_holding(categories, area), num_objects(categories, area)
        for name in numbers:
            ends = _RANGES.get(name, (0.0, 1.0))
            scores.append(Score(kind, part, name, num_videos, lambda: numbers, *sizes, *ends))

    add("overall", {**found.numbers(), **_plain(asked, evaluation.matches, counts_SV)})
    if tracking is not None:
        # With some videos, whose number decides on the last digit of a product's sums.
        some_VV = np.eye(min(num_videos, _TOGETHER), num_videos, dtype=np.int8)
        drawn = _tracking(tracking, np.concatenate([counts_SV, some_VV]))
        add("tracking", {name: own[: len(counts_SV)] for name, own in drawn.items()})
    if evaluation.boundary is not None:
        narrow = resample(evaluation.boundary.matches, counts_SV, num_ranges=1).numbers()
        add("overall", {f"boundary_{name}": narrow[name] for name in OF_BOUNDARY})
    for area, name in enumerate(matches.ranges):
        if area:
            add(range_kind(name), found.numbers(area), name, matches.categories, area)
    by_category = found.by_category()
    for k, category in enumerate(matches.categories):
        numbers = {name: values_BK[:, k] for name, values_BK in by_category.items()}
        add("category", numbers, str(category.id), [category])
    shown = {"ap": ap_by_video(evaluation.matches)}
    if tracking is not None:
        blocks = (tracking.videos[n : n + _TOGETHER] for n in range(0, num_videos, _TOGETHER))
        hotas = [
            _tracking(replace(tracking, videos=own), np.eye(len(own), dtype=int))["hota"]
            for own in blocks
        ]
        shown["hota"] = np.concatenate([np.zeros(0), *hotas])
    return _by_key([*scores, *_group_scores(evaluation)]), shown


def _plain(asked: Asked, matches: Matches, counts_BV: np.ndarray) -> dict[str, np.ndarray]:
    return {name: draw(matches, counts_BV) for name, draw in asked.plain.items()}


def _by_key(scores: Sequence[Score]) -> Scores:
    return {(score.kind, score.part, score.metric): score for score in scores}


def _tracking(tracking: TrackingEvaluation, counts_BV: np.ndarray) -> dict[str, np.ndarray]:
    from vis_bench.metrics.tracking.evaluate import resample_tracking

    return resample_tracking(tracking, counts_BV)


def _group_scores(evaluation: Evaluation) -> Iterator[Score]:
    for name, own in evaluation.per_group.items():
        draw = cache(partial(_draw_group, own, evaluation.asked))
        sizes = own.num_holding, own.num_objects
        for metric in OF_GROUP:
            yield Score("group", name, metric, own.num_videos, draw, *sizes)


def _draw_group(own: GroupMatches, asked: Asked) -> Mapping[str, np.ndarray]:
    if not own.num_objects:
        return dict.fromkeys(OF_GROUP, np.full(1 + asked.num_resamples, np.nan))
    return resample(own.matches, asked.counts(own.num_videos), num_ranges=1).numbers()


def range_kind(name: str) -> Kind:
    """The kind of a range's scores: of an area, or of a level."""
    return "area" if name in AREA_NAMES else "level"


def differences(
    first: Scores, second: Scores, swapped: Mapping[Key, float | None]
) -> dict[Key, Difference]:
    """Second minus first of every score, with Holm's correction over the parts of a kind.

    Args:
        swapped: p-values of `swap_tests`, which parts of the objects have in place of t tests.
    """
    moved = {key: score.minus(first[key]) for key, score in second.items()}
    families: dict[tuple[str, str], list[Key]] = {}
    for key, row in moved.items():
        kind, _, metric = key
        if kind in _SWAPPED:
            moved[key] = replace(row, p_value=None if row.low is None else swapped[key])
        if kind in _FAMILIES and (kind == "group" or row.low is not None):
            families.setdefault((_FAMILIES[kind], metric), []).append(key)
    for keys in families.values():
        moved |= with_holm({key: moved[key] for key in keys})
    return moved


def with_holm(rows: Mapping[Test, Difference]) -> dict[Test, Difference]:
    """The differences with p-values adjusted over all of them."""
    p_values = adjusted({test: row.p_value for test, row in rows.items()})
    return {test: replace(row, adjusted_p_value=p_values[test]) for test, row in rows.items()}


def adjusted(p_values: Mapping[Test, float | None]) -> dict[Test, float | None]:
    """P-values by Holm's correction (Scandinavian Journal of Statistics 6, 1979).

    Those up to 0.05 reject, with 5 % for any false one among all tests. A test without a p-value
    cannot reject and counts among the tests.
    """
    known = sorted(
        ((test, p) for test, p in p_values.items() if p is not None), key=lambda item: item[1]
    )
    found: dict[Test, float | None] = dict.fromkeys(p_values)
    largest = 0.0
    for place, (test, p) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(p_values) - place)))
        found[test] = largest
    return found
