"""Files that are replaced while a run goes on never stand under the digest of the first ones."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from paths import ROOT
from run_case import QUIET, jobs_of
from vis_bench.data.datasets import load_dataset
from vis_bench.data.synthetic import write_dataset
from vis_bench.digests import ChangedFileError, PinnedFile, file_sha256, reading
from vis_bench.record.store import RecordStore
from vis_bench.runs import external
from vis_bench.runs.external import OtherCode, record_results
from vis_bench.runs.harness import run_jobs

MINI = ROOT / "methods" / "weights" / "ifc_mini.safetensors"
SWEEP = """
method: ifc
options: {variant: mini}
dataset: {name: synthetic, split: val, plain: true}
resolution: 64
clip_length: [2, 3]
measure: [accuracy]
"""


def other_weights(path):
    """Weights of the same names and shapes, and of as many bytes."""
    save_file({key: value * 0.5 for key, value in load_file(MINI).items()}, path)


@pytest.mark.parametrize("in_place", [True, False])
def test_a_cell_fails_whose_weights_were_replaced_after_the_one_before(tmp_path, in_place):
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(MINI.read_bytes())
    jobs = jobs_of(tmp_path, SWEEP, weights=weights, limit=1)
    first, store = file_sha256(weights), RecordStore(tmp_path / "out")
    assert run_jobs(jobs[:1], store, QUIET).failures == []
    other_weights(tmp_path / "other.safetensors")
    if in_place:
        weights.write_bytes((tmp_path / "other.safetensors").read_bytes())
    else:
        (tmp_path / "other.safetensors").replace(weights)
    outcome = run_jobs(jobs[1:], store, QUIET)
    [failure] = outcome.failures
    assert outcome.records == []
    assert first in failure
    assert file_sha256(weights) in failure
    assert [(r.clip_length, r.weights_sha256) for r in store] == [(2, first)]


def test_a_file_of_another_model_in_their_place_is_named_as_replaced(tmp_path):
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(MINI.read_bytes())
    [job, _] = jobs_of(tmp_path, SWEEP, weights=weights)
    save_file({"a": torch.zeros(1)}, weights)
    with pytest.raises(ChangedFileError, match=job.weights_sha256):
        job.load_method()


def test_a_config_beside_the_weights_that_was_replaced_is_refused(tmp_path, monkeypatch):
    """The method is built with its options, also where no weights are loaded."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(MINI.read_bytes())
    (folder / "config.json").write_text("{}")
    [job, _] = jobs_of(tmp_path, SWEEP, weights=folder)
    (folder / "config.json").write_text("{ }")
    with pytest.raises(ChangedFileError, match=job.weights.config_sha256):
        job.load_method()
    with pytest.raises(ChangedFileError, match=job.weights.config_sha256):
        job.recipe.on_meta()


@pytest.mark.parametrize("how", ["written", "renamed", "replaced and put back"])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, how):
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"one")
    os.utime(path, ns=(0, 0))  # written long ago
    other.write_bytes(b"one" if how != "replaced and put back" else b"two")

    def change():
        if how == "written":
            path.write_bytes(b"one")
        elif how == "renamed":
            other.replace(path)
        else:
            path.rename(tmp_path / "kept")
            other.replace(path)
            (tmp_path / "kept").replace(path)

    with pytest.raises(ChangedFileError), reading(path, file_sha256(path)):
        change()


def test_a_file_that_stays_is_read(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    with reading(path, file_sha256(path)):
        assert path.read_bytes() == b"one"
    file = PinnedFile(path)
    assert file.read() == file.read() == b"one"


@pytest.fixture
def data(tmp_path):
    write_dataset(tmp_path / "data", QUIET, plain=True, num_videos={"val": 2})
    return tmp_path / "data"


ON_DISK = """
method: color_key
dataset: {name: synthetic, split: val, annotations: ROOT/val.json, frames: ROOT/val/JPEGImages}
resolution: native
clip_length: 10
clip_stride: 5
"""


def jobs_on(data, **settings):
    return jobs_of(data.parent, ON_DISK.replace("ROOT", str(data)), **settings)


@pytest.mark.parametrize("part", ["annotations_sha256", "ground_truth"])
def test_annotations_have_the_digest_of_the_bytes_that_are_evaluated(data, part):
    dataset = load_dataset(
        "synthetic", "val", annotations=data / "val.json", frames=data / "val" / "JPEGImages"
    )
    content = json.loads((data / "val.json").read_text())
    content["annotations"].pop()
    (data / "val.json").write_text(json.dumps(content))
    with pytest.raises(ChangedFileError):
        dataset.ground_truth() if part == "ground_truth" else dataset.annotations_sha256


@pytest.mark.parametrize("verify", [False, True])
def test_a_video_fails_whose_frame_was_replaced(data, verify):
    [job] = jobs_on(data, verify_frames=verify)
    path = job.videos[0].files[0]
    size = path.stat().st_size
    if verify:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1  # the checksum of the end, which Pillow does not look at
        path.write_bytes(content)
    else:
        Image.fromarray(np.zeros_like(job.videos[0].frames[0])).save(path)
    assert (path.stat().st_size == size) == verify
    outcome = run_jobs([job], RecordStore(data.parent / "out"), QUIET)
    [failure] = outcome.failures
    assert str(path) in failure
    assert outcome.records[0].ap is None


def test_results_that_change_while_they_are_evaluated_have_no_record(data, tmp_path, monkeypatch):
    results = tmp_path / "results.json"
    results.write_text("[]")
    evaluate_files = external.evaluate_files

    def slowly(*arguments, **options):
        results.write_text("[ ]")
        return evaluate_files(*arguments, **options)

    monkeypatch.setattr(external, "evaluate_files", slowly)
    store = RecordStore(tmp_path / "out")
    with pytest.raises(ChangedFileError):
        record_results(OtherCode("mine"), data / "val.json", results, store, command="eval")
    assert not (tmp_path / "out").exists()
