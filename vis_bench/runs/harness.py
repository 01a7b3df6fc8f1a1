"""The whole run: jobs in, records out.

`run_jobs` is the loop over jobs, and `measure` makes the measurements of one. Runs in shards and on
Ray differ only in who infers the videos: they write tracks to shard files first, and this loop
finds them there.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace

import torch

from vis_bench.data.annotation_files import videos_checksum
from vis_bench.errors import reason
from vis_bench.inference.checkpoint import weights_name
from vis_bench.measures.registry import values_text
from vis_bench.method import VISMethod
from vis_bench.progress import Bars, time_left
from vis_bench.record.environment import describe_machine, describe_source, package_version
from vis_bench.record.schema import Record, SizeFields, SubjectFields
from vis_bench.record.store import RecordStore
from vis_bench.runs.attempt import Attempt
from vis_bench.runs.build import GuardedMethod, resolve_kernel_backend
from vis_bench.runs.jobs import Job
from vis_bench.runs.locks import locked
from vis_bench.runs.process_state import kept_cell_state


@dataclass
class Outcome:
    """Records in the order of the jobs, and a sentence for each failure."""

    records: list[Record]
    failures: list[str]


def measure(attempt: Attempt) -> Record:
    """Make the measurements of one job in this process; one that fails is named, others go on."""
    record = describe(attempt.job, attempt.method)
    for measure in attempt.job.measures:
        record = attempt.add(record, measure)
    return record


def run_jobs(
    jobs: Sequence[Job],
    store: RecordStore,
    bars: Bars,
    *,
    resume: bool = False,
    measure_job: Callable[[Attempt], Record] = measure,
    holds_locks: bool = False,
) -> Outcome:
    """Measure every job and write each record as soon as it is measured.

    A job or measurement that fails is named, and the others go on.

    Args:
        resume: keep complete records of the same code and frames, measure jobs that failed before
            last, and take tracks from shard files.
        measure_job: measures one job.
        holds_locks: the caller holds the locks of all jobs.
    """
    attempts = [Attempt(job, store, bars, job.name, resume) for job in jobs]
    outcomes: dict[str, Outcome] = {}
    start, num_measured = time.monotonic(), 0
    for number, attempt in enumerate(sorted(attempts, key=_has_failed), 1):
        job = attempt.job
        attempt = replace(attempt, title=f"[{number}/{len(jobs)}] {job.name}")
        outcome = outcomes[job.digest] = Outcome([], [])
        with nullcontext() if holds_locks else locked([job], store.folder, bars):
            if resume and (before := attempt.measured_before()) is not None:
                outcome.records.append(before)
                continue
            with _failures_named(attempt, outcome):
                with kept_cell_state():
                    record = measure_job(replace(attempt))  # a copy, with which the method ends
                _write(record, attempt, outcome)
        num_measured += 1
        seconds = time.monotonic() - start
        left = time_left(seconds, num_measured, num_measured + len(jobs) - number)
        for values in map(values_text, outcome.records):
            if values:
                attempt.say(f"{values}{left}")
    return Outcome(
        [record for job in jobs for record in outcomes[job.digest].records],
        [failure for outcome in outcomes.values() for failure in outcome.failures],
    )


def _has_failed(attempt: Attempt) -> bool:
    """True for a job to go on with that failed before."""
    record = attempt.store.find(attempt.job.digest) if attempt.resume else None
    return record is not None and (bool(record.failures) or attempt.store.has_failed(record))


@contextmanager
def _failures_named(attempt: Attempt, outcome: Outcome) -> Iterator[None]:
    """Add a job's failure to its outcome, so that the next job is measured."""
    try:
        yield
    except (Exception, SystemExit) as error:  # a method's own code may raise anything
        attempt.bars.say(f"{attempt.title} failed: {reason(error)}")
        attempt.bars.trace(error)
        attempt.keep_whole_record({"run": reason(error)})
        outcome.failures.append(f"{attempt.job.name}: {reason(error)}")
    except KeyboardInterrupt:
        attempt.name_kept()
        raise
    finally:
        torch.cuda.empty_cache()


def _write(record: Record, attempt: Attempt, outcome: Outcome) -> None:
    """Write a record, unless an earlier one is whole; its shard files have done their work."""
    if not attempt.keep_whole_record(record.failures):
        attempt.store.write(record, attempt.results)
    if not record.failures:
        attempt.files.remove()
    outcome.records.append(record)
    name = attempt.job.name
    outcome.failures += [f"{name}, {what}: {why}" for what, why in record.failures.items()]


def _weights_source(job: Job, method: VISMethod) -> str:
    if job.weights is not None:
        part = method.loaded and method.loaded.part
        return weights_name(job.weights.path) + (f":{part}" if part else "")
    if method.weights_source is not None:
        return str(method.weights_source)
    return "none" if method.num_params == 0 else "random"


def describe(job: Job, loaded: GuardedMethod) -> Record:
    """Describe the subject, the machine and the source of a measurement."""
    with loaded.calling() as method:
        cell = job.cell
        weights_source = _weights_source(job, method)
        machine = describe_machine(
            job.plan.device,
            cell.precision,
            resolve_kernel_backend(method, job.plan.device),
            kernel_build=method.resolved_kernel_build(job.plan.device),
            tf32=cell.tf32,
            compile_mode=cell.compile,
            packages=method.packages,
        )
        source = describe_source(cell.seed).model_copy(
            update={"sources_sha256": job.sources_of(method)}
        )
        subject = SubjectFields(
            created_at=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            command=job.settings.command,
            vis_bench_version=package_version(),
            method=method.record_name or cell.method,
            options=cell.options,
            place_options=tuple(key for key in cell.options if key in method.place_options),
            resolved_options=dict(method.resolved_options),
            backbone=method.backbone_name,
            method_source=asdict(method.method_source) if method.method_source else None,
            reconstruction=method.reconstruction,
            dataset=cell.dataset.name + ("_plain" if cell.dataset.plain else ""),
            split=job.dataset.part or job.dataset.split,
            num_videos=len(job.videos),
            num_frames=sum(video.length for video in job.videos),
            clip_length=cell.clip_length,
            clip_stride=cell.stride,
            resolution=cell.resolution,
            config=cell.model_dump(mode="json"),
            config_sha256=job.digest,
            weights_source=weights_source,
            weights_sha256=job.weights_sha256,
            training=cell.training,
            contaminated=job.measures_training_videos and weights_source not in ("random", "none"),
            limited=job.limited,
            annotations_sha256=job.dataset.annotations_sha256,
            videos_sha256=videos_checksum(video.id for video in job.videos),
            split_protocol=job.dataset.cut.protocol if job.dataset.cut else None,
            frames_sha256=job.frames_sha256(video.id for video in job.videos),
        )
        size = SizeFields(
            num_params=method.num_params, num_checkpoint_entries=method.num_checkpoint_entries
        )
        return Record.of(subject, size, machine, source)
