"""Videos per second of one process and of workers, overhead of a shard, memory of a worker.

Sleeping workers use the real engine and files without inference.
"""

import os
import re
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from methods import build_method
from paths import CONFIGS, ROOT
from run_case import bare, named_job
from sleeping_worker import SECONDS_PER_VIDEO, SleepingWorker
from vis_bench.inference.loop import track_video
from vis_bench.progress import Bars
from vis_bench.runs.config import load_cells
from vis_bench.runs.jobs import RunSettings, resolve_jobs
from vis_bench.runs.ray.cluster import ClusterSettings, connected
from vis_bench.runs.ray.pool import Pool, ShardQueue
from vis_bench.runs.ray.ray_run import Worker
from vis_bench.runs.shards import SHARD_VIDEOS, Shard, ShardFiles

pytest.importorskip("ray", reason="needs Ray: pip install 'vis-bench[cluster]'")
DIGEST = "0" * 64
QUIET = Bars(quiet=True)


@contextmanager
def sleeping_pool(workers, monkeypatch):
    """A pool whose workers are up."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")]))
    settings = ClusterSettings(workers=workers)
    with connected(settings, gpu=False) as ray:
        pool = Pool(ray, settings, {DIGEST: None}, SleepingWorker)
        pool.wait_until_up()
        infer(
            pool,
            SHARD_VIDEOS * workers,
            ShardFiles(ROOT / "nowhere", named_job(DIGEST)),
            keep=False,
        )
        yield pool
        pool.close()


def infer_here(job, method, videos):
    for video in videos:
        track_video(method, video, job.plan, job.dataset.category_ids)


def infer(pool, num_videos, files, keep=True):
    shards = [
        Shard(DIGEST, tuple(range(at, min(at + SHARD_VIDEOS, num_videos))))
        for at in range(0, num_videos, SHARD_VIDEOS)
    ]

    def done(shard, tracks):
        if keep:
            files.write(shard, tracks)

    pool.run(ShardQueue(shards, 0), done, QUIET, num_videos)


@pytest.mark.parametrize("workers", [1, 8, 64])
def test_videos_per_second(benchmark, monkeypatch, tmp_path, workers):
    """`extra_info` holds what the workers could do, what they did, and the overhead per shard."""
    num_videos = SHARD_VIDEOS * workers * 4
    with sleeping_pool(workers, monkeypatch) as pool:
        files = ShardFiles(tmp_path, named_job(DIGEST))
        benchmark.pedantic(infer, (pool, num_videos, files), rounds=1)
    if benchmark.stats is not None:
        seconds = benchmark.stats.stats.mean
        ideal = num_videos * SECONDS_PER_VIDEO / workers
        shards = num_videos / SHARD_VIDEOS
        benchmark.extra_info |= {
            "videos per second": round(num_videos / seconds, 1),
            "of what sleeping allows": round(ideal / seconds, 3),
            "overhead per shard and worker, ms": round(
                1000 * (seconds - ideal) * workers / shards, 1
            ),
        }


def real_job():
    """IFC's mini model on the synthetic validation set."""
    run = RunSettings("run", torch.device("cpu"))
    cells = load_cells(CONFIGS / "ifc_mini_synthetic.yaml", ["measure=[accuracy]"])
    [job] = resolve_jobs(cells, run, build_method, lambda line: None)
    return job


def videos_of(job, benchmark):
    """All videos, or a few where nothing is timed."""
    return job.videos if benchmark.enabled else job.videos[:4]


def worker_memory():
    """Resident MiB of each worker's process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cmdline").read_bytes().startswith(b"ray::Worker"):
                status = (folder / "status").read_text()
                found.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024)
    return found


@pytest.mark.parametrize("threads", [1, 2])
def test_one_process(benchmark, threads):
    """Inference alone, the method loaded."""
    job, before = real_job(), torch.get_num_threads()
    method, videos = bare(job.load_method()), videos_of(job, benchmark)
    torch.set_num_threads(threads)
    try:
        infer_here(job, method, job.videos[:4])
        benchmark.pedantic(infer_here, (job, method, videos), rounds=1)
    finally:
        torch.set_num_threads(before)
    if benchmark.stats is not None:
        seconds = benchmark.stats.stats.mean
        benchmark.extra_info["videos per second"] = round(len(videos) / seconds, 2)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_of_one_thread(benchmark, monkeypatch, tmp_path, workers):
    """The same videos in shards of one, the workers up and the method loaded."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    job, settings = real_job(), ClusterSettings(workers=workers)
    files, timed = ShardFiles(tmp_path, job), videos_of(job, benchmark)

    def run(videos):
        shards = [Shard(job.digest, (video.id,)) for video in videos]
        queue = ShardQueue(shards, 0)
        pool.run(queue, files.write, QUIET, len(shards))

    with connected(settings, gpu=False) as ray:
        pool = Pool(ray, settings, {job.digest: replace(job, ground_truth=None)}, Worker)
        run(job.videos[:4])
        benchmark.pedantic(run, (timed,), rounds=1)
        if benchmark.stats is not None:
            seconds = benchmark.stats.stats.mean
            benchmark.extra_info |= {
                "videos per second": round(len(timed) / seconds, 2),
                "MiB per worker": worker_memory(),
            }
        pool.close()
