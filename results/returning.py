"""Gains of longer clips where objects leave and return, and elsewhere: tables and a chart.

Two ways to tell the one from the other. By objects: AP of returning and of staying objects, others
ignored; tracks that match nothing count in both, fragments of the other kind too. By videos: AP in
videos with a returning object, and in those without, which share nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from vis_bench.charts import Panel, Series
from vis_bench.metrics.half_samples import ap_samples
from vis_bench.metrics.matching import RETURNING, STAYING, Matches, num_holding
from vis_bench.metrics.scores import Difference, Score, difference_of
from vis_bench.record.names import split_ablations
from vis_bench.record.schema import Record
from vis_bench.table.labels import CLIP, cell_columns, cell_names, measured_order
from vis_bench.table.model import Column, Entry, Page, Table
from vis_bench.table.number_format import interval_notes, points, points_entry, range_text
from vis_bench.text import listed

RETURNING_TITLE = "Longer clips where objects return"
KINDS = {RETURNING: "Returning", STAYING: "Staying"}
# The two sides of a gain, by what is counted.
SIDES = {
    "objects": tuple(KINDS.values()),
    "videos": ("Where an object returns", "In other videos"),
}


@dataclass(frozen=True)
class Cell:
    """One clip length of a method."""

    record: Record
    matches: Matches

    @cached_property
    def scores(self) -> dict[str, list[Score]]:
        """AP of returning and of staying objects, and in videos with a returning object and in the
        others, by what is counted.
        """
        categories, ranges = self.matches.categories, self.matches.ranges
        places = [ranges.index(kind) for kind in KINDS]
        objects_KV = np.stack([c.num_objects_VA[:, places[0]] for c in categories])
        returning_V = objects_KV.sum(0) > 0
        returning, staying = (num_holding(categories, place) for place in places)
        others = num_holding(categories) - returning
        return {
            "objects": [self._score(returning, RETURNING), self._score(staying, STAYING)],
            "videos": [
                self._score(returning, inside_V=returning_V),
                self._score(others, inside_V=~returning_V),
            ],
        }

    def _score(
        self, holding: int, level: str | None = None, inside_V: np.ndarray | None = None
    ) -> Score:
        draw = cache(lambda: {"ap": ap_samples(self.matches, level=level, inside_V=inside_V)})
        return Score("level", level or "", "ap", len(self.matches.videos), draw, holding)


@dataclass(frozen=True)
class Sweep:
    """The cells of one method by clip length, the shortest first."""

    name: str
    cells: Sequence[Cell]

    @property
    def num_videos(self) -> int:
        """Videos of every cell."""
        return len(self.cells[0].matches.videos)

    def gains(self, counted: str) -> list[Difference]:
        """Gain from the shortest clips to the longest of returning and of staying, and the first
        minus the second.
        """
        short, long = (self.cells[place].scores[counted] for place in (0, -1))
        gained = [b.samples_S - a.samples_S for a, b in zip(short, long, strict=True)]
        none_S = np.zeros_like(gained[0])
        held = [score.num_holding or 0 for score in short]
        pairs = (none_S, gained[0]), (none_S, gained[1]), (gained[1], gained[0])
        return [
            difference_of(*pair, self.num_videos, num_holding)
            for pair, num_holding in zip(pairs, (*held, min(held)), strict=True)
        ]


def find_sweeps(
    records: Sequence[Record], matches_of: Callable[[Record], Matches | None]
) -> list[Sweep]:
    """Methods with cells of several clip lengths on the same videos, whose matches are at hand.

    Args:
        matches_of: as `PairedAP.matches`.
    """
    groups: dict[tuple, list[Cell]] = {}
    for record in sorted(split_ablations(records)[0], key=measured_order, reverse=True):
        matches = None if record.ap_returning is None else matches_of(record)
        if matches is not None and KINDS.keys() <= set(matches.levels):
            kind = record.annotations_sha256, record.num_videos, record.method, record.backbone
            groups.setdefault(kind, []).append(Cell(record, matches))
    swept = [cells for cells in groups.values() if len({c.record.clip_length for c in cells}) > 1]
    swept.sort(key=lambda cells: measured_order(cells[0].record))
    names = cell_names([cells[0].record for cells in swept], leave_out=CLIP)
    return [Sweep(name, cells) for name, cells in zip(names, swept, strict=True)]


def returning_page(sweeps: Sequence[Sweep]) -> Page:
    """AP of both kinds by clip length, gains of the longest clips, and what intervals show."""
    cells = [(sweep, cell) for sweep in sweeps for cell in reversed(sweep.cells)]
    aps = [[_ap_entry(cell, side) for side in range(len(KINDS))] for _, cell in cells]
    kinds = [
        (Column(title, has_interval=True), [line[n] for line in aps])
        for n, title in enumerate(KINDS.values())
    ]
    by_clip = Table.of_columns([*cell_columns([cell.record for _, cell in cells]), *kinds])
    ends = " or ".join(
        dict.fromkeys(f"{_clip(s.cells[0])} to {_clip(s.cells[-1])}" for s in sweeps)
    )
    gains = [
        Table.of(
            [Column("Method", numeric=False), *_headings(counted)],
            [[sweep.name, *map(_gain_text, sweep.gains(counted))] for sweep in sweeps],
            f"AP gained from {ends}, counted by {counted}",
        )
        for counted in SIDES
    ]
    notes = (*training_notes(sweeps), *interval_notes(sweep.num_videos for sweep in sweeps))
    return Page(RETURNING_TITLE, (*gains, by_clip), {}, notes, tuple(findings(sweeps)))


def findings(sweeps: Sequence[Sweep]) -> list[str]:
    """A sentence per gain by videos, about the methods by what the interval tells of its sign."""
    subjects = (
        "In videos where an object returns, the longest clips in place of the shortest",
        "In the other videos they",
    )
    texts = []
    for place, subject in enumerate(subjects):
        found: dict[str, list[str]] = {
            "raise AP": [],
            "lower AP": [],
            "show no measurable change": [],
        }
        for sweep in sweeps:
            gain = sweep.gains("videos")[place]
            verb = "raise AP" if (gain.difference or 0) > 0 else "lower AP"
            named = f"{sweep.name}: {_gain_text(gain)}"
            found[verb if gain.is_noise is False else "show no measurable change"].append(named)
        parts = [f"{verb} ({'; '.join(named)})" for verb, named in found.items() if named]
        texts.append(f"{subject} {listed(parts)}.")
    return texts


def training_notes(sweeps: Sequence[Sweep]) -> list[str]:
    """Names the methods of which one training was measured: no interval is about others."""
    once = [s.name for s in sweeps if len({c.record.weights_sha256 for c in s.cells}) == 1]
    if not once:
        return []
    return [
        f"One training each of {listed(once)}: the intervals are about other videos, not about "
        "other trainings."
    ]


def _clip(cell: Cell) -> str:
    length = cell.record.clip_length
    return "whole videos" if length == "whole" else f"clips of {length} frames"


def _headings(counted: str) -> list[Column]:
    return [Column(f"{title} (95 %)") for title in (*SIDES[counted], "Difference")]


def _ap_entry(cell: Cell, side: int) -> Entry:
    score = cell.scores["objects"][side]
    return points_entry(score.value, score.interval)


def _gain_text(gain: Difference) -> str:
    ends = range_text(gain.low, gain.high, signed=True)
    return points(gain.difference, signed=True) + (f" ({ends})" if ends else "")


def returning_panels(sweeps: Sequence[Sweep]) -> list[Panel]:
    """AP in videos where an object returns and in the others by clip length, a panel per method."""
    panels = [_panel(sweep) for sweep in sweeps]
    ends = [end for panel in panels for s in panel.series for end in s.high if end is not None]
    return [replace(panel, ylim=(0.0, 1.05 * max(ends))) for panel in panels]


def _panel(sweep: Sweep) -> Panel:
    method, places = sweep.cells[0].record.method, range(len(sweep.cells))
    series = [
        Series.of(
            title.lower(),
            method,
            map(float, places),
            [_drawn(cell, side) for cell in sweep.cells],
        )
        for side, title in enumerate(SIDES["videos"])
    ]
    lengths = tuple(str(cell.record.clip_length) for cell in sweep.cells)
    return Panel(
        _title(sweep),
        "frames in a clip",
        "AP of these videos, bars: 95 %",
        tuple(series),
        categories=lengths,
        names="ends",
    )


def _title(sweep: Sweep) -> str:
    """What the longest clips gain over the shortest on both sides."""
    gains = zip(sweep.gains("videos"), SIDES["videos"], strict=False)
    texts = [f"{_gain_text(gain)} {title.lower()}" for gain, title in gains]
    ends = [str(sweep.cells[place].record.clip_length) for place in (0, -1)]
    return f"{sweep.name}, {' to '.join(ends)}: {', '.join(texts)}"


def _drawn(cell: Cell, side: int) -> tuple[float, float, float]:
    """AP in points with the ends of its interval."""
    score = cell.scores["videos"][side]
    ap = score.value or 0.0
    low, high = score.interval or (ap, ap)
    return 100 * ap, 100 * low, 100 * high
