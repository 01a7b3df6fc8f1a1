"""`run_bench.py train`: from a config to weights, and at the end to an AP."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from methods import build_method
from methods.training import backbone_classifier
from methods.training.clip_sampler import ClipSampler, SamplingPlan
from methods.training.config import TrainConfig, load_train_config
from methods.training.criteria import build_criterion
from methods.training.trainable_norms import bundled_state, train_norms
from methods.training.trainer import Trainer
from methods.training.video_pool import draw_pool
from vis_bench.data.synthetic import CLASSES
from vis_bench.errors import InputError
from vis_bench.inference.method import VISMethod
from vis_bench.progress import Bars
from vis_bench.records.environment import SOURCE_ROOT
from vis_bench.records.record import RecordStore
from vis_bench.runs.bench import Bench, RunSettings
from vis_bench.runs.bundled import find_config
from vis_bench.runs.config import load_cells

CHECKPOINT = "checkpoint.pt"
WEIGHTS = "weights.safetensors"
METRICS = ("ap", "ap50", "ap75", "ar1", "ar10")


def train(
    config_path: Path, overrides: Sequence[str], output: Path, *, resume: bool, bars: Bars
) -> dict[str, Any]:
    """Trains a method on the synthetic training split.

    Args:
        config_path: a training config, see `TrainConfig`.
        overrides: `key=value` settings over it.
        output: a folder for the checkpoint and, at the end, the weights.
        resume: continue from the checkpoint in `output`, if there is one.
        bars: shows progress and losses.

    Returns:
        Steps, seconds of this call, the last losses, where the weights are, and the metrics of
        the config's `evaluate`.

    Raises:
        InputError: for a config, method, option or file that is not allowed.
    """
    config = load_train_config(config_path, overrides)
    started = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    trainer = prepare(config, bars)
    if resume and (output / CHECKPOINT).exists():
        trainer.restore(output / CHECKPOINT)
    losses = _run(trainer, config, output, bars)
    save_weights(trainer.method, output / WEIGHTS, half=config.half_precision)
    seconds = round(time.monotonic() - started, 1)
    return {
        "steps": trainer.step, "seconds": seconds, "losses": losses,
        "weights": str(output / WEIGHTS), "metrics": evaluate(config, output, bars),
    }  # fmt: skip


def evaluate(config: TrainConfig, output: Path, bars: Bars) -> list[dict[str, Any]]:
    """Measures the weights in `output` as the run config `evaluate` says; its records go there.

    Returns:
        For each cell its clip length and AP, AP50, AP75, AR1, AR10; nothing without such a config.
    """
    if config.evaluate is None:
        return []
    settings = RunSettings("train", torch.device("cpu"), weights=output / WEIGHTS)
    bench = Bench(build_method, RecordStore(output / "records"), settings, bars)
    records = bench.run(load_cells(find_config(config.evaluate), ["measure=accuracy"]))
    return [{key: record[key] for key in ("clip_length", *METRICS)} for record in records]


def prepare(config: TrainConfig, bars: Bars) -> Trainer:
    """A trainer at step 0; all that is random comes from the config's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        method = build_trainable(config)
        criterion = build_criterion(config.method, method, len(CLASSES), config.loss_weights)
    if config.initial_weights:
        load_initial_weights(method, find_file(config.initial_weights), config.fresh)
    if config.train_norms:
        train_norms(method)
    method.train().to(memory_format=torch.channels_last)
    with bars.bar(f"drawing {config.videos} videos", config.videos) as advance:
        pool = draw_pool(config.seed, config.videos, advance)
    plan = SamplingPlan(
        config.seed, config.clips, config.clip_frames, config.max_gap, config.resolutions,
        config.crop,
    )  # fmt: skip
    return Trainer(method, criterion, ClipSampler(pool, plan, method.input_format), config)


def build_trainable(config: TrainConfig) -> VISMethod:
    """The method that a config trains; `backbone` is no method of the registry.

    Raises:
        InputError: for an unknown method or option.
    """
    if config.method == "backbone":
        return backbone_classifier.build(num_classes=len(CLASSES), **config.options)
    return build_method(config.method, num_classes=len(CLASSES), **config.options)


def find_file(name: str) -> Path:
    """A file named in a config: relative to the working directory, or to where vis-bench lies."""
    path = Path(name)
    return path if path.exists() else SOURCE_ROOT / path


def load_initial_weights(method: VISMethod, path: Path, fresh: Sequence[str] = ()) -> None:
    """Starts a method from weights of the same or of a simpler one.

    Args:
        method: is changed in place.
        path: a .safetensors file.
        fresh: tensors of the file whose names start with one of these are left out.

    Raises:
        InputError: for a missing file, or one with a tensor that the method has no place for.
    """
    if not path.is_file():
        raise InputError(f"initial_weights {path} does not exist; allowed is a .safetensors file")
    state = {k: v for k, v in load_file(path).items() if not k.startswith(tuple(fresh))}
    try:
        unused = method.load_state_dict(state, strict=False).unexpected_keys
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"initial_weights {path} do not fit the method: {reason}") from None
    if unused:
        raise InputError(f"initial_weights {path} do not fit the method: {unused[0]} has no place")


def save_weights(method: VISMethod, path: Path, *, half: bool = False) -> None:
    """Writes the method's weights, without what only training has.

    Args:
        half: in half precision, but for the running statistics of the norms.
    """
    state = {name: tensor.contiguous() for name, tensor in bundled_state(method).items()}
    if half:
        state = {k: v if ".running_" in k else v.half() for k, v in state.items()}
    save_file(state, path)


def _run(trainer: Trainer, config: TrainConfig, output: Path, bars: Bars) -> dict[str, float]:
    """Trains to the last step; the losses averaged over the last stretch."""
    recent: dict[str, list[float]] = defaultdict(list)
    means: dict[str, float] = {}
    with bars.bar(f"training {config.method}", config.steps) as advance:
        advance(trainer.step)
        while trainer.step < config.steps:
            for name, value in trainer.advance().items():
                recent[name].append(value)
            advance()
            if trainer.step % config.log_every == 0 or trainer.step == config.steps:
                means = {name: sum(values) / len(values) for name, values in recent.items()}
                recent.clear()
                bars.say(describe(trainer.step, means))
            if trainer.step % config.checkpoint_every == 0 or trainer.step == config.steps:
                trainer.save(output / CHECKPOINT)
    return means


def describe(step: int, losses: dict[str, float]) -> str:
    """A line of losses."""
    total = sum(value for name, value in losses.items() if name != "norm")
    terms = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
    return f"step {step}: loss {total:.3f} ({terms})"
