"""Streaming: AP by rate and delay, frame latency; of records that have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from vis_bench.measures.streaming.table import ENOUGH_CLIPS, NOT_ESTABLISHED
from vis_bench.record.schema import Record, StreamFields
from vis_bench.show.report.table import LETTERS, measured, words
from vis_bench.table.model import Column, Entry, Table
from vis_bench.table.number_format import points, range_text


def streaming_tables(records: Sequence[Record | None]) -> list[Table]:
    """AP by rate and delay, and latency by rate; none without a streaming measurement."""
    rows = _rows(records)
    if not rows:
        return []
    subject = [Column("", numeric=False, hint="subject")] if len(records) == 2 else []
    shown = Table.of(
        [
            *subject,
            Column("Frames/s"),
            Column("Delay (ms)"),
            Column("AP", hint="with its 95 % interval"),
            Column("Draws", hint="95 % of the combinations of recorded runs"),
            Column("Served (%)", hint="frames that showed anything"),
            Column("Age (ms)", hint="of what was shown"),
        ],
        [_shown(letter, stream, bool(subject)) for letter, _, stream in rows],
        "Streaming AP",
    )
    firsts = rows[:1] + [
        row
        for before, row in pairwise(rows)
        if (before[0], before[2].rate) != (row[0], row[2].rate)
    ]
    latency = Table.of(
        [
            *subject,
            Column("Frames/s"),
            Column("Mean (ms)"),
            Column("p50"),
            Column("p90"),
            Column("p99"),
            Column("Fill", hint="until the clip's last frame is there"),
            Column("Queue", hint="until the device begins"),
            Column("Compute"),
            Column("First mask"),
            Column("Sustains", hint="frames per second"),
            Column("95 % AP at (ms)", hint="delay with 95 % of the AP at an infinite one"),
        ],
        [_latency(letter, stream, bool(subject)) for letter, _, stream in firsts],
        "Frame latency, from arrival to the first result",
    )
    return [shown, latency]


def _rows(records: Sequence[Record | None]) -> list[tuple[str, Record, StreamFields]]:
    return [
        (letter, record, stream)
        for letter, record in zip(LETTERS, records, strict=False)
        if record is not None
        for stream in record.streaming
    ]


def _shown(letter: str, stream: StreamFields, named: bool) -> list[Entry]:
    delay = (
        Entry("inf", order=float("1e99"))
        if stream.delay_ms is None
        else measured(stream.delay_ms, 0)
    )
    return [
        *([words(letter)] if named else []),
        measured(stream.rate, 0),
        delay,
        Entry(points(stream.ap), order=stream.ap, detail=range_text(stream.ap_low, stream.ap_high)),
        Entry(range_text(stream.ap_draws_low, stream.ap_draws_high), order=stream.ap_draws_median),
        measured(stream.share_served, 0, 0.01),
        measured(stream.age_ms, 0),
    ]


def _latency(letter: str, stream: StreamFields, named: bool) -> list[Entry]:
    cells = []
    for name, value in (
        ("mean", stream.frame_latency_ms_mean),
        ("p50", stream.frame_latency_ms_p50),
        ("p90", stream.frame_latency_ms_p90),
        ("p99", stream.frame_latency_ms_p99),
        ("fill", stream.fill_ms),
        ("queue", stream.queue_ms),
        ("compute", stream.compute_ms),
        ("first", stream.first_mask_ms),
    ):
        cell = measured(value, 0)
        few = (stream.num_clips or 0) < ENOUGH_CLIPS.get(name, 0)
        cells.append(replace(cell, text=cell.text + NOT_ESTABLISHED) if few else cell)
    return [
        *([words(letter)] if named else []),
        measured(stream.rate, 0),
        *cells,
        measured(stream.throughput, 1),
        measured(stream.delay_95_ms, 0),
    ]
