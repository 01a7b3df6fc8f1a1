"""How a measured network computed, in words: its number format, TF32, compilation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

_COMPILED: Mapping[str, str] = {"default": "compiled", "cuda_graphs": "CUDA graphs"}


class Computed(Protocol):
    """What says how something computed; a record and a gated cell have it."""

    @property
    def precision(self) -> str | None: ...
    @property
    def tf32(self) -> bool | None: ...
    @property
    def compile(self) -> str | None: ...


def arithmetic_words(record: Computed) -> list[str]:
    """What differs from float32 without TF32 that is not compiled; empty for that itself.

    Older records do not say whether they were compiled: they were not.
    """
    precision, mode = record.precision, record.compile
    words = [] if precision in (None, "float32") else [str(precision)]
    words += ["TF32"] if record.tf32 else []
    words += [] if mode in (None, "none") else [_COMPILED.get(str(mode), str(mode))]
    return words


def arithmetic_name(record: Computed) -> str:
    """The number format, and what else differs from the default: `float32, TF32`."""
    words = arithmetic_words(record)
    is_float32 = record.precision in (None, "float32")
    return ", ".join([*(["float32"] if is_float32 else []), *words])
