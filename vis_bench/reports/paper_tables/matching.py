"""Which record fills a cell of a paper's table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vis_bench.records.order import tie_break
from vis_bench.records.record import Record
from vis_bench.reports.paper_tables.names import simplified
from vis_bench.reports.paper_tables.spec import Kind, Where

# What an option means that a record does not name.
OPTION_DEFAULTS = {
    "ifc": {"communication": "ifc", "memory_tokens": 8, "memory": "decomposed"},
}


def holds(record: Record, where: Where) -> bool:
    """Whether a record meets every condition."""
    return all(_allows(wanted, record_value(record, key)) for key, wanted in where.items())


def record_value(record: Record, key: str) -> Any:
    """A record's field; `options.<name>` looks into its options, with the method's defaults."""
    if key == "method":
        return simplified(record["method"])
    if not key.startswith("options."):
        return record.get(key)
    option = key.removeprefix("options.")
    defaults = OPTION_DEFAULTS.get(record["method"], {})
    return (record["options"] or {}).get(option, defaults.get(option))


def pick(records: Iterable[Record], kind: Kind, split: str) -> Record | None:
    """The record whose figure of this kind is shown, of those that meet a cell's conditions.

    Trained weights only, where the figure is learned. A clean tree goes before a dirty one, the
    paper's own split before another, the smaller clip stride, more videos, the later measurement.
    """
    fit = [record for record in records if record.get(kind.field) is not None]
    if kind.learned:
        fit = [record for record in fit if record["weights_source"] != "random"]
    return max(fit, key=lambda record: _preference(record, split), default=None)


def _preference(record: Record, split: str) -> tuple:
    return (
        not record["git_dirty"],
        record["split"] == split,
        -(record["clip_stride"] or 0),
        record["num_videos"] or 0,
        record["created_at"] or "",
        tie_break(record),
    )


def _allows(wanted: object, value: object) -> bool:
    return value in wanted if isinstance(wanted, tuple) else value == wanted
