"""Texts and pictures of the demo: the plan, the table, and files to look at."""

from __future__ import annotations

import shlex
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vis_bench.data.results_file import read_results
from vis_bench.data.synthetic import FIRST_VIDEOS
from vis_bench.files import write_atomically
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.progress import Bars
from vis_bench.record.metrics import AP, FPS, GFLOPS_PER_FRAME, HOTA
from vis_bench.record.names import clip_name, file_stem, method_title, short_name
from vis_bench.record.schema import Record
from vis_bench.record.store import RecordStore, predictions_path
from vis_bench.runs.jobs import Job
from vis_bench.runs.sources import Side, Sources
from vis_bench.show.figures.strips import encode_strips, method_strip
from vis_bench.show.measured import measured_order
from vis_bench.show.number_format import entry_of, figure, interval_remarks, metric_column
from vis_bench.show.report.page import ReportPlan, make_report
from vis_bench.show.tables import render
from vis_bench.show.tables.model import Column, Entry, Page, Table
from vis_bench.text import count

# Of a cell and video, on two slow cores.
SECONDS = 1.5
TOUR = "a tour, not a measurement: `vis-bench run clip_lengths` measures all videos"
MASKS, REPORT = "masks.png", "report.html"
FRAMES, REPORT_VIDEOS = 4, 4
PAPER_RUN = "vis-bench run ifc_r50_ytvis2019_heldout --data-root DATA --weights ifc_r50.pth"
_NOTES = {"r": "a reconstruction: its authors never published their code"}


def announcement(jobs: Sequence[Job], folder: Path) -> list[str]:
    """Lines that say what is measured, for about how long, and where the records go."""
    methods = ", ".join(dict.fromkeys(job.cell.method for job in jobs))
    seconds = SECONDS * sum(len(job.videos) for job in jobs)
    return [
        f"{count(len(jobs), 'cell')} of {methods} on {count(len(jobs[0].videos), 'video')}: "
        f"about {max(1, round(seconds / 60))} min on two cores",
        TOUR,
        f"records go to {folder}",
    ]


def table_text(records: Sequence[Record]) -> str:
    """The records as a table within 80 columns."""
    rows = sorted(records, key=measured_order)
    labels = [Column(title, numeric=False) for title in ("Method", "Clip")]
    others = (HOTA, FPS, GFLOPS_PER_FRAME)
    columns = [*labels, *map(metric_column, (AP, *others))]
    lines: list[list[str | Entry]] = [
        [
            Entry(method_title(row.method), notes=("r",) if row.reconstruction else ()),
            clip_name(row), entry_of(row, AP), *(figure(row, metric) for metric in others),
        ]
        for row in rows
    ]  # fmt: skip
    notes = _NOTES if any(row.reconstruction for row in rows) else {}
    text = render(Page("", (Table.of(columns, lines),), notes, interval_remarks(rows)))
    return "\n".join(textwrap.fill(line, 80) for line in text.splitlines()) + "\n"


def show_best(job: Job, records: Sequence[Record], store: RecordStore, bars: Bars) -> str:
    """Draw masks of the best cell of each method, report on the best two, and say what is where.

    Args:
        job: its videos and annotations are those of all records.
    """
    best: dict[str, Record] = {}
    for record in sorted(records, key=lambda record: -(record.ap or 0)):
        if record.ap is not None and record.predictions:
            best.setdefault(record.method, record)
    lines, commands = [f"Records: {store.folder}"], []
    if best and job.ground_truth is not None:
        paths = [store.folder / f"{file_stem(record)}.json" for record in best.values()]
        sides = [
            Side(short_name(record), read_results(predictions_path(record, path)), record)
            for record, path in zip(best.values(), paths, strict=True)
        ]
        sources = Sources(sides, job.ground_truth, job.videos)
        lines.append(f"Masks:   {_draw_masks(sources, store.folder / MASKS)}")
        report = store.folder / REPORT
        two = [shlex.quote(str(path)) for path in paths[:2]]
        command = " ".join(["vis-bench report", *two, f"--output {shlex.quote(str(report))}"])
        plan = ReportPlan(num_videos=REPORT_VIDEOS)
        made = make_report(replace(sources, sides=sides[:2]), plan, bars, command)
        write_atomically(report, made.page)
        lines.append(f"Report:  {report} ({' against '.join(side.name for side in sides[:2])})")
        if len(two) == 2:
            commands.append(" \\\n      ".join(["vis-bench compare", *two]))
    commands += [f"vis-bench demo --full  # {FIRST_VIDEOS} videos, five clip lengths", PAPER_RUN]
    return "\n".join(["", *lines, "", "Next:", *(f"  {command}" for command in commands), ""])


def _draw_masks(sources: Sources, path: Path) -> Path:
    """Draw the video with most objects."""
    objects = Counter(item.video_id for item in sources.truth.objects)
    video = max(sources.videos, key=lambda video: objects[video.id])
    blocks = method_strip(
        video, {side.name: side.results for side in sources.sides}, sources.truth,
        sources.truth.categories, min_score=SCORE_THRESHOLD, labels="first",
    )  # fmt: skip
    write_atomically(path, encode_strips(blocks, FRAMES, None, "png"))
    return path
