"""Multiply-adds of a job, counted on shapes."""

from __future__ import annotations

from vis_bench.cost.flops.measure import measure_flops
from vis_bench.records.schema import CostFields
from vis_bench.runs.jobs import Job


def count_flops(job: Job) -> CostFields:
    """The record's fields of cost for the job's videos; no frame is read.

    Raises:
        InputError: for an operator without a rule.
    """
    return measure_flops(job.method_on_meta(), job.videos, job.plan)
