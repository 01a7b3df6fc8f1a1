"""Cost curves: FPS and multiply-adds over clip length."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from vis_bench.charts import Panel, Series
from vis_bench.record.metrics import FPS, GFLOPS_PER_FRAME, Metric
from vis_bench.record.names import COST_MARKS
from vis_bench.record.schema import Record
from vis_bench.table.labels import CLIP, cell_names

PANELS = (FPS, GFLOPS_PER_FRAME)


@dataclass(frozen=True)
class Curve:
    """One line: a method at one stride, resolution and precision.

    `points` by clip length in frames; a whole video counts with the mean length of its data set.
    """

    label: str
    points: dict[float, Record]

    def values(self, metric: Metric) -> tuple[list[float], list[float]]:
        """Clip lengths at which the metric was measured, and its values."""
        figures = ((x, metric.of(self.points[x])) for x in sorted(self.points))
        known = [(x, y) for x, y in figures if y is not None]
        return [x for x, _ in known], [y for _, y in known]


def has_curves(records: Sequence[Record]) -> bool:
    """True if costs were measured at several clip lengths, strides or resolutions."""
    varied = ("clip_length", "clip_stride", "resolution")
    return any(len({getattr(record, key) for record in _costed(records)}) > 1 for key in varied)


def cost_curves(records: Sequence[Record]) -> list[Curve]:
    """One curve per method, data set, stride, resolution and device, sorted by label.

    Strides join into one curve where every clip length has its own. Labels hold only the parts in
    which curves differ.
    """
    records = _costed(records)
    subjects = cell_names(records, marks=COST_MARKS, leave_out=CLIP)
    facets = list(map(_facets, records, subjects))
    facets = _with_joined_strides(records, facets)
    telling = _telling(facets)
    curves: dict[tuple, Curve] = {}
    for record, facet in zip(records, facets, strict=True):
        label = " ".join(facet[key] for key in telling if facet[key])
        curve = curves.setdefault(tuple(facet.values()), Curve(label, {}))
        curve.points[_frames_per_clip(record)] = record
    return [curves[key] for key in sorted(curves)]


_FACETS = ("subject", "stride", "region")


def _facets(record: Record, subject: str) -> dict[str, str]:
    stride = record.clip_stride
    return {
        "subject": subject,
        "stride": "whole video" if stride is None else f"stride {stride}",
        "region": str(record.timed_region or ""),
    }


def _with_joined_strides(
    records: Sequence[Record], facets: Sequence[dict[str, str]]
) -> list[dict[str, str]]:
    """The facets, without the stride where neither strides nor clip lengths repeat in a curve."""
    lines: dict[tuple, list[tuple[float, str]]] = defaultdict(list)
    for record, facet in zip(records, facets, strict=True):
        lines[_but_stride(facet)].append((_frames_per_clip(record), facet["stride"]))
    joined = {
        line
        for line, points in lines.items()
        if all(len(set(part)) == len(points) for part in zip(*points, strict=True))
    }
    return [{**f, "stride": ""} if _but_stride(f) in joined else f for f in facets]


def _but_stride(facet: dict[str, str]) -> tuple[str, ...]:
    return tuple(value for key, value in facet.items() if key != "stride")


def _telling(facets: Sequence[dict[str, str]]) -> list[str]:
    """Facets in which curves differ, up to the last that is needed to distinguish them."""

    def num_curves(keys: Sequence[str]) -> int:
        return len({tuple(facet[key] for key in keys) for facet in facets})

    telling = [key for key in _FACETS if num_curves([key]) > 1]
    while len(telling) > 1 and num_curves(telling[:-1]) == num_curves(_FACETS):
        telling.pop()
    return telling or list(_FACETS[:1])


def _costed(records: Sequence[Record]) -> list[Record]:
    """Records with a cost and a clip length, which results of other code lack."""
    return [r for r in records if r.clip_length and any(m.of(r) is not None for m in PANELS)]


def _frames_per_clip(record: Record) -> float:
    if isinstance(record.clip_length, int):
        return record.clip_length
    return (record.num_frames or 0) / (record.num_videos or 1)


# Room right of and above the points, as a part of the whole.
_MARGIN = 0.15


def curves_panels(curves: Sequence[Curve]) -> list[Panel]:
    """A panel for each metric that was measured, over clip length."""
    shown = [metric for metric in PANELS if any(c.values(metric)[0] for c in curves)] or PANELS[:1]
    return [_panel(metric, curves) for metric in shown]


def _panel(metric: Metric, curves: Sequence[Curve]) -> Panel:
    values = [curve.values(metric) for curve in curves]
    longest = max((x for lengths, _ in values for x in lengths), default=1.0)
    highest = max((y for _, figures in values for y in figures), default=1.0) or 1.0
    return Panel(
        f"{metric.title} by clip length",
        "clip length (frames)",
        metric.title,
        tuple(
            Series(
                curve.label,
                next(iter(curve.points.values())).method,
                tuple(lengths),
                tuple(figures),
                is_hollow=all(record.reconstruction for record in curve.points.values()),
                labels=tuple(_label(curve.points[x]) for x in lengths),
            )
            for curve, (lengths, figures) in zip(curves, values, strict=True)
        ),
        xlim=(0.0, longest * (1 + _MARGIN)),
        ylim=(0.0, highest * (1 + _MARGIN)),
        remark=metric.long_title,
    )


def _label(record: Record) -> str:
    """Words for a clip beside its place on the axis: the stride, or `whole`."""
    stride = "" if record.clip_stride is None else f"S={record.clip_stride}"
    return "whole" if record.clip_length == "whole" else stride
