"""Accuracy: settings, words, metrics that the gate compares, and what it needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from vis_bench.arguments import MAX_TRACKS
from vis_bench.measures.comparison import Comparison, Ends, in_points
from vis_bench.measures.figure import Figure
from vis_bench.measures.measure import Measure
from vis_bench.record.fields import LATER
from vis_bench.record.metrics import ACCURACY, AP, HOTA, TRACKING, TRACKING_TITLES, Metric
from vis_bench.record.schema import NUMBERS, AccuracyFields, MetricFields, Record


class AccuracySettings(BaseModel):
    """Metrics beside AP, AR and tracking: with `boundary`, AP by masks and their boundaries.

    `max_tracks`: the best tracks of a category and video that AP counts, on data of one's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    boundary: Annotated[StrictBool, LATER] = False
    max_tracks: Annotated[StrictInt, LATER, Field(ge=MAX_TRACKS.low, le=MAX_TRACKS.high)] = (
        MAX_TRACKS.low
    )

    def counted(self, measured: Collection[str]) -> int:
        """The best tracks that every AP of a cell counts; the official number without accuracy.

        Args:
            measured: names of the measurements that the cell makes.
        """
        return self.max_tracks if "accuracy" in measured else MAX_TRACKS.low


NAME = "accuracy"
# AP and AR, also of short and long videos, of levels, and by boundaries.
_NO_AP = {"tracking_score_threshold", *TRACKING_TITLES}
_AP_AND_AR = [NUMBERS[field] for field in MetricFields.model_fields if field not in _NO_AP]


def words(record: Record) -> str:
    """AP and HOTA as printed: `AP 81.3  HOTA 68.6`."""
    known = [(m, m.of(record)) for m in (AP, HOTA)]
    return "  ".join(f"{m.title} {m.text(v)}" for m, v in known if v is not None)


def figures(record: Record) -> list[Figure]:
    """AP with its interval."""
    return [Figure(AP, record.ap, record.ap_low, record.ap_high, AP.field, "95 % interval")]


def compare(old: Record, new: Record, points: float) -> Iterator[Comparison]:
    """Compare AP, AR and the tracking metrics, these of one score threshold, in points."""
    thresholds = old.tracking_score_threshold, new.tracking_score_threshold
    tracking: Sequence[Metric] = TRACKING
    if None not in thresholds and thresholds[0] != thresholds[1]:
        before, now = map(str, thresholds)
        change = "tracking metrics cannot be compared"
        fields = tuple(metric.field for metric in TRACKING)
        figure = "tracking_score_threshold"
        yield Comparison(figure, fields, before, now, change, "changed", thresholds)
        tracking = ()
    for metric in (*_AP_AND_AR, *tracking):
        values = metric.of(old), metric.of(new)
        ends = _ends(old, metric), _ends(new, metric)
        yield in_points(metric.field, metric.field, *values, points, new, NAME, ends=ends)
    yield from _compare_groups(old, new, points)


def _ends(record: Record, metric: Metric) -> Ends:
    low, high = metric.ends or ("", "")
    return getattr(record, low, None), getattr(record, high, None)


def _compare_groups(old: Record, new: Record, points: float) -> Iterator[Comparison]:
    for name, before in old.groups.items():
        now = new.groups.get(name, {})
        for metric in ACCURACY:
            values = before.get(metric.field), now.get(metric.field)
            low, high = before.get(f"{metric.field}_low"), now.get(f"{metric.field}_high")
            figure, ends = f"{metric.title} of group {name}", ((low, None), (None, high))
            yield in_points(figure, "groups", *values, points, new, NAME, ends=ends)


MEASURE = Measure(
    NAME,
    runner="vis_bench.measures.accuracy.run",
    fields=AccuracyFields,
    needs=frozenset({"frames", "annotations", "tracks"}),
    compare=compare,
    figures=figures,
    words=words,
    settings=AccuracySettings,
)
