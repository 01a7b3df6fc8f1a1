"""Measure the speed of a job."""

from __future__ import annotations

from typing import Any

from vis_bench.data.datasets import Dataset
from vis_bench.inference.whole_video import check_whole_video
from vis_bench.measures.measure import Attempt, MethodFacts
from vis_bench.measures.speed.measure import measure_speed
from vis_bench.measures.speed.regions import Workload
from vis_bench.measures.speed.settings import check_protocol
from vis_bench.record.schema import Record, SpeedFields


def check(cell: Any, dataset: Dataset, method: MethodFacts) -> None:
    """Refuse what a paper's protocol does not have, and regions that the method lacks."""
    check_protocol(cell, method.paper_protocol)
    if method.whole_video:
        check_whole_video(cell.method, cell.clip_length, cell.compile, cell.speed.regions)


def measure(attempt: Attempt, record: Record) -> SpeedFields:
    """Time the first of the job's videos."""
    job, speed = attempt.job, attempt.job.cell.speed
    work = Workload(attempt.method, job.plan, job.dataset.category_ids)
    title = f"{attempt.title}, speed"
    with attempt.isolated():
        fields = measure_speed(work, job.videos[: speed.videos], speed, attempt.bars, title)
    return SpeedFields(**fields, timed_alone=attempt.alone)
