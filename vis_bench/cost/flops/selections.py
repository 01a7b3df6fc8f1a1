"""Operators whose output size depends on values, on tensors that have none.

A meta tensor has a shape and no values, so what a method selects by a mask is not known. Such a
selection is taken to keep everything: the count is then an upper bound, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload, OpOverloadPacket

aten = torch.ops.aten


def select_all(op: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The operator's output if its mask held everywhere; NotImplemented for any other operator.

    Args:
        op: an operator about to run.
        args, kwargs: what it was called with.
    """
    packet = op._overloadpacket
    if packet in (aten.index, aten.index_put, aten.index_put_):
        return _index(op, args, kwargs)
    if op is aten.where.default and args[0].is_meta:
        return _nonzero(args[0]).unbind(1)
    if packet in _SELECTIONS and args[0].is_meta:
        return _SELECTIONS[packet](*args)
    return NotImplemented


def _index(op: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    if not any(_is_meta_mask(index) for index in args[1]):
        return NotImplemented
    indices: list[Tensor | None] = []
    for index in args[1]:
        indices += _places(index) if _is_meta_mask(index) else [index]
    return op(args[0], indices, *args[2:], **kwargs)


def _is_meta_mask(index: Tensor | None) -> bool:
    return index is not None and index.is_meta and index.dtype in (torch.bool, torch.uint8)


def _places(mask: Tensor) -> list[Tensor]:
    return [mask.new_empty(mask.numel(), dtype=torch.int64) for _ in range(mask.ndim)]


def _nonzero(values: Tensor) -> Tensor:
    return values.new_empty(values.numel(), values.ndim, dtype=torch.int64)


def _masked_select(values: Tensor, mask: Tensor) -> Tensor:
    return values.new_empty(torch.broadcast_shapes(values.shape, mask.shape).numel())


def _unique(values: Tensor, *flags: bool) -> tuple[Tensor, Tensor, Tensor]:
    inverse = values.new_empty(values.shape, dtype=torch.int64)
    counts = values.new_empty(values.numel(), dtype=torch.int64)
    return values.new_empty(values.numel()), inverse, counts


_SELECTIONS: dict[OpOverloadPacket, Callable[..., Any]] = {
    aten.nonzero: _nonzero,
    aten.masked_select: _masked_select,
    aten._unique2: _unique,
    aten.unique_consecutive: _unique,
}
