"""Cost curves as files beside the records: a CSV and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vis_bench.files import write_atomically
from vis_bench.records.schema import Record
from vis_bench.show.curve_chart import draw_curves
from vis_bench.show.curves import cost_curves, curves_table
from vis_bench.show.tables.to_csv import csv_text

CSV_NAME = "cost_curves.csv"
PICTURE_NAME = "cost_curves.png"


def write_curves(records: Sequence[Record], folder: Path) -> list[Path]:
    """Writes the curves as CSV and as a picture; returns the two paths.

    Raises:
        InputError: where the folder cannot be written to.
    """
    table, picture = folder / CSV_NAME, folder / PICTURE_NAME
    rows = curves_table(records).map(lambda cell: csv_text(cell) if isinstance(cell, str) else cell)
    text = rows.to_csv(index=False, lineterminator="\n")
    write_atomically(table, text.encode())
    write_atomically(picture, draw_curves(cost_curves(records)))
    return [table, picture]
