"""Speed of a job."""

from __future__ import annotations

from vis_bench.cost.speed.measure import measure_speed
from vis_bench.cost.speed.regions import Workload
from vis_bench.method import VISMethod
from vis_bench.progress import Bars
from vis_bench.records.schema import SpeedFields
from vis_bench.runs.jobs import Job


def time_job(job: Job, method: VISMethod, bars: Bars, title: str) -> SpeedFields:
    """The record's fields of speed over the first of the job's videos.

    Args:
        method: the job's, loaded.
        title: of the progress bar.
    """
    work = Workload(method, job.plan, job.dataset.category_ids)
    speed = job.cell.speed
    return measure_speed(work, job.videos[: speed.videos], speed, bars, title)
