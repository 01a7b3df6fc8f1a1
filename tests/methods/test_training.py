"""The training loop: criteria, learning rate, clipping, resuming, and a run from end to end."""

import math
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import nn

from methods import build_method
from methods.layers.resnet import RESNETS, FrozenBatchNorm2d, ResNet
from methods.training.config import TrainConfig, load_train_config
from methods.training.criterion import Example
from methods.training.data import make_targets
from methods.training.loop import evaluation_cells, prepare, train
from methods.training.losses import dice, mask_focal, softmax_with_no_object
from methods.training.trainable import build_criterion, build_trainable, load_initial_weights
from methods.training.trainer import (
    bundled_state,
    learning_rate_factor,
    parameter_groups,
    stage_at,
    train_norms,
)
from paths import CONFIGS
from short_videos import write_short_videos
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import WeightsFile, load_weights
from vis_bench.method import FrameFeatures
from vis_bench.progress import Bars

SMALL = {
    "ifc": {"width": 32, "heads": 4, "hidden": 32, "num_queries": 6, "decoder_layers": 2},
    "seqformer": {"width": 32, "heads": 4, "hidden": 32, "num_queries": 6, "points": 1,
                  "encoder_layers": 1, "decoder_layers": 2},
    "ms_sts": {"width": 32, "heads": 4, "hidden": 32, "num_queries": 6, "points": 1,
               "encoder_layers": 1, "decoder_layers": 2, "ms_sts_width": 16},
}  # fmt: skip


def config(method, **changes):
    values = {
        "method": method,
        "options": {"backbone": "mini", **SMALL[method]},
        "videos": 3,
        "clips": 2,
        "clip_frames": (2,),
        "resolutions": (64,),
        "steps": 6,
        "warmup_steps": 2,
        "learning_rate": 1e-3,
        "clip_norm": 1.0,
    }
    return TrainConfig(**{**values, **changes})


def tensors(trainer):
    return {
        **trainer.method.state_dict(),
        **{f"criterion.{k}": v for k, v in trainer._criterion.state_dict().items()},
        **{f"result.{k}": v for k, v in trainer.result.items()},
    }


@pytest.mark.parametrize("method", SMALL)
def test_training_resumes_bit_exactly(method, tmp_path):
    later = [{"after": 3, "clip_frames": [3], "videos": 4}]
    settings = config(method, loss_weights={"dense": 1.0}, average_decay=0.9, steps=6, later=later)
    through = prepare(settings, Bars(quiet=True))
    for _ in range(2):
        through.advance()
    through.save(tmp_path / "checkpoint.pt")
    resumed = prepare(settings, Bars(quiet=True))
    resumed.restore(tmp_path / "checkpoint.pt")
    assert resumed.step == 2
    assert [through.advance() for _ in range(2)] == [resumed.advance() for _ in range(2)]
    left, right = tensors(through), tensors(resumed)
    assert left.keys() == right.keys()
    assert all(torch.equal(left[key], right[key]) for key in left)


@pytest.mark.parametrize("method", SMALL)
def test_training_lowers_the_loss_of_what_it_sees(method):
    trainer = prepare(config(method, videos=1, warmup_steps=0, steps=12), Bars(quiet=True))
    (sampler,) = trainer._samplers
    batch = sampler.batch(0)
    sampler.batch = lambda step: batch
    totals = []
    for _ in range(12):
        losses = trainer.advance()
        totals.append(
            sum(v for k, v in losses.items() if k not in ("norm", "discriminator", "accuracy"))
        )
    assert totals[-1] < 0.85 * totals[0]


def test_learning_rate_rises_stays_and_falls():
    settings = config("ifc", steps=10, warmup_steps=3, decay_steps=4)
    factors = [learning_rate_factor(settings, step) for step in range(10)]
    assert factors == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])


def test_stages_follow_each_other_each_with_a_schedule_of_its_own():
    later = [{"after": 3, "clips": 1, "clip_frames": [4]}, {"after": 5, "learning_rate": 1e-4}]
    settings = config("ifc", steps=9, warmup_steps=1, later=later)
    first, second, third = settings.stages
    assert [stage.steps for stage in settings.stages] == [3, 2, 4]
    assert [stage_at(settings.stages, step) for step in (0, 2, 3, 4, 5, 8, 9)] == [
        (0, 0),
        (0, 2),
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 3),
        (2, 4),
    ]
    assert (second.clips, second.clip_frames, second.learning_rate) == (1, (4,), 1e-3)
    assert (third.clips, third.clip_frames, third.learning_rate) == (2, (2,), 1e-4)
    assert third.warmup_steps == first.warmup_steps == 1


@pytest.mark.parametrize(("steps", "stages"), [(2, [2]), (3, [3]), (4, [3, 1]), (6, [3, 2, 1])])
def test_a_shorter_run_is_the_beginning_of_a_longer_one(steps, stages):
    settings = config("ifc", steps=steps, later=[{"after": 3}, {"after": 5}])
    assert [stage.steps for stage in settings.stages] == stages


def test_a_later_stage_draws_clips_of_its_own():
    later = [{"after": 1, "clips": 1, "clip_frames": [3], "videos": 1, "resolutions": [96]}]
    trainer = prepare(config("ifc", steps=2, later=later), Bars(quiet=True))
    seen = []
    encode = trainer.method.encode_frames
    trainer.method.encode_frames = lambda frames: seen.append(frames.shape) or encode(frames)
    rates = []
    for _ in range(2):
        trainer.advance()
        rates.append(trainer._optimizer.param_groups[0]["lr"])
    assert [shape[0] for shape in seen] == [2 * 2, 1 * 3]
    assert [min(shape[2:]) for shape in seen] == [64, 96]
    assert rates[0] == pytest.approx(rates[1]) == pytest.approx(1e-3 / 3)  # both warm up


@pytest.mark.parametrize("method", SMALL)
def test_a_later_stage_may_weigh_losses_anew(method):
    later = [
        {"after": 1, "loss_weights": {"dense": 0.0, "quality": 1.0}},
        {"after": 2, "loss_weights": {"dice": 0.0}},
    ]
    settings = config(method, steps=3, loss_weights={"dense": 1.0}, later=later)
    trainer = prepare(settings, Bars(quiet=True))
    seen = [trainer.advance() for _ in range(3)]
    assert ["dense" in losses for losses in seen] == [True, False, True]
    assert ["dice" in losses for losses in seen] == [True, True, False]
    assert trainer._criterion.weights["quality"] == 0


@pytest.mark.parametrize("learning", [(True, False, True), (False, True, False)])
def test_norms_learn_in_the_stages_that_say_so(learning):
    first, *later = learning
    settings = config(
        "ifc",
        steps=3,
        warmup_steps=0,
        train_norms=first,
        later=[{"after": n, "train_norms": learns} for n, learns in enumerate(later, 1)],
    )
    trainer = prepare(settings, Bars(quiet=True))
    norms = [
        f"{name}.{tensor}"
        for name, child in trainer.method.named_modules()
        if isinstance(child, nn.BatchNorm2d)
        for tensor in ("weight", "bias", "running_mean", "running_var")
    ]
    for learns in learning:
        before = {name: value.clone() for name, value in trainer.method.state_dict().items()}
        trainer.advance()
        after = trainer.method.state_dict()
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert "class_head.layers.0.weight" in changed
        assert changed.issuperset(norms) if learns else changed.isdisjoint(norms)


@pytest.mark.parametrize("method", SMALL)
def test_with_quality_only_the_class_loss_changes(method):
    settings = config(method, learning_rate=1e-12)
    found = {}
    for quality in (0.0, 1.0):
        trainer = prepare(
            settings.model_copy(update={"loss_weights": {"quality": quality}}), Bars(quiet=True)
        )
        found[quality] = trainer.advance()
    changed = {name for name, value in found[0.0].items() if value != found[1.0][name]}
    assert changed == {"class", "norm"}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"maks": 1.0}, "'maks'; expected one of: class, no_object, mask, dice"),
        ({"quality": 1.5}, "loss_weights.quality is 1.5; expected 0 to 1"),
    ],
)
def test_losses_of_a_later_stage_are_checked_before_the_first_step(weights, message):
    later = [{"after": 1, "loss_weights": weights}]
    with pytest.raises(InputError, match=message):
        prepare(config("ifc", steps=2, later=later), Bars(quiet=True))


def test_averaged_weights_are_what_a_run_gives():
    trainer = prepare(config("ifc", average_decay=0.75, learning_rate=1e-2), Bars(quiet=True))
    expected = {name: value.clone() for name, value in bundled_state(trainer.method).items()}
    for _ in range(3):
        trainer.advance()
        for name, value in bundled_state(trainer.method).items():
            expected[name] = 0.75 * expected[name] + 0.25 * value
    now = bundled_state(trainer.method)
    assert trainer.result.keys() == now.keys()
    for name, value in trainer.result.items():
        torch.testing.assert_close(value, expected[name])
    assert not torch.equal(
        trainer.result["class_head.layers.0.weight"], now["class_head.layers.0.weight"]
    )


def test_learning_rate_multipliers_reach_the_parameters_they_name():
    module = nn.ModuleDict({"backbone": nn.Linear(2, 2), "head": nn.Linear(2, 1)})
    module["head"].bias.requires_grad_(False)
    groups = {g["multiplier"]: g["params"] for g in parameter_groups(module, {"backbone": 0.1})}
    assert set(map(id, groups[0.1])) == set(map(id, module["backbone"].parameters()))
    assert [id(p) for p in groups[1.0]] == [id(module["head"].weight)]


def test_gradients_are_clipped():
    """AdamW's first step does not show it, its size being the learning rate; its moments do."""
    trainer = prepare(config("ifc", clip_norm=1e-3), Bars(quiet=True))
    assert trainer.advance()["norm"] > 1
    moments = [state["exp_avg"] for state in trainer._optimizer.state.values()]
    norm = math.sqrt(sum(float(m.square().sum()) for m in moments))
    assert norm == pytest.approx(0.1 * 1e-3, rel=1e-3)


def test_norms_that_learned_load_as_frozen_ones():
    backbone = ResNet(**RESNETS["mini"])
    train_norms(backbone)
    assert not any(isinstance(m, FrozenBatchNorm2d) for m in backbone.modules())
    frames = torch.randn(4, 3, 64, 64)
    backbone.train()(frames)
    frozen = ResNet(**RESNETS["mini"])
    frozen.load_state_dict(bundled_state(backbone))
    backbone.eval()
    for learned, loaded in zip(backbone(frames), frozen(frames), strict=True):
        torch.testing.assert_close(loaded, learned, rtol=1e-4, atol=1e-5)


class Answers(nn.Module):
    """Stands in for IFC: two layers that answer with given logits and masks."""

    def __init__(self, logits_LQK, masks_LQTHW):
        super().__init__()
        self.logits, self.answers = logits_LQK, masks_LQTHW
        self.spatial_decoder = self
        self.pointwise = nn.Conv2d(4, 4, 1)

    def decode(self, features):
        return [0, 1], features.maps["map"]

    def class_head(self, layer):
        return self.logits[layer]

    def masks(self, mask_features, layer):
        return self.answers[layer]


def test_ifc_loss_is_the_sum_over_layers_of_their_own_matchings():
    owners = torch.zeros(2, 16, 16, dtype=torch.uint8)
    owners[:, :8], owners[:, 8:, 4:] = 1, 2
    targets = make_targets(owners, [0, 2], (16, 16))
    torch.manual_seed(1)
    logits, masks = torch.randn(2, 3, 4), torch.randn(2, 3, 2, 4, 4)
    masks[0, 2], masks[0, 0] = 9 * targets.masks_NTHW[0] - 4, 9 * targets.masks_NTHW[1] - 4
    masks[1, 0], masks[1, 1] = 9 * targets.masks_NTHW[0] - 4, 9 * targets.masks_NTHW[1] - 4
    method = Answers(logits, masks)
    criterion = build_criterion("ifc", method, 3, {})
    features = FrameFeatures({"map": torch.zeros(2, 4, 2, 2)}, (16, 16))
    found = criterion(method, [Example(torch.zeros(2, 3, 16, 16), features, targets)]).terms

    wanted = {"class": 0.0, "mask": 0.0, "dice": 0.0}
    for layer, pairs in enumerate([{2: 0, 0: 1}, {0: 0, 1: 1}]):
        labels = torch.full((3,), 3)
        for query, target in pairs.items():
            labels[query] = targets.labels_N[target]
            answer, truth = masks[layer, query].flatten(), targets.masks_NTHW[target].flatten()
            wanted["mask"] += 3 * mask_focal(answer[None], truth[None])[0] / 2
            wanted["dice"] += 3 * dice(answer[None], truth[None])[0] / 2
        wanted["class"] += softmax_with_no_object(logits[layer], labels, torch.ones(3), 0.1)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value)


@pytest.mark.parametrize("method", SMALL)
def test_a_clip_without_instances_still_teaches_that_there_is_nothing(method):
    built = build_method(method, num_classes=3, backbone="mini", **SMALL[method])
    criterion = build_criterion(method, built, 3, {})
    frames = torch.randn(2, 3, 64, 96)
    targets = make_targets(torch.zeros(2, 64, 96, dtype=torch.uint8), [], (64, 96))
    losses = criterion(built, [Example(frames, built.encode_frames(frames), targets)]).terms
    assert all(loss.isfinite() for loss in losses.values())
    assert losses["class"] > 0
    assert losses["mask"] == losses["dice"] == 0
    torch.stack(list(losses.values())).sum().backward()


def test_every_parameter_of_a_method_learns():
    unused = {"seqformer": {"encoder.layers.0.self_attention.output_proj_box"}}
    unused["ms_sts"] = unused["seqformer"]
    for method in SMALL:
        trainer = prepare(config(method, loss_weights={"dense": 1.0}), Bars(quiet=True))
        trainer.advance()
        still = {
            n.rpartition(".")[0] for n, p in trainer.method.named_parameters() if p.grad is None
        }
        assert still == unused.get(method, set())


def test_held_out_losses_are_logged_and_change_nothing(tmp_path, capsys):
    settings = config("ms_sts", steps=4, videos=2, log_every=2, checkpoint_every=2)
    said = {}
    for held_out in (0, 3):
        path = tmp_path / f"train_{held_out}.yaml"
        path.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
        train(path, [f"held_out={held_out}"], tmp_path / str(held_out), resume=False, bars=Bars())
        said[held_out] = [line for line in capsys.readouterr().err.splitlines() if "step" in line]
    weights = [load_file(tmp_path / name / "weights.safetensors") for name in ("0", "3")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    lines = [line for line in said[3] if line.startswith("held out, step ")]
    assert [line.split(":")[0] for line in lines] == [f"held out, step {n}" for n in (1, 2, 4)]
    assert all(" accuracy 0." in line for line in lines)
    assert [line for line in said[3] if line not in lines] == said[0]


def test_a_run_ends_with_weights_and_an_ap(tmp_path):
    write_short_videos(tmp_path / "data")
    run = tmp_path / "run.yaml"
    run.write_text(
        "method: ifc\noptions: {backbone: mini, width: 32, heads: 4, hidden: 32, num_queries: 6, "
        f"decoder_layers: 2}}\ndataset: {{name: synthetic, annotations: {tmp_path}/data/val.json, "
        f"frames: {tmp_path}/data/val/JPEGImages}}\n"
        "clip_length: 2\nclip_stride: 1\nresolution: 64\n"
    )
    settings = config("ifc", evaluate=str(run)).model_dump(mode="json")
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(settings))
    done = train(
        path, ["steps=3", "videos=2"], tmp_path / "out", resume=False, bars=Bars(quiet=True)
    )
    assert done["steps"] == 3
    assert done["losses"].keys() >= {"class", "mask", "dice", "norm"}
    assert done["metrics"][0]["clip_length"] == 2
    assert 0 <= done["metrics"][0]["ap"] <= 1
    method = build_method("ifc", num_classes=6, backbone="mini", **SMALL["ifc"])
    load_weights(method, WeightsFile.at(Path(done["weights"])))
    assert load_file(done["weights"]).keys() == method.state_dict().keys()
    settings = ["steps=3", "videos=2", "evaluate=null"]
    again = train(path, settings, tmp_path / "out", resume=True, bars=Bars(quiet=True))
    assert again["steps"] == 3


def test_bundled_training_configs_are_valid():
    paths = sorted((CONFIGS / "train").glob("*.yaml"))
    assert len(paths) == 6
    for path in paths:
        settings = load_train_config(path)
        build_trainable(settings)
        assert bool(evaluation_cells(settings)) == (settings.evaluate is not None)


def test_initial_weights_but_for_what_starts_fresh(tmp_path):
    def model(**options):
        return build_method("ifc", num_classes=6, backbone="mini", **SMALL["ifc"], **options)

    trained = {name: tensor + 1 for name, tensor in model().state_dict().items()}
    save_file(trained, tmp_path / "ifc.safetensors")
    started = model(memory_tokens=2)
    load_initial_weights(started, tmp_path / "ifc.safetensors", ["encoder."])
    for name, tensor in started.state_dict().items():
        same = tensor.shape == trained[name].shape and torch.equal(tensor, trained[name])
        assert same is not name.startswith("encoder."), name
    with pytest.raises(InputError, match="size mismatch"):
        load_initial_weights(started, tmp_path / "ifc.safetensors")
