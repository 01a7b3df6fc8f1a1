"""What is timed, and for how long."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator

Region = Literal["model", "model+tracker", "end_to_end"]


class SpeedSettings(BaseModel):
    """How speed is timed: which region, and for how long.

    The first `videos` videos are timed. `warmup` of them are run untimed first; then at least
    `repetitions` passes are timed, more until `seconds` are spent. `protocol`: `bench`, or `paper`
    for what the method's authors timed, which the settings then have to agree with (see
    `paper_protocols`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    regions: tuple[Region, ...] = Field(default=("model+tracker",), min_length=1)
    videos: StrictInt = Field(default=8, ge=1)
    warmup: StrictInt = Field(default=1, ge=0)
    repetitions: StrictInt = Field(default=3, ge=1)
    seconds: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    protocol: Literal["bench", "paper"] = "bench"

    @field_validator("regions", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value
