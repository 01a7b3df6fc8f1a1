"""Counts the multiply-adds of a call, operator by operator and module by module."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from torch._ops import OpOverload, OpOverloadPacket
from torch.utils._python_dispatch import TorchDispatchMode

from vis_bench.errors import InputError
from vis_bench.measures.flops.rules import counts_zero, mac_rule, moves_values

P = ParamSpec("P")
R = TypeVar("R")

# Multiply-adds are printed and recorded in units of this.
GIGA = 1e9

CONVENTION = "mac-fvcore"
CONVENTION_TEXT = (
    "one multiply-add counts 1 (fvcore's rule: a normalization 5 per element, a bilinear sample 4; "
    "softmax, bias, residual and activation 0)"
)


@dataclass(frozen=True)
class MacCount:
    """Multiply-adds, split by the module whose forward ran and by operator.

    `by_module`: module path ("" is the counted module itself) -> operator -> multiply-adds.
    `zero_ops`: operators seen that compute something and count 0 by the convention.
    `assumed_ops`: operators taken to select everything, because the tensors had no values; where
    there are any, the count is an upper bound.
    """

    by_module: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    zero_ops: frozenset[str] = frozenset()
    assumed_ops: frozenset[str] = frozenset()

    @property
    def total(self) -> int:
        """All multiply-adds."""
        return sum(sum(ops.values()) for ops in self.by_module.values())

    def within(self, path: str) -> int:
        """Multiply-adds of the module at `path` and of all modules below it."""
        return sum(
            sum(ops.values())
            for name, ops in self.by_module.items()
            if not path or name == path or name.startswith(f"{path}.")
        )

    def of(self, path: str) -> int:
        """Multiply-adds of the module at `path` outside of the modules below it."""
        return sum(self.by_module.get(path, {}).values())

    def by_op(self) -> dict[str, int]:
        """Multiply-adds by operator."""
        totals: Counter[str] = Counter()
        for ops in self.by_module.values():
            totals.update(ops)
        return dict(totals)

    def __add__(self, other: MacCount) -> MacCount:
        merged = {name: Counter(ops) for name, ops in self.by_module.items()}
        for name, ops in other.by_module.items():
            merged.setdefault(name, Counter()).update(ops)
        return MacCount(
            merged, self.zero_ops | other.zero_ops, self.assumed_ops | other.assumed_ops
        )


# Told of every operator that ran: itself, its arguments and its output.
Watch = Callable[[OpOverload, Sequence[Any], Mapping[str, Any], Any], None]


def count_watched(
    module: nn.Module, call: Callable[P, R], watch: Watch | None, *args: P.args, **kwargs: P.kwargs
) -> tuple[R, MacCount]:
    """As `count_macs`, with every operator shown to `watch`."""
    tally = _Tally()
    try:
        with torch.inference_mode(), _names_pushed(module, tally), _CountingMode(tally, watch):
            result = call(*args, **kwargs)
    except NotImplementedError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot count {type(module).__name__} without values: {reason}") from None
    return result, tally.count()


def count_macs(
    module: nn.Module, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> tuple[R, MacCount]:
    """Run a call and count its multiply-adds; return the call's result beside the count.

    Everything may be on the meta device: no weights or values are needed then, and memory does not
    depend on the shapes. The call runs in inference mode.

    Args:
        module: names the parts; operators belong to the innermost of its modules whose forward is
            running.
        call: `module` itself or one of its methods.

    Raises:
        InputError: for an operator that computes something and has no rule, by name; or, on the
            meta device, for code that reads values.
    """
    return count_watched(module, call, None, *args, **kwargs)


class _Tally:
    """The counts so far, and the stack of running modules."""

    def __init__(self) -> None:
        self.running: list[str] = [""]
        self._macs: dict[str, Counter[str]] = defaultdict(Counter)
        self._zero_ops: set[str] = set()
        self._assumed_ops: set[str] = set()

    def add(self, op: OpOverload, macs: int) -> None:
        self._macs[self.running[-1]][_name(op)] += macs

    def add_zero(self, op: OpOverload) -> None:
        self._zero_ops.add(_name(op))

    def add_assumed(self, op: OpOverload) -> None:
        self._assumed_ops.add(_name(op))

    def count(self) -> MacCount:
        by_module = {name: dict(ops) for name, ops in self._macs.items()}
        return MacCount(by_module, frozenset(self._zero_ops), frozenset(self._assumed_ops))


aten = torch.ops.aten

# Operators that hand a value to Python.
_READS = (aten.item, aten._local_scalar_dense, aten.is_nonzero)


class _CountingMode(TorchDispatchMode):
    """Sees every operator, composite ones first; those without a rule are taken apart."""

    def __init__(self, tally: _Tally, watch: Watch | None) -> None:
        super().__init__()
        self._tally = tally
        self._watch = watch

    def __torch_dispatch__(
        self, op: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        rule = mac_rule(op._overloadpacket)
        if rule is not None:
            out = self._run(op, args, kwargs)
            self._tally.add(op, rule(args, out))
            return out
        if op._overloadpacket in _READS and args[0].is_meta:
            raise InputError(
                "the method reads a tensor's values to decide what to compute, so that its "
                "multiply-adds cannot be counted from shapes"
            )
        selected = _select_all(op, args, kwargs)
        if selected is not NotImplemented:
            self._tally.add_assumed(op)
            if self._watch is not None:
                self._watch(op, args, kwargs, selected)
            return selected
        if moves_values(op):
            return self._run(op, args, kwargs)
        if counts_zero(op):
            self._tally.add_zero(op)
            return self._run(op, args, kwargs)
        with self:
            out = op.decompose(*args, **kwargs)
        if out is NotImplemented:
            raise InputError(
                f"operator {_name(op)} has no rule for its multiply-adds, so the count would miss "
                "it; give it one with torch.utils.flop_counter.register_flop_formula"
            )
        return out

    def _run(self, op: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        out = op(*args, **kwargs)
        if self._watch is not None:
            self._watch(op, args, kwargs, out)
        return out


def _name(op: OpOverload) -> str:
    return f"{op.namespace}.{op._overloadpacket.__name__}"


@contextmanager
def _names_pushed(module: nn.Module, tally: _Tally) -> Iterator[None]:
    """Keep the path of the module whose forward is running at the end of `tally.running`."""
    hooks = []

    def leave(*_: object) -> None:
        tally.running.pop()

    def watch(name: str, part: nn.Module) -> None:
        hooks.append(part.register_forward_pre_hook(lambda *_: tally.running.append(name)))
        hooks.append(part.register_forward_hook(leave, always_call=True))

    try:
        for name, part in module.named_modules():
            watch(name, part)
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _select_all(op: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The output of an operator whose output size depends on values, on tensors that have none.

    The selection is taken to keep everything, so that the count is an upper bound. NotImplemented
    for any other operator.
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
