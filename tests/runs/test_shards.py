"""Shards: whoever infers which videos, in whatever order, the results are those of one process."""

import json
import os
import random
import signal
from threading import Thread

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peak_memory import peak_of
from run_case import QUIET, Heard, bare, jobs_of, named_job
from vis_bench.cli import main
from vis_bench.data.results_file import Track, track_entry
from vis_bench.errors import InputError
from vis_bench.inference.loop import track_video
from vis_bench.masks.rle import encode_masks
from vis_bench.masks.tubes import SparseTube
from vis_bench.measures.accuracy.run import evaluate_tracks
from vis_bench.progress import Bars
from vis_bench.record.store import RecordStore
from vis_bench.runs import attempt, harness
from vis_bench.runs import run_shard as shard_module
from vis_bench.runs.harness import run_jobs
from vis_bench.runs.ray.pool import ShardQueue
from vis_bench.runs.run_shard import ShardOption, run_shard
from vis_bench.runs.shards import Shard, ShardFiles, cut

CONFIG = """
method: color_key
dataset: {name: synthetic, split: val, plain: true}
resolution: 64
clip_length: [whole, 10]
clip_stride: 5
measure: [accuracy, flops]
"""
VIDEOS = 7


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    return jobs_of(tmp_path_factory.mktemp("config"), CONFIG, limit=VIDEOS)


@pytest.fixture(scope="module")
def tracks(jobs):
    method = bare(jobs[0].load_method())
    return {
        video.id: track_video(method, video, jobs[0].plan, jobs[0].dataset.category_ids)
        for video in jobs[0].videos
    }


@pytest.fixture(scope="module")
def in_one_process(jobs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    return contents(folder, run_jobs(jobs, RecordStore(folder), QUIET).records)


def contents(folder, records):
    files = {path.name: path.read_bytes() for path in folder.glob("*.results.json")}
    return files, {record.clip_length: (record.ap, record.hota) for record in records}


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, VIDEOS))
def test_any_grouping_in_any_order_gives_the_same_bytes(jobs, tracks, tmp_path_factory, rng, size):
    folder, job = tmp_path_factory.mktemp("shards"), jobs[0]
    ids = [video.id for video in job.videos]
    shards = [Shard(job.digest, tuple(ids[at : at + size])) for at in range(0, len(ids), size)]
    rng.shuffle(shards)
    files = ShardFiles(folder, job)
    for shard in shards:
        files.write(shard, [track for number in shard.video_ids for track in tracks[number]])
    one, merged = (
        folder / evaluate_tracks(job, found, folder / name).predictions
        for found, name in ((tracks, "one.json"), (files.read(), "merged.json"))
    )
    assert one.read_bytes() == merged.read_bytes()
    assert json.loads(one.read_text())


def test_shards_are_cut_at_fixed_places_and_leave_out_what_is_done(jobs):
    ids = [video.id for video in jobs[0].videos]
    whole = cut(jobs[0], size=3)
    assert [list(shard.video_ids) for shard in whole] == [ids[:3], ids[3:6], ids[6:]]
    rest = cut(jobs[0], done=[ids[1], *ids[3:6]], size=3)
    assert [list(shard.video_ids) for shard in rest] == [[ids[0], ids[2]], ids[6:]]
    assert [video.id for video in rest[0].videos(jobs[0])] == [ids[0], ids[2]]


@pytest.mark.parametrize("total", [1, 2, 7])
def test_shares_give_what_one_process_gives(jobs, in_one_process, tmp_path, total):
    order = list(range(1, total + 1))
    random.Random(total).shuffle(order)
    for number in order[:-1]:
        outcome = run_shard(jobs, RecordStore(tmp_path), QUIET, ShardOption(number, total))
        assert outcome.records == []
    outcome = run_shard(jobs, RecordStore(tmp_path), QUIET, ShardOption(order[-1], total))
    assert outcome.failures == []
    assert contents(tmp_path, outcome.records) == in_one_process
    assert not (tmp_path / "shards").exists()


class Killed(KeyboardInterrupt):
    """A process that ends, as seen from inside."""


def killed_after(count):
    calls = []

    def replacement(*arguments):
        calls.append(1)
        if len(calls) > count:
            raise Killed
        return track_video(*arguments)

    return replacement


@pytest.mark.parametrize("kills", [(0, 1), (1, 0), (1, 1)])
def test_shares_that_are_killed_go_on_with_another_number(
    jobs, in_one_process, tmp_path, monkeypatch, kills
):
    store = RecordStore(tmp_path)
    for number, count in enumerate(kills, 1):
        monkeypatch.setattr(attempt, "track_video", killed_after(count))
        with pytest.raises(Killed):
            run_shard(jobs, store, QUIET, ShardOption(number, 2))
    monkeypatch.setattr(attempt, "track_video", track_video)
    assert run_shard(jobs, store, QUIET, ShardOption(2, 3)).records == []
    outcome = run_jobs(jobs, store, QUIET, resume=True)
    assert contents(tmp_path, outcome.records) == in_one_process
    assert not (tmp_path / "shards").exists()


def test_resume_infers_only_what_no_shard_holds(jobs, tracks, tmp_path, monkeypatch):
    job, seen = jobs[0], []
    first = cut(job)[0]
    files = ShardFiles(tmp_path, job)
    files.write(first, [track for number in first.video_ids for track in tracks[number]])

    def watched(method, video, *plan):
        seen.append(video.id)
        return track_video(method, video, *plan)

    monkeypatch.setattr(attempt, "track_video", watched)
    run_jobs([job], RecordStore(tmp_path), QUIET, resume=True)
    assert seen == [video.id for video in job.videos if video.id not in first.video_ids]


def test_a_method_that_fails_is_named_and_the_others_shares_go_on(jobs, tmp_path, monkeypatch):
    def failing(method, video, *plan):
        if plan[0] is jobs[0].plan:
            raise RuntimeError("broken")
        return track_video(method, video, *plan)

    monkeypatch.setattr(attempt, "track_video", failing)
    outcome = run_shard(jobs, RecordStore(tmp_path), QUIET, ShardOption(1, 1))
    assert len(outcome.failures) == VIDEOS
    assert "RuntimeError" in outcome.failures[0]
    assert ShardFiles(tmp_path, jobs[1]).read().keys() == {v.id for v in jobs[1].videos}


def test_missing_videos_are_named(jobs, tracks, tmp_path):
    partly = {number: found for number, found in tracks.items() if number != jobs[0].videos[3].id}
    with pytest.raises(InputError, match=f"1 of {VIDEOS} videos are not inferred yet; the first"):
        evaluate_tracks(jobs[0], partly, tmp_path / "none.json")


def broken_shards(job, tracks):
    entries = [
        {"video_id": v, "category_id": 1, "score": 0.5, "segmentations": []} for v in (1, 99)
    ]
    header = {"digest": job.digest, "sources": job.sources_sha256, "frames": None}
    good = {**header, "videos": [1], "tracks": entries[:1]}
    return {
        "is not a shard": [1, 2],
        "has digest 'other'": good | {"digest": "other"},
        "has videos 'one'": good | {"videos": "one"},
        "a track of video 99; expected one of": good | {"tracks": entries},
        "holds video 99, which the job does not": {**good, "videos": [99], "tracks": []},
        "expected a list of predictions": good | {"tracks": 3},
    }


@pytest.mark.parametrize("place", range(6))
def test_files_that_are_not_this_jobs_shards_are_refused(jobs, tracks, tmp_path, place):
    message, content = list(broken_shards(jobs[0], tracks).items())[place]
    files = ShardFiles(tmp_path, jobs[0])
    files.folder.mkdir(parents=True)
    (files.folder / "x.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        files.read()


def test_two_files_that_differ_about_a_video_are_refused(jobs, tracks, tmp_path):
    job, files = jobs[0], ShardFiles(tmp_path, jobs[0])
    one, two = job.videos[0].id, job.videos[1].id
    files.write(Shard(job.digest, (one,)), tracks[one])
    files.write(Shard(job.digest, (one, two)), [*tracks[one], *tracks[two]])
    assert files.read().keys() == {one, two}
    files.write(Shard(job.digest, (one, two)), tracks[two])
    with pytest.raises(InputError, match="has other tracks of video"):
        files.read()


def test_shards_of_another_digest_are_left_alone_and_named(jobs, tmp_path):
    for job in jobs:
        ShardFiles(tmp_path, job).write(Shard(job.digest, (job.videos[0].id,)), [])
    foreign = ShardFiles(tmp_path, jobs[1]).folder
    bars = Heard()
    run_shard(jobs[:1], RecordStore(tmp_path), bars, ShardOption(1, 1))
    assert f"{foreign} holds shards of another run or config; it is left alone" in bars.said
    assert foreign.is_dir()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_merge_that_is_killed_leaves_no_lock(jobs, in_one_process, tmp_path, monkeypatch):
    store = RecordStore(tmp_path)
    if (child := os.fork()) == 0:
        monkeypatch.setattr(
            shard_module, "run_jobs", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        )
        run_shard(jobs, store, QUIET, ShardOption(1, 1))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert list(store) == []
    outcome = run_shard(jobs, store, QUIET, ShardOption(1, 1))
    assert contents(tmp_path, outcome.records) == in_one_process
    assert not (tmp_path / "shards").exists()


def test_a_second_process_waits_for_the_one_that_merges(jobs, in_one_process, tmp_path):
    store, bars = RecordStore(tmp_path), Bars(quiet=True)
    outcomes = []
    second = Thread(
        target=lambda: outcomes.append(run_shard(jobs, store, QUIET, ShardOption(1, 1)))
    )
    bars.say = lambda text: second.start() if "T=whole" in text and not second.ident else None
    outcomes.append(run_shard(jobs, store, bars, ShardOption(1, 1)))
    second.join()
    for outcome in outcomes:
        assert outcome.failures == []
        assert contents(tmp_path, outcome.records) == in_one_process


def test_a_merge_without_records_fails(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "describe", lambda *_: [][0])
    outcome = run_shard(jobs, RecordStore(tmp_path), QUIET, ShardOption(1, 1))
    assert outcome.records == []
    assert len(outcome.failures) == len(jobs)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/", "a/b", "-1/2", "1/2/3", ""])
def test_shares_that_make_no_sense(text):
    with pytest.raises(InputError, match="expected I/N with I from 1 to N, or auto"):
        ShardOption.parse(text)


def test_shares_from_the_environment():
    assert ShardOption.parse("2/7") == ShardOption(2, 7)
    assert ShardOption.parse("auto", {"RANK": "0", "WORLD_SIZE": "4"}) == ShardOption(1, 4)
    with pytest.raises(InputError, match="neither torchrun's RANK and WORLD_SIZE nor"):
        ShardOption.parse("auto", {})
    assert [ShardOption(i, 3).of(range(8)) for i in (1, 2, 3)] == [[0, 3, 6], [1, 4, 7], [2, 5]]


def slurm(task, tasks, step=1):
    values = {"ID": task, "COUNT": len(tasks), "MIN": min(tasks), "MAX": max(tasks), "STEP": step}
    return {f"SLURM_ARRAY_TASK_{key}": str(value) for key, value in values.items()}


@pytest.mark.parametrize(
    "tasks", [range(5, 13), range(0, 9, 2), range(1, 2), range(3, 20, 7)], ids=str
)
def test_tasks_of_a_slurm_array_take_every_shard_once(tasks):
    parts = [ShardOption.parse("auto", slurm(task, tasks, tasks.step)) for task in tasks]
    assert parts == [ShardOption(place, len(tasks)) for place in range(1, len(tasks) + 1)]


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        *((slurm(task, [1, 3, 4, 9]), f"task {task}") for task in (1, 3, 4, 9)),
        ({**slurm(1, [1, 2]), "SLURM_ARRAY_TASK_ID": ""}, "SLURM_ARRAY_TASK_ID is ''"),
        ({**slurm(1, [1, 2]), "SLURM_ARRAY_TASK_COUNT": "0"}, "task 1"),
        ({"RANK": "abc", "WORLD_SIZE": "4"}, "RANK is 'abc'"),
        ({"RANK": "0", "WORLD_SIZE": ""}, "WORLD_SIZE is ''"),
        ({"RANK": "-1", "WORLD_SIZE": "4"}, "RANK is '-1'"),
        ({"RANK": "4", "WORLD_SIZE": "4"}, "RANK is 4"),
        ({"RANK": "0", "WORLD_SIZE": "0"}, "RANK is 0"),
        ({"RANK": "1"}, "WORLD_SIZE is not"),
        ({"SLURM_ARRAY_TASK_COUNT": "2"}, "SLURM_ARRAY_TASK_ID is not"),
        ({**slurm(1, [1, 2]), "SLURM_ARRAY_TASK_STEP": "a"}, "SLURM_ARRAY_TASK_STEP is 'a'"),
        ({"PBS_ARRAY_INDEX": "3"}, "PBS"),
    ],
)
def test_variables_without_a_known_place_are_refused(environment, name, monkeypatch, capsys):
    for key in ("RANK", "WORLD_SIZE", *slurm(1, [1])):
        monkeypatch.delenv(key, raising=False)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert main(["run", "demo", "--shard", "auto"]) == 2
    said = capsys.readouterr().err
    assert name in said
    assert said.count("\n") == 1


def test_absent_masks_are_not_in_memory_while_a_shard_is_written(tmp_path):
    num_frames = 1000
    [mask] = encode_masks(np.ones((1, 2, 3), bool))
    tracks = [Track(1, 1, 0.5, SparseTube(num_frames, {t: mask})) for t in range(num_frames)]
    shard = Shard("ab", (1, 2))
    path, peak = peak_of(lambda: ShardFiles(tmp_path, named_job("ab")).write(shard, tracks))
    entries = [track_entry(track) for track in tracks]
    header = {"digest": "ab", "sources": "0" * 64, "frames": None}
    content = {**header, "videos": [1, 2], "tracks": entries}
    assert path.read_bytes() == orjson.dumps(content)
    assert peak < path.stat().st_size / 10


def shards_of(count, size):
    return [Shard("d", tuple(range(at, min(at + size, count)))) for at in range(0, count, size)]


@given(
    st.integers(1, 20),
    st.integers(1, 5),
    st.integers(0, 3),
    st.sets(st.integers(0, 19)),
    st.randoms(use_true_random=False),
)
def test_every_video_is_inferred_or_given_up(count, size, retries, poisonous, rng):
    """Poisonous videos always fail; others fail now and then, but never more than `retries`."""
    queue, inferred, failures, alone = ShardQueue(shards_of(count, size), retries), [], {}, {}
    while queue:
        shard = queue.take()
        single = len(shard.video_ids) == 1
        for video in shard.video_ids if single else ():
            alone[video] = alone.get(video, 0) + 1
        may_fail = not single or failures.get(shard, 0) < retries
        if poisonous & set(shard.video_ids) or (may_fail and rng.random() < 0.3):
            failures[shard] = failures.get(shard, 0) + 1
            queue.failed(shard, "it broke")
        else:
            inferred += shard.video_ids
    lost = {video for _, video in queue.given_up}
    assert lost == poisonous & set(range(count))
    assert sorted([*inferred, *lost]) == list(range(count))
    assert all(alone[video] == retries + 1 for video in lost)
    assert set(queue.given_up.values()) <= {"it broke"}
