"""An attempt at a job: its store, progress bars and title, and the steps that need them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from textwrap import shorten
from typing import Any

from pydantic import ValidationError

from vis_bench.contract import unsigned_masks
from vis_bench.data.results_file import Track, read_results
from vis_bench.errors import InputError, reason
from vis_bench.inference.loop import track_video
from vis_bench.measures.measure import Measure
from vis_bench.method import VISMethod
from vis_bench.progress import Bars
from vis_bench.record.schema import Record
from vis_bench.record.store import RecordStore, predictions_path
from vis_bench.runs.build import GuardedMethod
from vis_bench.runs.config import SECTIONS
from vis_bench.runs.fresh_process import call_in_fresh_process
from vis_bench.runs.jobs import Job
from vis_bench.runs.shards import SHARD_VIDEOS, Shard, ShardFiles, cut
from vis_bench.text import count

# Of a failure on the screen; the record holds all of it.
MESSAGE_LETTERS = 500
# Takes the job, its method, bars and their title; from the top of a module, so that it pickles.
Timing = Callable[[Job, VISMethod, Bars, str], Any]


class FailedVideosError(InputError):
    """Videos whose inference failed, each named before."""


@dataclass(frozen=True)
class Attempt:
    """A job while it is measured.

    Attributes:
        title: of progress bars and messages.
        resume: keep a complete record of the same code and frames, and use shard files.
        alone: no other worker of the run is on the node; None where there is only this one.
        inferred: gives the tracks of all videos where others have inferred them.
    """

    job: Job
    store: RecordStore
    bars: Bars
    title: str
    resume: bool = False
    alone: bool | None = None
    inferred: Callable[[], Mapping[int, Sequence[Track]]] | None = None

    @property
    def files(self) -> ShardFiles:
        """The job's shard files."""
        return ShardFiles(self.store.folder, self.job)

    @property
    def results(self) -> Path:
        """Folder of the files that the record names, until it is written."""
        return self.files.results

    def say(self, text: str) -> None:
        """Show a sentence that begins with the title."""
        self.bars.say(f"{self.title}: {text}")

    @cached_property
    def method(self) -> GuardedMethod:
        """The job's method, loaded at its first use."""
        return self.job.load_method()

    def calling(self) -> AbstractContextManager[VISMethod]:
        """The method for code that calls it, as `GuardedMethod.calling` gives it."""
        return self.method.calling()

    def calling_on_meta(self) -> AbstractContextManager[VISMethod]:
        """The same of the method on shapes without values."""
        return self.job.recipe.on_meta().calling()

    def in_processes(self, number: int, title: str, function: Timing) -> list[Any]:
        """Call a function in so many fresh processes, one after the other; here if it is 1.

        Raises:
            InputError: naming the process that failed.
        """
        if number == 1:
            with self.calling() as method:
                return [function(self.job, method, self.bars, title)]
        job, answers = replace(self.job, ground_truth=None), []
        with self.bars.bar(f"{title}, fresh processes", number) as advance:
            for place in range(1, number + 1):
                try:
                    answers.append(call_in_fresh_process(_loaded_and_called, function, job))
                except InputError as error:
                    raise InputError(f"process {place} of {number}: {error}") from None
                advance()
        return answers

    def add(self, record: Record, measure: Measure) -> Record:
        """Add a measurement's fields to a record, or the reason for its failure."""
        name = measure.name
        try:
            return Record.of(record, measure.run.measure(self, record))
        except (Exception, SystemExit) as error:  # a method's own code may raise anything
            if isinstance(error, FailedVideosError):
                self.say(f"{name} failed in the videos named above")
            else:
                self.say(f"{name} failed: {shorten(reason(error), MESSAGE_LETTERS)}")
                self.bars.trace(error)
            return record.model_copy(update={"failures": {**record.failures, name: reason(error)}})

    def tracks(self) -> Mapping[int, Sequence[Track]]:
        """Tracks of all videos by id, inferred but for those in shard files, if `resume`.

        Raises:
            FailedVideosError: if some fail; the others are in shard files.
        """
        if self.inferred is not None:
            return self.inferred()
        with self.calling() as method:
            if not method.online:
                self._warn_of_gaps()
        known = kept_tracks(self.job, self.store, self.bars, resume=self.resume)
        # A video a file, so that a process that is killed loses one; images are quick.
        size = SHARD_VIDEOS if self.job.dataset.of_images else 1
        tracks, failures = self.infer(cut(self.job, done=known, size=size))
        if failures:
            raise FailedVideosError("; ".join(failures))
        return known | tracks

    def infer(self, shards: Sequence[Shard]) -> tuple[dict[int, list[Track]], list[str]]:
        """Infer shards and write their files; a video that fails is named, and the others go on.

        Returns:
            The tracks by video id, and a sentence for each video that failed.
        """
        tracks: dict[int, list[Track]] = {}
        failures: list[str] = []
        videos = {video.id: video for video in self.job.videos}
        category_ids = self.job.dataset.category_ids
        num_frames = sum(videos[key].length for shard in shards for key in shard.video_ids)
        with self.bars.bar(self.title, num_frames) as advance:
            for shard in shards:
                done: dict[int, list[Track]] = {}
                try:
                    for key in shard.video_ids:
                        try:
                            with self.calling() as method:
                                done[key] = track_video(
                                    method, videos[key], self.job.plan, category_ids
                                )
                            advance(videos[key].length)
                        except (Exception, SystemExit) as error:  # a method may raise anything
                            why, name = reason(error), f"video {videos[key].name}"
                            failures.append(why if name in why else f"{name}: {why}")
                            self.say(failures[-1])
                            self.bars.trace(error)
                finally:
                    if done:  # also where the process is interrupted
                        found = [track for key in done for track in done[key]]
                        self.files.write(shard.only(done), found)
                tracks |= done
        with self.calling() as method:
            if unsigned := unsigned_masks(method.registered_name, method.mask_range):
                self.say(f"warning: {unsigned}")
        return tracks, failures

    def _warn_of_gaps(self) -> None:
        cell, plan = self.job.cell, self.job.plan
        several = any(len(plan.clips(video.length)) > 1 for video in self.job.videos)
        if several and cell.clip_stride == cell.clip_length:
            self.say(
                f"clips share no frames at stride {cell.clip_stride}, so that every clip starts "
                "new tracks; a smaller clip_stride joins them"
            )

    def measured_before(self) -> Record | None:
        """The job's record if it is complete; tells if it is not of the job's code and frames."""
        record = self.store.find(self.job.digest)
        if record is None:
            return None
        if changed := difference(self.job, record) or self.store.lost_predictions(record):
            self.say(f"its record has {changed}; it is measured again")
            return None
        if record.failures or self.store.has_failed(record):
            return None
        self.say("measured before")
        return record

    def keep_whole_record(self, failures: Mapping[str, str]) -> bool:
        """Write failures beside an earlier record without them, and return True; or else False."""
        before = None
        with suppress(InputError):  # not a record: there is nothing to keep
            before = self.store.find(self.job.digest) if failures else None
        if before is None or not before.failures.keys() < failures.keys():
            return False
        path = self.store.write_failures(before, failures, self.job.settings.command)
        self.say(f"the whole record of an earlier run is kept; the failures are in {path}")
        return True

    def name_kept(self) -> None:
        """Tell how many videos of an interrupted job are kept, and the command that goes on."""
        kept = f"{len(self.files.read())} of {count(len(self.job.videos), 'video')}"
        command = self.job.settings.command
        command += "" if "--resume" in shlex.split(command) else " --resume"
        self.bars.say(f"{self.job.name}: {kept} kept; continue with: {command}")


def _loaded_and_called(function: Timing, job: Job) -> Any:
    with job.load_method().calling() as method:
        return function(job, method, Bars(quiet=True), "")


def difference(job: Job, record: Record, *, known: bool = False) -> str | None:
    """Other sources or frames that a job's record was measured with; None if none.

    Args:
        known: unknown ones differ; or else they do not.
    """
    ids = [video.id for video in job.videos]
    sources, frames = record.sources_sha256, record.frames_sha256
    if not known:
        sources, frames = sources or job.sources_sha256, frames or job.frames_sha256(ids)
    return job.difference(sources, frames, ids)


def is_measured(job: Job, store: RecordStore) -> bool:
    """True if a job has a complete record of its code and frames."""
    record = store.find(job.digest)
    if record is None or record.failures or store.has_failed(record):
        return False
    return not (difference(job, record) or store.lost_predictions(record))


def kept_tracks(
    job: Job, store: RecordStore, bars: Bars, *, resume: bool
) -> dict[int, list[Track]]:
    """Tracks of the videos that need not be inferred: of shard files and, for videos that these
    lack, of the record of the same cell with another list of measurements; none unless `resume`.
    """
    files = ShardFiles(store.folder, job)
    if not resume:
        files.remove()
        return {}
    files.discard_outdated(bars)
    missing = {id_ for shard in cut(job, done=files.read()) for id_ in shard.video_ids}
    for record, path in store.stored_once if missing else ():
        if record.predictions is None or not _of_other_measures(job, record):
            continue
        try:
            if changed := difference(job, record, known=True):
                raise InputError(f"record {path} has {changed}")
            tracks = read_results(predictions_path(record, path)).tracks
        except InputError as error:
            bars.say(f"{job.name}: the predictions of {path.name} are not used: {error}")
            continue
        bars.say(f"{job.name}: the predictions of {path.name} are used")
        whole = Shard(job.digest, tuple(video.id for video in job.videos))
        files.write(whole.only(missing), (own for own in tracks if own.video_id in missing))
        break
    return files.read()


def _of_other_measures(job: Job, record: Record) -> bool:
    """True if a record's cell differs from the job's in its measurements alone."""
    own = {key: record.config[key] for key in ("measure", *SECTIONS) if key in record.config}
    with suppress(ValidationError):
        cell = type(job.cell)(**{**job.cell.model_dump(), **own})
        return record.config_sha256 != job.digest and record.config_sha256 == job.digest_of(cell)
    return False
