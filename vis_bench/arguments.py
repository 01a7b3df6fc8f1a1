"""Ranges and defaults of what commands and functions take, and checks of Python arguments."""

from __future__ import annotations

import functools
import inspect
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from vis_bench.errors import InputError, without_package
from vis_bench.files import pipes_kept, shown


@dataclass(frozen=True)
class Whole:
    """Whole numbers from `low` to `high`; None for any from `low` up."""

    low: int
    high: int | None = None

    @property
    def expected(self) -> str:
        """The range in words."""
        return f"a whole number from {self.low} {'up' if self.high is None else f'to {self.high}'}"

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, Integral) or isinstance(value, bool):
            return False
        return self.low <= int(value) and (self.high is None or int(value) <= self.high)

    def check(self, name: str, value: Any) -> int:
        """Return an argument of the range; refuse any other by its name."""
        if value not in self:
            raise _refused(name, value, self.expected)
        return int(value)


@dataclass(frozen=True)
class RealRange:
    """Finite numbers from `low` to `high`, above `above` and below `below`; `expected` in words."""

    expected: str
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    below: float = math.inf

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
            return False
        return self.low <= float(value) <= self.high and self.above < float(value) < self.below

    def check(self, name: str, value: Any) -> float:
        """Return an argument of the range; refuse any other by its name."""
        if value not in self:
            raise _refused(name, value, self.expected)
        return float(value)


# Where records are looked for, in this folder and all below it, unless another one is named.
RESULTS = Path("results")
# Where they are written: those of whole splits, and those of the first videos of one.
RECORDS, LIMITED_RECORDS = RESULTS / "records", Path("runs/limited")

COUNT = Whole(1)
# JSON files and every random number generator hold these.
SEED = Whole(0, 2**63 - 1)
# Resamples of all classes of a data set are held in memory; twice this many still fit.
RESAMPLES = Whole(1, 100_000)
# Best tracks of a category and video that AP counts; AR100 needs so many at least.
MAX_TRACKS = Whole(100, 100_000)
# Of scores, which are probabilities: tracks with a higher one take part.
THRESHOLD = RealRange("a number below 1, such as 0.5", below=1)
# Arguments whose option has another name.
_OTHER_NAMES = {"set": "settings", "predictions": "results", "resamples": "num_resamples"}
P = ParamSpec("P")
R = TypeVar("R")
PATH = "the path of a file or folder"


def path_of(name: str, value: Any) -> Path:
    """Return an argument as a path; refuse what is none, and an empty one."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or not text:
        raise _refused(name, value, PATH)
    return Path(text)


def optional_path(name: str, value: Any) -> Path | None:
    """Return an argument as a path, or None where it is None."""
    return None if value is None else path_of(name, value)


def speaks_of_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Turn options in the messages of a function's errors into its arguments: `--data-root` into
    `data_root`; commands, which stand between backticks, stay. Refuse flags that are none.
    """
    signature = inspect.signature(function)
    names = set(signature.parameters)
    flags = [key for key, own in signature.parameters.items() if isinstance(own.default, bool)]

    def argument(option: re.Match[str]) -> str:
        name = (option[1] or "").replace("-", "_")
        name = _OTHER_NAMES.get(name, name)
        return name if name in names else option[0]

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for flag in flags:  # keywords all
            if type(value := kwargs.get(flag, False)).__name__ not in ("bool", "bool_"):
                raise _refused(flag, value, "True or False")
        try:
            with pipes_kept():
                return function(*args, **kwargs)
        except ModuleNotFoundError as error:
            raise without_package(error) from None
        except InputError as error:
            error.args = (re.sub(r"`[^`]*`|--([a-z][a-z-]*)", argument, str(error)),)
            raise

    return call


def _refused(name: str, value: object, expected: str) -> InputError:
    return InputError(f"{name} is {shown(value)}; expected {expected}")
