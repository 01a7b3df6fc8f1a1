"""The real engine: workers and nodes that die, and runs that go on with fewer.

The cluster is two nodes on this machine, a raylet of one CPU each, by Ray's own `cluster_utils`.
"""

import os
import socket
from contextlib import contextmanager

import pytest

import deadly
from paths import ROOT
from run_case import QUIET, Heard, jobs_of
from vis_bench.cli import main
from vis_bench.data.synthetic import write_dataset
from vis_bench.errors import InputError
from vis_bench.record.store import RecordStore
from vis_bench.runs.harness import run_jobs
from vis_bench.runs.ray.cluster import ClusterSettings, alive_nodes, becomes_free, connected
from vis_bench.runs.ray.ray_run import run_on_ray

pytest.importorskip("ray", reason="needs Ray: pip install 'vis-bench[cluster]'")

CONFIG = """
method: deadly
dataset: {{name: synthetic, split: val, plain: true}}
weights_trained_on: synthetic/val
resolution: native
clip_length: [whole, 10]
clip_stride: 5
measure: {measure}
options: {options}
"""
VIDEOS = 9


def deadly_jobs(folder, options="{}", measure="[accuracy]"):
    text = CONFIG.format(options=options, measure=measure)
    return jobs_of(folder, text, build=deadly.build, limit=VIDEOS)


class Watched(Heard):
    """Silent bars that call a function with how many videos are inferred."""

    def __init__(self, watch=lambda done: None):
        super().__init__()
        self.watch = watch

    @contextmanager
    def steps(self, title):
        yield lambda done, total, coming: self.watch(done)


@pytest.fixture(scope="module", autouse=True)
def import_path():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")]))
        yield


@pytest.fixture(scope="module")
def cluster(import_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def in_one_process(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    return contents(run_jobs(deadly_jobs(folder), RecordStore(folder), Watched()), folder)


def contents(outcome, folder):
    assert outcome.failures == []
    assert all(record.contaminated for record in outcome.records)
    results = {record.clip_length: folder / record.predictions for record in outcome.records}
    return {
        record.clip_length: (record.ap, record.hota, results[record.clip_length].read_bytes())
        for record in outcome.records
    }


def measured(cluster, folder, jobs, bars=None, *, resume=False, workers=2, **more):
    settings = ClusterSettings(address=cluster.address, workers=workers, **more)
    return run_on_ray(jobs, RecordStore(folder), bars or Watched(), settings, resume=resume)


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_bytes_of_one_process(
    cluster, in_one_process, tmp_path, workers
):
    outcome = measured(cluster, tmp_path, deadly_jobs(tmp_path), workers=workers)
    assert contents(outcome, tmp_path) == in_one_process
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize("shift", [0, 9.5])
def test_masks_nowhere_below_0_in_any_worker_are_named(cluster, tmp_path, shift):
    jobs, bars = deadly_jobs(tmp_path, f"{{shift: {shift}}}")[:1], Watched()
    measured(cluster, tmp_path, jobs, bars)
    assert sum("after a sigmoid" in line for line in bars.said) == bool(shift)


def test_a_worker_killed_in_the_middle_of_a_shard_costs_nothing(cluster, in_one_process, tmp_path):
    video = deadly_jobs(tmp_path)[0].videos[1]
    options = f"{{poison: {deadly.mark_of(video)}, once: {tmp_path / 'struck'}}}"
    outcome = measured(cluster, tmp_path, deadly_jobs(tmp_path, options))
    assert (tmp_path / "struck").exists()
    assert contents(outcome, tmp_path) == in_one_process


def test_a_video_that_kills_every_worker_is_named_and_the_rest_is_inferred(cluster, tmp_path):
    jobs = deadly_jobs(tmp_path)
    video = jobs[0].videos[5]
    jobs = deadly_jobs(tmp_path, f"{{poison: {deadly.mark_of(video)}}}")[:1]
    bars = Watched()
    outcome = measured(cluster, tmp_path, jobs, bars, retries=1)
    [failure] = outcome.failures
    assert f"video {video.name}: its worker died" in failure
    assert any(f"video {video.id} is given up" in line for line in bars.said)
    [folder] = (tmp_path / "shards").iterdir()
    assert len(outcome.records) == 1
    assert outcome.records[0].ap is None
    # Harmless now, the run goes on where it ended: nothing but that video is inferred again.
    left = []
    calm = measured(cluster, tmp_path, jobs, Watched(left.append), retries=0, resume=True)
    assert len(calm.failures) == 1
    assert max(left) <= 1
    assert len(list(folder.glob("*.json"))) > 1


def test_an_interrupted_run_goes_on_with_fewer_workers(cluster, in_one_process, tmp_path):
    def interrupt(done):
        if done >= 4:
            raise KeyboardInterrupt

    jobs = deadly_jobs(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        measured(cluster, tmp_path, jobs, Watched(interrupt))
    assert list((tmp_path / "shards").rglob("*.json"))
    assert every_cpu_is_free(cluster)
    first = []
    outcome = measured(cluster, tmp_path, jobs, Watched(first.append), workers=1, resume=True)
    assert max(first) <= 2 * VIDEOS - 4
    assert contents(outcome, tmp_path) == in_one_process


def every_cpu_is_free(cluster):
    """Whether a task that takes a whole node finds room on each: no worker is left."""
    import ray

    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    try:
        return all(becomes_free(ray, node) for node in alive_nodes(ray))
    finally:
        ray.shutdown()


def test_speed_is_measured_by_a_worker_that_is_alone(cluster, tmp_path):
    measure = "[accuracy, flops, speed]\nspeed: {warmup: 0, seconds: 0}"
    jobs = deadly_jobs(tmp_path, measure=measure)[1:]
    outcome = measured(cluster, tmp_path, jobs)
    [record] = outcome.records
    assert record.timed_alone
    assert record.fps > 0
    assert record.gflops_per_frame is not None
    assert record.ap is not None


def test_a_worker_that_lacks_a_file_says_which_node(cluster, tmp_path):
    write_dataset(tmp_path / "data", QUIET, plain=True, num_videos={"val": 2})
    jobs = jobs_of(
        tmp_path,
        f"method: deadly\ndataset: {{name: synthetic, annotations: {tmp_path}/data/val.json, "
        f"frames: {tmp_path}/data/val/JPEGImages}}\nresolution: native\nclip_length: 10\n",
        build=deadly.build,
    )
    frame = jobs[0].videos[1].frames.files[3]
    frame.unlink()
    outcome = measured(cluster, tmp_path, jobs, retries=0)
    [failure] = outcome.failures
    assert f"video {jobs[0].videos[1].name}: node {socket.gethostname()}: " in failure
    assert str(frame) in failure


def test_a_node_that_dies_takes_only_its_shards_with_it(in_one_process, tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        node = cluster.add_node(num_cpus=1)
        gone = []

        def kill(done):
            if done >= 4 and not gone:
                gone.append(done)
                cluster.remove_node(node, allow_graceful=False)

        outcome = measured(cluster, tmp_path, deadly_jobs(tmp_path), Watched(kill))
        assert gone
        assert contents(outcome, tmp_path) == in_one_process
    finally:
        cluster.shutdown()


def test_more_workers_than_fit_are_refused(cluster, tmp_path):
    with pytest.raises(InputError, match="9 workers with 1 threads each do not fit on the cluster"):
        measured(cluster, tmp_path, deadly_jobs(tmp_path), workers=9)


def test_more_gpus_than_there_are_are_refused(cluster):
    settings = ClusterSettings(cluster.address, workers=2, gpus_per_worker=1.0)
    refused = pytest.raises(InputError, match="2 workers with 1 GPUs each do not fit on 0 GPUs")
    with refused, connected(settings, gpu=True):
        pass


@pytest.mark.parametrize("address", ["nowhere", "host:", "a:b"])
def test_addresses_that_are_none_are_refused(address):
    refused = pytest.raises(InputError, match="expected auto, or HOST:PORT")
    with refused, connected(ClusterSettings(address=address), gpu=False):
        pass


def test_an_address_that_does_not_answer_is_refused_soon(capsys, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "c.yaml"
    path.write_text("method: color_key\ndataset: {name: synthetic, plain: true}\nresolution: 64\n")
    arguments = ["run", str(path), "--ray", f"127.0.0.1:{port}", "--output", str(tmp_path / "o")]
    assert main([*arguments, "--limit", "1", "--device", "cpu"]) == 2
    assert f"--ray 127.0.0.1:{port} does not answer" in capsys.readouterr().err
