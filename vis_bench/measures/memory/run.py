"""Measure memory over the length of a job's videos."""

from __future__ import annotations

from typing import Any

from vis_bench.data.datasets import Dataset
from vis_bench.errors import InputError
from vis_bench.measures.measure import Attempt, MethodFacts
from vis_bench.measures.memory.measure import GIB, lengths_of, measure_memory
from vis_bench.measures.speed.regions import Workload
from vis_bench.record.schema import MemoryFields, Record


def check(cell: Any, dataset: Dataset, method: MethodFacts) -> None:
    """Refuse lengths that the method refuses, and compilation."""
    if cell.compile != "none":
        raise InputError(
            f"measure has memory, but compile is {cell.compile}, which keeps the buffers of "
            "earlier lengths; expected none"
        )
    lengths_of(cell.memory, cell.method, cell.clip_length, method.max_clip_length)


def measure(attempt: Attempt, record: Record) -> MemoryFields:
    """Measure peaks over the length of the largest of the job's videos."""
    job, settings = attempt.job, attempt.job.cell.memory
    method = attempt.method
    work = Workload(method, job.plan, job.dataset.category_ids)
    lengths = lengths_of(settings, job.cell.method, job.cell.clip_length, method.max_clip_length)
    limit = None if settings.limit_gib is None else int(settings.limit_gib * GIB)
    largest = max(job.videos, key=lambda video: video.height * video.width)
    title = f"{attempt.title}, memory"
    with attempt.isolated():
        return measure_memory(work, largest, lengths, limit, attempt.bars, title)
