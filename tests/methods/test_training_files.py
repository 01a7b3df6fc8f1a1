"""The files of a training run: what it refuses before it starts, and how it resumes."""

import errno
import json
import os
import shutil
import signal
import zipfile
from types import SimpleNamespace

import pytest
import torch
import yaml

from methods.training import loop, trainer
from methods.training.config import TrainConfig
from methods.training.criterion import LossSum
from methods.training.loop import evaluation_cells, prepare, save_weights, summary_text, train
from methods.training.trainer import read_training_state
from paths import CONFIGS
from vis_bench.cli import main
from vis_bench.errors import InputError
from vis_bench.progress import Bars

QUIET = Bars(quiet=True)
SIZES = {"backbone": "mini", "width": 32, "heads": 4, "hidden": 32, "num_queries": 6,
         "decoder_layers": 2}  # fmt: skip
SETTINGS = {
    "method": "ifc", "options": SIZES, "videos": 1, "clips": 1, "clip_frames": [2],
    "resolutions": [64], "steps": 2, "learning_rate": 1e-3, "clip_norm": 1.0,
}  # fmt: skip
OWN = {"name": "mine", "annotations": "a.json", "frames": "."}
RUN = {"method": "ifc", "options": SIZES, "dataset": {"name": "synthetic"}, "resolution": 64}


def config(**changes):
    return TrainConfig(**{**SETTINGS, **changes})


def write_yaml(path, settings):
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint after one step."""
    path = tmp_path_factory.mktemp("run") / "checkpoint.pt"
    run = prepare(config(), QUIET)
    run.advance()
    run.save(path)
    return path


@pytest.fixture(scope="module")
def fresh_trainer():
    """A trainer that nothing was restored into."""
    return prepare(config(), QUIET)


@pytest.mark.parametrize("content", [[1, 2], {"step": 1}])
def test_foreign_content_is_refused(content, fresh_trainer, tmp_path):
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="it is not the state of a training run"):
        fresh_trainer.restore(tmp_path / "checkpoint.pt")


class Harm:
    """Makes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (type(self.path).touch, (self.path,))


def test_a_malicious_checkpoint_is_refused_and_its_code_does_not_run(
    checkpoint, fresh_trainer, tmp_path
):
    content = torch.load(checkpoint, weights_only=True)
    inside = {"a": 1}
    inside["b"] = inside
    for changes, message in (
        ({"config": Harm(tmp_path / "harm")}, "it is damaged or not a PyTorch file"),
        ({"modules": Harm(tmp_path / "harm")}, "it is damaged or not a PyTorch file"),
        ({"config": inside}, "it is not the state of a training run"),
        ({"config": {"seed": torch.zeros(2)}}, "it is not the state of a training run"),
        ({"config": {1: 2}}, "it is not the state of a training run"),
        ({"config": {}}, "method is 'ifc' here and was not set there"),
        ({"step": "1"}, "it is not the state of a training run"),
        ({"step": -1}, "it is not the state of a training run"),
        ({"step": 1 << 70}, "it is not the state of a training run"),
        ({"modules": {1: 2}}, "its tensors do not fit"),
        ({"modules": dict.fromkeys(content["modules"], "x")}, "its tensors do not fit"),
        ({"optimizer": {"state": 1, "param_groups": 2}}, "its tensors do not fit"),
        ({"optimizer": {"state": [[]], "param_groups": [{}, []]}}, "its tensors do not fit"),
    ):
        torch.save({**content, **changes}, tmp_path / "checkpoint.pt")
        with pytest.raises(InputError, match=f"cannot be resumed from: {message}") as caught:
            fresh_trainer.restore(tmp_path / "checkpoint.pt")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "harm").exists()


def test_a_checkpoint_that_unpacks_to_more_than_it_holds_is_refused(fresh_trainer, tmp_path):
    path = tmp_path / "checkpoint.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (1 << 20))
    with pytest.raises(
        InputError, match=r"cannot be resumed from: .*would unpack to 1048576 bytes"
    ):
        fresh_trainer.restore(path)


WRONG_SETTINGS = {
    "clip_frames: []": "clip_frames is []",
    "resolutions: [0]": "resolutions.0 is 0",
    "videos: 1000000000": "videos is 1000000000",
    "crop: 0": "crop is 0",
    "seed: -1": "seed is -1",
    "learning_rate: .inf": "learning_rate is inf",
    "clip_norm: .nan": "clip_norm is nan",
    "loss_weights: {mask: -1}": "loss_weights.mask is -1",
    "loss_weights: {maks: 1}": "loss_weights has 'maks'",
    "learning_rate_multipliers: {a: .inf}": "learning_rate_multipliers.a is inf",
    "half_precision: 1": "half_precision is 1",
    "method: color_key\noptions: {}": "method 'color_key' cannot be trained",
    "method: nothing": "unknown method 'nothing'",
    "options: {hiden: 3}": "no option 'hiden'",
    "options: {backbone: mini, width: 48}": "method ifc refuses its options",
    "options: [1]": "options is [1]",
    "initial_weights: none.pth": "initial_weights none.pth does not exist",
    "initial_weights: no/backbone_mini_synthetic/w.pth": "vis-bench train backbone_mini_synthetic",
    "later: [{after: 5}, {after: 5}]": "later is",
}


@pytest.mark.parametrize("text", WRONG_SETTINGS)
def test_wrong_settings_are_refused_before_training(text, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "draw_videos", lambda *args: pytest.fail("drew videos"))
    path = write_yaml(tmp_path / "train.yaml", {**SETTINGS, **yaml.safe_load(text)})
    assert main(["train", str(path), "--output", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert WRONG_SETTINGS[text] in line
    assert not (tmp_path / "out" / "weights.safetensors").exists()


def test_a_checkpoint_whose_tensors_do_not_fit_is_refused(checkpoint, fresh_trainer, tmp_path):
    def change(edit):
        content = torch.load(checkpoint, weights_only=True)
        edit(content)
        torch.save(content, tmp_path / "checkpoint.pt")
        with pytest.raises(InputError, match="its tensors do not fit") as caught:
            fresh_trainer.restore(tmp_path / "checkpoint.pt")
        assert "\n" not in str(caught.value)

    change(lambda content: content["modules"].popitem())
    change(lambda content: content["optimizer"]["param_groups"][0].pop("betas"))
    change(lambda content: content["optimizer"]["state"][0].update(exp_avg=torch.zeros(1, 2, 3)))
    change(lambda content: content["optimizer"]["state"][0].pop("exp_avg_sq"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "seed is 1 here and was 0 there"),
        ({"method": "seqformer"}, "method is 'seqformer' here and was 'ifc' there"),
        ({"options": {**SIZES, "hidden": 64}}, "options.hidden is 64 here and was 32 there"),
        ({"options": {**SIZES, "memory_tokens": 2}}, "memory_tokens is 2 here and was not set"),
        ({"learning_rate": 2e-3}, "learning_rate is 0.002 here and was 0.001 there"),
        ({"clip_frames": (2, 3)}, r"clip_frames is \[2, 3\] here and was \[2\] there"),
        ({"loss_weights": {"mask": 2.0}}, "loss_weights.mask is 2.0 here and was not set there"),
    ],
)
def test_a_run_with_other_settings_is_not_resumed(changes, message, checkpoint):
    other = prepare(config(**changes), QUIET)
    with pytest.raises(InputError, match=f"cannot be resumed from: .*{message}"):
        other.restore(checkpoint)


def test_how_long_a_run_goes_on_and_what_it_writes_may_change(checkpoint):
    changed = prepare(
        config(steps=9, log_every=1, checkpoint_every=3, half_precision=True, evaluate="x"), QUIET
    )
    changed.restore(checkpoint)
    assert (changed.step, changed.saved_step) == (1, 1)
    assert read_training_state(checkpoint)["config"]["steps"] == 2


def test_an_evaluation_is_found_by_path_or_name(tmp_path):
    path = write_yaml(tmp_path / "run.yaml", RUN)
    assert [cell.method for cell in evaluation_cells(config(evaluate=str(path)))] == ["ifc"]
    options = yaml.safe_load((CONFIGS / "ifc_mini_synthetic.yaml").read_text())["options"]
    for name in ("ifc_mini_synthetic", "configs/ifc_mini_synthetic.yaml"):
        cells = evaluation_cells(config(options=options, evaluate=name))
        assert {cell.measure for cell in cells} == {("accuracy",)}
    assert evaluation_cells(config()) == []


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (None, "run.yaml does not exist, and no bundled config"),
        ({**RUN, "speeed": 1}, "unknown key 'speeed'"),
        ({**RUN, "method": "seqformer"}, "is for method 'seqformer', expected 'ifc'"),
        ({**RUN, "options": {**SIZES, "hidden": 64}}, "does not take the trained weights .*shape"),
        ({**RUN, "options": {**SIZES, "decoder_layers": 3}}, "is needed there and not trained"),
        ({**RUN, "options": {**SIZES, "decoder_layers": 1}}, "is trained and has no place there"),
        ({**RUN, "options": {**SIZES, "depth": 1}}, "no option 'depth'"),
        ({**RUN, "dataset": {"name": "ytvis2019"}}, "data-root"),
        ({**RUN, "dataset": OWN}, "has no annotations, so accuracy cannot be measured"),
    ],
)
def test_an_evaluation_that_cannot_work_is_refused_before_training(
    run, message, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "prepare", lambda *args: pytest.fail("prepared training"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.png").touch()
    video = {"id": 1, "height": 4, "width": 4, "file_names": ["f.png"]}
    categories = [{"id": number, "name": str(number)} for number in range(1, 7)]
    (tmp_path / "a.json").write_text(json.dumps({"videos": [video], "categories": categories}))
    if run is not None:
        write_yaml(tmp_path / "run.yaml", run)
    path = write_yaml(tmp_path / "t.yaml", {**SETTINGS, "evaluate": str(tmp_path / "run.yaml")})
    with pytest.raises(InputError, match=message) as caught:
        train(path, [], tmp_path / "out", resume=False, bars=QUIET)
    assert "\n" not in str(caught.value)


def test_an_unwritable_output_folder_is_found_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "prepare", lambda *args: pytest.fail("prepared training"))
    path = write_yaml(tmp_path / "train.yaml", SETTINGS)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=f"cannot write {tmp_path}/file/out"):
        train(path, [], tmp_path / "file" / "out", resume=False, bars=QUIET)
    with pytest.raises(InputError, match=f"cannot write {tmp_path}/file"):
        train(path, [], tmp_path / "file", resume=False, bars=QUIET)


def test_too_small_a_disk_is_found_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(loop.Trainer, "advance", lambda self: pytest.fail("took a step"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1500))
    path = write_yaml(tmp_path / "train.yaml", SETTINGS)
    with pytest.raises(
        InputError, match=r"out has 0\.0 MB free, expected at least [1-9]\d*\.\d MB"
    ):
        train(path, [], tmp_path / "out", resume=False, bars=QUIET)


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(fresh_trainer, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for path in (tmp_path / "checkpoint.pt", tmp_path / "weights.safetensors"):
        path.write_bytes(b"before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write .*checkpoint\.pt: No space left on device"):
        fresh_trainer.save(tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match=r"cannot write .*\.safetensors: No space left on device"):
        save_weights(fresh_trainer.result, tmp_path / "weights.safetensors")
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"before"}


def test_an_interrupted_run_finishes_its_step_and_goes_on(tmp_path, monkeypatch, capsys):
    path, output = write_yaml(tmp_path / "train.yaml", SETTINGS), tmp_path / "my runs"
    command = ["train", str(path), "--output", str(output), "--resume", "--set", "steps=3"]
    losses = trainer.Trainer.losses

    def interrupted(self, batch):
        if self.step == 1:
            signal.raise_signal(signal.SIGINT)  # in the middle of the second step
        return losses(self, batch)

    with monkeypatch.context() as patched:
        patched.setattr(trainer.Trainer, "losses", interrupted)
        assert main(command) == 130
    said = capsys.readouterr().err
    assert f"{output}/checkpoint.pt does not exist yet: starting from step 0\n" in said
    assert f"vis-bench train {path} --output '{output}' --set steps=3 --resume\n" in said
    assert "step 1: loss" in said
    assert read_training_state(output / "checkpoint.pt")["step"] == 2
    assert main(command) == 0
    assert "resuming after step 2\n" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["costs", "gradient"])
def test_training_that_diverges_ends_in_a_sentence(where):
    run = prepare(config(), QUIET)
    if where == "costs":
        for parameter in run.method.parameters():
            torch.nn.init.constant_(parameter, torch.nan)
    else:
        diverged = LossSum({}, {"class": (next(run.method.parameters()) * torch.inf).sum()})
        run.losses = lambda batch: diverged
    with pytest.raises(InputError, match=r"diverged at step 1: .* a learning_rate below 0\.001"):
        run.advance()


def test_losses_of_no_weight_are_refused():
    weights = dict.fromkeys(prepare(config(), QUIET)._criterion.weights, 0.0)
    with pytest.raises(InputError, match="loss_weights are 0 for every loss"):
        prepare(config(loss_weights=weights), QUIET).advance()


def test_the_smallest_settings_train():
    run = prepare(config(resolutions=(64,), clip_frames=(1,), crop=64), QUIET)
    assert run.advance()["norm"] >= 0


def test_a_damaged_checkpoint_is_exit_code_2(tmp_path, capsys):
    path = write_yaml(tmp_path / "train.yaml", SETTINGS)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "checkpoint.pt").write_bytes(b"not a checkpoint")
    assert main(["train", str(path), "--output", str(tmp_path / "out"), "--resume"]) == 2
    said = capsys.readouterr().err
    assert f"error: checkpoint {tmp_path}/out/checkpoint.pt cannot be resumed from: it is" in said
    assert "Traceback" not in said


def test_summary_in_words():
    metrics = {"clip_length": 5, "ap": 0.5, "ap50": 0.75, "ap75": None, "ar1": 0.4, "ar10": 0.6}
    summary = {
        "steps": 300,
        "seconds": 12.5,
        "losses": {"class": 0.5, "norm": 2.0},
        "weights": "w.safetensors",
        "metrics": [metrics],
    }
    text = summary_text(summary)
    for words in ("step 300", "12.5 s", "class 0.500, norm 2.000", "w.safetensors", "AP50", "75.0"):
        assert words in text
    assert len(summary_text({**summary, "losses": {}, "metrics": []}).splitlines()) == 2
