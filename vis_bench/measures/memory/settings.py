"""The settings of a measurement of memory over length."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, field_validator


class MemorySettings(BaseModel):
    """Lengths to measure, and the memory that a video has to fit.

    `lengths`, in frames, are chosen by `measure.lengths_of` unless given, and `limit_gib` is the
    device's memory; lengths that are likely to need more are left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lengths: tuple[Annotated[StrictInt, Field(ge=1, le=100_000)], ...] | None = None
    limit_gib: (
        Annotated[StrictFloat, Field(gt=0, le=1 << 20, allow_inf_nan=False)]
        | Annotated[StrictInt, Field(gt=0, le=1 << 20)]
        | None
    ) = None

    @field_validator("lengths")
    @classmethod
    def _two_or_more(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and len({*value}) < 2:
            raise ValueError("expected two different lengths or more, such as [16, 32, 48, 64]")
        return None if value is None else tuple(sorted({*value}))
