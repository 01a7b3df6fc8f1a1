"""Runs of another project's function: in several Pythons, killed, cut, moved, edited."""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from methods import build_method
from methods.external_video import child
from methods.external_video.child import unpacked_mask
from other_pythons import other_pythons
from paths import ROOT
from run_case import QUIET, jobs_of
from vis_bench.cli import main
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.measures.speed.measure import measure_speed
from vis_bench.measures.speed.regions import Workload
from vis_bench.measures.speed.settings import SpeedSettings
from vis_bench.record.metrics import PARAMS
from vis_bench.record.names import unmarked_names
from vis_bench.record.store import RecordStore
from vis_bench.runs.harness import run_jobs
from vis_bench.runs.run_shard import ShardOption, run_shard
from vis_bench.show.gate.check import check

TOY = '''
import os, subprocess, sys, time
from pathlib import Path

import numpy as np

def bright(frames, height, width):
    """A track for each color channel; it spoils its frames, and writes wherever it can."""
    print("noise", flush=True)
    os.write(1, b'{"kind": "done"}\\n')
    for channel in range(3):
        masks_THW = frames[..., channel] > 150
        frames[..., channel] = 0
        score = float(masks_THW.mean())
        masks = [mask_HW if mask_HW.any() else None for mask_HW in masks_THW]
        yield {"score": score, "category": channel, "masks": masks}

def killed(frames, height, width):
    flag = Path(__file__).with_name("flag")
    if len(frames) > 2 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), 9)
    return list(bright(frames, height, width))

def edited(frames, height, width):
    """Its process starts anew with other code."""
    flag = Path(__file__).with_name("flag")
    if len(frames) > 2 and not flag.exists():
        flag.touch()
        with open(__file__, "a") as file:
            file.write("\\n")
        os.kill(os.getpid(), 9)
    return list(bright(frames, height, width))

kept = []

def leaks(frames, height, width):
    if len(frames) > 2:
        kept.append(np.ones(100 << 20, np.uint8))
    return list(bright(frames, height, width))

def daemon():
    """The number of a process without a parent, in a session of its own."""
    reader, writer = os.pipe()
    if not os.fork():
        os.setsid()
        if not os.fork():
            os.write(writer, str(os.getpid()).encode())
            time.sleep(1000)
        os._exit(0)
    os.wait()
    return int(os.read(reader, 100))

def hangs(frames, height, width):
    if len(frames) > 2:
        sleep = [sys.executable, "-c", "import time; time.sleep(1000)"]
        helpers = [subprocess.Popen(sleep, start_new_session=own) for own in (False, True)]
        started = [os.getpid(), helpers[0].pid, helpers[1].pid, daemon()]
        print(*started, file=open(Path(__file__).with_name("pids"), "w"), flush=True)
        os.mkfifo(Path(__file__).with_name("never"))
        open(Path(__file__).with_name("never"))
    return []

real = time.perf_counter

def slow(frames, height, width):
    """Works for 0.05 seconds a frame, and lets no time pass on the clock that it can reach."""
    time.perf_counter = lambda: 0.0
    until = real() + 0.05 * len(frames)
    while real() < until:
        pass
    return list(bright(frames, height, width))

def lies(sign):
    """Replaces the clock of the driver itself."""
    def function(frames, height, width):
        sys.modules["vis_bench_driver.serve"].perf_counter = lambda: sign * 1e6 * real()
        return list(bright(frames, height, width))
    return function

faster, backwards = lies(1), lies(-1)
'''
CONFIG = """
method: external_video
options:
  {{function: "toy:{name}", project_path: {project}, python: {python}, name: Toy, backbone: r1}}
dataset: {{name: synthetic, split: val, plain: true}}
resolution: native
clip_length: whole
measure: [{measure}]
speed: {{regions: [model, model+tracker], videos: 1, warmup: 0, repetitions: 1, seconds: 0}}
"""
VIDEOS = 3


@pytest.fixture
def project(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "toy.py").write_text(TOY)
    return tmp_path / "project"


def config(project, name="bright", python=sys.executable, measure="accuracy"):
    return CONFIG.format(name=name, project=project, python=python, measure=measure)


def run(folder, project, name="bright", *, resume=False, **changes):
    folder.mkdir(exist_ok=True)
    jobs = jobs_of(folder, config(project, name, **changes), limit=VIDEOS)
    outcome = run_jobs(jobs, RecordStore(folder), QUIET, resume=resume)
    assert outcome.failures == []
    [record] = outcome.records
    return record, folder.joinpath(record.predictions).read_bytes()


def method_of(project, name):
    method = build_method(
        "external_video",
        num_classes=3,
        function=f"toy:{name}",
        project_path=str(project),
        python=sys.executable,
    )
    method.prepare_for_inference()
    return method


def video(number, length, size_HW=(20, 32)):
    frames = np.random.default_rng(number).integers(0, 256, (length, *size_HW, 3), np.uint8)
    return Video(number, f"video {number}", *size_HW, list(frames))


PLAN = InferencePlan("whole", 1, "native", torch.device("cpu"))


def test_every_python_gives_the_same_results_file(project, tmp_path):
    record, here = run(tmp_path / "here", project, python="null")
    assert record.ap is not None
    assert here.count(b"score") > VIDEOS
    assert run(tmp_path / "there", project)[1] == here
    assert run(tmp_path / "leaks", project, "leaks")[1] == here
    with pytest.warns(UserWarning, match=r"signal 9.*restarting it"):
        assert run(tmp_path / "killed", project, "killed")[1] == here
    for number, python in enumerate(other_pythons()):  # without this package
        assert run(tmp_path / f"other{number}", project, python=python)[1] == here


@pytest.mark.filterwarnings("ignore:its process ended")
def test_a_process_that_starts_again_has_the_code_of_the_first(project, tmp_path):
    jobs = jobs_of(tmp_path, config(project, "edited"), limit=1)
    [failure] = run_jobs(jobs, RecordStore(tmp_path / "out"), QUIET).failures
    assert str(project) in failure
    assert "expected" in failure


def test_it_is_cut_by_videos_and_resumed(project, tmp_path):
    record, whole = run(tmp_path / "whole", project)
    folder = tmp_path / "cut"
    folder.mkdir()
    jobs = jobs_of(folder, config(project), limit=VIDEOS)
    for number in (1, 2):
        run_shard(jobs, RecordStore(folder), QUIET, ShardOption(number, 2))
    toy = project / "toy.py"
    assert run(folder, project, resume=True)[1] == whole
    again, _ = run(tmp_path / "whole", project, resume=True)
    assert again.created_at == record.created_at
    toy.write_text(TOY.replace("masks_THW.mean())", "masks_THW.mean()) / 2"))
    edited, results = run(tmp_path / "whole", project, resume=True)
    assert edited.sources_sha256 != record.sources_sha256
    assert results != whole


@pytest.mark.parametrize("changed", ["weights.npy", "pkg/net.py", "out/results.json"])
def test_resume_measures_new_weights_and_linked_code_anew(project, tmp_path, changed):
    """Results that a project writes elsewhere than beside its code change nothing."""
    (tmp_path / "real").mkdir()
    (project / "pkg").symlink_to("../real")
    (project / "out").mkdir()
    (project / changed).write_bytes(b"1")
    record, _ = run(tmp_path / "run", project, python="null")
    (project / changed).write_bytes(b"2")
    again, _ = run(tmp_path / "run", project, resume=True, python="null")
    assert (again.sources_sha256 == record.sources_sha256) == (changed == "out/results.json")


@pytest.mark.parametrize("name", ["bright", "leaks"])
def test_the_order_of_videos_changes_nothing(project, name):
    videos = [video(1, 3), video(2, 1), video(3, 4, (24, 18))]
    tracks = []
    for order in (videos, videos[::-1]):
        method = method_of(project, name)
        tracks.append({v.id: track_video(method, v, PLAN, [1, 2, 3]) for v in order})
    assert tracks[0] == tracks[1]
    assert all(len(found) == 3 for found in tracks[0].values())


def measured(project, name, length):
    work = Workload(method_of(project, name), PLAN, [1, 2, 3])
    speed = SpeedSettings(videos=1, warmup=0, repetitions=2, seconds=0)
    return measure_speed(work, [video(1, length)], speed, QUIET)


def test_speed_is_that_of_the_clock_of_its_process(project, monkeypatch):
    """Time of handing over counts nowhere; the project cannot replace the clock."""

    def unpacked(*arguments):
        until = time.perf_counter() + 0.05
        while time.perf_counter() < until:
            pass
        return unpacked_mask(*arguments)

    monkeypatch.setattr(child, "unpacked_mask", unpacked)
    fields = measured(project, "slow", 4)
    handing_over = 0.05 * 4 * 3
    assert 4 / (4 * 0.05 + handing_over) < fields["fps"] <= 1 / 0.05
    assert fields["latency_ms_p50"] >= 4 * 50
    stages = fields["stage_ms_per_frame"]
    assert stages["predict"] >= 50
    assert "transfer" not in stages
    assert stages["other"] < 50


@pytest.mark.parametrize("name", ["faster", "backwards"])
def test_seconds_that_cannot_be_are_refused(project, name):
    method = method_of(project, name)  # opening measures nothing
    with pytest.raises(InputError, match=r"counted .* seconds.*expected 0 or more"):
        track_video(method, video(1, 3), PLAN, [1, 2, 3])


def test_memory_is_that_of_its_process_and_shows_what_leaks(project):
    quiet, leaking = (measured(project, name, 4)["memory_bytes"] for name in ("bright", "leaks"))
    assert leaking["process"] - quiet["process"] > 150 << 20
    assert leaking["process"] < 400 << 20  # this process is larger: it holds PyTorch


PARENT = """
import sys
from methods import build_method
from vis_bench.video_method import VideoInfo
import numpy as np
method = build_method("external_video", num_classes=3, function="toy:hangs", python=sys.executable,
                      project_path=sys.argv[1])
method.prepare_for_inference()
frames = np.zeros((3, 8, 8, 3), np.uint8)
list(method.predict_video(frames, VideoInfo(1, "v", 8, 8, 3), lambda *_: None))
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_leaves_no_process_and_no_memory(project, how):
    os.mkfifo(project / "pids")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(project)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    pids = [int(pid) for pid in (project / "pids").read_text().split()]
    descriptors = [os.pidfd_open(pid) for pid in pids]
    assert "/memfd:frames (deleted)" in Path(f"/proc/{pids[0]}/maps").read_text()
    parent.send_signal(how)
    assert parent.wait(60) != 0
    try:
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], 60)[0], "it still runs"
    finally:
        for pid, descriptor in zip(pids, descriptors, strict=True):
            os.close(descriptor)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_record_names_the_method_its_commit_and_environment(project, tmp_path):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "toy.py"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *arguments], cwd=project, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True)
    record, _ = run(tmp_path / "out", project)
    assert (record.method, record.backbone) == ("Toy", "r1")
    assert record.num_params is None
    assert PARAMS.of(record) is None
    assert record.config["method"] == "external_video"
    assert unmarked_names([record])[0].startswith("Toy")
    source = record.method_source
    assert source["git_commit"] == head.stdout.strip()
    assert (
        f"python {sys.version.split()[0]}, torch {torch.__version__.split('+')[0]}"
        in (source["environment"])
    )
    assert f"numpy {np.__version__}" in source["environment"]
    (project / "toy.py").write_text(TOY + "\n")
    edited = method_of(project, "bright").method_source
    assert edited.git_commit == f"{source['git_commit']}-dirty"
    assert edited.sha256 != source["sha256"]


def test_where_a_project_and_its_python_lie_is_no_part_of_the_cell(project, tmp_path):
    moved, python = tmp_path / "elsewhere" / "project", tmp_path / "elsewhere" / "python3"
    shutil.copytree(project, moved)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    [one] = jobs_of(tmp_path, config(project), limit=1)
    [two] = jobs_of(tmp_path, config(moved, python=python), limit=1)
    [other] = jobs_of(tmp_path, config(project, "leaks"), limit=1)
    assert one.digest == two.digest != other.digest
    record, results = run(tmp_path / "here", project)
    there, same = run(tmp_path / "there", moved, python=python)
    assert results == same
    assert record.place_options == ("project_path", "python")
    assert there.options["project_path"] == str(moved)
    report = check(tmp_path / "here", tmp_path / "there")
    assert report.num_compared == 1
    assert not {finding.verdict for finding in report.findings} & {"missing", "new", "worse"}
    assert unmarked_names([record, there])[1].startswith("Toy, python=python3")


def test_two_cells_that_differ_in_a_place_alone_are_refused(project, tmp_path):
    shutil.copytree(project, tmp_path / "copy")
    both = [config(project), config(tmp_path / "copy")]
    options = [re.search(r"options:\n  (.*)", text)[1] for text in both]
    text = both[0] + f"cells: [{{options: {options[0]}}}, {{options: {options[1]}}}]\n"
    with pytest.raises(InputError, match=r"options\.project_path"):
        jobs_of(tmp_path, text, limit=1)


def test_failures_and_progress_have_the_name_of_the_config(project, tmp_path):
    (project / "toy.py").write_text(TOY + "\ndef fails(*_): raise KeyError('weights')\n")
    [job] = jobs_of(tmp_path, config(project, "fails", python="null"), limit=1)
    assert job.name.startswith("Toy synthetic")
    outcome = run_jobs([job], RecordStore(tmp_path), QUIET)
    assert [failure.startswith("Toy synthetic") for failure in outcome.failures] == [True]
    assert "external_video" not in outcome.failures[0]


def test_region_model_is_missing_and_a_function_without_products_has_no_flops(project, tmp_path):
    jobs = jobs_of(tmp_path, config(project, measure="speed, flops"), limit=1)
    [record] = run_jobs(jobs, RecordStore(tmp_path), QUIET).records
    assert record.timed_region == "model+tracker"
    assert record.fps > 0
    assert [*record.untimed_regions] == ["model"]
    assert record.gflops_per_frame is None
    assert "no operator with multiply-adds" in record.failures["flops"]


def test_multiply_adds_are_counted_where_the_model_runs(tmp_path):
    """A product of 8 x 8 pixels of each frame; an unknown operator is named, as in this process."""
    (tmp_path / "product.py").write_text("""
import torch
def predict(frames, height, width):
    part = torch.from_numpy(frames[:, :8, :8, 0]).float()
    part @ part
    return []
def unknown(frames, height, width):
    return torch.linalg.svd(torch.eye(3)) and []
""")
    text = config(tmp_path, measure="flops").replace("toy:bright", "product:predict")
    [record] = run_jobs(jobs_of(tmp_path, text, limit=1), RecordStore(tmp_path), QUIET).records
    assert record.failures == {}
    assert record.gflops_per_frame * 1e9 == 8**3
    text = text.replace("product:predict", "product:unknown")
    [record] = run_jobs(jobs_of(tmp_path, text, limit=1), RecordStore(tmp_path), QUIET).records
    assert "svd" in record.failures["flops"]


def test_the_gate_and_the_report_take_its_record(project, tmp_path, capsys):
    path = tmp_path / "c.yaml"
    path.write_text(config(project, measure="accuracy, speed"))
    out = tmp_path / "out"
    arguments = ["run", str(path), "--limit", "2", "--output", str(out), "--device", "cpu"]
    assert main(arguments) == 0
    assert main(["check", "--baseline", str(out), "--current", str(out)]) == 0
    [record] = [p for p in out.glob("Toy*.json") if "results" not in p.name]
    page = tmp_path / "page.html"
    assert main(["report", str(record), "--output", str(page)]) == 0
    assert "Toy" in page.read_text()
    capsys.readouterr()


@pytest.mark.slow
def test_workers_give_the_same(project, tmp_path):
    pytest.importorskip("ray", reason="needs Ray: pip install 'vis-bench[cluster]'")
    _, here = run(tmp_path / "here", project)
    path = tmp_path / "c.yaml"
    path.write_text(config(project))
    out = tmp_path / "out"
    limit = ["--limit", str(VIDEOS), "--device", "cpu"]
    assert main(["run", str(path), *limit, "--output", str(out), "--workers", "2"]) == 0
    [results] = out.glob("Toy*results*")
    assert results.read_bytes() == here
