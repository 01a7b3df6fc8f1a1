"""The settings of a speed measurement, and the check of a paper's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator

from vis_bench.errors import InputError
from vis_bench.record.fields import LATER, NO_PART

BENCH, PAPER = "bench", "paper"
# Stages in the order in which they run, and the time between them.
STAGE_NAMES, OTHER = ("decode", "preprocess", "encode", "predict", "track", "rle"), "other"
Region = Literal["model", "model+tracker", "end_to_end"]


class SpeedSettings(BaseModel):
    """Regions, videos and repetitions of a speed measurement.

    The first `videos` videos are timed. Each is run untimed first, `warmup` runs in all if that is
    more; then at least `repetitions` passes are timed, more until `seconds` are spent. All of that
    happens in so many fresh `processes`, which differ by more than passes do; one is this process.
    `protocol`: `bench`, or `paper` for what the method's authors timed, with which the cell must
    then agree (`check_protocol`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    regions: tuple[Region, ...] = Field(default=("model+tracker",), min_length=1)
    videos: StrictInt = Field(default=8, ge=1)
    warmup: StrictInt = Field(default=1, ge=0)
    repetitions: StrictInt = Field(default=3, ge=1)
    seconds: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    processes: Annotated[StrictInt, NO_PART] = Field(default=1, ge=1, le=100)
    protocol: Annotated[Literal["bench", "paper"], LATER] = "bench"

    @field_validator("regions", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class TimedCell(Protocol):
    """The settings of a cell that decide what is timed."""

    method: str
    speed: SpeedSettings


def check_protocol(cell: TimedCell, paper_protocol: Mapping[str, object] | None) -> None:
    """Refuse a cell that asks for its paper's protocol and is set otherwise.

    Args:
        cell: of a config.
        paper_protocol: the method's, see `VISMethod`.
    """
    if cell.speed.protocol != PAPER:
        return
    if paper_protocol is None:
        raise InputError(
            f"speed.protocol is paper, but the authors of {cell.method} do not state what they "
            "timed; expected bench"
        )
    for key, expected in paper_protocol.items():
        value = list(cell.speed.regions) if key == "speed.regions" else getattr(cell, key)
        if value != expected:
            raise InputError(
                f"{key} is {_as_yaml(value)}; expected {_as_yaml(expected)}, which the authors of "
                f"{cell.method} timed and speed.protocol paper stands for"
            )


def _as_yaml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
