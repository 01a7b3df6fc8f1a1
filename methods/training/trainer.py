"""One training run: a method, its criterion, an optimizer, and the step they have reached.

The file that a run is resumed from is read as untrusted input.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from methods.layers.resnet import EPSILON, FrozenBatchNorm2d
from methods.training.config import TrainConfig
from methods.training.criterion import Criterion, Example, LossSum
from methods.training.data import Batch, ClipSampler
from methods.training.losses import CostsNotFiniteError
from vis_bench.errors import InputError
from vis_bench.files import shown, write_atomically
from vis_bench.inference.weight_files import check_archive
from vis_bench.method import VISMethod

COUNTER = "num_batches_tracked"
# A resumed run may differ in these: they decide how long it goes on and what it writes.
FREE_SETTINGS = (
    "steps", "held_out", "log_every", "checkpoint_every", "half_precision", "evaluate"
)  # fmt: skip
NOT_SET = "not set"
# Types of a state's entries: the settings of the run as plain values, the number of steps taken,
# the tensors of method and criterion, the optimizer's state, and the averaged weights, if any.
TYPES = {"config": dict, "step": int, "modules": Mapping, "optimizer": dict, "average": dict}


def train_norms(module: nn.Module) -> None:
    """Replace every frozen BatchNorm below a module by one that learns, from the same values.

    The published backbones freeze ImageNet's statistics; a mini backbone has none. Both norms keep
    the same four tensors under the same names, so learned ones load into frozen ones.
    """
    for name, child in module.named_children():
        if isinstance(child, FrozenBatchNorm2d):
            norm = nn.BatchNorm2d(child.weight.shape[0], eps=EPSILON)
            norm.load_state_dict({**child.state_dict(), COUNTER: torch.tensor(0)})
            setattr(module, name, norm)
        else:
            train_norms(child)


def hold_norms(module: nn.Module, *, held: bool) -> None:
    """Keep the norms that can learn as they are, or let them learn again."""
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.train(not held).requires_grad_(not held)


def bundled_state(method: nn.Module) -> dict[str, Tensor]:
    """The method's tensors without the norms' counters of batches."""
    state = method.state_dict()
    return {name: tensor for name, tensor in state.items() if not name.endswith(COUNTER)}


class Trainer:
    """Trains step by step; a checkpoint holds all that the next step depends on.

    With `average_decay`, an exponential moving average of the weights and of the norms' statistics
    is the result; it follows the noise of single steps less (Polyak and Juditsky, 1992).

    Args:
        method: in training mode, with the norms that learn.
        criterion: its loss; may have parameters of its own.
        samplers: one for each stage.
        config: stages, learning rate and its multipliers, clipping.
        held_out: batches of videos that none of the samplers draws from.

    Attributes:
        step: number of steps taken.
        saved_step: step of the last checkpoint written or read; None before the first.
    """

    def __init__(
        self,
        method: VISMethod,
        criterion: Criterion,
        samplers: Sequence[ClipSampler],
        config: TrainConfig,
        held_out: Sequence[Batch] = (),
    ) -> None:
        self.method = method
        self._held_out = held_out
        self.step = 0
        self.saved_step: int | None = None
        self._criterion = criterion
        self._samplers = samplers
        self._stages = config.stages
        self._config = config
        self._modules = nn.ModuleDict({"method": method, "criterion": criterion})
        self._average: dict[str, Tensor] = {}
        if config.average_decay is not None:
            self._average = {name: x.clone() for name, x in bundled_state(method).items()}
        groups = parameter_groups(self._modules, config.learning_rate_multipliers)
        self._multipliers = [group.pop("multiplier") for group in groups]
        self._optimizer = torch.optim.AdamW(
            groups,
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )

    @property
    def result(self) -> Mapping[str, Tensor]:
        """Resulting weights: averaged, where the config asks for it."""
        return self._average or bundled_state(self.method)

    def advance(self) -> dict[str, float]:
        """Take one step.

        Returns:
            By name the losses, the means of what else was observed of the clips, and the
            gradient's `norm` before clipping.

        Raises:
            InputError: training has diverged, or no loss has a weight.
        """
        stage, step = stage_at(self._stages, self.step)
        self._set_learning_rate(self._stages[stage], step)
        self._criterion.weigh(self._stages[stage].loss_weights)
        hold_norms(self.method, held=not self._stages[stage].train_norms)
        try:
            total = self.losses(self._samplers[stage].batch(self.step))
        except CostsNotFiniteError:
            raise self._diverged("matching costs are not finite") from None
        losses = total.terms
        if not losses:
            raise InputError("loss_weights are 0 for every loss; expected one above 0")
        self._optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        norm = nn.utils.clip_grad_norm_(self._modules.parameters(), self._config.clip_norm)
        if not norm.isfinite():
            raise self._diverged(f"the gradient's norm is {float(norm)}")
        self._optimizer.step()
        tensors = self.method.state_dict()
        with torch.no_grad():
            for name, average in self._average.items():
                average.lerp_(tensors[name], 1 - self._config.average_decay)
        self.step += 1
        return {
            **{name: float(loss.detach()) for name, loss in losses.items()},
            **{name: fmean(values) for name, values in total.observed.items()},
            "norm": float(norm),
        }

    @torch.no_grad()
    def held_out_losses(self) -> dict[str, float]:
        """Losses and observed means on held-out batches, with norms as in inference."""
        values: dict[str, list[float]] = defaultdict(list)
        self._modules.eval()
        for batch in self._held_out:
            total = self.losses(batch)
            for name, loss in total.terms.items():
                values[name].append(float(loss))
            for name, observed in total.observed.items():
                values[name] += observed
        self._modules.train()
        return {name: fmean(found) for name, found in values.items()}

    def _diverged(self, sign: str) -> InputError:
        rate = self._stages[stage_at(self._stages, self.step)[0]].learning_rate
        return InputError(
            f"training diverged at step {self.step + 1}: {sign}; try a learning_rate below {rate:g}"
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "config": self._config.model_dump(mode="json"),
            "step": self.step,
            "modules": self._modules.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "average": self._average,
        }
        write_training_state(state, path)
        self.saved_step = self.step

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint of a run with the same settings (but for `FREE_SETTINGS`)."""
        state = read_training_state(path)
        check_same_run(path, state, self._config)
        try:
            self._modules.load_state_dict(state["modules"])
            self._load_optimizer(state["optimizer"])
            self._load_average(state["average"])
        except Exception as error:  # what stands where tensors should be can raise anything
            reason = " ".join(str(error).splitlines()[-1:]).strip() or type(error).__name__
            raise unusable(path, f"its tensors do not fit ({reason[:200]})") from None
        self.step = self.saved_step = state["step"]

    def state_bytes(self) -> int:
        """Approximate size of a checkpoint: all tensors, and two moments of each that learns."""
        tensors = [*self._modules.state_dict().values(), *self._average.values()]
        learning = (p for group in self._optimizer.param_groups for p in group["params"])
        return sum(t.nbytes for t in tensors) + 2 * sum(p.nbytes for p in learning)

    def _load_optimizer(self, state: dict[str, Any]) -> None:
        """Load the optimizer's state, whose shapes the optimizer itself does not check."""
        own = self._optimizer.state_dict()["param_groups"]
        if [group.keys() for group in state["param_groups"]] != [group.keys() for group in own]:
            raise ValueError("the optimizer has other settings")
        self._optimizer.load_state_dict(state)
        for parameter, moments in self._optimizer.state.items():
            for name in ("exp_avg", "exp_avg_sq"):
                if moments[name].shape != parameter.shape:
                    raise ValueError(
                        f"{name} has shape {tuple(moments[name].shape)} for a parameter of shape "
                        f"{tuple(parameter.shape)}"
                    )

    def _load_average(self, average: Mapping[str, Tensor]) -> None:
        if average.keys() != self._average.keys():
            raise ValueError("the averaged weights have other names")
        for name, tensor in self._average.items():
            if average[name].shape != tensor.shape:
                raise ValueError(f"averaged {name} has shape {tuple(average[name].shape)}")
            tensor.copy_(average[name])

    def losses(self, batch: Batch) -> LossSum:
        """Losses and observations of a batch."""
        features = self.method.encode_frames(batch.frames_N3HW)
        frames = len(features) // len(batch.targets)
        examples = []
        for index, targets in enumerate(batch.targets):
            start, stop = index * frames, (index + 1) * frames
            images_T3HW = batch.frames_N3HW[start:stop]
            examples.append(Example(images_T3HW, features.frames(start, stop), targets))
        return self._criterion(self.method, examples)

    def _set_learning_rate(self, stage: TrainConfig, step: int) -> None:
        rate = stage.learning_rate * learning_rate_factor(stage, step)
        for group, multiplier in zip(self._optimizer.param_groups, self._multipliers, strict=True):
            group["lr"] = rate * multiplier


def stage_at(stages: Sequence[TrainConfig], step: int) -> tuple[int, int]:
    """Index of the stage that a step of the whole run is in, and its number in the stage.

    Steps beyond the last stage count as its own.
    """
    for index, stage in enumerate(stages[:-1]):
        if step < stage.steps:
            return index, step
        step -= stage.steps
    return len(stages) - 1, step


def learning_rate_factor(config: TrainConfig, step: int) -> float:
    """Factor 0..1 that rises over the first steps of a stage and falls to 0 over the last ones."""
    rise = min(1.0, (step + 1) / (config.warmup_steps + 1))
    fall = min(1.0, (config.steps - step) / (config.decay_steps + 1))
    return min(rise, fall)


def parameter_groups(module: nn.Module, multipliers: Mapping[str, float]) -> list[dict]:
    """Groups for an optimizer, each with its `multiplier` of the learning rate."""
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            fitting = (factor for part, factor in multipliers.items() if part in name)
            groups.setdefault(next(fitting, 1.0), []).append(parameter)
    return [{"params": params, "multiplier": factor} for factor, params in groups.items()]


def write_training_state(state: Mapping[str, Any], path: Path) -> None:
    """Write a state with the entries of `TYPES`, whole or not at all."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_atomically(path, buffer.getvalue())


def read_training_state(path: Path) -> dict[str, Any]:
    """Read a state without running code that the file may contain.

    Raises:
        InputError: the file is missing, damaged, or not a training state.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive, path)
            if (wrong := archive.testzip()) is not None:  # torch.load does not compare checksums
                raise zipfile.BadZipFile(f"wrong checksum of {wrong}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old formats, on the way to an error
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"checkpoint {path} does not exist") from None
    except OSError as error:
        raise unusable(path, error.strerror or str(error)) from None
    except Exception as error:  # bytes that are not a state can make the reader raise anything
        reason = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")
        raise unusable(path, f"it is damaged or not a PyTorch file ({reason[:120]})") from None
    if not _is_state(content):
        raise unusable(path, "it is not the state of a training run")
    return content


def _is_state(content: Any) -> bool:
    """True for the entries of `TYPES`, with settings of plain values and a possible step."""
    has_types = isinstance(content, dict) and all(
        isinstance(content.get(key), kind) for key, kind in TYPES.items()
    )
    return has_types and _is_plain(content["config"]) and 0 <= content["step"] < 1 << 63


def _is_plain(config: Mapping[str, Any]) -> bool:
    """True for settings that a config can hold: no tensors, and nothing inside of itself."""
    try:
        json.dumps(config)
    except (TypeError, ValueError, RecursionError):
        return False
    return all(isinstance(key, str) for key in config)


def check_same_run(path: Path, state: Mapping[str, Any], config: TrainConfig) -> None:
    """Refuse a state of a run with other settings (but for `FREE_SETTINGS`), naming the first."""
    here = _flat(
        {k: v for k, v in config.model_dump(mode="json").items() if k not in FREE_SETTINGS}
    )
    there = _flat({k: v for k, v in state["config"].items() if k not in FREE_SETTINGS})
    for key in [*here, *there]:
        now, before = here.get(key, NOT_SET), there.get(key, NOT_SET)
        if now != before:
            raise unusable(path, f"{key} is {_shown(now)} here and was {_shown(before)} there")


def unusable(path: Path, reason: str) -> InputError:
    """The error about a state file from which a run cannot be resumed."""
    return InputError(f"checkpoint {path} cannot be resumed from: {reason}")


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted keys, as --set takes them."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _shown(value: Any) -> str:
    return NOT_SET if value == NOT_SET else shown(value)
