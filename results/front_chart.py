"""The README's chart: AP by clip length with intervals, beside published AP against FPS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vis_bench.charts import Panel, Series
from vis_bench.record.metrics import AP
from vis_bench.record.names import method_title
from vis_bench.record.schema import Record
from vis_bench.show.speed_chart import published_panel

WHOLE = "whole"
FRONT_LAYOUT = {"columns": 2, "size": (4.3, 3.7)}


def front_panels(records: Sequence[Record]) -> list[Panel]:
    """Return both panels.

    Args:
        records: the bundled models' on the synthetic videos, a record per method and clip length.
    """
    published = replace(
        published_panel(),
        title="Published AP on YouTube-VIS 2019, not measured here",
        xlabel="FPS as published (hardware differs)",
        xticks=(3.0, 10.0, 30.0, 100.0),
    )
    return [by_clip_length(records), published]


def by_clip_length(records: Sequence[Record]) -> Panel:
    """AP of each method over its clip lengths, with intervals, in points."""
    shown = [r for r in records if r.ap is not None and r.clip_length is not None]
    lengths = sorted({r.clip_length for r in shown if isinstance(r.clip_length, int)})
    places = {length: float(place) for place, length in enumerate([*lengths, WHOLE])}
    methods: dict[str, list[Record]] = {}
    for record in sorted(shown, key=lambda r: places[r.clip_length]):
        methods.setdefault(record.method, []).append(record)
    swept = {method: own for method, own in methods.items() if len(own) > 1}
    series = tuple(
        Series.of(
            _name(own[0]),
            method,
            [places[r.clip_length] for r in own],
            map(AP.scaled, own),
            is_hollow=own[0].reconstruction,
        )
        for method, own in sorted(swept.items())
    )
    videos = max((record.num_videos or 0 for record in records), default=0)
    return Panel(
        _finding(swept),
        "frames in a clip",
        "AP, bars: 95 %",
        series,
        categories=tuple(map(str, places)),
        names="ends",
        remark=f"{videos} synthetic videos, mini models; * reconstruction",
    )


def _finding(methods: dict[str, list[Record]]) -> str:
    """The clip length at which each method has its highest AP."""
    best = {method: max(own, key=lambda r: r.ap or 0.0) for method, own in methods.items()}
    order = sorted(best.values(), key=lambda r: -(r.ap or 0.0))
    words = [f"{_name(record)} {_length(record)}" for record in order]
    return f"Highest AP: {', '.join(words)}" if words else "AP by clip length"


def _length(record: Record) -> str:
    is_whole = record.clip_length == WHOLE
    return "on whole videos" if is_whole else f"on clips of {record.clip_length}"


def _name(record: Record) -> str:
    return method_title(record.method) + ("*" if record.reconstruction else "")
