"""Measures every cell of a config into a folder of records; the command and Python call this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vis_bench.arguments import LIMITED_RECORDS, RECORDS
from vis_bench.progress import Bars
from vis_bench.record.metrics import AP, FPS, HOTA
from vis_bench.record.store import RecordStore
from vis_bench.runs.build import BuildMethod
from vis_bench.runs.harness import Outcome, run_jobs
from vis_bench.runs.jobs import RunSettings, load_jobs
from vis_bench.runs.overrides import Overrides
from vis_bench.runs.process_state import sole_measurement
from vis_bench.table import to_notebook
from vis_bench.table.labels import cell_names
from vis_bench.table.model import Column, Table
from vis_bench.table.number_format import entry_of
from vis_bench.text import count

SHOWN, NUM_SHOWN = (AP, HOTA, FPS), 8


@dataclass(repr=False)
class MeasureReport(Outcome):
    """Records in the order of the cells, a sentence for each failure, and the records' folder."""

    folder: Path

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


@sole_measurement()
def measure_config(
    config: Path,
    overrides: Overrides,
    run: RunSettings,
    build: BuildMethod,
    bars: Bars,
    *,
    output: Path | None = None,
    default_output: Path = RECORDS,
    resume: bool = False,
    measure_all: Callable[..., Outcome] | None = None,
) -> MeasureReport:
    """Measure every cell of a config and write a record of each.

    Args:
        output: folder of the records; unless given, `default_output`, or `LIMITED_RECORDS` for
            part of a split.
        resume: as `run_jobs`.
        measure_all: takes the jobs, the store of records and the bars; `run_jobs` unless given.
    """
    jobs = load_jobs(config, overrides, run, build, bars)
    folder = output or default_output
    where = f"records go to {folder}"
    if output is None and any(job.limited for job in jobs):
        folder = LIMITED_RECORDS
        where = f"--limit: records go to {folder}; --output names another folder"
    store = RecordStore(folder)
    store.prepare()
    bars.say(f"{count(len(jobs), 'cell')}; {where}")
    outcome = (measure_all or partial(run_jobs, resume=resume))(jobs, store, bars)
    return MeasureReport(outcome.records, outcome.failures, folder)
