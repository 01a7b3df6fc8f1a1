"""`run --shard I/N`: processes that share a run without talking to each other."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from vis_bench.errors import InputError, reason
from vis_bench.progress import Bars
from vis_bench.record.store import RecordStore
from vis_bench.runs.attempt import Attempt, is_measured
from vis_bench.runs.harness import Outcome, run_jobs
from vis_bench.runs.jobs import Job
from vis_bench.runs.locks import locked
from vis_bench.runs.shards import Shard, ShardFiles, cut, report_foreign

Item = TypeVar("Item")

_SLURM = "SLURM_ARRAY_TASK_"


@dataclass(frozen=True)
class ShardOption:
    """Process `number`, counted from 1, of `total`."""

    number: int
    total: int

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str] = os.environ) -> ShardOption:
        """Parse `I/N`, or for `auto` the variables of torchrun or of a Slurm array."""
        if text == "auto":
            return cls._from_environment(environment)
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise InputError(f"--shard is {text!r}; expected I/N with I from 1 to N, or auto")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def _from_environment(cls, environment: Mapping[str, str]) -> ShardOption:
        def number(name: str, default: str = "") -> int:
            value = environment.get(name, default)
            if not re.fullmatch("[0-9]{1,9}", value):
                raise InputError(f"--shard auto: {name} is {value!r}; expected a whole number")
            return int(value)

        if "RANK" in environment and "WORLD_SIZE" in environment:
            place, total = number("RANK"), number("WORLD_SIZE")
            if place >= total:
                raise InputError(f"--shard auto: RANK is {place}; expected less than {total}")
            return cls(place + 1, total)
        if f"{_SLURM}ID" not in environment or f"{_SLURM}COUNT" not in environment:
            pairs = ("RANK", "WORLD_SIZE"), (f"{_SLURM}ID", f"{_SLURM}COUNT")
            for one, other in (*pairs, *(pair[::-1] for pair in pairs)):
                if one in environment:
                    raise InputError(
                        f"--shard auto: {one} is set, but {other} is not; expected both, or "
                        "--shard I/N"
                    )
            raise InputError(
                "--shard is auto, but neither torchrun's RANK and WORLD_SIZE nor a Slurm array's "
                "variables are set; expected one of them, or I/N, as for arrays of PBS, SGE and LSF"
            )
        task, total = number(f"{_SLURM}ID"), number(f"{_SLURM}COUNT")
        first, step = number(f"{_SLURM}MIN", "0"), max(1, number(f"{_SLURM}STEP", "1"))
        last = number(f"{_SLURM}MAX", str(first + (total - 1) * step))
        tasks = range(first, last + 1, step)
        if len(tasks) != total or task not in tasks:
            raise InputError(
                f"--shard auto: the place of task {task} among the Slurm array's {total} is not "
                "known; expected --array=FIRST-LAST or FIRST-LAST:STEP, or --shard I/N"
            )
        return cls(tasks.index(task) + 1, total)

    def of(self, items: Sequence[Item]) -> list[Item]:
        """The items of this process: every N-th, so that cells are begun together."""
        return list(items[self.number - 1 :: self.total])


def run_shard(jobs: Sequence[Job], store: RecordStore, bars: Bars, option: ShardOption) -> Outcome:
    """Infer this process's shards of all jobs, and merge if no video is missing then.

    Shards that have a file are left out, so a process that was interrupted goes on when it is
    started again. Whoever finds all videos inferred evaluates them, and measures FLOPs and speed:
    the others have nothing left to do by then.

    Raises:
        InputError: if a shard's file is not one, or the other processes have other code or frames.
    """
    report_foreign(store.folder, jobs, bars)
    failures = _infer_own(jobs, store, bars, option)
    waiting = [job for job in jobs if not is_measured(job, store)]
    for job in waiting:
        _refuse_mixture(job, store)
    missing = sum(len(_missing(job, store)) for job in waiting)
    if missing:
        bars.say(
            f"shard {option.number} of {option.total} is done; {missing} videos are left to the "
            "others, or to the same command without --shard and with --resume"
        )
        return Outcome([], failures)
    with locked(jobs, store.folder, bars):
        outcome = run_jobs(jobs, store, bars, resume=True, holds_locks=True)
    return Outcome(outcome.records, failures + outcome.failures)


def _infer_own(
    jobs: Sequence[Job], store: RecordStore, bars: Bars, option: ShardOption
) -> list[str]:
    """Infer this process's shards of jobs that are not measured; sentences of what failed."""
    waiting = [job for job in jobs if not is_measured(job, store)]
    # Counted over all jobs, so that processes that start at different times agree on them.
    own = option.of([shard for job in jobs for shard in cut(job)])
    failures: list[str] = []
    for job in waiting:
        attempt = Attempt(job, store, bars, f"{job.name}, shard {option.number}")
        with locked([job], store.folder, bars, shared=True):
            if not is_measured(job, store):  # by a run that this one waited for
                shards = [shard for shard in own if shard.digest == job.digest]
                failures += _infer_or_name_kept(attempt, shards)
    return failures


def _infer_or_name_kept(attempt: Attempt, shards: Sequence[Shard]) -> list[str]:
    try:
        return _infer_shards(attempt, shards)
    except KeyboardInterrupt:
        attempt.name_kept()
        raise


def _missing(job: Job, store: RecordStore) -> set[int]:
    """Ids of the videos that no file holds."""
    known = ShardFiles(store.folder, job).read()
    return {video_id for shard in cut(job, done=known) for video_id in shard.video_ids}


def _refuse_mixture(job: Job, store: RecordStore) -> None:
    """Refuse to merge where only files of other code or frames hold the videos that are left."""
    missing, outdated = _missing(job, store), ShardFiles(store.folder, job).outdated()
    if missing and missing <= set().union(*(shard.video_ids for shard in outdated)):
        named = "; ".join(f"shard {shard.path} has {shard.difference}" for shard in outdated)
        raise InputError(
            f"{job.name}: {named}, as in the other shards; start those parts again, or run "
            "without --shard and with --resume, which measures their videos anew"
        )


def _infer_shards(attempt: Attempt, shards: Sequence[Shard]) -> list[str]:
    """Infer a job's shards and write a file each; return a sentence for each failure."""
    job = attempt.job
    ids = {video_id for shard in shards for video_id in shard.video_ids}
    attempt.files.discard_outdated(attempt.bars, ids)
    missing = _missing(job, attempt.store)
    shards = [rest for shard in shards if (rest := shard.only(missing)).video_ids]
    if not shards:
        return []
    try:
        _ = attempt.method
    except (Exception, SystemExit) as error:  # a method's own code may raise anything
        attempt.bars.say(f"{attempt.title} failed: {reason(error)}")
        attempt.bars.trace(error)
        return [f"{job.name}: {reason(error)}"]
    _, failures = attempt.infer(shards)
    return [f"{job.name}, {failure}" for failure in failures]
