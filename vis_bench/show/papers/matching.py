"""Which record fills a cell of a paper's table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vis_bench.records.metrics import FPS, Metric
from vis_bench.records.names import arithmetic_words
from vis_bench.records.ranking import tie_break
from vis_bench.records.schema import Record
from vis_bench.show.papers.conditions import fits_published
from vis_bench.show.papers.encoder_options import PUBLISHED_ENCODER
from vis_bench.show.papers.names import simplified
from vis_bench.show.papers.spec import PaperTable, Where


def holds(record: Record, where: Where) -> bool:
    """Whether a record meets every condition."""
    return all(_allows(wanted, record_value(record, key)) for key, wanted in where.items())


def record_value(record: Record, key: str) -> Any:
    """A record's field; `options.<name>` looks into its options.

    Records of an earlier version say nothing of options left to their defaults; for those of the
    encoder that is the published one.
    """
    if key == "method":
        return simplified(record.method)
    if not key.startswith("options."):
        return getattr(record, key)
    option = key.removeprefix("options.")
    options = {**record.options, **record.resolved_options}
    default = PUBLISHED_ENCODER.get(key) if not record.resolved_options else None
    return options.get(option, default if record.method == "ifc" else None)


def pick(records: Iterable[Record], metric: Metric, table: PaperTable) -> Record | None:
    """The record whose figure is shown, of those that meet a cell's conditions.

    Trained weights only, where the figure is learned. What the paper's figures can be compared
    with goes before what they cannot, a clean tree before a dirty one, the paper's own split before
    another, for FPS what the authors timed before what this bench times, float32 without TF32 that
    is not compiled before other arithmetic, the smaller clip stride, more videos, the later
    measurement.
    """
    fit = [record for record in records if metric.of(record) is not None]
    if metric.learned:
        fit = [record for record in fit if record.weights_source != "random"]
    return max(fit, key=lambda record: _preference(record, metric, table), default=None)


def _preference(record: Record, metric: Metric, table: PaperTable) -> tuple:
    return (
        fits_published(record, table),
        not record.git_dirty,
        record.split == table.split,
        metric is FPS and record.speed_protocol == "paper",
        not arithmetic_words(record),
        -(record.clip_stride or 0),
        record.num_videos or 0,
        record.created_at or "",
        tie_break(record),
    )


def _allows(wanted: object, value: object) -> bool:
    return value in wanted if isinstance(wanted, tuple) else value == wanted
