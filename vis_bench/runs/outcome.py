"""What a run gave, and which of its jobs are done already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vis_bench.records.schema import Record
from vis_bench.records.store import RecordStore
from vis_bench.runs.jobs import Job


@dataclass
class Outcome:
    """Records in the order of the jobs, and what failed, a sentence each."""

    records: list[Record] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """A job of a run, and its record if it was measured before; `place` is its place."""

    place: int
    job: Job
    known: Record | None

    @property
    def is_done(self) -> bool:
        """Whether there is a record in which nothing failed."""
        return self.known is not None and not self.known.failures


def tasks_of(jobs: Sequence[Job], store: RecordStore, *, resume: bool) -> list[Task]:
    """The tasks in the order in which they are begun: those that failed before come last.

    Args:
        resume: whether records of the store count.
    """
    tasks = [
        Task(place, job, store.find(job.digest) if resume else None)
        for place, job in enumerate(jobs)
    ]
    return sorted(tasks, key=lambda task: task.known is not None and not task.is_done)


def failures_of(job: Job, record: Record) -> list[str]:
    """A sentence for each measurement of a record that failed."""
    return [f"{job.name}, {what}: {why}" for what, why in record.failures.items()]
