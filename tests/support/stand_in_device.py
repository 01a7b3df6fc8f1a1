"""A CUDA device that is not there: tensors say that they are on it, and a CPU computes.

It counts how often the host waits for the device, and refuses tensors of different devices.
The host waits where it needs a number or a size that is on the device (`.item()`, `.cpu()`,
`nonzero`, an index of booleans), and where it copies memory that is not pinned. PyTorch's own
`torch.cuda.set_sync_debug_mode` warns at the same places.
"""

from __future__ import annotations

from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

DEVICE = torch.device("cuda:0")
aten = torch.ops.aten
COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
# The result's size depends on the values.
SIZED_BY_VALUES = {
    aten.nonzero, aten.masked_select, aten._unique2, aten.unique_dim, aten.unique_consecutive,
    aten.repeat_interleave, aten.bincount, aten.equal,
}  # fmt: skip
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}


class OnDevice(Tensor):
    """A tensor that says it is on the device; `held` has its numbers."""

    held: Tensor

    @staticmethod
    def __new__(cls, held):
        tensor = Tensor._make_wrapper_subclass(
            cls, held.size(), held.stride(), held.storage_offset(), dtype=held.dtype, device=DEVICE
        )
        tensor.held = held
        return tensor

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise AssertionError(f"{func} with a tensor of the stand-in outside of `StandInDevice`")


class _Python(TorchFunctionMode):
    """What PyTorch's Python layer does before it dispatches, where it asks a driver."""

    def __init__(self, waits):
        super().__init__()
        self._waits = waits

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is Tensor.pin_memory:
            return args[0].clone()
        if func is Tensor.to and isinstance(kwargs.get("device", args[-1]), str | torch.device):
            *args, device = (*args, kwargs.pop("device")) if "device" in kwargs else args
            return func(*args, DEVICE if _is_cuda(device) else device, **kwargs)
        if func in (torch.tensor, torch.as_tensor) and _is_cuda(kwargs.get("device")):
            kwargs.pop("device")
            return func(*args, **kwargs).to(DEVICE)  # built on the host, then copied
        if args and isinstance(args[0], OnDevice):
            return self._method(func, *args, **kwargs)
        return func(*args, **kwargs)

    def _method(self, func, tensor, *args, **kwargs):
        if func is Tensor.new_tensor:
            return torch.tensor(*args, **{"dtype": tensor.dtype} | kwargs).to(DEVICE)
        if func is Tensor.contiguous:
            form = kwargs.get("memory_format", torch.contiguous_format)
            is_so = tensor.is_contiguous(memory_format=form)
            return tensor if is_so else tensor.clone(memory_format=form)
        if func is Tensor.nonzero:
            return aten.nonzero(tensor)
        if func is Tensor.tolist:
            return tensor.cpu().tolist()
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            _watch_index(tree_leaves(args[0]), self._waits)
            args = tree_map_only(OnDevice, lambda x: x.held, args)
            result = func(tensor.held, *args)
            return OnDevice(result) if isinstance(result, Tensor) else result
        return func(tensor, *args, **kwargs)


class StandInDevice(TorchDispatchMode):
    """While it is entered, `device="cuda"` is the stand-in.

    Attributes:
        waits: what the host waited for, in order.
    """

    def __init__(self):
        super().__init__()
        self.waits: list[str] = []
        self._entered = 0  # it is entered again while an operator is taken apart
        self._python = _Python(self.waits)
        self._without_driver = patch.object(torch.cuda, "_lazy_init", lambda: None)

    def __enter__(self):
        if not self._entered:
            self._without_driver.start()
            self._python.__enter__()
        self._entered += 1
        super().__enter__()
        return self

    def __exit__(self, *error):
        super().__exit__(*error)
        self._entered -= 1
        if not self._entered:
            self._python.__exit__(*error)
            self._without_driver.stop()

    @torch.inference_mode()
    def move(self, module):
        """Puts a module's parameters and buffers on the device."""
        for part in module.modules():
            for name, parameter in part.named_parameters(recurse=False):
                held = OnDevice(parameter.detach())
                part.register_parameter(name, nn.Parameter(held, requires_grad=False))
            for name, buffer in part.named_buffers(recurse=False):
                setattr(part, name, OnDevice(buffer))

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is aten._fused_sdp_choice.default:
            return 0  # plain mathematics: the fused kernels differ from device to device
        if COMPOSITE not in func.py_kernels:  # those would ask the driver
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        on_device = [x for x in tensors if isinstance(x, OnDevice)]
        if func.overloadpacket in (aten._to_copy, aten.copy_):
            return self._copy(func, args, kwargs)
        device = kwargs.get("device")
        if not on_device and not _is_cuda(device):
            return func(*args, **kwargs)
        self._watch(func, args, tensors)
        if device is not None:
            kwargs["device"] = torch.device("cpu")
        stays = bool(on_device) if device is None else _is_cuda(device)
        return _run(func, args, kwargs, on_device if stays else None)

    def _copy(self, func, args, kwargs):
        """`_to_copy(source)` and `copy_(target, source)`."""
        wanted = kwargs.get("device")
        source = args[1] if func.overloadpacket is aten.copy_ else args[0]
        ends = args[0] if func.overloadpacket is aten.copy_ else source
        there = isinstance(ends, OnDevice) if wanted is None else _is_cuda(wanted)
        nonblocking = kwargs.get("non_blocking") or (len(args) > 2 and args[2])
        if there != isinstance(source, OnDevice) and not (nonblocking and there):
            self.waits.append(f"copy to the {'device' if there else 'host'}")
        if wanted is not None and _is_cuda(wanted):
            kwargs["device"] = torch.device("cpu")
        known = [x for x in args if isinstance(x, OnDevice)]
        return _run(func, args, kwargs, known if there else None)

    def _watch(self, func, args, tensors):
        kind = func.overloadpacket
        if kind is aten._local_scalar_dense or kind in SIZED_BY_VALUES:
            self.waits.append(str(kind))
        elsewhere = [x for x in tensors if not isinstance(x, OnDevice) and x.ndim]
        if kind in INDEXING:
            _watch_index(args[1], self.waits)
            elsewhere = [x for x in elsewhere if all(x is not index for index in args[1])]
        if elsewhere:
            raise RuntimeError(f"{func}: expected all tensors to be on the same device")


def _watch_index(indices, waits):
    for index in indices:
        if isinstance(index, Tensor):
            if index.dtype in (torch.bool, torch.uint8):
                waits.append("index of booleans")
            if not isinstance(index, OnDevice):
                waits.append("copy to the device")


def _run(func, args, kwargs, on_device):
    """Computes on the CPU; the results are on the device unless `on_device` is None."""
    args, kwargs = tree_map_only(OnDevice, lambda x: x.held, (args, kwargs))
    results = func(*args, **kwargs)
    if on_device is None:
        return results
    known = {id(own.held): own for own in on_device}  # in-place operators return their argument
    return tree_map_only(Tensor, lambda x: known[id(x)] if id(x) in known else OnDevice(x), results)


def _is_cuda(device):
    return device is not None and torch.device(device).type == "cuda"
