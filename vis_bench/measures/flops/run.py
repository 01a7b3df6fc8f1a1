"""Count the multiply-adds of a job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vis_bench.data.datasets import Dataset
from vis_bench.errors import InputError, reason
from vis_bench.hosted_method import HostedMethod
from vis_bench.measures.flops.values import measure_flops_on_values
from vis_bench.measures.flops.video import measure_flops
from vis_bench.record.schema import CostFields, Record
from vis_bench.video_method import VideoMethod

if TYPE_CHECKING:  # a run imports the measurements
    from vis_bench.runs.attempt import Attempt
    from vis_bench.runs.build import CheckedMethod
    from vis_bench.runs.config import Cell


def check(cell: Cell, dataset: Dataset, method: CheckedMethod) -> None:
    """Every cell can be counted, as far as anybody knows before."""


def measure(attempt: Attempt, record: Record) -> CostFields:
    """Count on shapes; no frame is read.

    A `VideoMethod` predicts the nominal video and is counted as it runs.
    """
    job = attempt.job
    with attempt.calling() as method:
        name = method.registered_name
        if isinstance(method, VideoMethod):
            with counting_flops(name):
                num_classes = len(job.dataset.category_ids)
                return CostFields(**measure_flops_on_values(method, job.plan, num_classes))
        if isinstance(method, HostedMethod):
            raise InputError(method.not_counted or "")
    with attempt.calling_on_meta() as on_meta, counting_flops(name):
        return CostFields(**measure_flops(on_meta, job.videos, job.plan))


@contextmanager
def counting_flops(name: str) -> Iterator[None]:
    """Turn errors of a method's code on the meta device into one sentence."""
    try:
        yield
    except Exception as error:  # a method's own code may raise anything where there are no values
        raise InputError(f"FLOPs of method {name} cannot be counted: {reason(error)}") from None
