"""The README's charts: AP by clip length with intervals, and published AP against FPS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vis_bench.charts import Panel, Series
from vis_bench.record.metrics import AP
from vis_bench.record.names import method_title
from vis_bench.record.schema import Record
from vis_bench.show.leaderboard import PairedDifference
from vis_bench.show.speed_chart import published_panel

WHOLE = "whole"


def published() -> Panel:
    """AP against FPS as published, titled for a page of measured values."""
    return replace(
        published_panel(),
        title="YouTube-VIS 2019 as published, not measured here",
        xlabel="FPS as published (hardware differs)",
        xticks=(3.0, 10.0, 30.0, 100.0),
    )


def by_clip_length(records: Sequence[Record], difference: PairedDifference) -> Panel:
    """AP of each method over its clip lengths, with intervals, in points.

    Args:
        records: of the bundled models on the synthetic videos, one per method and clip length.
        difference: of AP of two records, on the same half-samples.
    """
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
        _finding(swept, difference),
        "frames in a clip",
        "AP, bars: 95 %",
        series,
        categories=tuple(map(str, places)),
        names="ends",
        remark=f"{videos} synthetic videos, mini models; *reconstruction. Lengths in the title: no "
        "paired 95 % interval tells them from the best.",
    )


def _finding(methods: dict[str, list[Record]], difference: PairedDifference) -> str:
    """A sentence on the methods of which paired intervals tell that the clip length matters.

    Args:
        methods: the records of each, the shortest clips first.
    """
    gaining, peaking = [], []
    for own in sorted(methods.values(), key=lambda own: -max(r.ap or 0.0 for r in own)):
        best = max(own, key=lambda r: r.ap or 0.0)
        near = [r for r in own if r is best or not _is_below(r, best, difference)]
        if own[0] in near:
            continue  # no length is better than the shortest
        if own[-1] in near:
            gaining.append(_name(own[0]))
        else:
            ends = list(dict.fromkeys((str(near[0].clip_length), str(near[-1].clip_length))))
            peaking.append(f"{_name(own[0])} at {' to '.join(ends)}")
    parts = []
    if gaining:
        verb = "gains" if len(gaining) == 1 else "gain"
        parts.append(f"{', '.join(gaining)} {verb} from longer clips")
    if peaking:
        parts.append(f"highest AP of {', '.join(peaking)}")
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] or "AP by clip length"


def _is_below(record: Record, best: Record, difference: PairedDifference) -> bool:
    found = difference(record, best)
    return found is not None and found.is_noise is False and (found.difference or 0.0) > 0


def _name(record: Record) -> str:
    return method_title(record.method) + ("*" if record.reconstruction else "")
