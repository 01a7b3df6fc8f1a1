"""Comparison of several records or results files with the first: the ablation table of a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from vis_bench.metrics.compare import Difference, difference_of
from vis_bench.metrics.half_samples import NUM_RESAMPLES, interval_of
from vis_bench.metrics.holm import SIZE, adjusted
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.progress import Bars
from vis_bench.record.metrics import title_of
from vis_bench.runs.sources import Sources
from vis_bench.show.analyses import analyses
from vis_bench.table import Format, render, to_notebook
from vis_bench.table.model import Column, Entry, Page, Table
from vis_bench.table.number_format import approximate, p_text, points, points_entry, range_text
from vis_bench.table.to_markdown import escape_markdown
from vis_bench.text import count

# Numbers of every row, and those of them whose difference from the first is tested.
SHOWN, TESTED = ("ap", "ap50", "ap75", "ar10", "hota"), ("ap", "hota")
# What narrow tables leave out first.
_WEIGHTS = {"ap50": 5, "ap75": 3, "ar10": 4, "hota": 1}


_AHEAD, _BEHIND, _NO_DIFFERENCE = "Ahead of", "Behind", "No measurable difference from"
_NONE = Difference(None, None, None, None, None, None)


@dataclass(frozen=True)
class Row:
    """Numbers of one side, with their 95 % intervals, and differences from the first side."""

    name: str
    values: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float] | None]
    against_first: Mapping[str, Difference]

    def entries(self, key: str) -> list[Entry]:
        """The cells of one number."""
        cells = [points_entry(self.values[key], self.intervals[key])]
        if key in TESTED:
            moved = self.against_first.get(key, _NONE)
            cells.append(points_entry(moved.difference, moved.interval, signed=True))
            cells.append(Entry(p_text(moved.adjusted_p_value)))
        return cells


@dataclass(frozen=True, repr=False)
class AgainstFirst:
    """The rows, the first of which the others are compared with."""

    rows: Sequence[Row]
    num_videos: int
    num_resamples: int
    tracking_score_threshold: float
    limited_to: int | None = None
    warnings: Sequence[str] = ()

    def __repr__(self) -> str:
        return f"<{self.finding()}>"

    def _repr_html_(self) -> str:
        """The finding and the table, for a notebook."""
        return to_notebook.write([self.finding()], self.page().tables[0])

    def as_text(self, form: Format = "markdown") -> str:
        """The finding and the table in a format; the table alone in LaTeX, CSV and HTML."""
        table = render(self.page(), form)
        return f"{escape_markdown(self.finding())}\n\n{table}" if form == "markdown" else table

    def as_json(self) -> dict[str, Any]:
        """Everything, as fractions in plain types."""
        content = {**asdict(self), "rows": [asdict(row) for row in self.rows]}
        if not self.warnings:
            del content["warnings"]
        return content

    def finding(self) -> str:
        """The rows ahead of the first in AP, behind it, and neither, by Holm's correction."""
        first, *others = self.rows
        groups: dict[str, list[str]] = {_AHEAD: [], _BEHIND: [], _NO_DIFFERENCE: []}
        for row in others:
            moved = row.against_first["ap"]
            p_value, change = moved.adjusted_p_value, moved.difference or 0.0
            is_clear = p_value is not None and p_value <= SIZE
            word = (_AHEAD if change > 0 else _BEHIND) if is_clear else _NO_DIFFERENCE
            ends = range_text(moved.low, moved.high, signed=True)
            parts = points(moved.difference, signed=True), ends and f"95 %: {ends}"
            groups[word].append(f"{row.name} ({', '.join(filter(None, parts))})")
        found = {word: ", ".join(names) for word, names in groups.items() if names}
        return " ".join(f"{word} {first.name} in AP: {names}." for word, names in found.items())

    def page(self) -> Page:
        """The table in points."""
        columns = [Column("Name", numeric=False)]
        for key in SHOWN:
            title, weight = title_of(key), _WEIGHTS.get(key, 0)
            columns.append(Column(title, has_interval=key in TESTED, key=key, weight=weight))
            if key in TESTED:
                gain = Column(f"{title} gain", has_interval=True, key=f"{key}_gain", weight=weight)
                p_value = Column(f"{title} p", key=f"{key}_p", weight=weight and weight + 1)
                columns += [gain, p_value]
        lines = [
            [Entry(row.name), *(cell for key in SHOWN for cell in row.entries(key))]
            for row in self.rows
        ]
        limited = self.limited_to and f" All limited to {count(self.limited_to, 'video')}."
        remarks = (
            f"Gain: minus {self.rows[0].name}, in points. 95 %: interval for the mean of sets of "
            f"as many videos, by {self.num_resamples:,} half-samples (paired for gains)"
            f"{approximate(self.num_videos)}. p: two-sided t test of no gain, Holm's correction "
            "over the rows.",
            f"{count(self.num_videos, 'video')}; HOTA of scores above "
            f"{self.tracking_score_threshold:g}.{limited or ''}",
        )
        return Page("", (Table.of(columns, lines),), {}, remarks)


def compare_with_first(
    sources: Sources,
    bars: Bars,
    *,
    score_threshold: float = SCORE_THRESHOLD,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> AgainstFirst:
    """Analyses all sides on the same half-samples and compares each with the first.

    Args:
        score_threshold: tracks with a higher score take part in the tracking metrics.
    """
    num_videos = len(sources.truth.videos)
    thresholds = [score_threshold] * len(sources.sides)
    warnings: dict[str, None] = {}
    samples = []
    for side in analyses(sources, bars, thresholds, num_resamples=num_resamples, seed=seed):
        samples.append({key: side.overall[key] for key in SHOWN})
        warnings |= dict.fromkeys(side.evaluation.warnings)
    gains = {key: _gains([own[key] for own in samples], num_videos) for key in TESTED}
    rows = [
        Row(
            side.name,
            {key: _value(values_S) for key, values_S in numbers.items()},
            {key: interval_of(values_S, num_videos) for key, values_S in numbers.items()},
            {key: gains[key][place - 1] for key in TESTED} if place else {},
        )
        for place, (side, numbers) in enumerate(zip(sources.sides, samples, strict=True))
    ]
    limited_to = sources.limited_to
    return AgainstFirst(rows, num_videos, num_resamples, score_threshold, limited_to, [*warnings])


def _gains(sides: Sequence[np.ndarray], num_videos: int) -> list[Difference]:
    """Differences of the others from the first side, with Holm's correction over them."""
    moved = [difference_of(sides[0], other_S, num_videos) for other_S in sides[1:]]
    p_values = adjusted(dict(enumerate(row.p_value for row in moved)))
    return [replace(row, adjusted_p_value=p_values[place]) for place, row in enumerate(moved)]


def _value(values_S: np.ndarray) -> float | None:
    return None if np.isnan(values_S[0]) else float(values_S[0])
