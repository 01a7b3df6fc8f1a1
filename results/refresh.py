"""Maintains the files of `results/`, from a checkout: `python results/refresh.py [STEP ...]`.

Steps: `pack` compresses predictions beside records, `trim` puts matches in place of those that are
not the best of their method, `pages` writes the generated pages, `pictures` the pictures of the
README, `streaming` and `memory` the pages of the records in these folders. Default: pages.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from chart_twins import Chart, text_in
from front_chart import FRONT_LAYOUT, front_panels
from methods import build_method
from returning import Sweep, find_sweeps, returning_page, returning_panels
from vis_bench.cli import main as vis_bench
from vis_bench.data.frames import is_file
from vis_bench.errors import InputError
from vis_bench.files import write_atomically
from vis_bench.measures.memory.table import memory_page
from vis_bench.measures.registry import MEASURES
from vis_bench.measures.streaming.table import streaming_page
from vis_bench.metrics.matches_file import write_matches
from vis_bench.record.metrics import AP, FPS, GFLOPS_PER_FRAME, HOTA, LEVELS, PARTS
from vis_bench.record.names import split_ablations, tie_break
from vis_bench.record.schema import Record
from vis_bench.record.store import (
    RecordStore,
    StoredRecords,
    matches_file,
    pack_predictions,
    read_record,
)
from vis_bench.runs.build import BuildMethod
from vis_bench.runs.sources import chosen_videos, figure_sources
from vis_bench.show.figures.strips import MethodStrip
from vis_bench.show.leaderboard import (
    PairedDifference,
    best_cells,
    choices,
    leaderboard_markdown,
)
from vis_bench.show.measured import measured_page, speed_remarks
from vis_bench.show.paired_ap import PairedAP
from vis_bench.show.papers import FPS as FPS_TABLE
from vis_bench.show.papers import paper_tables, seed_tables, table_page
from vis_bench.show.papers.fps import fits_fps_page
from vis_bench.show.papers.over_seeds import Samples
from vis_bench.show.papers.table import load_table
from vis_bench.show.speed_chart import SPEED_LAYOUT, speed_panels
from vis_bench.table import render
from vis_bench.table.labels import cell_columns
from vis_bench.table.model import Column, Page, Table
from vis_bench.table.number_format import (
    SPREAD_UNKNOWN,
    UNKNOWN_KEY,
    entry_of,
    figure,
    interval_remarks,
    metric_column,
    speed_notes,
)
from vis_bench.table.to_markdown import escape_markdown

# Of the README, and of docs/figures.md, which has their commands.
STRIP_VIDEO = "val_00196"
STRIP_ROWS = (
    "IFC=results/records/clip_lengths/ifc_mini_synthetic_val_Twhole_192_c0ff203072.results.json.gz",
    "SeqFormer=results/records/clip_lengths/"
    "seqformer_mini_synthetic_val_T20S10_192_9f7513ce26.results.json.gz",
)
STRIP = f"vis-bench figure strip {' '.join(STRIP_ROWS)} --video {STRIP_VIDEO}"
PICTURES = (
    f"{STRIP} --output results/overlay.png",
    f"{STRIP} --dark --output results/overlay_dark.png",
    *(
        f"vis-bench figure {name} seqformer_mini_synthetic --video val_00009{dark} "
        f"--output results/{name.replace('-', '_')}{suffix}.png"
        for name in ("sampling-points", "time-weights")
        for dark, suffix in (("", ""), (" --dark", "_dark"))
    ),
)  # fmt: skip

# Each chart has a file for light pages and one for dark pages.
SPEED_CHART, FRONT_CHART, RETURNING_CHART = "ap_against_fps", "front", "returning"
GENERATED = (
    "<!-- Generated from the records by `python results/refresh.py`; edits are overwritten. -->\n"
)
_FRONT_TABLE = re.compile(
    r"(<!-- measured table -->\n).*?(<!-- end of measured table -->)", re.DOTALL
)
_INTRODUCTION = """# Results

What this bench has measured. `records/` has a folder for each experiment, with one JSON per
measured cell that holds everything that defines it: configuration, checksums of weights and
annotations, machine, versions, commit.
"""
_PAPERS_TEXT = """# The papers' tables

What is published, with its source, and beside it what this bench has [measured](README.md).
"""
_BOARD_TEXT = (
    "The best cell of each method and backbone. The others are in the table of "
    "[everything measured](README.md#measured), ablations on\n[a page of their own](ABLATIONS.md). "
    "Rows go by AP; `vis-bench compare` says\nwhether any two of them differ."
)
_ABLATIONS_TEXT = """# Ablations

Trainings that differ in one thing, each with several seeds, since two trainings of one model differ
by more than most changes do. What is compared was written down before the first result. The methods
as they are stand on the [leaderboard](LEADERBOARD.md); `vis-bench table measured --format csv` has
every value of every row.
"""
HARD_TITLE = "AP where it is hard"
_HARD_TEXT = (
    "The best cell of each method and backbone. Lightly, moderately and heavily occluded objects "
    "are those of OVIS:\nwhat counts is the more hidden half of an object's frames. Returning "
    "objects are seen again after frames in which they are not.\nObjects of other levels are "
    "ignored, while predictions that match nothing count at every level."
)
RETURNING_TITLE = "Longer clips where objects return"
_RETURNING_TEXT = (
    "Returning objects are seen again after frames in which they are not; staying objects are all "
    "others.\nCounted by objects, those of the other kind are ignored, while tracks that match "
    "nothing count, fragments of the\nother kind too. Counted by videos, AP is that of the videos "
    "with a returning object and of those without,\nwhich share nothing: the sentences are about "
    "these."
)
# Metrics that some records have beside AP: of short and of long videos, and of levels.
_HARD = (*(metric for metric in PARTS if metric.title.startswith("AP ")), *LEVELS)
_FRONT = (AP, HOTA, FPS, GFLOPS_PER_FRAME)


def pack(folder: Path) -> list[str]:
    """Compresses the predictions beside records; returns a line per file written."""
    written = []
    for path in RecordStore(folder / "records").paths():
        name = read_record(path).predictions
        if name and is_file(path.parent / name):
            written.append(pack_predictions(path))
    return [f"wrote {path}" for path in written if path is not None]


def trim(folder: Path) -> list[str]:
    """Writes the matches of all predictions, and removes predictions whose record is not the best
    of its method; returns a line per file written or removed.
    """
    stored = records_of(folder)
    paired, lines = PairedAP(stored), []
    best = set(map(tie_break, best_cells(stored.records)))
    for record, path in zip(stored.records, stored.paths, strict=True):
        matches, kept = paired.matches(record), matches_file(record, path)
        if matches is None or record.predictions is None:
            continue
        if not is_file(kept):
            write_matches(matches, kept)
            lines.append(f"wrote {kept}")
        predictions = path.parent / record.predictions
        if tie_break(record) not in best and is_file(predictions):
            predictions.unlink()
            lines.append(f"removed {predictions}")
    return lines


def pages(folder: Path) -> list[str]:
    """Writes the pages that follow from the records; returns a line per problem and page."""
    stored = records_of(folder)
    generated = Pages(folder, stored, build_method)
    problems = [f"skipped: {problem}" for problem in (*stored.problems, *generated.problems)]
    return [*problems, *(f"wrote {path}" for path in generated.write())]


def pictures(folder: Path) -> list[str]:
    """Draws the README's pictures by the commands beside them; returns none."""
    for command in PICTURES:
        words = shlex.split(command)[1:]
        output = words.index("--output") + 1
        words[output] = str(folder / Path(words[output]).name)
        if code := vis_bench(words):
            raise InputError(f"exit code {code} of: {command}")
    return []


def strip_aps() -> dict[str, float | None]:
    """The AP of each row of the README's strip on its video; from the checkout's root."""
    sources = figure_sources(STRIP_ROWS)
    [video] = chosen_videos(sources.videos, [STRIP_VIDEO], sources.truth.name, "video")
    return MethodStrip.of(sources, video).aps()


def records_of(folder: Path) -> StoredRecords:
    """The records below the folder, if there are any, and problems with other files."""
    records = folder / "records"
    return RecordStore(records).readable() if records.is_dir() else StoredRecords((), ())


class Pages:
    """The pages and charts of a folder, made from its records.

    A README.md beside the folder gets the table of measured cells between its two markers.
    `problems`: a sentence for each record whose predictions are not those it was measured with.

    Args:
        build: builds methods, for the table that is counted; without it only published values
            stand there.
    """

    def __init__(self, folder: Path, stored: StoredRecords, build: BuildMethod | None = None):
        records, difference = stored.records, PairedAP(stored)
        sweeps = find_sweeps(records, difference.matches)
        shown = split_ablations(records)[0]
        speed = Chart(folder / SPEED_CHART, speed_panels(shown), SPEED_LAYOUT)
        layout = {"columns": len(sweeps) or 1, "size": (8.6 / (len(sweeps) or 1), 2.9)}
        returning = Chart(folder / RETURNING_CHART, returning_panels(sweeps), layout)
        self.charts = [speed, *([returning] if sweeps else [])]
        self.texts = {
            folder / "README.md": _readme(records, sweeps, returning),
            folder / "PAPERS.md": _papers(records, build),
            folder / "LEADERBOARD.md": _board(records, difference, speed),
            folder / "ABLATIONS.md": _ablations(records, difference.samples),
        }
        front = Path(os.path.realpath(folder)).parent / "README.md"
        if front.is_file() and _FRONT_TABLE.search(text := text_in(front)):
            table = front_table(records)
            self.texts[front] = _FRONT_TABLE.sub(lambda m: f"{m[1]}\n{table}\n{m[2]}", text)
            panels = front_panels(shown, difference)
            self.charts.append(Chart(folder / FRONT_CHART, panels, FRONT_LAYOUT))
        self.problems = difference.problems

    def stale(self) -> list[Path]:
        """The files that differ from what the records give, or are missing."""
        pages = [
            path
            for path, text in self.texts.items()
            if not path.is_file() or path.read_bytes() != text.encode()
        ]
        return [*pages, *(path for chart in self.charts for path in chart.stale())]

    def write(self) -> list[Path]:
        """Writes the files that are stale, all made before the first is written; returns them."""
        stale = self.stale()
        contents = {path: text.encode() for path, text in self.texts.items() if path in stale}
        for chart in self.charts:
            if any(path in stale for path in chart.paths):
                contents |= chart.drawn()
        for path, content in contents.items():
            write_atomically(path, content)
        return list(contents)


def _readme(records: Sequence[Record], sweeps: Sequence[Sweep], chart: Chart) -> str:
    measured = render(measured_page(split_ablations(records)[0])) if records else "No record yet.\n"
    hard = hard_objects(records)
    questions = [
        ("Which method is best here?", "Leaderboard", "LEADERBOARD.md"),
        ("What has each cell, at every clip length?", "Measured", "#measured"),
    ]
    parts = ["## Measured\n", measured]
    if hard:
        question = "Who loses most on hidden objects?"
        questions.append((question, HARD_TITLE, f"#{heading_anchor(HARD_TITLE)}"))
        parts.append(f"## {HARD_TITLE}\n\n{_HARD_TEXT}\n\n{render(hard)}")
    if sweeps:
        question = "Do longer clips pay where objects leave and return, and cost elsewhere?"
        questions.append((question, RETURNING_TITLE, f"#{heading_anchor(RETURNING_TITLE)}"))
        picture = chart.markup("AP of returning and of staying objects by clip length")
        parts.append(f"## {RETURNING_TITLE}\n\n{_RETURNING_TEXT}\n\n{picture}")
        parts.append(render(returning_page(sweeps)))
    questions += [
        ("Which differences hold over several trainings?", "Ablations", "ABLATIONS.md"),
        ("What does a method cost?", "Multiply-adds", "flops.md"),
        ("What is on the screen at a camera's rate?", "Streaming AP", "streaming/README.md"),
        ("How long a video fits in memory?", "Memory over length", "memory/README.md"),
        ("What did the papers publish, and what is measured?", "The papers' tables", "PAPERS.md"),
    ]
    return "\n".join([GENERATED, _INTRODUCTION, _list(questions), *parts])


def _papers(records: Sequence[Record], build: BuildMethod | None) -> str:
    papers = {name: table_page(name, records, build) for name in paper_tables()}
    questions = [
        (load_table(name).question, page.title, f"#{heading_anchor(page.title)}")
        for name, page in papers.items()
    ]
    parts = [GENERATED, _PAPERS_TEXT, _list(questions), papers_markdown(papers.values())]
    if fits_fps_page(records):
        parts.append(render(table_page(FPS_TABLE, records)))
    return "\n".join(parts)


def _list(questions: Iterable[tuple[str, str, str]]) -> str:
    """Questions, each with the title and address of its answer."""
    return "".join(f"- {question} [{title}]({link})\n" for question, title, link in questions)


def _board(records: Sequence[Record], difference: PairedDifference, chart: Chart) -> str:
    best = best_cells(records)
    board = leaderboard_markdown(
        best, introduction=_BOARD_TEXT, difference=difference, chosen=choices(records)
    )
    picture = chart.markup("AP against FPS, with intervals")
    return "\n".join([GENERATED, board, f"## AP against FPS\n\n{picture}"])


def _ablations(records: Sequence[Record], samples: Samples) -> str:
    pages = [table_page(name, records, samples=samples) for name in seed_tables()]
    return "\n".join([GENERATED, _ABLATIONS_TEXT, *(render(page) for page in pages if page.tables)])


def front_table(records: Sequence[Record]) -> str:
    """The best cell of each method, in few columns."""
    rows = sorted(best_cells(records), key=lambda row: -(row.ap or 0))
    if not rows:
        return "No record yet.\n"
    chosen = choices(records)
    (method, names), *labels = cell_columns(rows)
    names = [
        replace(name, notes=chosen.get(tie_break(row), ())[:1])
        for name, row in zip(names, rows, strict=True)
    ]
    values = [
        (
            metric_column(metric, rows),
            [
                replace(entry_of(row, metric), notes=speed_notes(row) if metric is FPS else ())
                for row in rows
            ],
        )
        for metric in _FRONT
    ]
    notes = dict(chosen[key] for row in rows if (key := tie_break(row)) in chosen)
    notes |= {UNKNOWN_KEY: SPREAD_UNKNOWN} if any(map(speed_notes, rows)) else {}
    remarks = (*interval_remarks(rows), *speed_remarks(rows))
    table = Table.of_columns([(method, names), *labels, *values])
    return render(Page("", (table,), notes, remarks))


def hard_objects(records: Sequence[Record]) -> Table | None:
    """AP of hidden and of returning objects and of long videos; columns without values are left
    out, and None stands for no rows.
    """
    rows = best_cells([r for r in records if any(m.of(r) is not None for m in _HARD)])
    if not rows:
        return None
    metrics = [AP, *(metric for metric in _HARD if any(metric.of(r) is not None for r in rows))]
    values = [(Column(metric.title), [figure(row, metric) for row in rows]) for metric in metrics]
    return Table.of_columns([*cell_columns(rows), *values])


def papers_markdown(papers: Iterable[Page]) -> str:
    """The papers' tables below each other; one that stands in an earlier page is a link to it."""
    shown: dict[tuple, str] = {}
    texts = []
    for page in papers:
        own = tuple(table for table in page.tables if _content(table) not in shown)
        links = []
        for table in page.tables:
            if title := shown.get(_content(table)):
                data = escape_markdown(table.data or "this table")
                anchor = f"[{escape_markdown(title)}](#{heading_anchor(title)})"
                links.append(f"{data[:1].upper()}{data[1:]}: as under {anchor}.\n")
        if links:
            used = {key for t in own for row in t.rows for entry in row for key in entry.notes}
            notes = {key: text for key, text in page.footnotes.items() if key in used}
            texts.append(render(replace(page, tables=own, footnotes=notes)))
        else:
            texts.append(render(page))
        texts += links
        shown |= {_content(table): page.title for table in own}
    return "\n".join(texts)


def heading_anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _content(table: Table) -> tuple:
    """The table without the keys of its page's footnotes."""
    rows = tuple(tuple(entry.text for entry in row) for row in table.rows)
    return table.data, table.columns, rows


def streaming(folder: Path) -> list[str]:
    """Writes the page and the chart of the records below `streaming`; returns the files."""
    own = folder / "streaming"
    records = list(RecordStore(own))
    chart = measurement_chart(own, records)
    picture = chart.markup("AP over delay and rate")
    text = f"{GENERATED}\n{render(streaming_page(records))}\n{picture}"
    return _write_page(own, text, chart)


def memory(folder: Path) -> list[str]:
    """Writes the page and the chart of the records below `memory`; returns the files."""
    own = folder / "memory"
    records = list(RecordStore(own))
    chart = measurement_chart(own, records)
    return _write_page(own, memory_text(records, chart), chart)


def measurement_chart(folder: Path, records: Sequence[Record]) -> Chart:
    """The chart of the measurement that names a folder."""
    return Chart(folder / folder.name, MEASURES[folder.name].charted(records), {})


def _write_page(folder: Path, text: str, chart: Chart) -> list[str]:
    files = {**chart.drawn(), folder / "README.md": text.encode()}
    for path, content in files.items():
        write_atomically(path, content)
    return [f"wrote {path}" for path in files]


def memory_text(records: Sequence[Record], chart: Chart) -> str:
    """The page of memory over length, with its chart and the commands that measured it."""
    picture = chart.markup("Peak memory over the length of a video, measured and extrapolated")
    runs = {f"`{r.command}` at commit {(r.git_commit or 'unknown')[:10]}" for r in records}
    measured = "".join(f"- {run}\n" for run in sorted(runs))
    table = render(memory_page(records))
    return f"{GENERATED}\n{table}\n{picture}\nMeasured by:\n\n{measured}"


STEPS = {
    "pack": pack, "trim": trim, "pages": pages, "pictures": pictures, "streaming": streaming,
    "memory": memory,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the steps in order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", metavar="STEP", nargs="*", help=f"of {', '.join(STEPS)}")
    parser.add_argument("--folder", type=Path, default=Path("results"))
    options = parser.parse_args(arguments)
    try:
        for step in options.steps or ["pages"]:
            if step not in STEPS:
                raise InputError(f"step is {step!r}; expected some of: {', '.join(STEPS)}")
            lines = STEPS[step](options.folder)
            sys.stdout.write("".join(f"{line}\n" for line in [f"{step}:", *lines]))
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
