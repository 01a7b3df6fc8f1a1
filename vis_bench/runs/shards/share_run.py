"""A run whose processes share the shards without talking to each other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from vis_bench.errors import reason
from vis_bench.method import VISMethod
from vis_bench.progress import Bars
from vis_bench.records.store import RecordStore
from vis_bench.runs.accuracy import infer
from vis_bench.runs.jobs import Job
from vis_bench.runs.one_process import measure_jobs
from vis_bench.runs.outcome import Outcome, Task, tasks_of
from vis_bench.runs.shards.shard import Shard, cut, videos_of
from vis_bench.runs.shards.shard_files import FOLDER, ShardFiles, say_foreign
from vis_bench.runs.shards.share import Share

_LOCK = "merging"


def measure_share(jobs: Sequence[Job], store: RecordStore, bars: Bars, share: Share) -> Outcome:
    """Infers this process's shards of all jobs, and merges where it is the last to end.

    Shards whose file is there are left out, so a share that was interrupted goes on when it is
    started again. The process that finds all videos inferred evaluates them, and measures FLOPs and
    speed: the others have nothing left to do by then.

    Raises:
        InputError: where the store's folder cannot be written to, or a shard's file is not one.
    """
    store.prepare()
    say_foreign(store.folder, jobs, bars)
    failures: list[str] = []
    waiting = [task for task in tasks_of(jobs, store, resume=True) if not task.is_done]
    # Counted over all jobs, so that shares that start at different times agree on them.
    mine = share.of([(job, shard) for job in jobs for shard in _all_shards(job)])
    for task in waiting:
        own = [shard for job, shard in mine if job is task.job]
        failures += _infer_shards(task, own, store, bars, share)
    left = sum(len(_left(task.job, store)) for task in waiting)
    if left:
        bars.say(
            f"share {share.number} of {share.total} is done; {left} videos are left to the others, "
            "or to the same command without --shard and with --resume"
        )
        return Outcome([], failures)
    with _only_one(store.folder / FOLDER / _LOCK) as alone:
        if not alone:
            bars.say("another share merges")
            return Outcome([], failures)
        outcome = measure_jobs(jobs, store, bars, resume=True)
    return Outcome(outcome.records, failures + outcome.failures)


def _all_shards(job: Job) -> list[Shard]:
    return cut(job) if "accuracy" in job.cell.measure else []


def _left(job: Job, store: RecordStore) -> list[int]:
    """Ids of the videos that no file holds."""
    if "accuracy" not in job.cell.measure:
        return []
    known = ShardFiles.of(store.folder, job).read(job)
    return [video.id for video in job.videos if video.id not in known]


def _infer_shards(
    task: Task, shards: Sequence[Shard], store: RecordStore, bars: Bars, share: Share
) -> list[str]:
    """Infers a job's shards and writes a file each; what failed, a sentence each."""
    job, failures = task.job, list[str]()
    files, left = ShardFiles.of(store.folder, job), set(_left(job, store))
    shards = [rest for shard in shards if (rest := shard.only(left)).video_ids]
    method: VISMethod | None = None
    with bars.bar(f"{job.name}, share {share.number}", _num_frames(job, shards)) as advance:
        for shard in shards:
            try:
                method = method or job.load_method()
                tracks = infer(job, method, videos_of(job, shard), advance)
            except Exception as error:  # a method's own code may raise anything
                failures.append(f"{job.name}, videos {shard.video_ids}: {reason(error)}")
            else:
                files.write(shard, [track for found in tracks.values() for track in found])
    return failures


def _num_frames(job: Job, shards: Sequence[Shard]) -> int:
    return sum(video.length for shard in shards for video in videos_of(job, shard))


@contextmanager
def _only_one(lock: Path) -> Iterator[bool]:
    """Whether this process is the first to take the lock."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        yield False
        return
    try:
        yield True
    finally:
        lock.unlink(missing_ok=True)
        with suppress(OSError):  # other runs' shards
            lock.parent.rmdir()
