"""What spreading a run costs: overhead of a shard, and how many workers the driver keeps busy.

Sleeping workers go through the real engine and the real files; only inference is missing.
"""

import os
from contextlib import contextmanager

import pytest

from paths import ROOT
from sleeping_worker import SECONDS_PER_VIDEO, SleepingWorker
from vis_bench.progress import Bars
from vis_bench.runs.cluster.engine import connected
from vis_bench.runs.cluster.pool import Pool
from vis_bench.runs.cluster.queue import ShardQueue
from vis_bench.runs.cluster.settings import ClusterSettings
from vis_bench.runs.shards.shard import SHARD_VIDEOS, Shard
from vis_bench.runs.shards.shard_files import ShardFiles

pytest.importorskip("ray", reason="needs Ray: pip install 'vis-bench[cluster]'")
DIGEST = "0" * 64


@contextmanager
def sleeping_pool(workers, monkeypatch):
    """A pool whose workers are up."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")]))
    settings = ClusterSettings(workers=workers)
    with connected(settings, gpu=False) as ray:
        pool = Pool(ray, settings, {DIGEST: None}, SleepingWorker)
        infer(pool, workers, ShardFiles(ROOT / "nowhere", DIGEST), keep=False)
        yield pool
        pool.close()


def infer(pool, num_videos, files, keep=True):
    shards = [
        Shard(DIGEST, tuple(range(at, min(at + SHARD_VIDEOS, num_videos))))
        for at in range(0, num_videos, SHARD_VIDEOS)
    ]

    def done(shard, inferred):
        if keep:
            files.write(shard, inferred.tracks)

    pool.run(ShardQueue(shards, 0), done, Bars(quiet=True), num_videos)


@pytest.mark.parametrize("workers", [1, 8, 64])
def test_videos_per_second(benchmark, monkeypatch, tmp_path, workers):
    """`extra_info` holds what the workers could do, what they did, and the overhead per shard."""
    num_videos = SHARD_VIDEOS * workers * 4
    with sleeping_pool(workers, monkeypatch) as pool:
        files = ShardFiles(tmp_path, DIGEST)
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
