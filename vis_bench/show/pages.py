"""The generated files of `results/`: README.md, LEADERBOARD.md, ABLATIONS.md and the
AP-against-FPS picture, and the table in the README beside the folder.

All follow from the records alone; a test fails where they differ from what the records give.
Ablations stand in the table of everything measured, in the papers' tables and on their own page.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vis_bench.errors import InputError
from vis_bench.files import write_atomically
from vis_bench.records.ranking import split_ablations
from vis_bench.records.schema import Record
from vis_bench.records.store import RecordStore, StoredRecords
from vis_bench.runs.load_method import BuildMethod
from vis_bench.show.hard_objects import hard_objects_markdown
from vis_bench.show.headline import headline_markdown
from vis_bench.show.leaderboard import PairedAP, PairedDifference, best_cells, leaderboard_markdown
from vis_bench.show.measured import measured_page
from vis_bench.show.paper_pages import pages_markdown
from vis_bench.show.papers import paper_tables, table_page
from vis_bench.show.papers.fps import fits_fps_page
from vis_bench.show.speed_chart import (
    Panel,
    data_digest,
    digest_of_svg,
    speed_panels,
    speed_picture,
)
from vis_bench.show.tables import render

RECORDS_FOLDER = "records"
PICTURE = "ap_against_fps.svg"
GENERATED = (
    "<!-- Generated from the records by `leaderboard --pages results`; edits are overwritten. -->\n"
)
_TABLE = re.compile(r"(<!-- measured table -->\n).*?(<!-- end of measured table -->)", re.DOTALL)
_INTRODUCTION = """# Results

What this bench has measured, beside what is published. `records/` holds one JSON per measured cell
with everything that defines it: configuration, checksums of weights and annotations, machine,
versions, commit. [LEADERBOARD.md](LEADERBOARD.md) ranks the methods, and
[ABLATIONS.md](ABLATIONS.md) compares methods with changed versions of themselves.
"""
_ORDER_TEXT = "Rows go by AP; `vis-bench compare` says\nwhether any two of them differ."
_BOARD_TEXT = (
    "The best cell of each method and backbone. The others are in the table of "
    "[everything measured](README.md#measured), ablations on\n[a page of their own](ABLATIONS.md). "
    f"{_ORDER_TEXT}"
)
_ABLATIONS_TEXT = (
    "Methods with changed options, or with weights trained to compare a method with itself. The "
    "methods as they are stand on\nthe [leaderboard](LEADERBOARD.md). "
    f"{_ORDER_TEXT}"
)
_PARTS_HEADING = "## Part by part"
_PICTURE_TEXT = f"## AP against FPS\n\n![AP against FPS]({PICTURE})\n"


def records_of(results: Path) -> StoredRecords:
    """The records in `records/` of the folder, if there is one, and the problems with others."""
    folder = results / RECORDS_FOLDER
    return RecordStore(folder).readable() if folder.is_dir() else StoredRecords((), ())


@dataclass(frozen=True)
class Pages:
    """What the records give: the text of every page, and what the picture shows.

    `problems`: a sentence for each record whose predictions are not those it was measured with.
    """

    texts: Mapping[Path, str]
    picture: Path
    panels: Sequence[Panel]
    problems: Sequence[str] = ()

    @classmethod
    def of(cls, results: Path, stored: StoredRecords, build: BuildMethod | None = None) -> Pages:
        """The pages of a folder.

        A README.md beside the folder gets the table of what is measured between its two markers.

        Args:
            results: where they go.
            stored: what they show; ranks are shared by the predictions beside these records.
            build: builds methods, for the table that is counted.
        """
        panels = speed_panels(split_ablations(stored.records)[0])
        difference = PairedAP(stored)
        texts = _texts(results, stored.records, difference, build)
        return cls(texts, results / PICTURE, panels, difference.problems)

    def stale(self) -> list[Path]:
        """The files that differ from what the records give, or are missing."""
        stale = [path for path, text in self.texts.items() if not _holds(path, text)]
        drawn = digest_of_svg(_text_in(self.picture)) if self.picture.is_file() else None
        return stale if drawn == data_digest(self.panels) else [*stale, self.picture]

    def write(self) -> list[Path]:
        """Writes the files that are stale, all made before the first is written; returns them."""
        contents = {path: self._content(path) for path in self.stale()}
        for path, content in contents.items():
            write_atomically(path, content)
        return list(contents)

    def _content(self, path: Path) -> bytes:
        if path == self.picture:
            return speed_picture(self.panels, "svg")
        return self.texts[path].encode()


def _texts(
    results: Path,
    records: Sequence[Record],
    difference: PairedDifference,
    build: BuildMethod | None,
) -> dict[Path, str]:
    texts = {
        results / "README.md": _readme(records, build),
        results / "LEADERBOARD.md": _board(records, difference),
        results / "ABLATIONS.md": _ablations(records, difference),
    }
    front = Path(os.path.realpath(results)).parent / "README.md"
    if front.is_file() and _TABLE.search(text := _text_in(front)):
        table = headline_markdown(records)
        texts[front] = _TABLE.sub(lambda found: f"{found[1]}\n{table}\n{found[2]}", text)
    return texts


def _board(records: Sequence[Record], difference: PairedDifference) -> str:
    board = leaderboard_markdown(
        best_cells(records), introduction=_BOARD_TEXT, difference=difference
    )
    return "\n".join([GENERATED, board, _PICTURE_TEXT])


def _ablations(records: Sequence[Record], difference: PairedDifference) -> str:
    _, ablations = split_ablations(records)
    board = leaderboard_markdown(ablations, "Ablations", _ABLATIONS_TEXT, records, difference)
    parts = table_page("ms-sts-ablation", records)
    table = [f"{_PARTS_HEADING}\n", render(parts)] if parts.tables else []
    return "\n".join([GENERATED, board, *table])


def _readme(records: Sequence[Record], build: BuildMethod | None) -> str:
    measured = render(measured_page(records)) if records else "No record yet.\n"
    hard = hard_objects_markdown(records)
    tables = pages_markdown(table_page(name, records, build) for name in paper_tables())
    parts = [GENERATED, _INTRODUCTION, "## Measured\n", measured, *([hard] if hard else [])]
    parts += ["## The papers' tables\n", tables]
    if fits_fps_page(records):
        parts.append(render(table_page("fps", records)))
    return "\n".join(parts)


def _text_in(path: Path) -> str:
    """The text of a file, its line ends as they are."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text") from None


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()
