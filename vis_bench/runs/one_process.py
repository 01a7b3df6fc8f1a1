"""A run in this process: one record per job, written the moment it is measured."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vis_bench.errors import reason
from vis_bench.method import VISMethod
from vis_bench.progress import Bars
from vis_bench.records.schema import Fields, Record
from vis_bench.records.store import RecordStore
from vis_bench.runs.accuracy import evaluate_accuracy, infer
from vis_bench.runs.jobs import Job
from vis_bench.runs.measure import figures_text, measure, results_file
from vis_bench.runs.outcome import Outcome, failures_of, tasks_of
from vis_bench.runs.shards.shard_files import ShardFiles, merged


def measure_jobs(
    jobs: Sequence[Job], store: RecordStore, bars: Bars, *, resume: bool = False
) -> Outcome:
    """Measures every job; with `resume`, takes those that have a whole record as they are.

    A job or a measurement that fails is named and the others go on. With `resume`, jobs of which a
    measurement failed before come last, and videos that stand in a shard's file are not inferred
    again.

    Raises:
        InputError: where the store's folder cannot be written to.
    """
    store.prepare()
    done: dict[int, Record] = {}
    failures: list[str] = []
    for number, task in enumerate(tasks_of(jobs, store, resume=resume), 1):
        title = f"[{number}/{len(jobs)}] {task.job.name}"
        record = task.known
        if task.is_done:
            bars.say(f"{title}: measured before")
        else:
            record = _measure_safely(task.job, store, bars, title, failures, resume=resume)
        if record is not None:
            done[task.place] = record
    return Outcome([done[place] for place in sorted(done)], failures)


def _measure_safely(
    job: Job, store: RecordStore, bars: Bars, title: str, failures: list[str], *, resume: bool
) -> Record | None:
    try:
        record = measure_here(job, store, bars, title, resume=resume)
    except (Exception, SystemExit) as error:  # a method's own code may raise anything
        failures.append(f"{job.name}: {reason(error)}")
        bars.say(f"{title} failed: {reason(error)}")
        return None
    finally:
        if job.plan.device.type == "cuda":
            torch.cuda.empty_cache()
    failures += failures_of(job, record)
    bars.say(f"{title}: {figures_text(record)}")
    return record


def measure_here(
    job: Job, store: RecordStore, bars: Bars, title: str, *, resume: bool = False
) -> Record:
    """Measures and writes one job's record.

    Args:
        title: of the progress bars.
        resume: whether videos that stand in a shard's file are taken from there.
    """
    files = ShardFiles.of(store.folder, job)

    def accuracy(method: VISMethod, record: Record) -> Fields:
        tracks = files.read(job) if resume else {}
        left = [video for video in job.videos if video.id not in tracks]
        with bars.bar(title, sum(video.length for video in left)) as advance:
            tracks |= infer(job, method, left, advance)
        return evaluate_accuracy(job, merged(job, tracks), results_file(record, store.folder))

    record = measure(job, bars, title, accuracy=accuracy)
    store.write(record)
    if not record.failures:
        files.remove()
    return record
