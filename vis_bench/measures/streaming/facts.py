"""Streaming: words, comparison of traces, and what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vis_bench.measures.comparison import (
    Clock,
    Comparison,
    in_points,
    lost,
    one_run,
    other_machine,
    timed,
)
from vis_bench.measures.figure import Figure
from vis_bench.measures.measure import Measure
from vis_bench.measures.speed.facts import SPEED
from vis_bench.measures.streaming.settings import StreamingSettings
from vis_bench.measures.streaming.table import streaming_page, streaming_panels
from vis_bench.record.fields import Role, fields_with
from vis_bench.record.metrics import AP
from vis_bench.record.schema import Record, StreamFields, StreamingFields
from vis_bench.table.number_format import points as points_text

NAME = "streaming"
# Figures that follow from a trace without a clock or a network.
SCHEDULED = fields_with(StreamFields, Role.SCHEDULE)

_CLOCK = Clock("{:,.1f} ms".format, higher_is_better=False, least=SPEED)
_LATENCY = "streaming.frame_latency_ms_mean"


def words(record: Record) -> str:
    """AP of every rate at its finite delays above 0."""
    return "  ".join(
        f"AP {AP.text(s.ap)} at {s.rate:g} frames/s"
        for s in record.streaming
        if s.ap is not None and s.delay_ms
    )


def figures(record: Record) -> list[Figure]:
    """AP of every rate at its finite delays above 0, with its interval."""
    found = []
    for stream in record.streaming:
        if stream.delay_ms:
            field = f"streaming_ap_{stream.rate:g}_{stream.delay_ms:.0f}ms"
            ends = f"{field}_low", f"{field}_high"
            metric = replace(AP, field=field, title=f"AP ({_at(stream)})", ends=ends)
            values = stream.ap, stream.ap_low, stream.ap_high
            found.append(Figure(metric, *values, _ap_figure(stream), "95 % interval"))
    return found


def compare(old: Record, new: Record, points: float) -> Iterator[Comparison]:
    """Figures of one trace exactly, but for AP; of two traces AP and latency within their noise.

    What is on show after an infinite delay does not depend on the clock, if every clip is computed.
    """
    now = {_at(stream): stream for stream in new.streaming}
    same_trace = old.streaming_trace_sha256 == new.streaming_trace_sha256
    other = _other_timing(old, new) if now and not same_trace else None
    if other and old.streaming:
        figures = "streaming AP and latency"
        yield Comparison(figures, ("streaming.ap", _LATENCY), *other, "not compared")
    rates: set[float] = set()
    for before in old.streaming:
        after = now.get(_at(before), StreamFields(rate=before.rate))
        timeless = before.delay_ms is None and old.streaming_policy == "all"
        if same_trace or timeless or not other:
            yield _streaming_ap(before, after, new, points, clocked=not (same_trace or timeless))
        if same_trace:
            yield from _schedule(before, after)
        if not other and before.rate not in rates:  # latency does not depend on the delay
            rates.add(before.rate)
            yield from _frame_latency(before, after, new)


def _other_timing(old: Record, new: Record) -> tuple[str, str, str] | None:
    """Both machines and their difference, if their latencies cannot be compared."""
    if old.streaming_device != new.streaming_device:
        return str(old.streaming_device), str(new.streaming_device), "clips timed elsewhere"
    return other_machine(old, new)


def _at(stream: StreamFields) -> str:
    delay = "inf" if stream.delay_ms is None else f"{stream.delay_ms:.0f} ms"
    return f"{stream.rate:g} frames/s, {delay}"


def _ap_figure(stream: StreamFields) -> str:
    return f"streaming AP ({_at(stream)})"


def _streaming_ap(
    old: StreamFields, new: StreamFields, after: Record, points: float, *, clocked: bool
) -> Comparison:
    """Compare AP; where the clips were timed twice, beyond the passes of both sides."""
    figure, field = _ap_figure(old), "streaming.ap"
    noise = 0.0, 0.0
    if clocked and old.ap is not None and new.ap is not None:
        if old.frame_latency_spread is None and new.frame_latency_spread is None:
            return one_run(figure, (field,), (old.ap, new.ap), points_text)
        (low, high), (new_low, new_high) = _passes(old), _passes(new)
        noise = (old.ap - low) + (new_high - new.ap), (high - old.ap) + (new.ap - new_low)
    ends = (old.ap_low, old.ap_high), (new.ap_low, new.ap_high)
    return in_points(figure, field, old.ap, new.ap, points, after, NAME, noise, ends)


def _passes(stream: StreamFields) -> tuple[float, float]:
    """Range of AP over passes; in records of 0.2.0 over draws of runs, in which AP may not lie."""
    values = (
        stream.ap,
        *(stream.ap_pass_low, stream.ap_pass_high),
        *(stream.ap_draws_low, stream.ap_draws_high),
    )
    known = [value for value in values if value is not None]
    return min(known), max(known)


def _schedule(old: StreamFields, new: StreamFields) -> Iterator[Comparison]:
    for name in SCHEDULED:
        figure, field = f"{name} ({_at(old)})", f"streaming.{name}"
        before, now = getattr(old, name), getattr(new, name)
        values = before, now
        if before == now:
            yield Comparison(figure, (field,), values=values)
        else:
            change = "another schedule of the same trace"
            yield Comparison(figure, (field,), str(before), str(now), change, "changed", values)


def _frame_latency(old: StreamFields, new: StreamFields, after: Record) -> Iterator[Comparison]:
    figure = f"frame latency ({old.rate:g} frames/s)"
    before, now = old.frame_latency_ms_mean, new.frame_latency_ms_mean
    if not before:
        return
    if now is None:
        yield lost(figure, before, _CLOCK.text, after, NAME, (_LATENCY,))
        return
    spreads = old.frame_latency_spread, new.frame_latency_spread
    yield timed(figure, (_LATENCY,), (before, now), _CLOCK, spreads)


MEASURE = Measure(
    NAME,
    runner="vis_bench.measures.streaming.run",
    fields=StreamingFields,
    needs=frozenset({"frames", "annotations", "videos", "one process", "clip times"}),
    page=streaming_page,
    compare=compare,
    figures=figures,
    words=words,
    panels=streaming_panels,
    settings=StreamingSettings,
)
