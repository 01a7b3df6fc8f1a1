"""Texts and pictures of the demo: the plan, the table, and files to look at."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from vis_bench.data.synthetic import FIRST_VIDEOS
from vis_bench.files import write_atomically
from vis_bench.grouping import grouped
from vis_bench.metrics.scores import Difference
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.progress import Bars
from vis_bench.record.metrics import AP, FPS, GFLOPS_PER_FRAME, HOTA
from vis_bench.record.names import clip_name, file_stem, method_title
from vis_bench.record.schema import Record
from vis_bench.runs.sources import Sources, compared_sources
from vis_bench.show.figures.strips import encode_strips, method_strip, telling_strip
from vis_bench.show.report.page import ReportPlan, make_report
from vis_bench.table.labels import cell_names, measured_order
from vis_bench.table.model import Column, Entry, Page, Table
from vis_bench.table.number_format import (
    entry_of,
    figure,
    interval_remarks,
    metric_column,
    range_text,
)
from vis_bench.text import count

DifferenceInAP = Callable[[Record, Record], Difference | None]
# Of all cells on one video, on two slow cores.
SECONDS = 9
TOUR = "a tour, not a measurement: `vis-bench run clip_lengths` measures all videos"
MASKS, REPORT = "masks.png", "report.html"
FRAMES = 4
PAPER_RUN = "vis-bench run ifc_r50_ytvis2019_heldout --data-root DATA --weights ifc_r50.pth"
_NOTES = {"r": "a reconstruction: its authors never published their code"}


def duration(num_videos: int) -> str:
    """The time that the demo takes for so many videos, in words."""
    minutes = max(1, round(SECONDS * num_videos / 60))
    return f"{count(num_videos, 'video')}: about {minutes} min on two cores"


def finding(records: Sequence[Record], difference: DifferenceInAP) -> str:
    """The gain of whole videos over short clips, how sure it is, and whether methods have a rank.

    Args:
        difference: the second record's AP minus the first's, with its interval; None without one.
    """

    def is_clear(first: Record, second: Record) -> bool:
        row = difference(first, second)
        return row is not None and row.is_noise is False

    pairs = _clip_pairs(records)
    if not pairs:
        return ""
    found = _gain_words([ap_of(whole) - ap_of(short) for short, whole in pairs], pairs[0][0])
    videos = count(pairs[0][0].num_videos or 0, "video")
    clear = sum(itertools.starmap(is_clear, pairs))
    if not clear:
        return f"{found}, within noise ({videos}: too few to rank)."
    *others, best = sorted((whole for _, whole in pairs), key=ap_of)
    ranks = "are too few to rank methods"
    if others and is_clear(others[-1], best):
        ranks = f"put {method_title(best.method)} first"
    return f"{found}, outside noise with {clear} of {len(pairs)} methods; {videos} {ranks}."


def ap_of(record: Record) -> float:
    """The record's AP; 0 where it was not measured."""
    return record.ap or 0.0


def _clip_pairs(records: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Records of each method on short clips and on whole videos."""
    by_method: dict[str, dict[bool, Record]] = {}
    for record in records:
        if record.ap is not None:
            by_method.setdefault(record.method, {})[record.clip_length == "whole"] = record
    return [(clips[False], clips[True]) for clips in by_method.values() if len(clips) == 2]


def _gain_words(gains: Sequence[float], short: Record) -> str:
    clips, low, high = f"clips of {short.clip_length}", min(gains), max(gains)
    if low > 0:
        return f"Whole videos beat {clips} by {range_text(low, high)} AP"
    if high < 0:
        return f"Whole videos are {range_text(-high, -low)} AP behind {clips}"
    return f"Whole videos against {clips}: {range_text(low, high, signed=True)} AP"


def result_page(records: Sequence[Record]) -> Page:
    """The records as a table within 80 columns."""
    rows = sorted(records, key=measured_order)
    labels = [Column(title, numeric=False) for title in ("Method", "Clip")]
    others = (HOTA, FPS, GFLOPS_PER_FRAME)
    columns = [*labels, *(metric_column(metric, rows) for metric in (AP, *others))]
    lines: list[list[str | Entry]] = [
        [
            Entry(method_title(row.method), notes=("r",) if row.reconstruction else ()),
            clip_name(row),
            entry_of(row, AP),
            *(figure(row, metric) for metric in others),
        ]
        for row in rows
    ]
    notes = _NOTES if any(row.reconstruction for row in rows) else {}
    return Page("", (Table.of(columns, lines),), notes, interval_remarks(rows))


def show_best(records: Sequence[Record], folder: Path, bars: Bars) -> str:
    """Draw masks of the best cell of each method, report on the best two, and list the files."""
    best = _best_of_methods(records)
    lines = [f"Records: {folder}"]
    commands = [f"vis-bench demo --full  # {FIRST_VIDEOS} videos, five clip lengths", PAPER_RUN]
    if best:
        paths = [folder / f"{file_stem(record)}.json" for record in best]
        sources = compared_sources(paths)
        named = zip(sources.sides, cell_names(best, marks=()), strict=True)
        sources = replace(sources, sides=[replace(side, name=name) for side, name in named])
        lines.append(f"Masks:   {_draw_masks(sources, folder / MASKS)}")
        two = replace(sources, sides=sources.sides[:2])
        lines.append(f"Report:  {_write_report(two, paths[:2], folder / REPORT, bars)}")
        if len(two.sides) == 2:
            compare = ["vis-bench compare", *(shlex.quote(str(path)) for path in paths[:2])]
            commands.insert(0, " \\\n      ".join(compare))
    return "\n".join([*lines, "", "Next:", *(f"  {command}" for command in commands)])


def _best_of_methods(records: Sequence[Record]) -> list[Record]:
    """The cell of highest AP of each method, among those whose masks can be drawn."""
    shown = [record for record in records if record.ap is not None and record.predictions]
    by_method = grouped(sorted(shown, key=ap_of, reverse=True), lambda record: record.method)
    return [own[0] for own in by_method.values()]


def _write_report(sources: Sources, records: Sequence[Path], path: Path, bars: Bars) -> str:
    """Write the page about one or two records, and name it and them."""
    command = shlex.join(["vis-bench", "report", *map(str, records), "--output", str(path)])
    write_atomically(path, make_report(sources, ReportPlan(), bars, command).page)
    return f"{path} ({' against '.join(side.name for side in sources.sides)})"


def _draw_masks(sources: Sources, path: Path) -> Path:
    """Draw the video with most objects among those that show what the table says."""
    strip = telling_strip(sources, SCORE_THRESHOLD)
    blocks = method_strip(strip, min_score=SCORE_THRESHOLD, labels="first")
    write_atomically(path, encode_strips(blocks, FRAMES, None, "png"))
    return path
