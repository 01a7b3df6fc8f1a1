"""How a table prints a record's figures."""

from __future__ import annotations

from collections.abc import Iterable

from vis_bench.records.metrics import AP, FPS, Metric
from vis_bench.records.schema import Record, RegionFields
from vis_bench.show.tables.model import ABSENT, Column, Entry

# Runs that differ by more than this fraction of their median are marked.
SPREAD_LIMIT = 0.10
# The footnote of an FPS of which nobody knows how far equal runs lie apart.
UNKNOWN_KEY = "?"
SPREAD_UNKNOWN = "spread unknown: timed once, or by other code"
INTERVAL_NOTE = "Behind an AP stands its 95 % interval (bootstrap over videos)."


def figure(record: Record, metric: Metric) -> str:
    """A figure of a record with its unit left to the column; a dash where it was not measured."""
    value = metric.of(record)
    return ABSENT if value is None else metric.text(value)


def entry_of(record: Record, metric: Metric) -> Entry:
    """A figure with what says how sure it is: its interval, or how much runs differ."""
    text = figure(record, metric) + noise(record, metric)
    return Entry(text, interval=metric.interval(record))


def interval_remarks(records: Iterable[Record]) -> tuple[str, ...]:
    """What says below a table what stands behind its AP."""
    return (INTERVAL_NOTE,) if any(AP.interval(record) for record in records) else ()


def metric_column(metric: Metric) -> Column:
    """The column of a metric's figures."""
    return Column(metric.title, has_interval=metric.ends is not None)


def noise(record: Record, metric: Metric) -> str:
    """What stands behind FPS whose runs differ much; nothing behind other figures."""
    if metric is not FPS:
        return ""
    return spread_mark(record) + neighbors_mark(record) + protocol_mark(record)


def speed_notes(record: Record) -> tuple[str, ...]:
    """The footnote that a record's FPS need."""
    return (UNKNOWN_KEY,) if record.fps is not None and record.speed_spread is None else ()


def spread_mark(speed: RegionFields) -> str:
    """How far equal runs lie apart, where that is more than `SPREAD_LIMIT`."""
    spread = speed.speed_spread
    return "" if spread is None or spread <= SPREAD_LIMIT else f" (spread {100 * spread:.0f} %)"


def neighbors_mark(record: Record) -> str:
    """Says where FPS were timed while other workers of the run were on the node."""
    return " (beside other workers)" if record.timed_alone is False else ""


def protocol_mark(record: Record) -> str:
    """Says where FPS were timed as the method's authors timed theirs."""
    return " (paper's protocol)" if record.speed_protocol == "paper" else ""


def plain(value: object) -> str:
    """A value as it is; a dash where there is none."""
    return ABSENT if value is None else str(value)


def has_devices(records: Iterable[Record]) -> bool:
    """Whether records were measured on several devices, so that their tables name them."""
    return len({record.device for record in records if record.device is not None}) > 1


def num_timed_videos(record: Record) -> int | None:
    """Over how many videos speed was timed, as far as the config says it."""
    speed = record.config.get("speed")
    asked = speed.get("videos") if isinstance(speed, dict) else None
    if not isinstance(asked, int):
        return None
    return asked if record.num_videos is None else min(asked, record.num_videos)
