"""Counts the multiply-adds of a call, operator by operator and module by module."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, TypeVar
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._C import DispatchKey
from torch._decomp import decomposition_table
from torch._higher_order_ops.scan import generic_scan
from torch._ops import HigherOrderOperator, OpOverload, OpOverloadPacket
from torch.nn.attention import flex_attention
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode

from vis_bench.errors import InputError
from vis_bench.measures.flops.rules import mac_rule, operator_name
from vis_bench.measures.flops.zero import counts_zero, moves_values
from vis_bench.text import count

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
    `unknown_ops`: operators without a rule, and how often each ran; they are missing in the count.
    """

    by_module: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    zero_ops: frozenset[str] = frozenset()
    assumed_ops: frozenset[str] = frozenset()
    unknown_ops: Mapping[str, int] = field(default_factory=dict)

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
            merged,
            self.zero_ops | other.zero_ops,
            self.assumed_ops | other.assumed_ops,
            Counter(self.unknown_ops) + Counter(other.unknown_ops),
        )

    def check_known(self) -> None:
        """Raise an InputError with all operators that have no rule, and how often each ran."""
        if not self.unknown_ops:
            return
        if "aten.to_mkldnn" in self.unknown_ops:
            raise InputError(
                "torch.jit.optimize_for_inference hides operators, whose multiply-adds the count "
                "would miss; expected the model before it"
            )
        names = ", ".join(
            f"operator {name} has no rule ({count(times, 'call')})"
            for name, times in sorted(self.unknown_ops.items())
        )
        raise InputError(
            f"{names}: the count would miss the multiply-adds; give each operator its formula with "
            "torch.utils.flop_counter.register_flop_formula, in the module of the method"
        )


Operator = OpOverload | HigherOrderOperator
# Told of every operator that ran: itself, its arguments and its output.
Watch = Callable[[OpOverload, Sequence[Any], Mapping[str, Any], Any], None]


def count_watched(
    module: nn.Module, call: Callable[P, R], watch: Watch | None, *args: P.args, **kwargs: P.kwargs
) -> tuple[R, MacCount]:
    """As `count_macs`, with every operator shown to `watch`; unknown operators are not refused."""
    tally = _Tally()
    try:
        with (
            torch.inference_mode(),
            _as_written(),
            _names_pushed(module, tally),
            _CountingMode(tally, watch),
        ):
            result = call(*args, **kwargs)
    except Exception as error:
        if not isinstance(error, InputError):
            tally.count().check_known()  # an unknown one may be why
        if not isinstance(error, NotImplementedError):
            raise
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
        InputError: for operators that compute something and have no rule, by name; or, on the
            meta device, for code that reads values.
    """
    result, macs = count_watched(module, call, None, *args, **kwargs)
    macs.check_known()
    return result, macs


class _Tally:
    """The counts so far, and the stack of running modules."""

    def __init__(self, running: list[str] | None = None) -> None:
        self.running = [""] if running is None else running
        self.zero_ops: set[str] = set()
        self.assumed_ops: set[str] = set()
        self.unknown_ops: Counter[str] = Counter()
        self._macs: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, op: Operator, macs: int) -> None:
        self._macs[self.running[-1]][_name(op)] += macs

    def absorb(self, other: MacCount) -> None:
        for name, ops in other.by_module.items():
            self._macs[name].update(ops)
        self.zero_ops |= other.zero_ops
        self.assumed_ops |= other.assumed_ops
        self.unknown_ops.update(other.unknown_ops)

    def count(self) -> MacCount:
        by_module = {name: dict(ops) for name, ops in self._macs.items()}
        zero_ops, assumed_ops = frozenset(self.zero_ops), frozenset(self.assumed_ops)
        return MacCount(by_module, zero_ops, assumed_ops, dict(self.unknown_ops))


aten = torch.ops.aten

# Operators that hand a value to Python.
_READS = (aten.item, aten._local_scalar_dense, aten.is_nonzero)


class _CountingMode(TorchDispatchMode):
    """Sees every operator, composite ones first; those without a rule are taken apart."""

    supports_higher_order_operators = True

    def __init__(self, tally: _Tally, watch: Watch | None) -> None:
        super().__init__()
        self._tally = tally
        self._watch = watch
        self._in_einsum = False

    def __torch_dispatch__(
        self, op: Operator, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if isinstance(op, HigherOrderOperator):
            return self._run_higher_order(op, args, kwargs)
        packet = op._overloadpacket
        rule = mac_rule(packet, args)
        if rule is not None or (self._in_einsum and packet is aten.mul):
            out = self._run(op, args, kwargs)
            self._tally.add(op, out.numel() if rule is None else rule(args, kwargs, out))
            return out
        if packet in _READS and args[0].is_meta:
            raise InputError(
                "the method reads a tensor's values to decide what to compute, so that its "
                "multiply-adds cannot be counted from shapes"
            )
        selected = _select_all(op, args, kwargs)
        if selected is not NotImplemented:
            self._tally.assumed_ops.add(_name(op))
            if self._watch is not None:
                self._watch(op, args, kwargs, selected)
            return selected
        if moves_values(op):
            return self._run(op, args, kwargs)
        if counts_zero(op):
            self._tally.zero_ops.add(_name(op))
            return self._run(op, args, kwargs)
        return self._run_apart(op, args, kwargs)

    def _run(self, op: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        out = op(*args, **kwargs)
        if self._watch is not None:
            self._watch(op, args, kwargs, out)
        return out

    def _run_apart(self, op: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run the parts of an operator, or the whole as unknown where it has none."""
        outside, self._in_einsum = self._in_einsum, op._overloadpacket is aten.einsum
        try:
            with self:
                out = op.decompose(*args, **kwargs)
                if out is NotImplemented and op in decomposition_table:
                    out = decomposition_table[op](*args, **kwargs)
        finally:
            self._in_einsum = outside
        if out is NotImplemented:
            self._tally.unknown_ops[_name(op)] += 1
            out = self._run(op, args, kwargs)
        return out

    def _run_higher_order(
        self, op: HigherOrderOperator, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Count what an operator that takes functions runs of them, or the whole by its rule.

        Of `torch.cond` the branch that its condition takes counts; without values the dearer one.
        """
        rule, branches = mac_rule(op), []
        if op is torch.ops.higher_order.cond:
            condition, *branches = args[:3]
            if isinstance(condition, Tensor) and condition.is_meta:
                self._tally.assumed_ops.add(_name(op))
            else:
                branches = branches[:1] if condition else branches[1:]
        calls: list[Callable[[], Any]] = [partial(branch, *args[3]) for branch in branches]
        if not calls:
            kernel = op.py_kernels[DispatchKey.CompositeExplicitAutograd]
            calls = [partial(kernel, *args, **kwargs)]
        done = [self._run_aside(call) for call in calls]
        out, macs = max(done, key=lambda result: result[1].total)
        if rule is None:
            self._tally.absorb(macs)
        else:
            self._tally.add(op, rule(args, kwargs, out))
        return out

    def _run_aside(self, call: Callable[[], R]) -> tuple[R, MacCount]:
        outside, self._tally = self._tally, _Tally(self._tally.running)
        try:
            with self:
                return call(), self._tally.count()
        finally:
            self._tally = outside


def _name(op: Operator) -> str:
    return operator_name(op if isinstance(op, HigherOrderOperator) else op._overloadpacket)


@contextmanager
def _as_written() -> Iterator[None]:
    """Run code as it is written, without a trace: nothing compiles itself.

    Dynamo would skip a function for good that it meets here, and TorchScript would specialize its
    graphs for tensors without values. `flex_attention` refuses the meta device before it computes,
    and `scan` any mode.
    """
    with (
        torch.compiler.set_stance("force_eager"),
        torch.jit.optimized_execution(False),
        patch.object(flex_attention, "_validate_device", lambda *tensors: None),
        patch.dict(generic_scan.__globals__, _get_current_dispatch_mode=lambda: None),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", ".*there are global hooks on modules")
        yield


@contextmanager
def _names_pushed(module: nn.Module, tally: _Tally) -> Iterator[None]:
    """Keep the path of the module whose forward is running at the end of `tally.running`.

    Hooks for all modules do it, as a fused layer takes another path where it has hooks of its own.
    A `DataParallel` runs the module that it would copy.
    """
    names = {id(part): name for name, part in module.named_modules()}
    copied = [part for part in module.modules() if isinstance(part, nn.DataParallel)]
    devices = [part.device_ids for part in copied]

    def enter(part: nn.Module, *_: object) -> None:
        if id(part) in names:
            tally.running.append(names[id(part)])

    def leave(part: nn.Module, *_: object) -> None:
        if id(part) in names:
            tally.running.pop()

    hooks = (
        register_module_forward_pre_hook(enter),
        register_module_forward_hook(leave, always_call=True),
    )
    try:
        for part in copied:
            part.device_ids = []
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for part, ids in zip(copied, devices, strict=True):
            part.device_ids = ids


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


def _unpadded(tokens: Tensor, *_: Any) -> Tensor:
    """All tokens: none is padding."""
    return tokens


_SELECTIONS: dict[OpOverloadPacket, Callable[..., Any]] = {
    aten._nested_tensor_from_mask_left_aligned: lambda tokens, mask: True,
    aten._nested_tensor_from_mask: _unpadded,
    aten.to_padded_tensor: _unpadded,
    aten.nonzero: _nonzero,
    aten.masked_select: _masked_select,
    aten._unique2: _unique,
    aten.unique_consecutive: _unique,
}
