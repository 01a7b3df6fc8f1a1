"""`vis-bench train`: from a config to weights, and at the end to an AP.

Whatever can be wrong is found before the first step: the files that the config names, whether its
evaluation takes the weights that are trained, and whether the output folder can hold the results.
"""

from __future__ import annotations

import math
import shlex
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from methods.training.clip_sampler import Batch, ClipSampler, SamplingPlan
from methods.training.config import TrainConfig, load_train_config
from methods.training.criteria import build_criterion
from methods.training.final_evaluation import evaluate, evaluation_cells
from methods.training.initial_weights import load_initial_weights
from methods.training.ms_sts_criterion import ACCURACY
from methods.training.named_files import find_weights_file
from methods.training.output_folder import check_free_space, check_output_folder
from methods.training.trainable import build_trainable
from methods.training.trainable_norms import train_norms
from methods.training.trainer import Trainer
from methods.training.video_pool import draw_pool, first_videos, videos_from
from vis_bench.data.synthetic import CLASSES
from vis_bench.files import overwrite_guard, write_atomically
from vis_bench.progress import Bars

CHECKPOINT = "checkpoint.pt"
WEIGHTS = "weights.safetensors"
RECORDS = "records"

# What a step tells beside its losses.
NOT_LOSSES = ("norm", ACCURACY)


def train(
    config_path: Path, overrides: Sequence[str], output: Path, *, resume: bool, bars: Bars
) -> dict[str, Any]:
    """Trains a method on the synthetic training split.

    Args:
        config_path: a training config, see `TrainConfig`.
        overrides: `key=value` settings over it.
        output: a folder for the checkpoint, the weights, and the records of the evaluation.
        resume: continue from the checkpoint in `output`, if there is one.
        bars: shows progress and losses.

    Returns:
        `steps` taken in all, `seconds` of this call, the last `losses` by name, the path of the
        `weights`, and the `metrics` of the config's `evaluate`; `summary_text` prints them.

    Raises:
        InputError: a config, method, option or file is wrong, a checkpoint is damaged or of
            another run, or the output folder cannot be written to.
        KeyboardInterrupt: after saying how to resume.
    """
    started = time.monotonic()
    config = load_train_config(config_path, overrides)
    cells = evaluation_cells(config)
    check_output_folder(output)
    initial = [find_weights_file(config.initial_weights)] if config.initial_weights else []
    overwrite_guard([output / CHECKPOINT, output / WEIGHTS], [config_path, *initial])
    trainer = prepare(config, bars)
    check_free_space(output, 2 * trainer.state_bytes())
    if resume:
        _resume(trainer, output / CHECKPOINT, bars)
    try:
        losses = _run(trainer, config, output / CHECKPOINT, bars)
        save_weights(trainer.result, output / WEIGHTS, half=config.half_precision)
        metrics = evaluate(cells, output / WEIGHTS, output / RECORDS, bars)
    except KeyboardInterrupt:
        bars.say(_how_to_go_on(trainer, config_path, overrides, output))
        raise
    return {
        "steps": trainer.step, "seconds": round(time.monotonic() - started, 1), "losses": losses,
        "weights": str(output / WEIGHTS), "metrics": metrics,
    }  # fmt: skip


def prepare(config: TrainConfig, bars: Bars) -> Trainer:
    """A trainer at step 0; everything random comes from the config's seed.

    Raises:
        InputError: for an unknown method, option or loss, or initial weights that do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        method = build_trainable(config)
        criterion = build_criterion(config.method, method, len(CLASSES), config.loss_weights)
    for stage in config.stages:
        criterion.check_terms(stage.loss_weights)
    if config.initial_weights:
        load_initial_weights(method, find_weights_file(config.initial_weights), config.fresh)
    if any(stage.train_norms for stage in config.stages):
        train_norms(method)
    method.train().to(memory_format=torch.channels_last)
    videos = max(stage.videos for stage in config.stages)
    drawn = videos + config.held_out
    with bars.bar(f"drawing {drawn} videos", drawn) as advance:
        pool = draw_pool(config.seed, drawn, advance)
    samplers = [
        ClipSampler(first_videos(pool, stage.videos), _plan(stage), method.input_format)
        for stage in config.stages
    ]
    held_out: list[Batch] = []
    if config.held_out:
        sampler = ClipSampler(videos_from(pool, videos), _plan(config), method.input_format)
        held_out = [
            sampler.batch(step) for step in range(math.ceil(config.held_out / config.clips))
        ]
    return Trainer(method, criterion, samplers, config, held_out)


def save_weights(weights: Mapping[str, Tensor], path: Path, *, half: bool = False) -> None:
    """Writes a method's weights.

    Args:
        weights: by name, without what only training has.
        path: a .safetensors file, which appears whole or not at all.
        half: in half precision, except for the running statistics of the norms.

    Raises:
        InputError: the folder cannot be written to, or the disk is full.
    """
    state = {name: tensor.contiguous() for name, tensor in weights.items()}
    if half:
        state = {k: v if ".running_" in k else v.half() for k, v in state.items()}
    write_atomically(path, save(state))


def _plan(stage: TrainConfig) -> SamplingPlan:
    return SamplingPlan(
        stage.seed, stage.clips, stage.clip_frames, stage.max_gap, stage.resolutions, stage.crop
    )


def describe(step: int, losses: Mapping[str, float]) -> str:
    """A line of losses."""
    total = sum(value for name, value in losses.items() if name not in NOT_LOSSES)
    terms = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
    return f"step {step}: loss {total:.3f} ({terms})"


def _resume(trainer: Trainer, checkpoint: Path, bars: Bars) -> None:
    if checkpoint.exists():
        trainer.restore(checkpoint)
        bars.say(f"resuming after step {trainer.step}")
    else:
        bars.say(f"{checkpoint} does not exist yet: starting from step 0")


def _run(trainer: Trainer, config: TrainConfig, checkpoint: Path, bars: Bars) -> dict[str, float]:
    """Trains to the last step; the losses averaged over the last stretch."""
    recent: dict[str, list[float]] = defaultdict(list)
    means: dict[str, float] = {}
    total = config.total_steps
    with bars.bar(f"training {config.method}", total) as advance:
        advance(trainer.step)
        while trainer.step < total:
            for name, value in trainer.advance().items():
                recent[name].append(value)
            advance()
            is_last = trainer.step == total
            if trainer.step % config.log_every == 0 or is_last:
                means = {name: fmean(values) for name, values in recent.items()}
                recent.clear()
                bars.say(describe(trainer.step, means))
                if config.held_out:
                    bars.say(f"held out, {describe(trainer.step, trainer.held_out_losses())}")
            if trainer.step % config.checkpoint_every == 0 or is_last:
                trainer.save(checkpoint)
    return means


def _how_to_go_on(
    trainer: Trainer, config_path: Path, overrides: Sequence[str], output: Path
) -> str:
    """What an interrupted run has kept, and the command that continues it."""
    command = ["vis-bench", "train", str(config_path), "--output", str(output)]
    command += [word for override in overrides for word in ("--set", override)]
    if trainer.saved_step is None:
        return (
            f"interrupted at step {trainer.step}, before the first checkpoint; start again with: "
            f"{shlex.join(command)}"
        )
    return (
        f"interrupted at step {trainer.step}; resume after step {trainer.saved_step} with: "
        f"{shlex.join([*command, '--resume'])}"
    )
