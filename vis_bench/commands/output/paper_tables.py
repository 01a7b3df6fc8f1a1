"""Records as commands read them, and a paper's table as text for `table` and `flops --table`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vis_bench.commands.arguments import RECORDS
from vis_bench.commands.output.text import json_text, say

if TYPE_CHECKING:
    from vis_bench.records.schema import Record
    from vis_bench.records.store import StoredRecords

ENCODER_TABLE = "ifc-encoder"


def paper_table_text(
    name: str, records: Sequence[Record], *, as_json: bool, form: Any = "markdown"
) -> str:
    """A paper's table with what the records measured, in a format or as JSON."""
    from vis_bench.show.papers import paper_table
    from vis_bench.show.tables import render
    from vis_bench.show.tables.model import page_json

    counts = encoder_counts() if name == ENCODER_TABLE else None
    page = paper_table(name, records, counts)
    return json_text(page_json(page)) if as_json else render(page, form)


def records_in(folder: Path) -> StoredRecords:
    """The records of a folder; the default folder may be missing, where nothing is measured yet.

    Files that are not records are named on standard error.
    """
    from vis_bench.records.store import RecordStore, StoredRecords

    if folder == RECORDS and not folder.exists():
        return StoredRecords((), ())
    stored = RecordStore(folder).readable()
    report_skipped(stored.problems)
    return stored


def report_skipped(problems: Iterable[str]) -> None:
    """Names on standard error each file that is left out because it is not a record."""
    for problem in problems:
        say(f"skipped: {problem}")


def encoder_counts() -> Any:
    """The multiply-adds of IFC's encoders, counted now; see `count_ifc_encoders`."""
    from methods import build_method
    from vis_bench.progress import Bars
    from vis_bench.show.papers.encoder_counts import count_ifc_encoders

    with Bars().bar(ENCODER_TABLE, 16) as advance:
        return count_ifc_encoders(build_method, advance)
