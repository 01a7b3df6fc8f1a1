"""Multiply-adds of a job, counted on shapes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vis_bench.cost.flops.measure import measure_flops
from vis_bench.errors import InputError, reason
from vis_bench.records.schema import CostFields
from vis_bench.runs.jobs import Job


def count_flops(job: Job) -> CostFields:
    """The record's fields of cost for the job's videos; no frame is read.

    Raises:
        InputError: for an operator without a rule, or a method that does not work on shapes alone.
    """
    method = job.method_on_meta()
    with counting(job.cell.method):
        return measure_flops(method, job.videos, job.plan)


@contextmanager
def counting(name: str) -> Iterator[None]:
    """Turns whatever a method's code raises on the meta device into one sentence.

    Args:
        name: the method's.

    Raises:
        InputError: naming the method and the reason.
    """
    try:
        yield
    except Exception as error:  # a method's own code may raise anything where there are no values
        raise InputError(f"FLOPs of method {name} cannot be counted: {reason(error)}") from None
