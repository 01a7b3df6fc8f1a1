"""One training run: a method, its criterion, an optimiser, and the step they have come to."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from methods.training.clip_sampler import Batch, ClipSampler
from methods.training.config import TrainConfig
from methods.training.criterion import Criterion, Example, Losses
from vis_bench.atomic_write import write_atomically
from vis_bench.errors import InputError
from vis_bench.inference.method import VISMethod


class Trainer:
    """Trains step by step; a checkpoint holds all that the next step depends on.

    Args:
        method: in training mode, with the norms that shall learn.
        criterion: its loss; may hold parameters of its own.
        sampler: the batch of a step depends on the step's number alone.
        config: steps, learning rate and its multipliers, clipping.
    """

    def __init__(
        self, method: VISMethod, criterion: Criterion, sampler: ClipSampler, config: TrainConfig
    ) -> None:
        self.method = method
        self.step = 0
        self._criterion = criterion
        self._sampler = sampler
        self._config = config
        self._modules = nn.ModuleDict({"method": method, "criterion": criterion})
        groups = parameter_groups(self._modules, config.learning_rate_multipliers)
        self._multipliers = [group.pop("multiplier") for group in groups]
        self._optimizer = torch.optim.AdamW(
            groups,
            lr=config.learning_rate, weight_decay=config.weight_decay, fused=True,
        )  # fmt: skip

    def advance(self) -> dict[str, float]:
        """Takes one step; the weighted losses by name, and the gradient's norm before clipping."""
        self._set_learning_rate()
        losses = self._losses(self._sampler.batch(self.step))
        self._optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        norm = nn.utils.clip_grad_norm_(
            self._modules.parameters(), self._config.clip_norm, error_if_nonfinite=True
        )
        self._optimizer.step()
        self.step += 1
        return {name: float(loss.detach()) for name, loss in losses.items()} | {"norm": float(norm)}

    def save(self, path: Path) -> None:
        """Writes a checkpoint, at once or not at all."""
        buffer = io.BytesIO()
        state = {
            "step": self.step,
            "modules": self._modules.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        torch.save(state, buffer)
        write_atomically(path, buffer.getvalue())

    def restore(self, path: Path) -> None:
        """Continues from a checkpoint of the same config.

        Raises:
            InputError: for a file that is no checkpoint of this method.
        """
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            self._modules.load_state_dict(state["modules"])
            self._optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
        except (OSError, KeyError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"checkpoint {path} cannot be resumed from: {reason}") from None

    def _losses(self, batch: Batch) -> Losses:
        features = self.method.encode_frames(batch.frames_N3HW)
        frames = len(features) // len(batch.targets)
        examples = []
        for index, targets in enumerate(batch.targets):
            start, stop = index * frames, (index + 1) * frames
            images_T3HW = batch.frames_N3HW[start:stop]
            examples.append(Example(images_T3HW, features.frames(start, stop), targets))
        return self._criterion(self.method, examples)

    def _set_learning_rate(self) -> None:
        rate = self._config.learning_rate * learning_rate_factor(self._config, self.step)
        for group, multiplier in zip(self._optimizer.param_groups, self._multipliers, strict=True):
            group["lr"] = rate * multiplier


def learning_rate_factor(config: TrainConfig, step: int) -> float:
    """0..1: rises over the first steps, stays, and falls to 0 over the last ones."""
    rise = min(1.0, (step + 1) / (config.warmup_steps + 1))
    fall = min(1.0, (config.steps - step) / (config.decay_steps + 1))
    return min(rise, fall)


def parameter_groups(module: nn.Module, multipliers: Mapping[str, float]) -> list[dict]:
    """Groups for an optimiser, each with its `multiplier` of the learning rate."""
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            fitting = (factor for part, factor in multipliers.items() if part in name)
            groups.setdefault(next(fitting, 1.0), []).append(parameter)
    return [{"params": params, "multiplier": factor} for factor, params in groups.items()]
