"""What an operator gives for tensors of given layouts, worked out once.

On the meta device an operator's outputs depend on the layouts of its inputs alone, but PyTorch
works many of them out in Python, slowly. A network repeats its layers, and clips their sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._ops import OpOverload

KEPT = 1 << 14


class Layout(NamedTuple):
    """All that a meta tensor has."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype

    def tensor(self) -> Tensor:
        """A new meta tensor."""
        return torch.empty_strided(self.shape, self.strides, dtype=self.dtype, device="meta")


class _Value(NamedTuple):
    """An input that is no tensor; 1, 1.0 and True are three."""

    kind: type
    value: Any


class _Many(NamedTuple):
    """A list or tuple of inputs or outputs."""

    kind: type
    parts: tuple[Any, ...]


class _NoLayoutError(Exception):
    """Something is not described by layouts and plain values."""


def run_on_meta(op: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """`op(*args, **kwargs)`, from memory where its inputs are meta tensors of known layouts.

    Operators that return a view of an input or write to one are always run, and so are those on
    tensors with values and those on none.
    """
    if not _makes_new_tensors(op) or not _has_tensors(args):
        return op(*args, **kwargs)
    try:
        outputs = _outputs(op, _frozen(tuple(args)), _frozen(tuple(sorted(kwargs.items()))))
    except (_NoLayoutError, TypeError):  # TypeError: an input that cannot be a key
        return op(*args, **kwargs)
    return _thawed(outputs)


def _has_tensors(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_has_tensors(part) for part in value)
    return isinstance(value, Tensor)


@cache
def _makes_new_tensors(op: OpOverload) -> bool:
    schema = op._schema
    return all(part.alias_info is None for part in (*schema.arguments, *schema.returns))


@lru_cache(maxsize=KEPT)
def _outputs(op: OpOverload, args: _Many, kwargs: _Many) -> Any:
    return _frozen(op(*_thawed(args), **dict(_thawed(kwargs))))


def _frozen(value: Any) -> Any:
    if isinstance(value, Tensor):
        if not value.is_meta or value.layout is not torch.strided:
            raise _NoLayoutError
        return Layout(tuple(value.shape), value.stride(), value.dtype)
    if isinstance(value, (list, tuple)):
        return _Many(type(value), tuple(_frozen(part) for part in value))
    return _Value(type(value), value)


def _thawed(value: Any) -> Any:
    if isinstance(value, Layout):
        return value.tensor()
    if isinstance(value, _Many):
        return value.kind(_thawed(part) for part in value.parts)
    return value.value
