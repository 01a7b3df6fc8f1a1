"""Speed: words, comparison within the noise of runs, and what timing needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from vis_bench.measures.comparison import (
    Clock,
    Comparison,
    better_or_worse,
    beyond_factor,
    beyond_noise,
    in_mib,
    lost,
    noisy,
    other_machine,
    timed,
)
from vis_bench.measures.figure import Figure
from vis_bench.measures.measure import Measure
from vis_bench.measures.speed.settings import SpeedSettings
from vis_bench.measures.speed.table import speed_page, stage_panels, timed_regions
from vis_bench.record.metrics import FPS, PEAK_MEMORY, SPREAD
from vis_bench.record.schema import Record, RegionFields, SpeedFields
from vis_bench.table.model import ABSENT

NAME = "speed"
# Fractions by which FPS may fall and memory may grow, if runs agree perfectly; of a spread, which
# comes on top, a busy machine moves memory by a part only.
SPEED, MEMORY, _MEMORY_SPREAD = 0.05, 0.10, 0.05
_CLOCK = Clock("{:,.1f}".format, higher_is_better=True, least=SPEED)
_FPS = ("fps", "regions.fps")
_PEAK = ("peak_memory_bytes", "regions.peak_memory_bytes")
# Of equal code, ranges over 3 processes lie apart by chance in one comparison of ten; over 2, in
# one of three.
ENOUGH_PROCESSES = 3


def words(record: Record) -> str:
    """FPS as printed."""
    return "" if record.fps is None else f"{record.fps:.{0 if record.fps >= 100 else 1}f} FPS"


def figures(record: Record) -> list[Figure]:
    """FPS with its range over processes or the spread of its runs, and peak memory, of the record's
    own region.
    """
    fps, spread, region = record.fps, record.speed_spread, record.timed_region
    bars = "spread of equal runs"
    half = None if spread is None else min(spread / 2, 1.0)
    low, high = (
        (None, None) if fps is None or half is None else (fps - fps * half, fps + fps * half)
    )
    if record.fps_low is not None:
        low, high, bars = record.fps_low, record.fps_high, FPS.ends_title
    return [
        Figure(FPS, fps, low, high, f"FPS ({region})", bars),
        Figure(SPREAD, spread, is_drawn=False),
        Figure(PEAK_MEMORY, record.peak_memory_bytes, compared=f"peak memory ({region})"),
    ]


def compare(old: Record, new: Record, points: float) -> Iterator[Comparison]:
    """Compare FPS and peak memory by region, on one machine."""
    before, now = timed_regions(old), timed_regions(new)
    if now and not before:
        change = "no speed in the baseline"
        yield Comparison(
            "FPS and memory", (*_FPS, *_PEAK), ABSENT, "measured", change, "not compared"
        )
    if not before:
        return
    if now and (other := other_machine(old, new)):
        yield Comparison("FPS and memory", (*_FPS, *_PEAK), *other, "not compared")
        return
    if now and (busy := _busy(old, new)):
        yield Comparison("FPS", _FPS, *busy, "not compared")
    for name, region in before.items():
        yield from _region(name, region, now.get(name, RegionFields()), old, new)


def _region(
    region: str, old: RegionFields, new: RegionFields, before: Record, after: Record
) -> Iterator[Comparison]:
    """The differences of a region, timed for the cells `before` and `after`."""
    spreads = old.speed_spread, new.speed_spread
    figure = f"FPS ({region})"
    if old.fps is not None and new.fps is None:
        yield lost(figure, old.fps, _CLOCK.text, after, NAME, _FPS)
    elif old.fps is not None and new.fps is not None and not _busy(before, after):
        values = old.fps, new.fps
        noise = _noise_of_processes(old, new) if _are_enough(before, after) else None
        if noise is None:
            yield timed(figure, _FPS, values, _CLOCK, spreads)
        else:
            change, verdict = beyond_factor(new.fps / old.fps, noise), _CLOCK.verdict(*values)
            found = noisy(figure, _FPS, values, _CLOCK.text, change, verdict)
            yield replace(found, clock=_CLOCK)
    yield from _peak_memory(region, old, new, after)


def _peak_memory(
    region: str, old: RegionFields, new: RegionFields, after: Record
) -> Iterator[Comparison]:
    figure = f"peak memory ({region})"
    was, now = old.peak_memory_bytes, new.peak_memory_bytes
    if was is not None and now is None:
        yield lost(figure, was, in_mib, after, NAME, _PEAK)
    elif was and now is not None:  # of none at all nothing is a multiple
        spreads = [own for own in (old.speed_spread, new.speed_spread) if own is not None]
        part = [min(spread, _MEMORY_SPREAD) for spread in spreads]
        change = beyond_noise(now / was, MEMORY, part)
        yield noisy(figure, _PEAK, (was, now), in_mib, change, better_or_worse(now < was))


def _are_enough(*cells: Record) -> bool:
    """True if the ranges over the processes of all are their noise."""
    return all((cell.speed_processes or 1) >= ENOUGH_PROCESSES for cell in cells)


def _noise_of_processes(old: RegionFields, new: RegionFields) -> float | None:
    """The factor by which median FPS differ where the ranges over processes touch, and the floor;
    None without ranges.
    """
    slower, faster = sorted((old, new), key=lambda region: region.fps or 0.0)
    if not (slower.fps and slower.fps_high and faster.fps and faster.fps_low):
        return None
    up, down = slower.fps_high / slower.fps, faster.fps / faster.fps_low
    return (1 + SPEED) * max(1.0, up) * max(1.0, down)  # an edited record may have less


def _busy(old: Record, new: Record) -> tuple[str, str, str] | None:
    """Both load averages, if either exceeds the number of CPUs."""
    if any((cell.load_average or 0) > (cell.num_cpus or math.inf) for cell in (old, new)):
        return _load_text(old), _load_text(new), "the machine was busy"
    return None


def _load_text(cell: Record) -> str:
    load = "unknown" if cell.load_average is None else f"{cell.load_average:.1f}"
    return f"load {load} on {cell.num_cpus} CPUs"


MEASURE = Measure(
    NAME,
    runner="vis_bench.measures.speed.run",
    fields=SpeedFields,
    needs=frozenset({"frames", "alone"}),
    page=speed_page,
    panels=stage_panels,
    compare=compare,
    figures=figures,
    words=words,
    settings=SpeedSettings,
    always_digested=True,
)
