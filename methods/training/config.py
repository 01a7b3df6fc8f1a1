"""A training run's settings: strict YAML into a typed object."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    field_validator,
)

from vis_bench.errors import InputError
from vis_bench.files import shown
from vis_bench.runs.config import MAX_RESOLUTION, check_plain
from vis_bench.runs.overrides import apply_overrides
from vis_bench.yaml_text import read_yaml

FrameCount = Annotated[StrictInt, Field(ge=1, le=100)]
# At stride 32 the norms that learn need more than one value.
Pixels = Annotated[StrictInt, Field(ge=64, le=MAX_RESOLUTION)]
Factor = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Steps = Annotated[StrictInt, Field(ge=1)]
StepsOr0 = Annotated[StrictInt, Field(ge=0)]
Videos = Annotated[StrictInt, Field(ge=1, le=100_000)]
Clips = Annotated[StrictInt, Field(ge=1, le=1000)]
Gap = Annotated[StrictInt, Field(ge=1, le=1000)]
ClipFrames = Annotated[tuple[FrameCount, ...], Field(min_length=1)]
Resolutions = Annotated[tuple[Pixels, ...], Field(min_length=1)]


class Stage(BaseModel):
    """Changes from step `after` of a run on; settings that it leaves out stay as in the first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Steps
    videos: Videos | None = None
    clips: Clips | None = None
    clip_frames: ClipFrames | None = None
    max_gap: Gap | None = None
    resolutions: Resolutions | None = None
    warmup_steps: StepsOr0 | None = None
    decay_steps: StepsOr0 | None = None
    learning_rate: PositiveNumber | None = None
    train_norms: StrictBool | None = None
    loss_weights: dict[StrictStr, Factor] | None = None


class TrainConfig(BaseModel):
    """All settings of a training run.

    Attributes:
        initial_weights: a weights file; parameters that it lacks start fresh.
        fresh: starts of parameters' names that start fresh although the file has them.
        videos: number of videos to learn from; clips are drawn from them.
        clips: per batch.
        clip_frames: frames of a clip, one of these per batch, at gaps of up to `max_gap`.
        resolutions: short sides in pixels, one of these per batch.
        crop: side of a square around an instance that is cut out of the resized frames.
        warmup_steps, decay_steps: the learning rate rises over the first and falls linearly to 0
            over the last steps of a stage.
        learning_rate_multipliers: by a part of a parameter's name; the first that fits counts.
        average_decay: share that an exponential moving average of the weights keeps per step; the
            average is written and evaluated.
        steps: of the whole run; those of a shorter run are the first of a longer one, but for
            the decay of the learning rate.
        later: stages after the first, each with a schedule of its own; their `loss_weights` stand
            over the first's.
        train_norms: norms learn; otherwise they stay as they are.
        held_out: number of videos that nothing learns from, whose losses the log has, too.
        half_precision: writes the weights at the end so, as the bundled ones are.
        evaluate: a run config for the weights at the end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: StrictStr
    options: dict[StrictStr, Any] = Field(default_factory=dict)
    initial_weights: StrictStr | None = None
    fresh: tuple[StrictStr, ...] = ()
    seed: StrictInt = Field(default=0, ge=0, lt=1 << 63)
    videos: Videos = 600
    clips: Clips = 4
    clip_frames: ClipFrames = (5,)
    max_gap: Gap = 5
    resolutions: Resolutions = (128,)
    crop: Pixels | None = None
    steps: Steps
    warmup_steps: StepsOr0 = 200
    decay_steps: StepsOr0 = 0
    learning_rate: PositiveNumber
    learning_rate_multipliers: dict[StrictStr, Factor] = Field(default_factory=dict)
    weight_decay: Factor = 1e-4
    clip_norm: PositiveNumber
    average_decay: float | None = Field(default=None, ge=0, lt=1, allow_inf_nan=False)
    later: tuple[Stage, ...] = ()
    train_norms: StrictBool = True
    loss_weights: dict[StrictStr, Factor] = Field(default_factory=dict)
    held_out: StrictInt = Field(default=0, ge=0, le=1000)
    log_every: StrictInt = Field(default=100, ge=1)
    checkpoint_every: StrictInt = Field(default=500, ge=1)
    half_precision: StrictBool = False
    evaluate: StrictStr | None = None

    @property
    def stages(self) -> list[TrainConfig]:
        """Settings of each stage that the run reaches, in order; `steps` are the stage's own."""
        later = [stage for stage in self.later if stage.after < self.steps]
        starts = [0, *(stage.after for stage in later), self.steps]
        lengths = [end - start for start, end in pairwise(starts)]
        stages = [self.model_copy(update={"later": (), "steps": lengths[0]})]
        for stage, steps in zip(later, lengths[1:], strict=True):
            change = stage.model_dump(exclude_none=True, exclude={"after"}) | {"steps": steps}
            change["loss_weights"] = {**self.loss_weights, **change.get("loss_weights", {})}
            stages.append(stages[0].model_copy(update=change))
        return stages

    @field_validator("later")
    @classmethod
    def _in_order(cls, later: tuple[Stage, ...]) -> tuple[Stage, ...]:
        starts = [stage.after for stage in later]
        if any(start >= following for start, following in pairwise(starts)):
            raise ValueError(f"expected stages in order of `after`, which are {starts}")
        return later

    @field_validator("options")
    @classmethod
    def _plain(cls, value: dict[str, Any]) -> dict[str, Any]:
        check_plain(value)
        return value


def load_train_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a training config, with `key=value` settings over it; keys are dotted."""
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise InputError(f"config {path} is not a mapping of keys to values")
    apply_overrides(raw, overrides)
    unknown = [str(key) for key in raw if key not in TrainConfig.model_fields]
    if unknown:
        known = ", ".join(TrainConfig.model_fields)
        raise InputError(f"config {path}: unknown key {unknown[0]!r}; expected one of: {known}")
    try:
        return TrainConfig.model_validate(raw)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "missing":
            raise InputError(f"config {path}: key {key} is missing") from None
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "too_short":
            message = "expected at least one"
        raise InputError(
            f"config {path}: {key} is {shown(problem['input'])}; {message[:1].lower()}{message[1:]}"
        ) from None
