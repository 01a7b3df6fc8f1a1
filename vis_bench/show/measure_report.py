"""Outcome of a config measured from Python, as a notebook shows it."""

from __future__ import annotations

from vis_bench.record.metrics import AP, FPS, HOTA
from vis_bench.runs.harness import Outcome
from vis_bench.table import to_notebook
from vis_bench.table.labels import cell_names
from vis_bench.table.model import Column, Table
from vis_bench.table.number_format import entry_of
from vis_bench.text import count

SHOWN, NUM_SHOWN = (AP, HOTA, FPS), 8


class MeasureReport(Outcome):
    """Records in the order of the cells, a sentence for each failure, and the records' folder."""

    def __repr__(self) -> str:
        return f"<{self.finding()}>"

    def _repr_html_(self) -> str:
        """The finding, failures and the first records' main numbers, for a notebook."""
        rows = self.records[:NUM_SHOWN]
        table = Table.of(
            [Column("Cell", numeric=False), *(Column(metric.title) for metric in SHOWN)],
            [
                [name, *(entry_of(row, metric) for metric in SHOWN)]
                for name, row in zip(cell_names(rows), rows, strict=True)
            ],
        )
        return to_notebook.write([self.finding(), *self.failures[:NUM_SHOWN]], table)

    def finding(self) -> str:
        """The number of records, their folder, and the number of failures, as a sentence."""
        failed = f"; {count(len(self.failures), 'failure')}" if self.failures else ""
        return f"{count(len(self.records), 'record')} in {self.folder}{failed}."
