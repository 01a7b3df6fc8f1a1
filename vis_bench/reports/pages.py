"""The generated files of `results/`: README.md, LEADERBOARD.md and the AP-against-FPS picture,
and the table in the README beside the folder.

The latter and the picture leave out what has a `training` label, such as ablations. All follow from
the records alone; a test fails where they differ from what the records give.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vis_bench.atomic_write import write_atomically
from vis_bench.records.schema import Record
from vis_bench.records.store import RecordStore
from vis_bench.reports.charts import Panel, data_digest, digest_of_svg, speed_panels, speed_svg
from vis_bench.reports.leaderboard import leaderboard_markdown
from vis_bench.reports.measured import measured_table
from vis_bench.reports.paper_tables import PAPER_TABLES, paper_table
from vis_bench.reports.paper_tables.encoder_flops import EncoderCounts
from vis_bench.tables.text import render

RECORDS_FOLDER = "records"
PICTURE = "ap_against_fps.svg"
GENERATED = (
    "<!-- Generated from the records by `leaderboard --pages results`; edits are overwritten. -->\n"
)
_TABLE = re.compile(r"(<!-- measured table -->\n).*?(<!-- end of measured table -->)", re.DOTALL)
_INTRODUCTION = """# Results

What this bench has measured, beside what is published. `records/` holds one JSON per measured cell
with everything that defines it: configuration, checksums of weights and annotations, machine,
versions, commit. [LEADERBOARD.md](LEADERBOARD.md) ranks the methods.
"""
_PICTURE_TEXT = f"## AP against FPS\n\n![AP against FPS]({PICTURE})\n"


def write_pages(results: Path, counts: EncoderCounts | None = None) -> list[Path]:
    """Writes the pages and the picture; returns those that changed.

    A README.md beside the folder gets the table of what is measured between its two markers.

    Args:
        results: the folder with `records/`.
        counts: the multiply-adds of IFC's encoders, for that table.
    """
    pages = _Pages.of(results, counts)
    stale = pages.stale()
    for path in stale:
        text = speed_svg(pages.panels) if path == pages.picture else pages.texts[path]
        write_atomically(path, text.encode())
    return stale


def stale_pages(results: Path, counts: EncoderCounts | None = None) -> list[Path]:
    """The files that differ from what the records give, or are missing."""
    return _Pages.of(results, counts).stale()


@dataclass(frozen=True)
class _Pages:
    """What the records give: the text of every page, and what the picture shows."""

    texts: dict[Path, str]
    picture: Path
    panels: list[Panel]

    @classmethod
    def of(cls, results: Path, counts: EncoderCounts | None) -> _Pages:
        records = _records(results)
        panels = speed_panels(_unlabeled(records))
        return cls(_texts(results, records, counts), results / PICTURE, panels)

    def stale(self) -> list[Path]:
        stale = [path for path, text in self.texts.items() if not _holds(path, text)]
        picture = self.picture
        drawn = digest_of_svg(picture.read_text(encoding="utf-8")) if picture.is_file() else None
        return stale if drawn == data_digest(self.panels) else [*stale, picture]


def _texts(
    results: Path, records: Sequence[Record], counts: EncoderCounts | None
) -> dict[Path, str]:
    board = f"{GENERATED}\n{leaderboard_markdown(records)}\n{_PICTURE_TEXT}"
    texts = {
        results / "README.md": _readme(records, counts),
        results / "LEADERBOARD.md": board,
    }
    front = results.resolve().parent / "README.md"
    if front.is_file() and _TABLE.search(text := front.read_text(encoding="utf-8")):
        texts[front] = _TABLE.sub(
            lambda found: f"{found[1]}\n{_measured(_unlabeled(records))}\n{found[2]}", text
        )
    return texts


def _unlabeled(records: Sequence[Record]) -> list[Record]:
    """Without the records that say how their weights were trained: an ablation's, for its table."""
    return [record for record in records if record.training is None]


def _measured(records: Sequence[Record]) -> str:
    return render(measured_table(records)) if records else "No record yet.\n"


def _readme(records: Sequence[Record], counts: EncoderCounts | None) -> str:
    pages = [render(paper_table(name, records, counts)) for name in PAPER_TABLES]
    measured = ["## Measured\n", _measured(records)]
    return "\n".join([GENERATED, _INTRODUCTION, *measured, "## The papers' tables\n", *pages])


def _records(results: Path) -> list[Record]:
    folder = results / RECORDS_FOLDER
    return list(RecordStore(folder)) if folder.is_dir() else []


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
