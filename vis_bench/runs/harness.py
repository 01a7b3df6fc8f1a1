"""The whole run: jobs in, records out.

`run_jobs` is the loop over jobs, `measure` measures one of them, and the functions below are its
steps. Runs in shards and on Ray differ only in who infers the videos: they write tracks to shard
files first, and this loop finds them there.
"""

from __future__ import annotations

import datetime
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from textwrap import shorten

import torch

from vis_bench.data.annotation_files import videos_checksum
from vis_bench.data.results_file import Results, Track, write_results
from vis_bench.data.video import Video
from vis_bench.errors import InputError, reason
from vis_bench.inference.checkpoint import weights_name
from vis_bench.inference.loop import track_video
from vis_bench.measures.flops.values import measure_flops_on_values
from vis_bench.measures.flops.video import measure_flops
from vis_bench.measures.memory.measure import GIB, lengths_of, measure_memory
from vis_bench.measures.speed.measure import measure_speed
from vis_bench.measures.speed.regions import Workload
from vis_bench.method import VISMethod
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.coco import evaluate_images
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.progress import Advance, Bars, time_left
from vis_bench.record.environment import describe_machine, describe_source, package_version
from vis_bench.record.metrics import values_text
from vis_bench.record.schema import (
    AccuracyFields,
    CostFields,
    Fields,
    MemoryFields,
    Record,
    SizeFields,
    SpeedFields,
    SubjectFields,
)
from vis_bench.record.store import RecordStore
from vis_bench.runs.build import (
    counting_flops,
    method_on_meta,
    naming_method,
    resolve_kernel_backend,
)
from vis_bench.runs.jobs import Job
from vis_bench.runs.locks import locked
from vis_bench.runs.process_state import kept_process_state
from vis_bench.runs.shards import SHARD_VIDEOS, Shard, ShardFiles, cut
from vis_bench.runs.streaming import measure_streaming
from vis_bench.text import count
from vis_bench.video_method import VideoMethod

# Of a failure on the screen; the record holds all of it.
MESSAGE_LETTERS = 500


@dataclass
class Outcome:
    """Records in the order of the jobs, a sentence for each failure, and the records' folder."""

    records: list[Record]
    failures: list[str]
    folder: Path = Path()


# Measures one job; the text is the title of its progress bars.
MeasureJob = Callable[[Job, RecordStore, Bars, str], Record]


def run_jobs(
    jobs: Sequence[Job], store: RecordStore, bars: Bars, *, resume: bool = False,
    measure_job: MeasureJob | None = None, holds_locks: bool = False,
) -> Outcome:  # fmt: skip
    """Measure every job and write each record as soon as it is measured.

    A job or measurement that fails is named, and the others go on.

    Args:
        resume: keep complete records of the same code and frames, measure jobs that failed before
            last, and take tracks from shard files.
        measure_job: `measure` unless given.
        holds_locks: the caller holds the locks of all jobs.
    """
    measure_job = measure_job or partial(measure, resume=resume)
    known = [store.find(job.digest) if resume else None for job in jobs]
    failed_before = [r is not None and (bool(r.failures) or store.has_failed(r)) for r in known]
    outcomes: dict[int, Outcome] = {}
    start, attempts = time.monotonic(), 0
    for number, place in enumerate(sorted(range(len(jobs)), key=failed_before.__getitem__), 1):
        job = jobs[place]
        title = f"[{number}/{len(jobs)}] {job.name}"
        with nullcontext() if holds_locks else locked([job], store.folder, bars):
            before = _measured_before(job, store, bars, title) if resume else None
            if before is not None:
                outcomes[place] = Outcome([before], [])
                continue
            outcomes[place] = _run_job(job, store, bars, title, measure_job)
        attempts += 1
        left = time_left(time.monotonic() - start, attempts, attempts + len(jobs) - number)
        for record in outcomes[place].records:
            if values := values_text(record):
                bars.say(f"{title}: {values}{left}")
    return Outcome(
        [record for place in sorted(outcomes) for record in outcomes[place].records],
        [failure for outcome in outcomes.values() for failure in outcome.failures],
    )


def _run_job(
    job: Job, store: RecordStore, bars: Bars, title: str, measure_job: MeasureJob
) -> Outcome:
    """Measure one job and write its record."""
    files = ShardFiles(store.folder, job)
    try:
        record = measure_job(job, store, bars, title)
        if not _keep_whole_record(job, store, bars, title, record.failures):
            store.write(record, files.results)
    except (Exception, SystemExit) as error:  # a method's own code may raise anything
        bars.say(f"{title} failed: {reason(error)}")
        bars.trace(error)
        _keep_whole_record(job, store, bars, title, {"run": reason(error)})
        return Outcome([], [f"{job.name}: {reason(error)}"])
    except KeyboardInterrupt:
        name_kept(job, store, bars)
        raise
    finally:
        torch.cuda.empty_cache()
    if not record.failures:
        files.remove()
    return Outcome(
        [record], [f"{job.name}, {what}: {why}" for what, why in record.failures.items()]
    )


def _measured_before(job: Job, store: RecordStore, bars: Bars, title: str) -> Record | None:
    """The job's record if it is complete; tells if it is not of the job's code and frames."""
    record = store.find(job.digest)
    if record is None:
        return None
    if changed := difference(job, record):
        bars.say(f"{title}: its record has {changed}; it is measured anew")
        return None
    if record.failures or store.has_failed(record):
        return None
    bars.say(f"{title}: measured before")
    return record


def _keep_whole_record(
    job: Job, store: RecordStore, bars: Bars, title: str, failures: Mapping[str, str]
) -> bool:
    """Write failures beside an earlier record without them, and return True; or else False."""
    before = None
    with suppress(InputError):  # not a record: there is nothing to keep
        before = store.find(job.digest) if failures else None
    if before is None or not before.failures.keys() < failures.keys():
        return False
    path = store.write_failures(before, failures, job.settings.command)
    bars.say(f"{title}: the whole record of an earlier run is kept; the failures are in {path}")
    return True


def difference(job: Job, record: Record) -> str | None:
    """Other sources or frames that a job's record was measured with; None if none or unknown."""
    ids = [video.id for video in job.videos]
    sources = record.sources_sha256 or job.sources_sha256
    return job.difference(sources, record.frames_sha256 or job.frames_sha256(ids), ids)


def is_measured(job: Job, store: RecordStore) -> bool:
    """True if a job has a complete record of its code and frames."""
    record = store.find(job.digest)
    if record is None or record.failures or store.has_failed(record):
        return False
    return difference(job, record) is None


def measure(job: Job, store: RecordStore, bars: Bars, title: str, *, resume: bool) -> Record:
    """Measure one job in this process."""
    method = job.load_method()
    record = describe(job, method)
    results = ShardFiles(store.folder, job).results
    if "accuracy" in job.cell.measure:
        if not method.online:
            _warn_of_gaps(job, bars, title)
        record = attempt(
            record, bars, title, "accuracy",
            lambda: evaluate_tracks(
                job, infer_job(job, method, store, bars, title, resume=resume),
                results / store.results_file(record).name,
            ),
        )  # fmt: skip
    record = measure_cost(job, method, record, bars, title)
    if "streaming" in job.cell.measure:
        record = attempt(
            record, bars, title, "streaming",
            lambda: measure_streaming(job, method, results, record, bars, title),
        )  # fmt: skip
    return record


def measure_cost(job: Job, method: VISMethod, record: Record, bars: Bars, title: str) -> Record:
    """Add multiply-adds, speed and memory over length to a record, as the job's cell asks."""
    if "flops" in job.cell.measure:
        record = attempt(record, bars, title, "flops", lambda: count_flops(job, method))
    if "speed" in job.cell.measure:
        record = attempt(record, bars, title, "speed", lambda: time_job(job, method, bars, title))
    if "memory" in job.cell.measure:
        record = attempt(record, bars, title, "memory", lambda: peaks_of(job, method, bars, title))
    return record


def attempt(
    record: Record, bars: Bars, title: str, name: str, measurement: Callable[[], Fields]
) -> Record:
    """Add a measurement's fields to a record, or the reason for its failure."""
    try:
        return Record.of(record, measurement())
    except (Exception, SystemExit) as error:  # a method's own code may raise anything
        if isinstance(error, FailedVideosError):
            bars.say(f"{title}: {name} failed in the videos named above")
        else:
            bars.say(f"{title}: {name} failed: {shorten(reason(error), MESSAGE_LETTERS)}")
            bars.trace(error)
        return record.model_copy(update={"failures": {**record.failures, name: reason(error)}})


def infer(
    job: Job, method: VISMethod, videos: Iterable[Video], advance: Advance
) -> dict[int, list[Track]]:
    """Infer some of a job's videos and return their tracks by video id.

    Args:
        method: the job's, loaded.
        advance: is called with the number of frames that are done.
    """
    tracks: dict[int, list[Track]] = {}
    for video in videos:
        with kept_process_state():
            tracks[video.id] = track_video(method, video, job.plan, job.dataset.category_ids)
        advance(video.length)
    return tracks


def infer_job(
    job: Job, method: VISMethod, store: RecordStore, bars: Bars, title: str, *, resume: bool
) -> dict[int, list[Track]]:
    """Infer the job's videos, but for those that are in shard files, if `resume`.

    Raises:
        FailedVideosError: if some fail; the others are in shard files.
    """
    files = ShardFiles(store.folder, job)
    if resume:
        files.discard_outdated(bars)
    else:
        files.remove()
    known = files.read()
    # A video a file, so that a process that is killed loses one; images are quick.
    shards = cut(job, done=known, size=SHARD_VIDEOS if job.dataset.of_images else 1)
    tracks, failures = infer_shards(job, method, shards, files, bars, title)
    if failures:
        raise FailedVideosError("; ".join(failures))
    return known | tracks


class FailedVideosError(InputError):
    """Videos whose inference failed, each named before."""


def infer_shards(
    job: Job, method: VISMethod, shards: Sequence[Shard], files: ShardFiles, bars: Bars, title: str
) -> tuple[dict[int, list[Track]], list[str]]:
    """Infer shards and write their files; a video that fails is named, and the others go on.

    Returns:
        The tracks by video id, and a sentence for each video that failed.
    """
    tracks: dict[int, list[Track]] = {}
    failures: list[str] = []
    videos = {video.id: video for video in job.videos}
    num_frames = sum(videos[key].length for shard in shards for key in shard.video_ids)
    with bars.bar(title, num_frames) as advance:
        for shard in shards:
            done: dict[int, list[Track]] = {}
            try:
                for key in shard.video_ids:
                    try:
                        done |= infer(job, method, [videos[key]], advance)
                    except (Exception, SystemExit) as error:  # a method may raise anything
                        why, name = reason(error), f"video {videos[key].name}"
                        failures.append(why if name in why else f"{name}: {why}")
                        bars.say(f"{title}: {failures[-1]}")
                        bars.trace(error)
            finally:
                if done:  # also where the process is interrupted
                    found = [track for key in done for track in done[key]]
                    files.write(shard.only(done), found)
            tracks |= done
    return tracks, failures


def name_kept(job: Job, store: RecordStore, bars: Bars) -> None:
    """Tell how many videos of an interrupted job are kept, and the command that goes on."""
    kept = f"{len(ShardFiles(store.folder, job).read())} of {count(len(job.videos), 'video')}"
    command = job.settings.command
    command += "" if "--resume" in shlex.split(command) else " --resume"
    bars.say(f"{job.name}: {kept} kept; go on with: {command}")


def evaluate_tracks(
    job: Job, tracks_by_video: Mapping[int, Iterable[Track]], results_file: Path
) -> AccuracyFields:
    """Write the tracks of all of a job's videos as a results file, and evaluate them: AP with its
    interval, AR and tracking metrics; of single images the 12 numbers of COCOeval.
    """
    assert job.ground_truth is not None, "resolve_jobs refuses accuracy without annotations"
    missing = [video.name for video in job.videos if video.id not in tracks_by_video]
    if missing:
        raise InputError(
            f"{job.name}: {len(missing)} of {len(job.videos)} videos are not inferred yet; the "
            f"first is {missing[0]}"
        )
    tracks = [track for video in job.videos for track in tracks_by_video[video.id]]
    write_results(tracks, results_file, of_images=job.dataset.of_images)
    results = Results.of(tracks)
    evaluation = (
        evaluate_images(job.ground_truth, results)
        if job.ground_truth.of_images
        else evaluate(job.ground_truth, results, tracking_threshold=SCORE_THRESHOLD)
    )
    return AccuracyFields(predictions=results_file.name, **evaluation.record_numbers())


def count_flops(job: Job, method: VISMethod) -> CostFields:
    """Count the multiply-adds of the job's videos on shapes; no frame is read.

    A `VideoMethod` predicts the nominal video and is counted as it runs.
    """
    num_classes = len(job.dataset.category_ids)
    if isinstance(method, VideoMethod):
        with counting_flops(job.cell.method), kept_process_state():
            return CostFields(**measure_flops_on_values(method, job.plan, num_classes))
    on_meta = method_on_meta(job.build_method, job.cell, num_classes, job.weights)
    with counting_flops(job.cell.method), kept_process_state():
        return CostFields(**measure_flops(on_meta, job.videos, job.plan))


def time_job(job: Job, method: VISMethod, bars: Bars, title: str) -> SpeedFields:
    """Time the first of the job's videos."""
    work = Workload(method, job.plan, job.dataset.category_ids)
    speed = job.cell.speed
    with kept_process_state():
        fields = measure_speed(work, job.videos[: speed.videos], speed, bars, f"{title}, speed")
    return SpeedFields(**fields)


def peaks_of(job: Job, method: VISMethod, bars: Bars, title: str) -> MemoryFields:
    """Measure memory over the length of the largest of the job's videos."""
    work = Workload(method, job.plan, job.dataset.category_ids)
    memory, clip_length = job.cell.memory, job.cell.clip_length
    lengths = lengths_of(memory, job.cell.method, clip_length, method.max_clip_length)
    limit = None if memory.limit_gib is None else int(memory.limit_gib * GIB)
    largest = max(job.videos, key=lambda video: video.height * video.width)
    with kept_process_state():
        return measure_memory(work, largest, lengths, limit, bars, f"{title}, memory")


def describe(job: Job, method: VISMethod) -> Record:
    """Describe the subject, the machine and the source of a measurement."""
    cell = job.cell
    if job.weights is not None:
        weights_source = weights_name(job.weights.path)
    elif method.weights_source is not None:
        weights_source = str(method.weights_source)
    else:
        weights_source = "random" if method.num_params else "none"
    backend = resolve_kernel_backend(method, job.plan.device)
    with naming_method(cell.method):
        build = method.resolved_kernel_build(job.plan.device)
    machine = describe_machine(
        job.plan.device, cell.precision, backend, kernel_build=build, tf32=cell.tf32,
        compile_mode=cell.compile,
    )  # fmt: skip
    source = describe_source(cell.seed).model_copy(update={"sources_sha256": job.sources_sha256})
    subject = SubjectFields(
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=job.settings.command,
        vis_bench_version=package_version(),
        method=method.record_name or cell.method,
        options=cell.options,
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


def _warn_of_gaps(job: Job, bars: Bars, title: str) -> None:
    cell = job.cell
    several = any(len(job.plan.clips(video.length)) > 1 for video in job.videos)
    if several and cell.clip_stride == cell.clip_length:
        bars.say(
            f"{title}: clips share no frames at stride {cell.clip_stride}, so that every "
            "clip starts new tracks; a smaller clip_stride joins them"
        )
