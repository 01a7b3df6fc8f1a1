"""Measures jobs: one record each, written the moment it is measured."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from vis_bench.errors import reason
from vis_bench.inference.method import VISMethod
from vis_bench.progress import Bars
from vis_bench.records.cell_name import file_stem
from vis_bench.records.machine import describe_machine
from vis_bench.records.metrics import SHOWN
from vis_bench.records.schema import Fields, Record, SizeFields, SubjectFields
from vis_bench.records.source import describe_source, package_version
from vis_bench.records.store import RESULTS_ENDING, RecordStore
from vis_bench.runs.accuracy import measure_accuracy
from vis_bench.runs.flops import count_flops
from vis_bench.runs.jobs import Job
from vis_bench.runs.load_method import resolve_kernel_backend
from vis_bench.runs.speed import time_job

# What a record has as `weights_source` where no weights were loaded.
UNTRAINED = ("random", "none")


@dataclass
class Outcome:
    """What a run gave: records in the order of the jobs, and what failed, a sentence each."""

    records: list[Record] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def measure_jobs(
    jobs: Sequence[Job], store: RecordStore, bars: Bars, *, resume: bool = False
) -> Outcome:
    """Measures every job; with `resume`, takes those that have a whole record as they are.

    A job or a measurement that fails is named and the others go on. With `resume`, jobs of which a
    measurement failed before come last.

    Raises:
        InputError: where the store's folder cannot be written to.
    """
    store.prepare()
    known = {job.digest: store.find(job.digest) if resume else None for job in jobs}
    order = sorted(range(len(jobs)), key=lambda place: bool(_failed(known[jobs[place].digest])))
    done: dict[int, Record] = {}
    failures: list[str] = []
    for number, place in enumerate(order, 1):
        job = jobs[place]
        title = f"[{number}/{len(jobs)}] {job.name}"
        record = known[job.digest]
        if record is None or _failed(record):
            record = _measure_safely(job, store, bars, title, failures)
        else:
            bars.say(f"{title}: measured before")
        if record is not None:
            done[place] = record
    return Outcome([done[place] for place in sorted(done)], failures)


def _failed(record: Record | None) -> bool:
    return record is not None and bool(record.failures)


def _measure_safely(
    job: Job, store: RecordStore, bars: Bars, title: str, failures: list[str]
) -> Record | None:
    try:
        record = measure(job, store.folder, bars, title)
    except (Exception, SystemExit) as error:  # a method's own code may raise anything
        failures.append(f"{job.name}: {reason(error)}")
        bars.say(f"{title} failed: {reason(error)}")
        return None
    finally:
        if job.plan.device.type == "cuda":
            torch.cuda.empty_cache()
    store.write(record)
    failures += [f"{job.name}, {what}: {why}" for what, why in record.failures.items()]
    bars.say(f"{title}: {_figures(record)}")
    return record


def measure(job: Job, folder: Path, bars: Bars, title: str) -> Record:
    """One job's record; measurements that fail are named in its `failures`.

    Args:
        folder: where the results file goes.
        title: of the progress bar.
    """
    _warn_of_gaps(job, bars, title)
    method = job.load_method()
    record = _describe(job, method)
    results_file = folder / f"{file_stem(record)}{RESULTS_ENDING}"

    def accuracy() -> Fields:
        with bars.bar(title, job.num_frames) as advance:
            return measure_accuracy(job, method, results_file, advance)

    measurements: dict[str, Callable[[], Fields]] = {
        "accuracy": accuracy,
        "flops": lambda: count_flops(job),
        "speed": lambda: time_job(job, method, bars, f"{title}, speed"),
    }
    parts: list[Fields] = []
    failures: dict[str, str] = {}
    for name, run in measurements.items():
        if name in job.cell.measure:
            try:
                parts.append(run())
            except (Exception, SystemExit) as error:  # a method's own code may raise anything
                failures[name] = reason(error)
                bars.say(f"{title}: {name} failed: {failures[name]}")
    return Record.of(record, *parts).model_copy(update={"failures": failures})


def _describe(job: Job, method: VISMethod) -> Record:
    """Every field that says what is measured, where, and from which source."""
    cell, settings = job.cell, job.settings
    weights_source = _weights_source(job, method)
    subject = SubjectFields(
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=settings.command,
        vis_bench_version=package_version(),
        method=cell.method,
        options=cell.options,
        resolved_options=dict(method.resolved_options),
        backbone=method.backbone_name,
        method_source=asdict(method.method_source) if method.method_source else None,
        reconstruction=method.reconstruction,
        dataset=cell.dataset.name + ("_plain" if cell.dataset.plain else ""),
        split=job.dataset.part or job.dataset.split,
        num_videos=len(job.videos),
        num_frames=job.num_frames,
        clip_length=cell.clip_length,
        clip_stride=cell.stride,
        resolution=cell.resolution,
        config=cell.model_dump(mode="json"),
        config_sha256=job.digest,
        weights_source=weights_source,
        weights_sha256=job.weights_sha256,
        training=cell.training,
        contaminated=job.measures_training_videos and weights_source not in UNTRAINED,
        limited=job.is_limited,
        annotations_sha256=job.dataset.annotations_sha256,
    )
    backend = resolve_kernel_backend(method, job.plan.device)
    machine = describe_machine(job.plan.device, cell.precision, backend)
    size = SizeFields(
        num_params=method.num_params, num_checkpoint_entries=method.num_checkpoint_entries
    )
    return Record.of(subject, size, machine, describe_source(cell.seed))


def _weights_source(job: Job, method: VISMethod) -> str:
    if job.weights is not None:
        return job.weights.name
    if method.weights_source is not None:
        return str(method.weights_source)
    random, none = UNTRAINED
    return random if method.num_params else none


def _warn_of_gaps(job: Job, bars: Bars, title: str) -> None:
    cell = job.cell
    several = any(len(job.plan.clips(video.length)) > 1 for video in job.videos)
    if several and cell.clip_stride == cell.clip_length:
        bars.say(
            f"{title}: clips share no frames at stride {cell.clip_stride}, so that every "
            "clip starts new tracks; a smaller clip_stride joins them"
        )


def _figures(record: Record) -> str:
    known = ((metric, metric.of(record)) for metric in SHOWN)
    return ", ".join(f"{m.title} {m.text(value)}" for m, value in known if value is not None)
