"""The settings of a streaming measurement."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, field_validator

from vis_bench.data.categories import FRAME_RATES, TITLES
from vis_bench.errors import InputError
from vis_bench.metrics.streaming import Delay, Policy
from vis_bench.record.fields import NO_PART

FRAME, INFINITE, DATA = "frame", "inf", "data"
_FiniteNumber = StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)]
RateSetting = Literal["data"] | Annotated[_FiniteNumber, Field(gt=0, le=10_000)]
DelaySetting = Literal["frame", "inf"] | Annotated[_FiniteNumber, Field(ge=0, le=3_600_000)]


class StreamingSettings(BaseModel):
    """Rates, delays and the schedule of a streaming measurement.

    `rates` in frames per second, `data` for the data set's own. `delays` in milliseconds, `frame`
    for the time between two frames, `inf` for the end of all clips. `policy`: see
    `metrics.streaming.schedule`. Every process of so many fresh `processes` (one is this one) runs
    `warmup` videos untimed, and then times `repetitions` passes over all videos. The pass of median
    length counts, so that an odd number of passes is best. `draws` has no effect.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rates: tuple[RateSetting, ...] = Field(default=("data", 30), min_length=1)
    delays: tuple[DelaySetting, ...] = Field(default=(0, "frame", "inf"), min_length=1)
    policy: Policy = "all"
    draws: StrictInt = Field(default=100, ge=1, le=10_000)
    warmup: StrictInt = Field(default=1, ge=0)
    repetitions: StrictInt = Field(default=3, ge=1)
    processes: Annotated[StrictInt, NO_PART] = Field(default=1, ge=1, le=100)

    @field_validator("rates", "delays", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str | int | float) else value

    @field_validator("draws")
    @classmethod
    def _without_effect(cls, value: int) -> int:
        warnings.warn(
            f"streaming.draws is {value}, which has no effect any more and will be refused: whole "
            "passes are compared, and not draws of a run for each video",
            stacklevel=2,
        )
        return value


def rates_of(settings: StreamingSettings, dataset: str) -> list[Fraction]:
    """The rates in frames per second, each once.

    Raises:
        InputError: for `data` where the data set's rate is not known.
    """
    rates = []
    for rate in settings.rates:
        if rate == DATA and dataset not in FRAME_RATES:
            known = ", ".join(FRAME_RATES)
            raise InputError(
                f"streaming.rates has data, but the frame rate of {TITLES.get(dataset, dataset)} "
                f"is not known; expected frames per second, or one of the data sets {known}"
            )
        rates.append(Fraction(str(FRAME_RATES[dataset] if rate == DATA else rate)))
    return [*dict.fromkeys(rates)]


def delays_of(delays: Sequence[str | float], rate: Fraction) -> list[tuple[str, Delay]]:
    """The delays in seconds at a rate, each once, with a short name for files."""
    return [*dict.fromkeys((_delay_name(delay), _delay(delay, rate)) for delay in delays)]


def _delay_name(delay: str | float) -> str:
    return delay if isinstance(delay, str) else f"{delay:g}ms"


def _delay(delay: str | float, rate: Fraction) -> Delay:
    if delay == INFINITE:
        return None
    return 1 / rate if delay == FRAME else Fraction(str(delay)) / 1000
