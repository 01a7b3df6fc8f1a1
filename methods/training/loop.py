"""`vis-bench train`: from a config to weights, and at the end to an AP.

All wrong input is refused before the first step: missing files, an evaluation that does not take
the trained weights, an output folder that cannot hold the results.
"""

from __future__ import annotations

import math
import shlex
import shutil
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from methods import build_method
from methods.training.config import TrainConfig, load_train_config
from methods.training.data import Batch, ClipSampler, draw_videos
from methods.training.ms_sts_criterion import ACCURACY
from methods.training.trainable import (
    build_criterion,
    build_trainable,
    find_weights_file,
    load_initial_weights,
)
from methods.training.trainer import Trainer, train_norms
from vis_bench.data.synthetic import CLASSES
from vis_bench.errors import InputError
from vis_bench.files import overwrite_guard, write_atomically
from vis_bench.progress import Bars
from vis_bench.record.store import RecordStore
from vis_bench.runs.build import Recipe
from vis_bench.runs.bundled import find_config
from vis_bench.runs.config import Cell, load_cells
from vis_bench.runs.harness import run_jobs
from vis_bench.runs.jobs import RunSettings, resolve_jobs
from vis_bench.runs.sources import open_dataset
from vis_bench.table import render
from vis_bench.table.model import ABSENT, Table
from vis_bench.text import one_line

CHECKPOINT = "checkpoint.pt"
WEIGHTS = "weights.safetensors"
RECORDS = "records"
# Of the evaluation of the trained weights.
DEVICE = torch.device("cpu")
METRICS = ("ap", "ap50", "ap75", "ar1", "ar10")

# Observations of a step beside its losses.
NOT_LOSSES = ("norm", ACCURACY)


def train(
    config_path: Path, overrides: Sequence[str], output: Path, *, resume: bool, bars: Bars
) -> dict[str, Any]:
    """Train a method on the synthetic training split.

    Args:
        config_path: a training config, see `TrainConfig`.
        overrides: `key=value` settings over it.
        output: a folder for the checkpoint, the weights, and the records of the evaluation.
        resume: continues from the checkpoint in `output`, if there is one.
        bars: show progress and losses.

    Returns:
        `steps` taken in all, `seconds` of this call, the last `losses` by name, the path of the
        `weights`, and the `metrics` of the config's `evaluate`; `summary_text` prints them.

    Raises:
        KeyboardInterrupt: after printing how to resume.
    """
    started = time.monotonic()
    config = load_train_config(config_path, overrides)
    cells = evaluation_cells(config)
    trial = output / ".write_test"
    write_atomically(trial, b"")
    trial.unlink(missing_ok=True)
    initial = [find_weights_file(config.initial_weights)] if config.initial_weights else []
    overwrite_guard([output / CHECKPOINT, output / WEIGHTS], [config_path, *initial])
    trainer = prepare(config, bars)
    _check_free_space(output, 2 * trainer.state_bytes())
    if resume and (output / CHECKPOINT).exists():
        trainer.restore(output / CHECKPOINT)
        bars.say(f"resuming after step {trainer.step}")
    elif resume:
        bars.say(f"{output / CHECKPOINT} does not exist yet: starting from step 0")
    try:
        losses = _run(trainer, config, output / CHECKPOINT, bars)
        save_weights(trainer.result, output / WEIGHTS, half=config.half_precision)
        metrics = evaluate(cells, output / WEIGHTS, output / RECORDS, bars)
    except KeyboardInterrupt:
        bars.say(_how_to_go_on(trainer, config_path, overrides, output))
        raise
    return {
        "steps": trainer.step,
        "seconds": round(time.monotonic() - started, 1),
        "losses": losses,
        "weights": str(output / WEIGHTS),
        "metrics": metrics,
    }


def prepare(config: TrainConfig, bars: Bars) -> Trainer:
    """A trainer at step 0; everything random comes from the config's seed."""
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
    learned = max(stage.videos for stage in config.stages)
    drawn = learned + config.held_out
    with bars.bar(f"drawing {drawn} videos", drawn) as advance:
        videos = draw_videos(config.seed, drawn, advance)
    samplers = [
        ClipSampler(videos[: stage.videos], stage, method.input_format) for stage in config.stages
    ]
    held_out: list[Batch] = []
    if config.held_out:
        sampler = ClipSampler(videos[learned:], config, method.input_format)
        batches = math.ceil(config.held_out / config.clips)
        held_out = [sampler.batch(step) for step in range(batches)]
    return Trainer(method, criterion, samplers, config, held_out)


def save_weights(weights: Mapping[str, Tensor], path: Path, *, half: bool = False) -> None:
    """Write weights to a .safetensors file, which appears whole or not at all.

    Args:
        half: writes half precision, except for the running statistics of the norms.
    """
    state = {name: tensor.contiguous() for name, tensor in weights.items()}
    if half:
        state = {k: v if ".running_" in k else v.half() for k, v in state.items()}
    write_atomically(path, save(state))


def describe(step: int, losses: Mapping[str, float]) -> str:
    """A line of losses."""
    total = sum(value for name, value in losses.items() if name not in NOT_LOSSES)
    terms = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
    return f"step {step}: loss {total:.3f} ({terms})"


def _run(trainer: Trainer, config: TrainConfig, checkpoint: Path, bars: Bars) -> dict[str, float]:
    """Train to the last step; returns the losses averaged since the last line of the log."""
    recent: dict[str, list[float]] = defaultdict(list)
    means: dict[str, float] = {}
    total = config.steps
    with held_signals() as signals, bars.bar(f"training {config.method}", total) as advance:
        advance(trainer.step)
        while trainer.step < total and not signals:
            for name, value in trainer.advance().items():
                recent[name].append(value)
            advance()
            is_last = trainer.step == total
            if trainer.step % config.log_every == 0 or trainer.step == 1 or is_last:
                means = {name: fmean(values) for name, values in recent.items()}
                recent.clear()
                bars.say(describe(trainer.step, means))
                if config.held_out:
                    bars.say(f"held out, {describe(trainer.step, trainer.held_out_losses())}")
            if trainer.step % config.checkpoint_every == 0 or is_last or signals:
                trainer.save(checkpoint)
    return means


@contextmanager
def held_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM, which would cut a step in two, and raise them at the end."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # gets no signals
        yield received
        return
    kinds = signal.SIGINT, signal.SIGTERM
    before = {kind: signal.signal(kind, lambda kind, _: received.append(kind)) for kind in kinds}
    try:
        yield received
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    for kind in received[:1]:
        signal.raise_signal(kind)


def _how_to_go_on(
    trainer: Trainer, config_path: Path, overrides: Sequence[str], output: Path
) -> str:
    """Message of an interrupted run: the last checkpoint, and the command that continues it."""
    command = ["vis-bench", "train", str(config_path), "--output", str(output)]
    command += [word for override in overrides for word in ("--set", override)]
    return (
        f"interrupted after step {trainer.step}, which {output / CHECKPOINT} holds; continue with: "
        f"{shlex.join([*command, '--resume'])}"
    )


def _check_free_space(folder: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise InputError(
            f"the disk of output folder {folder} has {free_bytes / 1e6:.1f} MB free, expected at "
            f"least {needed_bytes / 1e6:.1f} MB for the checkpoint and the weights"
        )


def summary_text(summary: Mapping[str, Any]) -> str:
    """Result of `train` in a few lines and a table of metrics in percent."""
    lines = [f"trained to step {summary['steps']} in {summary['seconds']} s"]
    if losses := summary["losses"]:
        lines.append("last losses: " + ", ".join(f"{k} {v:.3f}" for k, v in losses.items()))
    lines.append(one_line(f"weights: {summary['weights']}"))
    text = "\n".join(lines) + "\n"
    if summary["metrics"]:
        text += "\n" + render(Table.from_dicts(map(_row, summary["metrics"])))
    return text


def _row(metrics: Mapping[str, Any]) -> dict[str, str]:
    values = {key.upper(): value for key, value in metrics.items() if key != "clip_length"}
    return {
        "Clip": str(metrics["clip_length"]),
        **{k: ABSENT if v is None else f"{100 * v:.1f}" for k, v in values.items()},
    }


def evaluation_cells(config: TrainConfig) -> list[Cell]:
    """Cells of the run config `evaluate`, which must take the weights that are trained."""
    if config.evaluate is None:
        return []
    cells = load_cells(find_config(config.evaluate), ["measure=accuracy"])
    with torch.device("meta"):
        trained = _shapes(build_trainable(config))
    for cell in cells:
        if cell.method != config.method:
            raise InputError(
                f"evaluate {config.evaluate} is for method {cell.method!r}, expected "
                f"{config.method!r}, which is trained"
            )
        categories = [*open_dataset(cell.dataset).categories.values()]
        with torch.device("meta"):
            method = Recipe(build_method, cell, categories).build()
        if difference := _difference(trained, _shapes(method)):
            raise InputError(
                f"evaluate {config.evaluate} does not take the trained weights ({difference}), "
                "expected the options and classes of the training config"
            )
    resolve_jobs(
        [cell.model_copy(update={"weights": None}) for cell in cells],
        RunSettings("train", DEVICE),
        build_method,
        lambda line: None,
    )
    return cells


def evaluate(
    cells: Sequence[Cell], weights: Path, records: Path, bars: Bars
) -> list[dict[str, Any]]:
    """Measure the accuracy of a weights file, and write records to a folder.

    Returns:
        For each cell its clip length and AP, AP50, AP75, AR1, AR10 in 0..1.
    """
    if not cells:
        return []
    settings = RunSettings("train", DEVICE, weights=weights)
    jobs = resolve_jobs(cells, settings, build_method, bars.say)
    store = RecordStore(records)
    store.prepare()
    measured = run_jobs(jobs, store, bars).records
    return [{key: getattr(record, key) for key in ("clip_length", *METRICS)} for record in measured]


def _shapes(method: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in method.state_dict().items()}


def _difference(
    trained: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]]
) -> str | None:
    """Describe the first tensor that one side lacks or that has another shape there."""
    for name in [*trained, *expected]:
        if name not in expected:
            return f"{name} is trained and has no place there"
        if name not in trained:
            return f"{name} is needed there and not trained"
        if trained[name] != expected[name]:
            return f"{name} is trained with shape {trained[name]} and needed with {expected[name]}"
    return None
