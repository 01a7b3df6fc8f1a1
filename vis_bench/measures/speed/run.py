"""Measure the speed of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vis_bench.data.datasets import Dataset
from vis_bench.inference.whole_video import check_whole_video
from vis_bench.measures.speed.measure import measure_speed, over_processes
from vis_bench.measures.speed.regions import Workload
from vis_bench.measures.speed.settings import check_protocol
from vis_bench.method import VISMethod
from vis_bench.progress import Bars
from vis_bench.record.schema import Record, SpeedFields

if TYPE_CHECKING:  # a run imports the measurements
    from vis_bench.runs.attempt import Attempt
    from vis_bench.runs.build import CheckedMethod
    from vis_bench.runs.config import Cell
    from vis_bench.runs.jobs import Job


def check(cell: Cell, dataset: Dataset, method: CheckedMethod) -> None:
    """Refuse what a paper's protocol does not have, and regions that the method lacks."""
    check_protocol(cell, method.paper_protocol)
    if method.whole_video:
        check_whole_video(cell.method, cell.clip_length, cell.compile, cell.speed.regions)


def measure(attempt: Attempt, record: Record) -> SpeedFields:
    """Time the first of the job's videos, here or in fresh processes."""
    job, title = attempt.job, f"{attempt.title}, speed"
    number = job.cell.speed.processes
    found = attempt.in_processes(number, title, time_job)
    fields = found[0] if number == 1 else over_processes(found)
    return SpeedFields(**fields, timed_alone=attempt.alone, speed_processes=number)


def time_job(job: Job, method: VISMethod, bars: Bars, title: str) -> dict[str, Any]:
    """Time the method of a job in this process."""
    work, speed = Workload(method, job.plan, job.dataset.category_ids), job.cell.speed
    return measure_speed(work, job.videos[: speed.videos], speed, bars, title)
