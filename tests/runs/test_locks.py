"""Runs in one folder: a cell is measured by one driver, or by shards side by side."""

import errno
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from run_case import QUIET, Heard, jobs_of
from vis_bench.inference.loop import track_video
from vis_bench.record.store import RecordStore
from vis_bench.runs import attempt, build, locks
from vis_bench.runs.harness import run_jobs
from vis_bench.runs.run_shard import ShardOption, run_shard

CONFIG = """
method: color_key
dataset: {name: synthetic, split: val, plain: true}
resolution: 40
clip_length: 10
clip_stride: 10
measure: [accuracy]
"""
VIDEOS = 5
WAIT_SECONDS = 60


@pytest.fixture
def jobs(tmp_path):
    return jobs_of(tmp_path, CONFIG, limit=VIDEOS)


@pytest.fixture
def inferred(monkeypatch):
    """Ids of the videos that are inferred, and what is done after the first of them."""
    seen, after_first = [], []

    def watched(method, video, *plan):
        seen.append(video.id)
        return track_video(method, video, *plan)

    calling = build.GuardedMethod.calling

    @contextmanager
    def called(self):
        before = len(seen)
        with calling(self) as method:
            yield method
        if after_first and len(seen) > before:
            after_first.pop()()

    monkeypatch.setattr(attempt, "track_video", watched)
    monkeypatch.setattr(build.GuardedMethod, "calling", called)
    return seen, after_first


class Waits(Heard):
    def __init__(self):
        super().__init__()
        self.waits = Event()

    def say(self, message):
        super().say(message)
        if message.startswith("waiting for"):
            self.waits.set()


@pytest.mark.parametrize("resume", [True, False])
def test_a_second_driver_waits_and_deletes_nothing(jobs, tmp_path, inferred, resume):
    seen, after_first = inferred
    store, bars, outcomes = RecordStore(tmp_path / "out"), Waits(), []
    second = Thread(target=lambda: outcomes.append(run_jobs(jobs, store, bars, resume=resume)))

    def begin_second():
        second.start()
        assert bars.waits.wait(WAIT_SECONDS)
        assert list(store.folder.rglob("*.lock"))

    after_first.append(begin_second)
    outcomes.append(run_jobs(jobs, store, QUIET))
    second.join()
    ids = [video.id for video in jobs[0].videos]
    assert seen == (ids if resume else 2 * ids)
    assert [outcome.failures for outcome in outcomes] == [[], []]
    assert not (store.folder / "shards").exists()


def test_shards_of_a_cell_go_on_side_by_side(jobs, tmp_path, inferred):
    seen, after_first = inferred
    store, outcomes = RecordStore(tmp_path / "out"), []
    other = Thread(target=lambda: outcomes.append(run_shard(jobs, store, QUIET, ShardOption(2, 2))))

    def run_other():
        other.start()
        other.join(WAIT_SECONDS)
        assert not other.is_alive()

    after_first.append(run_other)
    outcome = run_shard(jobs, store, QUIET, ShardOption(1, 2))
    assert sorted(seen) == [video.id for video in jobs[0].videos]
    assert (len(outcomes), len(outcome.records), outcome.failures) == (1, 1, [])


def test_where_files_cannot_be_locked_a_run_goes_on_and_says_so_once(tmp_path, monkeypatch):
    jobs = jobs_of(tmp_path, CONFIG.replace("clip_length: 10", "clip_length: [10, 20]"), limit=1)

    def refuse(file, **how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks, "lock", refuse)
    store, bars = RecordStore(tmp_path / "out"), Heard()
    assert len(run_jobs(jobs, store, bars).records) == 2
    assert len([line for line in bars.said if "No locks available" in line]) == 1
    assert not (store.folder / "shards").exists()
