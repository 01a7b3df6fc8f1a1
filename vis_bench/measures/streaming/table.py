"""Streaming AP and latency: the table `streaming`, and AP over delay and over rate as a picture.

Frame latency runs from a frame's arrival to the first result that holds it. It is not the interval
between results, which a record's `latency_ms_p50` and the table of speed have.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from vis_bench.charts import Panel, Series
from vis_bench.record.names import clip_order, tie_break
from vis_bench.record.schema import Record, StreamFields, StreamPoint
from vis_bench.table.labels import Labels, cell_columns, cell_names, first_videos
from vis_bench.table.model import ABSENT, Column, Entry, Page, Table
from vis_bench.table.number_format import (
    bracketed,
    interval_notes,
    number,
    plain,
    points,
    range_text,
)

StreamRow = tuple[Record, StreamFields]

TITLE = "Streaming AP: what is on the screen when it is needed"
# Clips of which a percentile is established with 99 % confidence: MLPerf Inference's rule, by which
# the chance that none of n is above it, p ** n, is 1 % at most.
ENOUGH_CLIPS = {"p90": 44, "p99": 459}
NOT_ESTABLISHED = "?"
_LAST = 1e99  # sorts an infinite delay behind all others
WHOLE = "whole"
_OF_TITLES = "backbone", "resolution"  # which names in titles leave out
_AP_REMARK = (
    "AP: of what every frame shows at its arrival plus the delay, a frame later at the rate, or "
    "(inf) when all is computed; where its own masks are not there yet, those of the newest frame "
    "that has any are held."
)
_LATENCY_REMARK = (
    "Frame latency: from a frame's arrival to the first result that holds it, in ms: filling the "
    "clip, waiting for the device, computing. It is not the interval between results, which the "
    "table of speed has."
)
_SHOWN = (
    Column("Delay (ms)"),
    Column("AP", has_interval=True, remarks=(_AP_REMARK,)),
    Column("Passes"),
    Column("Served (%)"),
    Column("Age (ms)", weight=3),
)
_LATENCY = (
    Column("Mean", group="Frame latency (ms)", remarks=(_LATENCY_REMARK,)),
    Column("p50", group="Frame latency (ms)", weight=2),
    Column("p90", group="Frame latency (ms)", weight=2),
    Column("p99", group="Frame latency (ms)"),
    Column("Fill", weight=4),
    Column("Queue", weight=4),
    Column("Compute", weight=4),
    Column("First mask", weight=5),
    Column("Frames/s"),
    Column("Keeps up", numeric=False),
    Column("95 % AP at (ms)"),
)


def streamed(records: Sequence[Record]) -> list[Record]:
    """The records with a streaming measurement, by method and clip."""
    found = [record for record in records if record.streaming]
    return sorted(found, key=lambda r: (r.dataset, r.split, r.method, clip_order(r), tie_break(r)))


def streaming_page(records: Sequence[Record]) -> Page:
    """AP by rate and delay, then latency by rate."""
    rows = [(record, stream) for record in streamed(records) for stream in record.streaming]
    shown = sorted(
        rows, key=lambda row: (row[1].rate, row[1].delay_ms is None, row[1].delay_ms or 0.0)
    )
    of_rates = [*{(id(record), stream.rate): (record, stream) for record, stream in rows}.values()]
    in_time = Table.of_columns([*_labels(shown), *_columns(_SHOWN, shown, _shown_row)])
    tables = (
        replace(in_time, parted_by=("Rate", "Delay (ms)")),
        Table.of_columns(
            [*_labels(of_rates), *_columns(_LATENCY, of_rates, _latency_row)], "Frame latency"
        ),
    )
    remarks = interval_notes(r.num_videos for r, stream in rows if stream.ap_low is not None)
    notes = (*remarks, *_pass_remarks([record for record, _ in rows]))
    return Page(TITLE, tables, {}, notes, tuple(_findings(shown)))


def _pass_remarks(records: Sequence[Record]) -> tuple[str, ...]:
    """Footnotes on the passes behind the rows."""
    known = {
        (record.streaming_runs or 1, record.streaming_processes)
        for record in records
        if any(stream.ap_pass_low is not None for stream in record.streaming)
    }
    if not known:
        return ()
    where = {None: "", 1: " in one process"}
    counts = " or ".join(
        f"{runs} passes over the videos" + where.get(processes, f" in {processes} fresh processes")
        for runs, processes in sorted(known, key=str)
    )
    return (
        f"Passes: least and most AP of {counts}. Everything else is of the pass of median length.",
    )


def _in_time(record: Record, best: StreamFields) -> str:
    """AP with its interval, and what it is without a limit to the delay."""
    ends = bracketed(best.ap_low, best.ap_high)
    later = [s.ap for s in record.streaming if s.rate == best.rate and s.delay_ms is None]
    whole = f" of the {points(later[0])} when all is computed" if later else ""
    return f"{points(best.ap)}{ends}{whole}"


def _findings(rows: Sequence[StreamRow]) -> Iterator[str]:
    """The highest AP at the highest rate with the shortest delay, and that of whole videos; none
    where rows are of different videos.
    """
    known = [(r, s) for r, s in rows if s.ap is not None]
    in_time = [(s.rate, -s.delay_ms) for _, s in known if s.delay_ms]
    if not in_time or len({(r.annotations_sha256, r.num_videos) for r, _ in rows}) > 1:
        return
    rate, delay = max(in_time)
    own = [(r, s) for r, s in known if (s.rate, s.delay_ms) == (rate, -delay)]
    record, best = max(own, key=lambda row: (row[1].ap or 0.0, row[0].clip_length != WHOLE))
    alike = [record, *(r for r, _ in own if r.method == record.method)]
    name = cell_names(alike, leave_out=("device", "limited"))[0]
    when = f"At {rate:g} frames/s and a delay of {number(-delay, 0)} ms"
    yield f"{when} {name} has the highest AP: {_in_time(record, best)}."
    late = max((s.ap or 0.0 for r, s in own if r.clip_length == WHOLE), default=None)
    if late is not None and record.clip_length != WHOLE:
        yield f"Clips of whole videos come too late: {points(late)} at most."


def _labels(rows: Sequence[StreamRow]) -> Labels:
    """The device is the one that timed the clips."""
    records = [record for record, _ in rows]
    labels = cell_columns(records, leave_out=("device",))
    for title, form, field in (
        ("Policy", "policy {}", "streaming_policy"),
        ("Device", "clips timed on {}", "streaming_device"),
    ):
        column = Column(title, numeric=False, context=form, joined=", ", names_row=True)
        texts = [plain(getattr(record, field)) for record in records]
        labels.insert(-2, (column, [Entry(text, words=form.format(text)) for text in texts]))
    rate = Column("Rate", remarks=("Rate: frames of the camera per second.",))
    return [*labels, (rate, [Entry(f"{stream.rate:g}") for _, stream in rows])]


def _columns(
    columns: Sequence[Column],
    rows: Sequence[StreamRow],
    entries_of: Callable[[StreamFields], tuple[Entry, ...]],
) -> Labels:
    lines = [entries_of(stream) for _, stream in rows]
    found = [(column, [line[n] for line in lines]) for n, column in enumerate(columns)]
    return [(_explained(column, entries), entries) for column, entries in found]


def _explained(column: Column, entries: Sequence[Entry]) -> Column:
    """The column with a remark where its percentiles are of too few clips."""
    least = ENOUGH_CLIPS.get(column.title)
    if least is None or not any(entry.text.endswith(NOT_ESTABLISHED) for entry in entries):
        return column
    remark = f"{column.title}{NOT_ESTABLISHED}: of fewer than {least} clips; not established."
    return replace(column, remarks=(remark,))


def _shown_row(stream: StreamFields) -> tuple[Entry, ...]:
    low, high = stream.ap_low, stream.ap_high
    ends = None if low is None or high is None else (points(low), points(high))
    passes = points(stream.ap_pass_low), points(stream.ap_pass_high)
    return (
        Entry("inf", order=_LAST) if stream.delay_ms is None else Entry(number(stream.delay_ms, 0)),
        Entry(points(stream.ap), interval=ends),
        Entry(ABSENT if ABSENT in passes else "\u2011".join(passes)),
        Entry(number(stream.share_served, 0, 0.01)),
        Entry(number(stream.age_ms, 0)),
    )


def _latency_row(stream: StreamFields) -> tuple[Entry, ...]:
    latencies = (
        stream.frame_latency_ms_mean,
        stream.frame_latency_ms_p50,
        stream.frame_latency_ms_p90,
        stream.frame_latency_ms_p99,
        stream.fill_ms,
        stream.queue_ms,
        stream.compute_ms,
        stream.first_mask_ms,
    )
    texts = [number(value, 0) for value in latencies]
    for place, name_of in ((2, "p90"), (3, "p99")):
        if (stream.num_clips or 0) < ENOUGH_CLIPS[name_of]:
            texts[place] += NOT_ESTABLISHED
    keeps_up = "-" if stream.keeps_up is None else "yes" if stream.keeps_up else "no"
    more = number(stream.throughput, 1), keeps_up, number(stream.delay_95_ms, 0)
    return tuple(map(Entry, (*texts, *more)))


NamedCurve = tuple[str, Record, Sequence[StreamPoint]]
_NEAR_ZERO = 0.02  # of the highest AP


def streaming_panels(records: Sequence[Record]) -> list[Panel]:
    """AP over delay, a panel for each rate, then AP over rate with a delay of one frame."""
    rows = streamed(records)
    first = first_videos(rows)
    names = cell_names(rows, leave_out=["limited"] if first else [])
    named = list(zip(names, rows, strict=True))
    brief = cell_names(rows, leave_out=(*_OF_TITLES, *(["limited"] if first else [])))
    titled = list(zip(brief, rows, strict=True))
    rates = sorted({stream.rate for record in rows for stream in record.streaming})
    ylabel = f"AP, first {first} videos" if first else "AP"
    shared: dict[str, Any] = {"ylabel": ylabel, "names": "ends"}
    by_rate, ylim, words = _risen([(name, r, r.streaming_by_rate) for name, r in named])
    over_rate = Panel(
        _title_over_rate(titled),
        f"frames/s{words}",
        series=tuple(_series(name, r, curve, _rate) for name, r, curve in by_rate),
        xscale="log",
        xticks=tuple(_spread_out(_rates(rows))),
        **ylim,
        **shared,
    )
    by_delay, ylim, words = _risen([(name, r, r.streaming_by_delay) for name, r in named])
    shared |= {**ylim, "xlabel": f"delay (s){words}"}
    # There, most lines end at 0; they look as in the other panels, which name them.
    over_rate = replace(over_rate, names="none") if rates else over_rate
    return [
        *(_over_delay(by_delay, _title_over_delay(titled, rate), rate, shared) for rate in rates),
        over_rate,
    ]


def _risen(curves: Sequence[NamedCurve]) -> tuple[list[NamedCurve], dict[str, Any], str]:
    """The curves that leave 0, the limits of their axis in points, and words on the others."""
    highest = [max((point.ap or 0.0 for point in curve), default=0.0) for *_, curve in curves]
    top = max(highest, default=0.0)
    kept = [own for own, ap in zip(curves, highest, strict=True) if ap >= _NEAR_ZERO * top]
    words = f", without {len(curves) - len(kept)} near 0" if len(kept) < len(curves) else ""
    return kept, {"ylim": (0.0, 105 * top or 1.0)}, words


def _over_delay(
    named: Sequence[NamedCurve], title: str, rate: float, shared: dict[str, Any]
) -> Panel:
    """AP over delay at one rate; a curve goes on level where more delay changes nothing."""
    series = []
    for name, record, whole in named:
        curve = [point for point in whole if point.rate == rate]
        drawn = _series(
            name, record, curve, lambda p: None if p.delay_ms is None else p.delay_ms / 1000
        )
        series.append(replace(drawn, goes_on=True))
    longest = max((s.x[-1] for s in series if s.x), default=1 / rate)
    ticks = (0.0, *(10.0**n for n in range(-3, 5) if 1 / rate <= 10.0**n <= 1.5 * longest))
    return Panel(
        title,
        series=tuple(series),
        xscale="symlog",
        linear_below=1 / rate,
        xticks=ticks,
        xlim=(0.0, 1.5 * longest),
        **shared,
    )


def _title_over_delay(named: Sequence[tuple[str, Record]], rate: float) -> str:
    """The highest AP after the shortest delay, and when all is computed."""
    subject = f"AP over delay, {rate:g} frames/s"
    rows = [(name, s) for name, r in named for s in r.streaming if s.rate == rate and s.ap]
    delays = sorted({s.delay_ms for _, s in rows if s.delay_ms})
    ends = [(delays[0], f"after {number(delays[0], 0)} ms")] if delays else []
    parts = []
    for delay, when in [*ends, (None, "in the end")]:
        known = [(name, s) for name, s in rows if s.delay_ms == delay]
        if known:
            name, best = max(known, key=lambda row: row[1].ap or 0.0)
            interval = range_text(best.ap_low, best.ap_high)
            parts.append(f"{name} {when}, {points(best.ap)}{f' ({interval})' if interval else ''}")
    return f"{rate:g} frames/s, highest AP: {'; '.join(parts)}" if parts else subject


def _title_over_rate(named: Sequence[tuple[str, Record]]) -> str:
    """The rates at which the one with the highest AP at the lowest rate has it without a break."""
    rates = _rates([record for _, record in named])
    leaders = []
    for rate in rates:
        at = {n: p.ap or 0.0 for n, r in named for p in r.streaming_by_rate if p.rate == rate}
        highest = max(at.values())
        leaders.append({name for name, ap in at.items() if ap == highest > 0})
    first = leaders[0] if leaders else set()
    if len(first) != 1 or len(named) < 2:
        return "AP over rate, with a delay of one frame"
    held = list(itertools.takewhile(lambda own: own == first, leaders))
    ends = dict.fromkeys(f"{rates[n]:g}" for n in (0, len(held) - 1))
    at_rates = f"{' to '.join(ends)} frames/s"
    return f"With a delay of one frame, {first.pop()} has the highest AP at {at_rates}"


def _series(
    name: str,
    record: Record,
    curve: Sequence[StreamPoint],
    place: Callable[[StreamPoint], float | None],
) -> Series:
    """AP in points over the places at which it is known."""
    known = [(x, 100 * p.ap) for p in curve if (x := place(p)) is not None and p.ap is not None]
    return Series(
        name,
        record.method,
        tuple(x for x, _ in known),
        tuple(ap for _, ap in known),
        is_hollow=record.reconstruction,
    )


def _rate(point: StreamPoint) -> float:
    return point.rate


def _rates(records: Sequence[Record]) -> list[float]:
    """Rates with a known AP, ascending."""
    return sorted({p.rate for r in records for p in r.streaming_by_rate if p.ap is not None})


def _spread_out(values: Sequence[float]) -> Iterator[float]:
    """Values that are half as large again as the one before."""
    last = 0.0
    for value in values:
        if value >= 1.5 * last:
            yield value
            last = value
