"""The generated pages and charts of `results/`, made from its records."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from board_page import board_text, trainings
from chart_twins import Chart, text_in
from clip_lengths_page import TITLE as CLIP_TITLE
from clip_lengths_page import clip_findings, clip_lengths_text, hard_page
from front_chart import by_clip_length, published
from front_page import front_table
from page_text import GENERATED, bold, fold_of, folded, heading_anchor, section
from papers_page import papers_text
from returning import RETURNING_TITLE, find_sweeps, returning_page, returning_panels
from vis_bench.charts import Panel, Series
from vis_bench.charts.panels import holds_0
from vis_bench.files import write_atomically
from vis_bench.measures.flops.rules import operator_table
from vis_bench.measures.registry import MEASURES
from vis_bench.record.metrics import GFLOPS_PER_FRAME
from vis_bench.record.names import split_ablations
from vis_bench.record.store import StoredRecords
from vis_bench.runs.build import BuildMethod
from vis_bench.show.leaderboard import best_cells, leaderboard_pages
from vis_bench.show.paired_ap import PairedAP
from vis_bench.show.papers import seed_tables, table_page
from vis_bench.show.papers.over_seeds import CONTRAST, question
from vis_bench.show.speed_chart import speed_panels
from vis_bench.table.labels import cell_names
from vis_bench.table.model import Page, Table

_TABLE_OF = r"(<!-- {0} table -->\n).*?(<!-- end of {0} table -->)"
_INTRODUCTION = """# Results

What this bench has measured, question by question. A folder for each experiment has its page, its
pictures and its `records/`: one JSON per measured cell with everything that defines it
(configuration, checksums of weights and annotations, machine, versions, commit).
"""
_ABLATIONS_TEXT = """Trainings that differ in one thing, each with several seeds, over which the
intervals are. What is compared was written down before the first result. The methods as they are
stand on the [leaderboard](LEADERBOARD.md); `vis-bench table measured --format csv` has every value.
"""
_NOTHING = "No record yet.\n"
# Measurements with a page of their own, in a folder of their name, and what is asked of them.
_QUESTIONS = {
    "streaming": "What is on the screen at a camera's rate?",
    "memory": "How long a video fits in memory?",
}
_PICTURES = {
    "streaming": "AP over delay and rate",
    "memory": "Peak memory over the length of a video, measured and extrapolated",
}
# A question, its answer, and title and address of the page that has more.
Answer = tuple[str, str, str, str]


class Pages:
    """The pages and charts of a folder, made from its records.

    A README.md beside the folder gets the table of measured cells between its two markers, and
    docs/cost.md that of operators.

    Args:
        build: builds methods, for the table that is counted; without it only published values
            stand there.

    Attributes:
        texts: the pages by path.
        problems: a sentence for each record whose predictions are not those it was measured with.
    """

    def __init__(self, folder: Path, stored: StoredRecords, build: BuildMethod | None = None):
        self.folder, self._records = folder, stored.records
        self._shown = split_ablations(stored.records)[0]
        self._difference = PairedAP(stored)
        self.texts: dict[Path, str] = {}
        self.charts: list[Chart] = []
        answers = [self._leaderboard(), *self._clip_lengths(), *self._ablations(), self._flops()]
        answers += [found for name in _QUESTIONS for found in self._measurement(name)]
        answers.append(self._papers(build))
        listed = "".join(
            f"- {question} {f'{answer} ' if answer else ''}[{title}]({link})\n"
            for question, answer, title, link in answers
        )
        nothing = [] if self._records else [_NOTHING]
        caution = [f"{text}\n" for text in (trainings(self._records),) if text]
        self._add("README.md", "\n".join([GENERATED, _INTRODUCTION, *caution, *nothing, listed]))
        self._front()
        self.problems = self._difference.problems

    def _add(self, name: str, text: str) -> None:
        self.texts[self.folder / name] = text

    def _chart(self, stem: str, panels: Sequence[Panel], height: float = 3.9) -> Chart:
        chart = Chart(self.folder / stem, panels, height)
        self.charts.append(chart)
        return chart

    def _leaderboard(self) -> Answer:
        panels = speed_panels(self._shown)
        chart = self._chart("clip_lengths/ap_against_fps", panels)
        picture = chart.markup("AP against FPS, with intervals", self.folder)
        self._add("LEADERBOARD.md", board_text(self._records, self._difference, picture))
        pages = leaderboard_pages(best_cells(self._records), self._difference)
        found = [sentence for page in pages for sentence in page.findings]
        return "Which method is best here?", _answer(found[:1]), "Leaderboard", "LEADERBOARD.md"

    def _clip_lengths(self) -> list[Answer]:
        records = [r for r in self._shown if not r.streaming and not r.memory_points]
        if not records:
            return []
        matches_of = self._difference.matches
        hard, sweeps = hard_page(records, matches_of), find_sweeps(records, matches_of)
        pictures = "", ""
        if sweeps:
            own = self.folder / "clip_lengths"
            panel = by_clip_length(records, self._difference)
            lengths = self._chart("clip_lengths/clip_lengths", [panel])
            returning = self._chart("clip_lengths/returning", returning_panels(sweeps), height=2.7)
            words = "AP in videos where an object returns and in the others, by clip length"
            pictures = (
                lengths.markup("AP by clip length, with intervals", own),
                returning.markup(words, own),
            )
        page = "clip_lengths/README.md"
        self._add(page, clip_lengths_text(records, hard, sweeps, pictures))
        found = clip_findings(records)
        answers = [("Which clip length is best?", _answer(found), CLIP_TITLE, page)]
        if hard:
            link = f"{page}#{heading_anchor(hard.title)}"
            question = "Who loses most on hidden objects?"
            answers.append((question, _answer(hard.findings), hard.title, link))
        if sweeps:
            link = f"{page}#{heading_anchor(RETURNING_TITLE)}"
            question = "Do longer clips pay where objects leave and return, and cost elsewhere?"
            found = returning_page(sweeps).findings
            answers.append((question, _answer(found), RETURNING_TITLE, link))
        return answers

    def _ablations(self) -> list[Answer]:
        parts, answers = [GENERATED, "# Ablations\n", _ABLATIONS_TEXT], []
        for name in seed_tables():
            page = table_page(name, self._records, samples=self._difference.samples)
            if not page.tables:
                continue
            contrasts = tuple(t for t in page.tables if t.columns[0].title == CONTRAST)
            pictures = ["", ""]
            if contrasts:
                panel = contrasts_panel(contrasts[0], page.findings[0])
                chart = self._chart(f"{name}/{name}", [panel])
                words = "Differences in AP with their intervals"
                pictures = [
                    chart.markup(words, place) for place in (self.folder / name, self.folder)
                ]
            own = f"{name}/README.md"
            text = section(replace(page, tables=contrasts, footnotes={}), pictures[0], level=1)
            seeds = tuple(table for table in page.tables if table not in contrasts)
            values = section(Page("", seeds, page.footnotes), fold="AP by seed")
            self._add(own, "\n".join([GENERATED, text, values]))
            found = [f"{bold(page.findings)}\n"] if page.findings else []
            link = f"[All differences and seeds]({own})\n"
            parts += [f"## {page.title}\n", *found, pictures[1], link]
            answers.append((question(name), _answer(page.findings), page.title, own))
        self._add("ABLATIONS.md", "\n".join(parts))
        return answers

    def _flops(self) -> Answer:
        rows = [r for r in best_cells(self._records) if GFLOPS_PER_FRAME.of(r)]
        rows.sort(key=lambda r: GFLOPS_PER_FRAME.of(r) or 0.0)
        names = cell_names(rows, leave_out=("device",))
        costs = [GFLOPS_PER_FRAME.text(row.gflops_per_frame or 0.0) for row in rows]
        texts = [f"{name} {cost}" for name, cost in zip(names, costs, strict=True)]
        found = [f"GFLOPs per frame of the best cells: {', '.join(texts)}."] if texts else []
        return "What does a method cost?", _answer(found), "Multiply-adds", "flops/README.md"

    def _measurement(self, name: str) -> list[Answer]:
        records = [r for r in self._records if r.streaming or r.memory_points]
        records = [r for r in records if bool(r.streaming) == (name == "streaming")]
        measure = MEASURES[name]
        panels = measure.charted(records)
        if not panels or measure.page is None:
            return []
        own = self.folder / name
        chart = self._chart(f"{name}/{name}", panels)
        page = measure.page(records)
        text = section(
            page,
            chart.markup(_PICTURES[name], own),
            level=1,
            fold=fold_of(page),
        )
        runs = {f"`{r.command}` at commit {(r.git_commit or 'unknown')[:10]}" for r in records}
        commands = "".join(f"- {run}\n" for run in sorted(runs))
        self._add(
            f"{name}/README.md", "\n".join([GENERATED, text, folded("Measured by", commands)])
        )
        return [(_QUESTIONS[name], _answer(page.findings), page.title, f"{name}/README.md")]

    def _papers(self, build: BuildMethod | None) -> Answer:
        text, found = papers_text(self._records, build)
        self._add("PAPERS.md", text)
        question = "What did the papers publish, and what is measured?"
        return question, _answer([found]), "The papers' tables", "PAPERS.md"

    def _front(self) -> None:
        beside = Path(os.path.realpath(self.folder)).parent
        if self._fill(beside / "README.md", "measured", lambda: front_table(self._records)):
            self._chart("pictures/published", [published()])
        self._fill(beside / "docs" / "cost.md", "operator", operator_table)

    def _fill(self, path: Path, name: str, table: Callable[[], str]) -> bool:
        """Put a table between its markers in a page, if the page has them."""
        place = re.compile(_TABLE_OF.format(name), re.DOTALL)
        if not path.is_file() or not place.search(text := text_in(path)):
            return False
        filled = table()
        self.texts[path] = place.sub(lambda m: f"{m[1]}\n{filled}\n{m[2]}", text)
        return True

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


def _answer(sentences: Sequence[str]) -> str:
    return bold(sentences) if sentences else ""


def contrasts_panel(contrasts: Table, finding: str) -> Panel:
    """The differences of an experiment over seeds, with their intervals, the first one on top."""
    rows = contrasts.rows
    values = [
        (float(entry.text), *(map(float, entry.interval) if entry.interval else (None, None)))
        for _, entry, *_ in rows
    ]
    hollow = tuple(n for n, value in enumerate(values) if holds_0(value))
    series = Series.of(
        "", "", map(float, range(len(rows))), values, kind="points", hollow_at=hollow
    )
    names = tuple(row[0].text for row in rows)
    return Panel(
        finding.rstrip("."),
        "",
        "AP, bars: 95 %; hollow: holds 0",
        (series,),
        categories=names,
        is_sideways=True,
        names="none",
        around_zero=("lower AP", "higher AP"),
    )
