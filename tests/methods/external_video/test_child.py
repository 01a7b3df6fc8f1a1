"""A function of another project in another Python: equal results, failures in a sentence."""

import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from methods import build_method
from methods.external_video.child import unpacked_mask
from methods.external_video.driver.serve import packed_mask
from other_pythons import MISSING, other_pythons
from run_case import QUIET, jobs_of
from vis_bench.contract import check_contract
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.record.store import RecordStore
from vis_bench.runs.harness import run_jobs

TOY = '''
import os, stat, subprocess, sys, time
import numpy as np

print("imported")

def red(frames, height, width):
    """Whatever is rather red, in full, left and no masks; it writes wherever it can."""
    print("noise", flush=True)
    subprocess.call(["echo", "noise"])
    os.write(1, b"noise")
    assert "vis_bench" not in sys.modules and frames.dtype == np.uint8
    mask = np.zeros((height, width), bool)
    mask[: height // 2, : 1 + int(frames[0, 0, 0, 0]) % width] = True
    yield {"score": np.float32(0.5), "category": np.int64(1), "masks": [mask] * len(frames)}
    yield {"score": 0.25, "category": 0, "masks": [None] * (len(frames) - 1) + [mask]}

def fails(frames, height, width):
    raise KeyError("no weights")

def dies(frames, height, width):
    sys.stderr.write("out of memory")
    os._exit(3)

def hangs(frames, height, width):
    time.sleep(1000)

def babbles(frames, height, width):
    for descriptor in range(3, 100):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                os.write(descriptor, b"garbage\\n")
        except OSError:
            pass
    return []

def small(frames, height, width):
    return [{"score": 1, "category": 0, "masks": [np.ones((2, 2), bool)] * len(frames)}]

def soft(frames, height, width):
    return [{"score": 1, "category": 0, "masks": np.ones((len(frames), height, width))}]

def other_category(frames, height, width):
    return [{"score": 1, "category": 40, "masks": [None] * len(frames)}]

def once(frames, height, width):
    if len(frames) == 3:
        os._exit(1)
    return [{"score": 1, "category": 0, "masks": np.ones((len(frames), height, width), bool)}]
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "toy.py").write_text(TOY)
    return tmp_path / "project"


def method_of(project, name="red", **options):
    options = {"python": sys.executable, "timeout": 60, **options}
    return build_method(
        "external_video",
        num_classes=3,
        function=f"toy:{name}",
        project_path=str(project),
        **options,
    )


def tracks_of(method, length=3):
    frames = [np.full((12, 20, 3), 10 * t, np.uint8) for t in range(length)]
    plan = InferencePlan("whole", 1, 6, torch.device("cpu"))
    return track_video(method, Video(5, "a video", 12, 20, frames), plan, [7, 8, 9])


def test_the_contract_and_the_tracks(project):
    method = method_of(project)
    method.prepare_for_inference()
    check_contract(method, 3)
    first, second = tracks_of(method)
    assert (first.category_id, first.score, second.category_id) == (8, 0.5, 7)
    assert [mask is None for mask in second.segmentations] == [True, True, False]
    assert tracks_of(method) == [first, second]


def test_an_older_python_gives_the_same(project):
    python = next(iter(other_pythons()), None)
    if python is None:
        pytest.skip(MISSING.format("numpy"))
    assert tracks_of(method_of(project, python=python)) == tracks_of(method_of(project))


FAILURES = {
    "fails": "KeyError in toy.py:",
    "dies": "exit status 3; its last output: .*out of memory",
    "hangs": r"options.timeout, 2 .* output: imported File \"[^\"]*toy.py\", line \d+ in hangs",
    "babbles": "garbage",
    "small": r"\(2, 2\); expected",
    "soft": "float64",
    "other_category": "label 40",
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_goes_wrong_ends_in_a_sentence_with_the_video(project, name):
    method = method_of(project, name, timeout=2 if name == "hangs" else 60)
    with pytest.raises(InputError, match=f"(?s){FAILURES[name]}.*video a video \\(id 5\\)"):
        tracks_of(method)


@pytest.mark.parametrize(("name", "content"), [("fails", "Traceback"), ("dies", "out of memory")])
def test_a_failure_names_the_file_with_the_output(project, name, content):
    with pytest.raises(InputError, match=r"all of its output is in \S+\.log") as raised:
        tracks_of(method_of(project, name))
    path = Path(re.search(r"output is in (\S+\.log)", str(raised.value))[1])
    assert content in path.read_text()


def test_a_relative_path_of_the_interpreter_starts_here(project, monkeypatch):
    folder = Path(sys.executable).parent
    monkeypatch.chdir(folder.parent)
    python = str(Path(folder.name, Path(sys.executable).name))
    assert len(tracks_of(method_of(project, python=python))) == 2


def test_the_video_after_a_crash_gets_a_new_process(project):
    method = method_of(project, "once")
    with pytest.raises(InputError, match="exit status 1"):
        tracks_of(method)
    assert len(tracks_of(method, length=1)) == 1


def test_no_process_is_left_behind(project):
    method = method_of(project)
    method.prepare_for_inference()
    process = method._session._running._process
    del method
    assert process.poll() is not None


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("missing", {}, "missing"),
        ("red", {"python": "/no/python"}, "options.python"),
        ("red", {"timeout": 0}, "options.timeout"),
        ("red", {"project_path": "/no/folder"}, "options.project_path"),
        ("red", {"function": "toy"}, "options.function"),
    ],
)
def test_what_cannot_start_is_refused_before_the_first_frame(project, name, options, problem):
    with pytest.raises(InputError, match=problem):
        build_method(
            "external_video",
            num_classes=3,
            **{
                "function": f"toy:{name}",
                "project_path": str(project),
                "python": sys.executable,
                **options,
            },
        ).prepare_for_inference()


def test_a_config_measures_it_and_edited_code_anew(project, tmp_path):
    text = f"""
method: external_video
options: {{function: "toy:red", project_path: {project}, python: {sys.executable}}}
dataset: {{name: synthetic, split: val}}
resolution: 48
clip_length: whole
measure: [accuracy, speed]
speed: {{videos: 1, warmup: 0, repetitions: 1, seconds: 0}}
"""

    def run():
        outcome = run_jobs(
            jobs_of(tmp_path, text, limit=2), RecordStore(tmp_path), QUIET, resume=True
        )
        assert outcome.failures == []
        return outcome.records[0]

    first = run()
    assert first.ap is not None
    assert first.fps > 0
    assert run().created_at == first.created_at
    (project / "toy.py").write_text(TOY + "\n")
    assert run().method_source["sha256"] != first.method_source["sha256"]


@pytest.mark.parametrize("size_HW", [(1, 1), (3, 5), (40, 64)])
def test_masks_travel_as_they_are(size_HW):
    rows, columns = np.indices(size_HW)
    noise = np.random.default_rng(0).random(size_HW) > 0.5
    disk = (rows - 20) ** 2 + (columns - 30) ** 2 < 100
    for mask in (noise, disk, ~disk, np.zeros(size_HW, bool), np.ones(size_HW, bool), disk[::-1]):
        packed = packed_mask(mask)
        assert len(packed) <= -(-mask.size // 8)
        assert np.array_equal(unpacked_mask(packed, size_HW), mask)


@pytest.mark.parametrize(
    ("starts", "values"),
    [([0, 5, 2], b"\0\1\2"), ([1, 2], b"\1\2"), ([0, 320], b"\1\2"), ([0], b"\0\0"), ([], b"")],
)
def test_a_mask_that_does_not_fit_is_known(starts, values):
    assert unpacked_mask(np.int32(starts).tobytes() + values, (40, 64)) is None
