"""A training run's settings: strict YAML into a typed object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from vis_bench.errors import InputError
from vis_bench.runs.overrides import apply_override
from vis_bench.yaml_file import read_yaml

Positive = Field(ge=1)


class TrainConfig(BaseModel):
    """Everything that a training run depends on.

    The learning rate rises over `warmup_steps`, stays, and falls linearly to 0 over the last
    `decay_steps`. `learning_rate_multipliers` are by the start of a parameter's name, or by any
    part of it; the first that fits counts. `initial_weights` start what they have names for;
    parameters that they lack start fresh, and so do those whose names start with one of `fresh`.
    `crop` cuts squares of that many pixels around instances out of the resized frames.
    With `half_precision` the weights at the end are written so, which the bundled ones are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: StrictStr
    options: dict[StrictStr, Any] = Field(default_factory=dict)
    initial_weights: StrictStr | None = None
    fresh: tuple[StrictStr, ...] = ()
    seed: StrictInt = 0
    videos: StrictInt = Field(default=600, ge=1)
    clips: StrictInt = Field(default=4, ge=1)
    clip_frames: tuple[StrictInt, ...] = (5,)
    max_gap: StrictInt = Field(default=5, ge=1)
    resolutions: tuple[StrictInt, ...] = (128,)
    crop: StrictInt | None = Field(default=None, ge=1)
    steps: StrictInt = Field(ge=1)
    warmup_steps: StrictInt = Field(default=200, ge=0)
    decay_steps: StrictInt = Field(default=0, ge=0)
    learning_rate: float = Field(gt=0)
    learning_rate_multipliers: dict[StrictStr, float] = Field(default_factory=dict)
    weight_decay: float = Field(default=1e-4, ge=0)
    clip_norm: float = Field(gt=0)
    train_norms: StrictBool = True
    loss_weights: dict[StrictStr, float] = Field(default_factory=dict)
    log_every: StrictInt = Field(default=100, ge=1)
    checkpoint_every: StrictInt = Field(default=500, ge=1)
    half_precision: StrictBool = False
    evaluate: StrictStr | None = None


def load_train_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Reads a training config.

    Args:
        path: the YAML file.
        overrides: `key=value` settings, keys dotted (`options.width=64`), values in YAML.

    Raises:
        InputError: naming the key, the value and what is expected.
    """
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise InputError(f"config {path} is not a mapping of keys to values")
    for override in overrides:
        apply_override(raw, override)
    unknown = [str(key) for key in raw if key not in TrainConfig.model_fields]
    if unknown:
        known = ", ".join(TrainConfig.model_fields)
        raise InputError(f"config {path}: unknown key {unknown[0]!r}; expected one of: {known}")
    try:
        return TrainConfig.model_validate(raw)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise InputError(
            f"config {path}: {key} is {problem['input']!r}; {problem['msg']}"
        ) from None
