"""Which shards a process takes that runs beside others without talking to them: I of N."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from vis_bench.errors import InputError

Item = TypeVar("Item")
# Pairs of variables of schedulers: this process's number, and how many there are.
_ENVIRONMENTS = (("RANK", "WORLD_SIZE"), ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"))


@dataclass(frozen=True)
class Share:
    """Process `number`, counted from 1, of `total`."""

    number: int
    total: int

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str] = os.environ) -> Share:
        """From `I/N`, or `auto`: torchrun's RANK and WORLD_SIZE, or those of a Slurm array.

        Raises:
            InputError: for anything else, and a number that is not from 1 to N.
        """
        if text == "auto":
            return cls._from(environment)
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise InputError(f"--shard is {text!r}; expected I/N with I from 1 to N, or auto")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def _from(cls, environment: Mapping[str, str]) -> Share:
        for number, total in _ENVIRONMENTS:
            if number in environment and total in environment:
                first = int(environment.get("SLURM_ARRAY_TASK_MIN", 0)) if "SLURM" in number else 0
                return cls.parse(f"{int(environment[number]) - first + 1}/{environment[total]}")
        raise InputError(
            "--shard is auto, but neither torchrun's RANK and WORLD_SIZE nor a Slurm array's "
            "variables are set; expected one of them, or I/N"
        )

    def of(self, items: Sequence[Item]) -> list[Item]:
        """The items of this process: every N-th, so that cells are begun together."""
        return list(items[self.number - 1 :: self.total])
