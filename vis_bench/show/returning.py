"""Gains of longer clips where objects leave and return, and elsewhere: tables and a chart.

Two ways to tell the one from the other. By objects: AP of returning and of staying objects, others
ignored; tracks that match nothing count in both, fragments of the other kind too. By videos: AP in
videos with a returning object, and in those without, which share nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vis_bench.charts import PALETTE, add_legend, chart_style, encode_figure
from vis_bench.metrics.compare import Difference, difference_of
from vis_bench.metrics.half_samples import ap_samples, interval_of
from vis_bench.metrics.matching import AREA_NAMES, RETURNING, STAYING, Matches
from vis_bench.record.names import split_ablations
from vis_bench.record.schema import Record
from vis_bench.table.labels import CLIP, cell_columns, cell_names, measured_order
from vis_bench.table.model import Column, Entry, Page, Table
from vis_bench.table.number_format import interval_notes, points

KINDS = {RETURNING: "Returning", STAYING: "Staying"}


@dataclass(frozen=True)
class Cell:
    """One clip length of a method; AP of all videos, then of half-samples, is (S,)."""

    record: Record
    matches: Matches

    @cached_property
    def of_objects(self) -> list[np.ndarray]:
        """AP of returning and of staying objects."""
        return [self._samples(level=kind) for kind in KINDS]

    @cached_property
    def of_videos(self) -> list[np.ndarray]:
        """AP in videos with a returning object and in the others."""
        place = len(AREA_NAMES) + list(self.matches.levels).index(RETURNING)
        objects_KV = np.stack([c.num_objects_VA[:, place] for c in self.matches.categories])
        returning_V = objects_KV.sum(0) > 0
        return [self._samples(inside_V=inside_V) for inside_V in (returning_V, ~returning_V)]

    def _samples(self, level: str | None = None, inside_V: np.ndarray | None = None) -> np.ndarray:
        found_S = ap_samples(self.matches, level=level, inside_V=inside_V)
        assert found_S is not None, "matches with levels have videos and categories"
        return found_S


# The samples of a cell, by objects or by videos.
Counted = Callable[[Cell], Sequence[np.ndarray]]
COUNTED: dict[str, Counted] = {
    "objects": lambda cell: cell.of_objects, "videos": lambda cell: cell.of_videos,
}  # fmt: skip


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
        short, long = (COUNTED[counted](self.cells[place]) for place in (0, -1))
        gained = [after_S - before_S for before_S, after_S in zip(short, long, strict=True)]
        none_S = np.zeros_like(gained[0])
        pairs = (none_S, gained[0]), (none_S, gained[1]), (gained[1], gained[0])
        return [difference_of(*pair, self.num_videos) for pair in pairs]


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
    aps = [[_ap_entry(ap_S, s.num_videos) for ap_S in cell.of_objects] for s, cell in cells]
    kinds = [
        (Column(title, has_interval=True), [line[n] for line in aps])
        for n, title in enumerate(KINDS.values())
    ]
    by_clip = Table.of_columns([*cell_columns([cell.record for _, cell in cells]), *kinds])
    headings = [Column("Method", numeric=False), Column("Counted by", numeric=False)]
    headings += [Column(title, has_interval=True) for title in (*KINDS.values(), "Difference")]
    gains: list[list[str | Entry]] = [
        [sweep.name, counted, *map(_gain_entry, sweep.gains(counted))]
        for sweep in sweeps
        for counted in COUNTED
    ]
    ends = dict.fromkeys(f"{_clip(s.cells[0])} to {_clip(s.cells[-1])}" for s in sweeps)
    return Page(
        "",
        (by_clip, Table.of(headings, gains, f"Gain from {' or '.join(ends)}")),
        {},
        (*findings(sweeps), *interval_notes(sweep.num_videos for sweep in sweeps)),
    )


def findings(sweeps: Sequence[Sweep]) -> list[str]:
    """A sentence per gain by videos, about the methods of which the interval tells its sign."""
    subjects = (
        "In videos where an object returns, the gain of the longest clips over the shortest is",
        "In the other videos it is",
        "The first gain minus the second is",
    )
    texts = []
    for place, subject in enumerate(subjects):
        found: dict[str, list[str]] = {"above 0": [], "below 0": [], "no more than noise": []}
        for sweep in sweeps:
            gain = sweep.gains("videos")[place]
            sign = "above 0" if (gain.difference or 0) > 0 else "below 0"
            found[sign if gain.is_noise is False else "no more than noise"].append(sweep.name)
        parts = [f"{what} with {_listed(names)}" for what, names in found.items() if names]
        texts.append(f"{subject} {_listed(parts)}.")
    return texts


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _clip(cell: Cell) -> str:
    length = cell.record.clip_length
    return "whole videos" if length == "whole" else f"clips of {length} frames"


def _ap_entry(ap_S: np.ndarray, num_videos: int) -> Entry:
    ends = interval_of(ap_S, num_videos)
    printed = None if ends is None else (points(ends[0]), points(ends[1]))
    return Entry(points(float(ap_S[0])), interval=printed)


def _gain_entry(gain: Difference) -> Entry:
    known = gain.low is not None and gain.high is not None
    ends = (points(gain.low, signed=True), points(gain.high, signed=True)) if known else None
    return Entry(points(gain.difference, signed=True), interval=ends)


def returning_digest(sweeps: Sequence[Sweep]) -> str:
    """SHA-256 of the data in the chart."""
    content = [[sweep.name, [_drawn(cell) for cell in sweep.cells]] for sweep in sweeps]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _drawn(cell: Cell) -> list[list[float]]:
    """AP in points with the ends of its interval, of returning and of staying objects."""
    values = []
    for ap_S in cell.of_objects:
        ap = float(ap_S[0])
        ends = interval_of(ap_S, len(cell.matches.videos)) or (ap, ap)
        values.append([round(100 * value, 3) for value in (ap, *ends)])
    return values


def returning_chart(sweeps: Sequence[Sweep]) -> bytes:
    """Draw AP of returning and of staying objects by clip length as an SVG, a panel per method."""
    from matplotlib.figure import Figure

    with chart_style({"axes.titlesize": 9, "axes.titlelocation": "left"}):
        figure = Figure(figsize=(8.6, 2.8))
        panels = figure.subplots(1, len(sweeps), sharey=True, squeeze=False)[0]
        for axis, sweep in zip(panels, sweeps, strict=True):
            drawn_CK3 = np.array([_drawn(cell) for cell in sweep.cells])
            places = np.arange(len(drawn_CK3))
            bars = []
            for kind, (color, marker) in enumerate(zip(PALETTE[1::-1], "os", strict=True)):
                ap, low, high = drawn_CK3[:, kind].T
                style = {"color": color, "marker": marker, "elinewidth": 0.7}
                ends = (ap - low, high - ap)
                bars.append(axis.errorbar(places + 0.1 * kind - 0.05, ap, ends, **style))
            axis.set_xticks(places, [str(cell.record.clip_length) for cell in sweep.cells])
            axis.set(title=sweep.name, xlabel="frames in a clip")
        panels[0].set(ylabel="AP (bars: 95 %)", ylim=(0, None))
        names = [f"{title} objects" for title in KINDS.values()]
        add_legend(panels[0], bars, names, loc="lower right")
        figure.tight_layout(w_pad=1.5)
        return encode_figure(figure, "svg", f"data sha256 {returning_digest(sweeps)}")
