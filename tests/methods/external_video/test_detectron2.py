"""Back end `detectron2`, held against `color_key` by a toy with detectron2's names and calls."""

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from cuda_ops import resolve_backend
from methods import build_method
from methods.external_video.driver import DriverError, open_session
from methods.external_video.driver.torch_models import load_strictly
from other_pythons import MISSING, other_pythons
from run_case import QUIET, bare, jobs_of
from toy_detectron2_case import TOY, forget_toy, toy_spec
from vis_bench.contract import check_contract
from vis_bench.data.synthetic import plain_color
from vis_bench.digests import ChangedFileError
from vis_bench.errors import InputError
from vis_bench.record.store import RecordStore
from vis_bench.runs.harness import run_jobs

CONFIG = """
method: METHOD
OPTIONS
dataset: {name: synthetic, split: val, plain: true}
resolution: native
clip_length: whole
measure: [accuracy]
"""


@pytest.fixture(autouse=True)
def clean():
    yield
    forget_toy()


@pytest.fixture
def weights(tmp_path):
    colors = torch.tensor([plain_color(1 + k) for k in range(6)]).float()
    torch.save({"model": {"colors": colors}, "iteration": 5}, tmp_path / "colors.pth")
    return tmp_path / "colors.pth"


def options(**changes):
    spec = {
        "back_end": "detectron2",
        "project_path": str(TOY),
        "config_file": "configs/colors.yaml",
        "adders": [
            "detectron2.projects.deeplab:add_deeplab_config",
            "colors:add_colors_config",
        ],
        "classes_key": "MODEL.SEM_SEG_HEAD.NUM_CLASSES",
        **changes,
    }
    return {key: value for key, value in spec.items() if value is not None}


def jobs(folder, weights=None, method="external_video", limit=2, **changes):
    folder.mkdir(exist_ok=True)
    text = CONFIG.replace("METHOD", method)
    text = text.replace("OPTIONS", f"options: {options(**changes)}" if changes else "")
    return jobs_of(folder, text, limit=limit, weights=weights)


def run(folder, *arguments, answer="lists", **changes):
    """The record and the bytes of the results file."""
    changes.setdefault("opts", ["MODEL.COLORS.ANSWER", answer])
    found = jobs(folder, *arguments, **changes)
    outcome = run_jobs(found, RecordStore(folder), QUIET)
    assert outcome.failures == []
    [record] = outcome.records
    return record, folder.joinpath(record.predictions).read_bytes()


@pytest.fixture(scope="module")
def found_by_color_key(tmp_path_factory):
    folder = tmp_path_factory.mktemp("key")
    [record] = run_jobs(jobs(folder, method="color_key"), RecordStore(folder), QUIET).records
    return record, folder.joinpath(record.predictions).read_bytes()


def assert_same(results, others):
    """Equal tracks and masks; scores differ by the rounding of normalized frames."""
    tracks, expected = (
        sorted(json.loads(content), key=lambda track: (track["video_id"], track["category_id"]))
        for content in (results, others)
    )
    assert len(tracks) == len(expected) > 0
    for one, other in zip(tracks, expected, strict=True):
        assert one.pop("score") == pytest.approx(other.pop("score"), abs=1e-6)
        assert one == other


@pytest.mark.parametrize("answer", ["lists", "tensors", "gaps"])
def test_the_toy_finds_what_color_key_finds(answer, weights, found_by_color_key, tmp_path):
    record, results = run(tmp_path, weights, answer=answer)
    expected, expected_results = found_by_color_key
    assert_same(results, expected_results)
    assert record.ap == expected.ap > 0.9
    assert record.num_params == 18
    assert record.weights_sha256


def test_a_bgr_config_gets_bgr_frames(weights, tmp_path):
    state = torch.load(weights)["model"]
    torch.save({"colors": state["colors"].flip(1)}, tmp_path / "bgr.pth")
    bgr = ["INPUT.FORMAT", "BGR", "MODEL.PIXEL_MEAN", [103.53, 116.28, 123.675]]
    first = run(tmp_path / "rgb", weights, limit=1)[1]
    assert run(tmp_path / "bgr", tmp_path / "bgr.pth", limit=1, opts=bgr)[1] == first


def test_other_versions_of_pytorch_give_equal_bytes(weights, tmp_path):
    pythons = [*other_pythons("numpy, torch, yaml")]
    if not pythons:
        pytest.skip(MISSING.format("numpy, torch and PyYAML"))
    opts = ["MODEL.COLORS.ANSWER", "tensors", "MODEL.COLORS.ATTENTION", True]
    record, here = run(tmp_path / "here", weights, limit=1, opts=opts)
    assert record.kernel_backend == resolve_backend("cpu")
    for number, python in enumerate(pythons):
        folder = tmp_path / f"other{number}"
        record, there = run(folder, weights, limit=1, opts=opts, python=python)
        assert there == here, python
        assert record.kernel_backend == "plain PyTorch"


def test_a_model_without_deformable_attention_names_none(tmp_path):
    opts = ["MODEL.COLORS.ATTENTION", False]
    method = bare(jobs(tmp_path, opts=opts)[0].load_method())
    assert method.resolved_kernel_backend(torch.device("cpu")) is None


def test_the_contract(weights):
    method = build_method("external_video", num_classes=6, **options())
    method.take_weights(weights)
    method.prepare_for_inference()
    check_contract(method, 6)


def test_weights_as_arrays_in_a_pickle(weights, tmp_path):
    state = torch.load(weights)["model"]
    arrays = {"colors": state["colors"].numpy()}
    path = tmp_path / "model_final.pkl"
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "a zoo"}))
    assert run(tmp_path / "a", path, limit=1)[1] == run(tmp_path / "b", weights, limit=1)[1]
    path.write_bytes(pickle.dumps({"model": {"colors": os.system}}))
    with pytest.raises(InputError, match=r"posix\.system"):
        jobs(tmp_path / "a", path, opts=[])[0].load_method()


REFUSED = {
    "resolution": ({"opts": ["INPUT.MIN_SIZE_TEST", 360]}, "native; expected 360"),
    "odd_opts": ({"opts": ["INPUT.FORMAT"]}, "options.opts"),
    "preset": ({"preset": "vito"}, "options.preset"),
    "back_end": ({"back_end": "caffe"}, "options.back_end"),
    "config": ({"config_file": None}, "options.config_file"),
    "python": ({"python": "/no/python"}, "options.python"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_options_are_refused_before_the_first_frame(case, tmp_path):
    changes, problem = REFUSED[case]
    with pytest.raises(InputError, match=problem):
        jobs(tmp_path, **changes)[0].load_method()


REFUSED_BY_DRIVER = {
    "not_a_key": ({"opts": ["MODEL.NOTHING", 1]}, "MODEL.NOTHING"),
    "no_adder": ({"adders": []}, "MODEL.COLORS"),
    "other_adder": ({"adders": ["colors:add_nothing"]}, "add_nothing"),
    "no_project": ({"adders": ["not_there:add"]}, "not_there"),
    "no_file": ({"config_file": "configs/none.yaml"}, "none.yaml"),
    "classes": ({"opts": ["MODEL.SEM_SEG_HEAD.NUM_CLASSES", 40]}, "is 40.* 6 categories"),
    "format": ({"opts": ["INPUT.FORMAT", "YUV-BT.601"]}, "INPUT.FORMAT is YUV-BT.601"),
    "task": ({"opts": ["MODEL.COLORS.TASK", "vps"]}, "'vps'"),
    "mask2former": ({"preset": "vita", "adders": []}, "mask2former cannot be imported"),
}


@pytest.mark.parametrize("case", REFUSED_BY_DRIVER)
def test_wrong_settings_are_refused_by_the_driver(case):
    changes, problem = REFUSED_BY_DRIVER[case]
    spec = toy_spec(classes_key="MODEL.SEM_SEG_HEAD.NUM_CLASSES", **changes)
    with pytest.raises(DriverError, match=problem):
        open_session(spec).try_out()


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"colours": torch.zeros(6, 3)}, "lacks colors and has colours"),
        ({"colors": torch.zeros(40, 3)}, "size mismatch"),
        ({}, "expected weights by name"),
    ],
)
def test_weights_are_loaded_strictly(state, problem, tmp_path):
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(DriverError, match=problem):
        open_session(toy_spec(weights=str(tmp_path / "w.pth")))


class Versioned(torch.nn.Linear):
    """Renames keys of its first version, as the head of Mask2Former does."""

    _version = 2

    def _load_from_state_dict(self, state, prefix, metadata, *others):
        if metadata.get("version", 1) < 2:
            state[f"{prefix}bias"] = state.pop(f"{prefix}offset", torch.ones(2))
        super()._load_from_state_dict(state, prefix, metadata, *others)


def test_a_model_knows_the_version_of_its_weights(tmp_path):
    saved, loaded = Versioned(2, 2), Versioned(2, 2)
    torch.save({"model": saved.state_dict()}, tmp_path / "w.pth")
    load_strictly(loaded, tmp_path / "w.pth")
    assert torch.equal(loaded.bias, saved.bias)


def test_weights_that_were_replaced_since_the_run_began_are_refused(weights, tmp_path):
    [job] = jobs(tmp_path, weights, opts=[])
    torch.save({"colors": torch.zeros(6, 3)}, weights)
    with pytest.raises(ChangedFileError, match=job.weights_sha256):
        job.load_method()


def test_a_config_file_outside_the_project_has_a_digest(tmp_path):
    path = tmp_path / "colors.yaml"
    path.write_bytes((TOY / "configs" / "colors.yaml").read_bytes())
    digests = {jobs(tmp_path / "a", config_file=str(path))[0].sources_sha256}
    path.write_bytes(path.read_bytes() + b"\n")
    digests.add(jobs(tmp_path / "a", config_file=str(path))[0].sources_sha256)
    assert len(digests) == 2


def test_weights_for_a_function_are_refused(weights, tmp_path):
    with pytest.raises(InputError, match="expected none"):
        jobs(tmp_path, weights, back_end="callable", function="json:loads")[0].load_method()


def test_an_environment_without_torch_is_named(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; sys.path.insert(0, sys.argv[1])\n"
        "from driver import DriverError, open_session\n"
        "try: open_session(eval(sys.argv[2]))\n"
        "except DriverError as error: print(error)"
    )
    folder = TOY.parents[2] / "methods" / "external_video"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), repr(toy_spec())],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert "torch cannot be imported" in done.stdout


def test_frames_of_the_trial_are_gray_and_of_the_configs_size(monkeypatch):
    session_of(monkeypatch).try_out()
    [video] = SEEN.pop()
    assert [image.shape for image in video["image"]] == [(3, 96, 144)] * 2
    assert {*video} == {
        "image",
        "height",
        "width",
        "file_names",
        "video_id",
        "length",
        "keep",
    }
    assert (video["keep"], video["height"], video["width"]) == (False, 48, 72)
    assert all((image == 128).all() for image in video["image"])


SEEN = []


def session_of(monkeypatch):
    session = open_session(toy_spec(opts=["INPUT.MIN_SIZE_TEST", 96]))
    model = session._back_end._model
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda videos: SEEN.append(videos) or forward(videos))
    return session


def test_frames_are_bytes_in_order(monkeypatch):
    frames = [np.full((4, 6, 3), t, np.uint8) for t in range(3)]
    [*session_of(monkeypatch).run(frames, 8, 12)]
    [video] = SEEN.pop()
    assert [int(image[0, 0, 0]) for image in video["image"]] == [0, 1, 2]
