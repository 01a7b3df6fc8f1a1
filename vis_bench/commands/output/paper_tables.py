"""A paper's table as text; what `table NAME` and `flops --table NAME` both print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vis_bench.commands.arguments import RECORDS
from vis_bench.commands.output.text import json_text

if TYPE_CHECKING:
    from vis_bench.records.schema import Record

ENCODER_TABLE = "ifc-encoder"


def paper_table_text(name: str, folder: Path, *, as_json: bool, form: Any = "markdown") -> str:
    """A paper's table with what the records of a folder measured, in a format or as JSON."""
    from vis_bench.reports.paper_tables import paper_table
    from vis_bench.tables.grid import page_json
    from vis_bench.tables.text import render

    counts = encoder_counts() if name == ENCODER_TABLE else None
    page = paper_table(name, records_in(folder), counts)
    return json_text(page_json(page)) if as_json else render(page, form)


def records_in(folder: Path) -> list[Record]:
    """The records of a folder; the default folder may be missing, where nothing is measured yet."""
    from vis_bench.records.store import RecordStore

    return [] if folder == RECORDS and not folder.exists() else list(RecordStore(folder))


def encoder_counts() -> Any:
    """The multiply-adds of IFC's encoders, counted now; see `count_ifc_encoders`."""
    from methods import build_method
    from vis_bench.progress import Bars
    from vis_bench.reports.paper_tables.encoder_counts import count_ifc_encoders

    with Bars().bar(ENCODER_TABLE, 16) as advance:
        return count_ifc_encoders(build_method, advance)
