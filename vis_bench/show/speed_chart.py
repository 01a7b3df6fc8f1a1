"""AP against FPS, beside the leaderboard: one panel per data set and device, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vis_bench.charts import Panel, Series
from vis_bench.grouping import grouped
from vis_bench.record.metrics import AP
from vis_bench.record.names import RECONSTRUCTION, backbone_title, caveats, clip_name, clip_order
from vis_bench.record.schema import Record
from vis_bench.show.leaderboard import IN_TITLE, leaderboard_sections
from vis_bench.show.papers.fps import published_speeds
from vis_bench.table.labels import CLIP, cell_names
from vis_bench.table.number_format import USUAL_REGION, bracketed

PUBLISHED = "YouTube-VIS 2019 val, published, hardware differs"
SPEED_LAYOUT: dict[str, Any] = {"columns": 1, "size": (7.4, 4.2)}
# Fields that a panel's title, a point's label and the end of a curve's name show.
_ELSEWHERE = (*CLIP, *IN_TITLE, "device", "backbone", "resolution")
_EXTREME = 700.0  # logarithms beyond it are not those of a positive float
_NEGLIGIBLE = 0.1  # of the highest AP


def speed_panels(records: Sequence[Record]) -> list[Panel]:
    """Return a panel per data set, split and device, then one of published values.

    Records that are not ranked, and those without AP or FPS, have no point; reconstructions have
    hollow ones. Points of a curve go from short clips to long ones. A
    curve far below the others stands in the remark, so that the others have the room.
    """
    panels = []
    for title, rows in leaderboard_sections(records):
        shown = sorted((r for r in rows if _is_shown(r)), key=clip_order)
        named = cell_names(shown, leave_out=_ELSEWHERE)
        names = dict(zip(map(id, shown), named, strict=True))
        for device, region in sorted(set(map(_timed, shown))):
            own = [r for r in shown if _timed(r) == (device, region)]
            words = [title, device] + ([] if region == USUAL_REGION else [f"region {region}"])
            panels.append(_measured(", ".join(words), own, names))
    return [*panels, published_panel()]


def published_panel() -> Panel:
    """AP against FPS as published, a name at each point."""
    series = []
    for method, rows in grouped(published_speeds(), lambda row: row[0]).items():
        _, variants, speeds, aps = zip(*rows, strict=True)
        labels = tuple(f"{method} {variant}" for variant in variants)
        series.append(Series(method, method, speeds, aps, labels=labels, kind="points"))
    return _panel(PUBLISHED, tuple(series))


def _measured(title: str, records: Sequence[Record], names: Mapping[int, str]) -> Panel:
    """A curve per method and variant; those with negligible AP are named below."""
    least = _NEGLIGIBLE * max(map(_ap, records))
    variants, clips = _variants(records), _clips(records)

    def name_of(record: Record) -> str:
        return ", ".join(filter(None, (names[id(record)], variants[id(record)])))

    series, left_out = [], []
    for name, own in grouped(records, lambda r: (name_of(r), r.method)).items():
        if max(map(_ap, own)) < least:
            left_out.append(f"{name[0]} ({AP.text(_ap(own[-1]))} AP, {own[-1].fps:.0f} FPS)")
            continue
        speeds, labels = [r.fps or 0.0 for r in own], tuple(clips[id(r)] for r in own)
        values, is_hollow = map(AP.scaled, own), own[0].reconstruction
        series.append(Series.of(*name, speeds, values, labels=labels, is_hollow=is_hollow))
    remarks = [title, f"far below, not drawn: {'; '.join(left_out)}" if left_out else ""]
    return _panel(_finding(records, names, clips), tuple(series), "; ".join(filter(None, remarks)))


def _finding(records: Sequence[Record], names: Mapping[int, str], clips: Mapping[int, str]) -> str:
    """The cell with the highest AP, with its interval and FPS."""
    best = max(records, key=_ap)
    name = " ".join(filter(None, (names[id(best)], clips[id(best)])))
    interval = bracketed(best.ap_low, best.ap_high)
    return f"Highest AP: {name}, {AP.text(_ap(best))}{interval} at {best.fps:.0f} FPS"


def _ap(record: Record) -> float:
    return record.ap or 0.0


def _panel(title: str, series: tuple[Series, ...], remark: str = "") -> Panel:
    ends = [end for s in series for end in (*s.y, *s.low, *s.high) if end is not None]
    fps, ap = _limits([x for s in series for x in s.x], ends)
    has_names = title != PUBLISHED
    return Panel(
        title,
        "FPS (log scale)",
        "AP, bars: 95 %" if has_names else "AP",
        series,
        "log",
        xlim=fps,
        ylim=ap,
        names="legend" if has_names else "none",
        remark=remark,
    )


def _is_shown(record: Record) -> bool:
    is_known = record.fps is not None and record.ap is not None
    return is_known and set(caveats(record)) <= {RECONSTRUCTION}


def _timed(record: Record) -> tuple[str, str]:
    """Device and region, which FPS of one panel share."""
    return record.device or "unknown device", record.timed_region or USUAL_REGION


def _variants(records: Sequence[Record]) -> dict[int, str]:
    """The backbone by a record's identity, with the resolution where cells differ in it."""
    return {
        id(record): ", ".join(
            filter(None, (backbone_title(backbone), str(record.resolution) if differ else ""))
        )
        for (_, backbone), own in grouped(records, lambda r: (r.method, r.backbone)).items()
        for differ in [len({other.resolution for other in own}) > 1]
        for record in own
    }


def _clips(records: Sequence[Record]) -> dict[int, str]:
    """The clip length by a record's identity, with the stride where cells of the same method and
    length differ in it.
    """
    alike = grouped(records, lambda r: (r.method, r.backbone, r.clip_length))
    return {
        id(record): clip_name(record) if differ else f"T={length}" if length is not None else ""
        for (_, _, length), own in alike.items()
        for differ in [length is not None and len({other.clip_stride for other in own}) > 1]
        for record in own
    }


def _limits(
    speeds: Sequence[float], aps: Sequence[float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits of FPS and AP with room for labels; at least a factor of 2 and 4 AP."""
    logs = [math.log(fps) for fps in speeds] or [0.0]
    low, high = _widened(min(logs), max(logs), math.log(2))
    ap_low, ap_high = _widened(min(aps, default=50.0), max(aps, default=50.0), 4.0)
    ap_low = max(-0.05 * ap_high, ap_low)  # no AP is below 0, but a marker at 0 is whole
    return (math.exp(max(low, -_EXTREME)), math.exp(min(high, _EXTREME))), (ap_low, ap_high)


def _widened(low: float, high: float, least: float) -> tuple[float, float]:
    """Limits that leave a tenth free on both sides, and span at least `least`."""
    middle, span = (low + high) / 2, max(high - low, least)
    return middle - 0.6 * span, middle + 0.6 * span
