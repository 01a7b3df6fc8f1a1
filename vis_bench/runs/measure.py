"""Measures one job: its description, and what its cell asks for."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path

from vis_bench.errors import reason
from vis_bench.inference.checkpoint import weights_name
from vis_bench.method import VISMethod
from vis_bench.progress import Bars
from vis_bench.records.environment import describe_machine, describe_source, package_version
from vis_bench.records.metrics import SHOWN
from vis_bench.records.names import file_stem
from vis_bench.records.schema import Fields, Record, SizeFields, SubjectFields
from vis_bench.records.store import RESULTS_ENDING
from vis_bench.runs.flops import count_flops
from vis_bench.runs.jobs import Job
from vis_bench.runs.load_method import resolve_kernel_backend
from vis_bench.runs.speed import time_job
from vis_bench.show.tables.model import Entry

# What a record has as `weights_source` where no weights were loaded.
UNTRAINED = ("random", "none")


# Measures the accuracy of a method; the record says what is measured.
Accuracy = Callable[[VISMethod, Record], Fields]


def measure(
    job: Job, bars: Bars, title: str, *, accuracy: Accuracy | None = None,
    skip: Collection[str] = (),
) -> Record:  # fmt: skip
    """One job's record; measurements that fail are named in its `failures`.

    Args:
        title: of the progress bar.
        accuracy: measures that; None where it is skipped.
        skip: what is not measured, though the job's cell names it.
    """
    method = job.load_method()
    if not method.online:
        _warn_of_gaps(job, bars, title)
    record = _describe(job, method)

    def measure_accuracy() -> Fields:
        assert accuracy is not None
        return accuracy(method, record)

    measurements: dict[str, Callable[[], Fields]] = {
        "accuracy": measure_accuracy,
        "flops": lambda: count_flops(job),
        "speed": lambda: time_job(job, method, bars, f"{title}, speed"),
    }
    parts: list[Fields] = []
    failures: dict[str, str] = {}
    for name, run in measurements.items():
        if name in job.cell.measure and name not in skip:
            try:
                parts.append(run())
            except (Exception, SystemExit) as error:  # a method's own code may raise anything
                failures[name] = reason(error)
                bars.say(f"{title}: {name} failed: {failures[name]}")
    return Record.of(record, *parts).model_copy(update={"failures": failures})


def results_file(record: Record, folder: Path) -> Path:
    """Where a record's predictions go."""
    return folder / f"{file_stem(record)}{RESULTS_ENDING}"


def _warn_of_gaps(job: Job, bars: Bars, title: str) -> None:
    cell = job.cell
    several = any(len(job.plan.clips(video.length)) > 1 for video in job.videos)
    if several and cell.clip_stride == cell.clip_length:
        bars.say(
            f"{title}: clips share no frames at stride {cell.clip_stride}, so that every "
            "clip starts new tracks; a smaller clip_stride joins them"
        )


def figures_text(record: Record) -> str:
    """A record's figures in a line."""
    known = ((metric, metric.of(record)) for metric in SHOWN)
    entries = (
        (metric.title, Entry(metric.text(value), interval=metric.interval(record)))
        for metric, value in known
        if value is not None
    )
    return ", ".join(f"{title} {entry.text}{entry.interval_text}" for title, entry in entries)


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
    machine = describe_machine(
        job.plan.device, cell.precision, backend, tf32=cell.tf32, compile_mode=cell.compile
    )
    size = SizeFields(
        num_params=method.num_params, num_checkpoint_entries=method.num_checkpoint_entries
    )
    return Record.of(subject, size, machine, describe_source(cell.seed))


def _weights_source(job: Job, method: VISMethod) -> str:
    if job.weights is not None:
        return weights_name(job.weights)
    if method.weights_source is not None:
        return str(method.weights_source)
    random, none = UNTRAINED
    return random if method.num_params else none
