"""`run --again NAME`: one measurement of records that exist is made anew, the others stay."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from vis_bench.errors import InputError, reason
from vis_bench.measures.measure import Measure, Need
from vis_bench.measures.registry import MEASURES
from vis_bench.progress import Bars
from vis_bench.record.fields import Role, fields_with
from vis_bench.record.schema import MachineFields, Record
from vis_bench.record.store import RecordStore
from vis_bench.runs.attempt import Attempt, difference
from vis_bench.runs.harness import Outcome, describe
from vis_bench.runs.jobs import Job
from vis_bench.runs.locks import locked
from vis_bench.runs.process_state import kept_cell_state

# Measurements whose values are those of a machine.
_OF_A_MACHINE: frozenset[Need] = frozenset({"alone", "one process"})


def measure_again(jobs: Sequence[Job], store: RecordStore, bars: Bars, *, name: str) -> Outcome:
    """Make one measurement of every job anew, and put it into the job's record.

    The record keeps all other values; its machine is that of the new measurement, and
    `measured_again` has when, by which command and at which commit that was made. One that fails
    leaves the record as it is.

    Raises:
        InputError: if a job lacks the measurement, or a record with its code and frames.
    """
    for job in jobs:
        if name not in job.cell.measure:
            asked = ", ".join(job.cell.measure)
            raise InputError(f"--again is {name}, but {job.name} has measure: [{asked}]")
        if (record := store.find(job.digest)) is None:
            raise InputError(
                f"--again {name}: {store.folder} has no record of {job.name}; run without --again "
                "to write one"
            )
        _refuse_other_code(job.name, name, difference(job, record))
    outcome = Outcome([], [])
    for number, job in enumerate(jobs, 1):
        attempt = Attempt(job, store, bars, f"[{number}/{len(jobs)}] {job.name}")
        with locked([job], store.folder, bars), kept_cell_state():
            try:
                outcome.records.append(_merged(attempt, MEASURES[name]))
            except (Exception, SystemExit) as error:  # a method's own code may raise anything
                bars.say(f"{attempt.title} failed: {reason(error)}; its record stays as it was")
                bars.trace(error)
                outcome.failures.append(f"{job.name}: {reason(error)}")
            else:
                if words := MEASURES[name].words(outcome.records[-1]):
                    attempt.say(words)
    return outcome


def _refuse_other_code(job: str, name: str, changed: str | None) -> None:
    """Refuse code or frames that differ from those of the record."""
    if changed:
        raise InputError(
            f"--again {name}: the record of {job} has {changed}; run without --again to measure "
            "the whole cell again"
        )


def _refuse_other_machine(before: Record, measure: Measure, earlier: Collection[str]) -> None:
    """Refuse a machine that differs from that of other measurements in the record."""
    others = [
        other.name
        for other in MEASURES.values()
        if other is not measure and other.needs & _OF_A_MACHINE and other.is_in(before)
    ]
    if others:
        raise InputError(
            f"{', '.join(others)} of the record has another {', '.join(earlier)}; expected the "
            "same machine, or a run without --again"
        )


def _merged(attempt: Attempt, measure: Measure) -> Record:
    """The record with a new measurement, as it is written."""
    before = attempt.store.find(attempt.job.digest)
    assert before is not None, "looked up before"
    now = describe(attempt.job, attempt.method)
    loaded = replace(attempt.job, sources_sha256=str(now.sources_sha256))
    _refuse_other_code(attempt.job.name, measure.name, difference(loaded, before))
    fields = measure.run.measure(attempt, now)
    machine = {key: getattr(now, key) for key in MachineFields.model_fields}
    earlier = {key: getattr(before, key) for key in machine if getattr(before, key) != machine[key]}
    if earlier:
        _refuse_other_machine(before, measure, earlier)
    made = {key: getattr(now, key) for key in fields_with(Record, Role.PROVENANCE)}
    again = {**before.measured_again, measure.name: made | {"machine_before": earlier}}
    failures = {key: why for key, why in before.failures.items() if key != measure.name}
    record = Record.of(before, fields).model_copy(
        update={**machine, "failures": failures, "measured_again": again}
    )
    attempt.store.update(record, before, attempt.results)
    attempt.files.remove()
    return record
