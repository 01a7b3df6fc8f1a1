"""Each project runs its own code, as it is on the disk."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

import vis_bench
from methods import build_method
from run_case import QUIET, jobs_of
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.record.store import RecordStore
from vis_bench.runs.harness import run_jobs
from vis_bench.video_method import VideoInfo

# `score` is a value of the module; the others import it in the ways of real projects.
MODEL = """
import numpy as np
score = {score}

def predict(frames, height, width):
    masks = np.ones((len(frames), height, width), bool)
    for _ in range(2):
        yield {{"score": score, "category": 0, "masks": masks}}

def lazy(frames, height, width):
    import later
    from package.part import score
    for number in range(2):
        from package import another
        assert later.score == score == another.score
        yield {{"score": score, "category": 0, "masks": [None] * len(frames)}}
"""
CONFIG = """
dataset: {{name: synthetic, split: val, plain: true}}
resolution: native
clip_length: whole
measure: [accuracy]
method: external_video
cells: {cells}
"""


def project(folder, score):
    (folder / "package").mkdir(parents=True)
    (folder / "model.py").write_text(MODEL.format(score=score))
    for name in ("later.py", "package/__init__.py", "package/part.py", "package/another.py"):
        (folder / name).write_text(f"score = {score}\n")
    return folder


def method_of(folder, function="model:predict"):
    method = build_method(
        "external_video", num_classes=3, function=function, project_path=str(folder)
    )
    method.prepare_for_inference()
    return method


FRAMES = [np.zeros((8, 8, 3), np.uint8)] * 2
PLAN = InferencePlan("whole", 1, "native", torch.device("cpu"))


def scores_of(method):
    tracks = track_video(method, Video(1, "v", 8, 8, FRAMES), PLAN, [1, 2, 3])
    return [track.score for track in tracks]


def raw_scores(method):
    """One at a time, as they are made."""
    info = VideoInfo(1, "v", 8, 8, 2)
    return (track.score for track in method.predict_video(FRAMES, info, lambda *_: None))


@pytest.mark.parametrize("function", ["model:predict", "package.part:lazy"])
def test_two_projects_with_equal_names_run_their_own_code(tmp_path, function):
    first, second = (project(tmp_path / name, s) for name, s in (("a", 0.25), ("b", 0.75)))
    for folder in (first, second):
        part = folder / "package" / "part.py"
        part.write_text(part.read_text() + "from model import lazy\n")
    methods = [method_of(first, function), method_of(second, function)]
    for _ in range(2):
        assert [scores_of(method) for method in methods] == [[0.25] * 2, [0.75] * 2]
    turns = zip(*map(raw_scores, methods), strict=True)  # one's next track after the other's
    assert list(turns) == [(0.25, 0.75)] * 2


def test_cells_of_two_projects_have_their_own_results(tmp_path):
    folders = project(tmp_path / "a", 0.25), project(tmp_path / "b", 0.75)
    cells = [
        {"options": {"function": "model:predict", "project_path": str(folder), "name": folder.name}}
        for folder in folders
    ]
    jobs = jobs_of(tmp_path, CONFIG.format(cells=cells), limit=1)
    outcome = run_jobs(jobs, RecordStore(tmp_path), QUIET)
    assert outcome.failures == []
    for record, score in zip(outcome.records, (0.25, 0.75), strict=True):
        assert f'"score":{score}' in tmp_path.joinpath(record.predictions).read_text()


def test_a_project_edited_between_two_measurements_is_read_anew(tmp_path):
    folder, found = project(tmp_path / "a", 0.25), []
    config = tmp_path / "c.yaml"
    cell = {"options": {"function": "model:lazy", "project_path": str(folder)}}
    config.write_text(CONFIG.format(cells=[cell]))
    for score in (0.25, 0.75):
        for path in folder.rglob("*.py"):  # of equal length, within the second of the bytecode
            stamp = path.stat().st_mtime_ns
            path.write_text(path.read_text().replace("0.25", str(score)))
            os.utime(path, ns=(stamp, stamp))
        outcome = vis_bench.measure(config, output=tmp_path / "out", limit=1, device="cpu")
        assert outcome.failures == []
        [record] = outcome.records
        results = (tmp_path / "out" / record.predictions).read_text()
        found.append((f'"score":{score}' in results, record.method_source["sha256"]))
    assert [right for right, _ in found] == [True, True]
    assert found[0][1] != found[1][1]


def test_stale_bytecode_is_not_read(tmp_path):
    folder = project(tmp_path / "a", 0.25)
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder)], check=True)
    model = folder / "model.py"
    stamp = model.stat().st_mtime_ns
    model.write_text(MODEL.format(score=0.75))
    os.utime(model, ns=(stamp, stamp))
    method = method_of(folder)
    assert scores_of(method) == [0.75] * 2


def test_a_module_that_changed_before_its_first_import_is_refused(tmp_path):
    folder = project(tmp_path / "a", 0.25)
    with (folder / "model.py").open("a") as file:
        file.write("""
def lazier(frames, height, width):
    if len(frames) > 2:
        import later
    return predict(frames, height, width)
""")
    method = method_of(folder, "model:lazier")
    assert scores_of(method) == [0.25] * 2
    (folder / "later.py").write_text("score = 0.75\n")
    with pytest.raises(InputError, match=r"later\.py has changed"):
        track_video(method, Video(1, "v", 8, 8, FRAMES * 2), PLAN, [1, 2, 3])
