"""The scripts of docs/cluster.md on a real Slurm, with tasks that are killed and requeued."""

import json
import os
import re
import shlex
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import slurm_cluster
from paths import ROOT
from slurm_cluster import until

pytestmark = pytest.mark.skipif(
    not slurm_cluster.is_installed(), reason=f"needs Slurm: {slurm_cluster.INSTALL}"
)

ARRAY, RAY = re.findall(
    r"```bash\n(#!/bin/bash\n.*?)```", (ROOT / "docs" / "cluster.md").read_text(), re.DOTALL
)
RUN = ["ifc_mini_synthetic", "--limit", "16", "--device", "cpu", "--set", "measure=[accuracy]"]
# Videos of the first shard of either task.
FIRST, SECOND = [1, 2, 3, 4], [5, 6, 7, 8]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    bin_folder = tmp_path_factory.mktemp("bin")
    command = bin_folder / "vis-bench"
    run = shlex.join([sys.executable, str(ROOT / "run_bench.py")])
    command.write_text(f'#!/bin/sh\nexec {run} "$@"\n')
    command.chmod(0o700)
    path = [str(bin_folder), str(Path(sys.executable).parent), os.environ["PATH"]]
    own = {"PATH": os.pathsep.join(path), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with slurm_cluster.slurm_cluster({**os.environ, **own}) as cluster:
        yield cluster
    assert cluster.processes() == []


@pytest.fixture(scope="module")
def in_one_process(cluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    cluster.command("vis-bench", "run", *RUN, "--output", folder)
    return contents(folder)


def contents(folder):
    """Bytes of the results files, and records without when, where and how they were measured."""
    results = {path.name: path.read_bytes() for path in folder.glob("*.results.json")}
    records = {}
    for path in set(folder.glob("*.json")) - set(folder.glob("*.results.json")):
        values = json.loads(path.read_text())
        for differing in ("created_at", "command"):
            del values[differing]
        records[path.name] = values
    assert len(results) == len(records) == 1
    assert set(folder.iterdir()) == {folder / name for name in (*results, *records)}
    return results, records


def submit(cluster, folder, script, *options):
    (folder / "script.sh").write_text(script)
    words = ["sbatch", "--parsable", "--output=%a.txt", "--open-mode=append", *options]
    return cluster.command(*words, "script.sh", *RUN, folder=folder)


def shards(folder):
    """Videos of every shard file, with its path and the time it was written."""
    found = {}
    for path in folder.glob("runs/records/shards/*/*.json"):
        try:
            found[path, path.stat().st_mtime_ns] = json.loads(path.read_text())["videos"]
        except FileNotFoundError:  # removed by the process that merges
            continue
    return found


def test_an_array_with_killed_and_requeued_tasks_gives_the_bytes_of_one_process(
    cluster, in_one_process, tmp_path
):
    job = submit(cluster, tmp_path, ARRAY, "--array=0-1", "--cpus-per-task=32")
    killed, ended = f"{job}_0", f"{job}_1"
    until(lambda: FIRST in shards(tmp_path).values(), "the first shard is not written")
    [process] = cluster.processes("SLURM_ARRAY_TASK_ID=0")
    os.kill(process, signal.SIGKILL)
    until(lambda: SECOND in shards(tmp_path).values(), "the second shard is not written")
    cluster.command("scancel", "--signal=TERM", "--full", ended)
    assert cluster.ended(killed) == ("FAILED", "0:9")
    assert cluster.ended(ended) == ("FAILED", "143:0")
    assert "of 16 videos kept" in (tmp_path / "1.txt").read_text()
    kept = shards(tmp_path)
    cluster.requeue(killed)
    cluster.start(killed)
    assert cluster.ended(killed) == ("COMPLETED", "0:0")
    assert kept.items() < shards(tmp_path).items()
    cluster.requeue(ended)
    cluster.start(ended)
    assert cluster.ended(ended) == ("COMPLETED", "0:0")
    assert contents(tmp_path / "runs" / "records") == in_one_process


@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install 'vis-bench[cluster]'")
@pytest.mark.parametrize("requeued", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_ray_job_gives_the_bytes_of_one_process(cluster, in_one_process, tmp_path, requeued):
    """Marked slow: two clusters of Ray are started one after the other."""
    job = submit(cluster, tmp_path, RAY, "--nodes=2", "--cpus-per-task=1")
    if requeued:
        until(lambda: shards(tmp_path), "no shard is written")
        cluster.requeue(job)
        kept = shards(tmp_path)
        cluster.start(job)
        until(lambda: kept.items() < shards(tmp_path).items(), "kept shards are not used")
    assert cluster.ended(job) == ("COMPLETED", "0:0")
    assert cluster.job(job)["Restarts"] == str(int(requeued))
    assert contents(tmp_path / "runs" / "records") == in_one_process
