"""The small table on the front page, and the line below it that says what its FPS are of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from vis_bench.records.metrics import AP, AP75, FPS, GFLOPS_PER_FRAME, PARAMS
from vis_bench.records.names import marked_labels
from vis_bench.records.ranking import split_ablations
from vis_bench.records.schema import Record
from vis_bench.show.measured import measured_order
from vis_bench.show.number_format import (
    SPREAD_UNKNOWN,
    UNKNOWN_KEY,
    entry_of,
    interval_remarks,
    metric_column,
    num_timed_videos,
    plain,
    speed_notes,
)
from vis_bench.show.tables import render
from vis_bench.show.tables.model import Column, Entry, Page, Table

_METRICS = (AP, AP75, FPS, GFLOPS_PER_FRAME, PARAMS)
_COLUMNS = (
    *(Column(title, numeric=False) for title in ("Method", "Backbone", "Data")),
    *map(Column, ("Videos", "Clip", "Stride")),
    *map(metric_column, _METRICS),
)


def headline_markdown(records: Sequence[Record]) -> str:
    """Every cell that belongs to no ablation, in few columns."""
    rows = sorted(split_ablations(records)[0], key=measured_order)
    if not rows:
        return "No record yet.\n"
    lines = [_line(label, row) for label, row in zip(marked_labels(rows), rows, strict=True)]
    notes = {UNKNOWN_KEY: SPREAD_UNKNOWN} if any(map(speed_notes, rows)) else {}
    grid = Table(_COLUMNS, tuple(lines))
    remarks = (*interval_remarks(rows), *speed_remarks(rows))
    return render(Page("", (grid,), notes, remarks))


def speed_remarks(records: Iterable[Record]) -> list[str]:
    """A sentence per region and machine: what the FPS of these records are of."""
    groups: dict[tuple, list[Record]] = {}
    for record in records:
        if record.fps is not None:
            machine = record.device, record.num_threads, record.num_cpus
            groups.setdefault((record.timed_region, *machine), []).append(record)
    return [_sentence(group, with_count=len(groups) > 1) for group in groups.values()]


def _line(label: str, record: Record) -> tuple[Entry, ...]:
    texts = [
        label, plain(record.backbone), f"{record.dataset} {record.split}", plain(record.num_videos),
        plain(record.clip_length), plain(record.clip_stride),
    ]  # fmt: skip
    figures = [
        replace(entry_of(record, metric), notes=speed_notes(record) if metric is FPS else ())
        for metric in _METRICS
    ]
    return (*map(Entry, texts), *figures)


def _sentence(records: Sequence[Record], *, with_count: bool) -> str:
    first = records[0]
    threads = None if first.num_threads is None else _count(first.num_threads, "thread")
    parts = [
        f"region {first.timed_region or 'unknown'}",
        _videos(records),
        _spread(records),
        f"{_load(records)} on {first.device or 'an unknown device'}",
        threads,
    ]
    of = f" of {_count(len(records), 'row')}" if with_count else ""
    return f"FPS{of}: {', '.join(part for part in parts if part)}."


def _videos(records: Sequence[Record]) -> str | None:
    """Over how many videos was timed, as far as the configs say it."""
    numbers = {num_timed_videos(record) for record in records}
    known = sorted(number for number in numbers if number is not None)
    if None in numbers or not known:
        return None
    return _range(known, "{:d}") + (" video" if known[-1] == 1 else " videos")


def _spread(records: Sequence[Record]) -> str:
    known = [r.speed_spread for r in records if r.speed_spread is not None]
    return f"spread up to {100 * max(known):.0f} %" if known else "spread unknown"


def _load(records: Sequence[Record]) -> str:
    loads = [record.load_average for record in records if record.load_average is not None]
    processors = records[0].num_cpus
    of = "" if processors is None else f" of {_count(processors, 'CPU')}"
    return f"load {_range(loads, '{:.1f}')}{of}" if loads else "load unknown"


def _range(values: Sequence[float], form: str) -> str:
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
