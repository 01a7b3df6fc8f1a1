"""A CUDA device of fake tensors: shapes, dtypes and devices of whole models without their values.

Nothing is computed and no memory is taken, so that a model at 720p takes a second. Tensors of
different devices are refused, and what the host waits for is counted, as `stand_in_device` does,
which computes. Where an operator's result depends on values it is as large as it can be, and what
the host reads is 0 or True, but for numbers that it wrote itself.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    FakeTensor,
    FakeTensorMode,
)
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cuda_ops.build import BuildError, Compilation, load_library
from stand_in_device import INDEXING, SIZED_BY_VALUES, aten
from vis_bench.measures.flops.counter import _SELECTIONS, _places

CUDA = torch.device("cuda:0")
GUARD = Path(__file__).parent / "cuda_guard" / "cuda_guard.cpp"
# Operators that autocast runs in its dtype.
LOWERED = {
    aten.convolution, aten.mm, aten.addmm, aten.bmm, aten.baddbmm, aten.addbmm,
    aten.scaled_dot_product_attention,
}  # fmt: skip


@contextmanager
def cuda_guard():
    """PyTorch knows CUDA devices inside, as far as fake tensors need."""
    if torch.version.cuda is not None:
        yield
        return
    guard = _guard_library()
    assert guard.set_cuda_guard(1)
    try:
        yield
    finally:
        assert guard.set_cuda_guard(0)


def _guard_library():
    folder = Path(torch.__file__).parent
    flags = ["-std=c++20", "-fPIC", "-shared", f"-I{folder / 'include'}"]
    linked = [f"-L{folder / 'lib'}", "-Wl,--no-as-needed", "-lc10"]
    command = ("g++", *flags, *linked)
    try:
        return load_library("cuda_guard", GUARD, Compilation(command, torch.__version__))
    except BuildError as error:
        pytest.skip(str(error))


class FakeCuda(TorchDispatchMode):
    """While it is entered, tensors are fake, and `device="cuda"` exists.

    Attributes:
        waits: what the host waited for, in order.
        dtypes: the floating dtypes of tensors that operators returned.
        products: the dtypes of convolutions, matrix products and attention.
    """

    def __init__(self):
        super().__init__()
        self.waits: list[str] = []
        self.dtypes: set[torch.dtype] = set()
        self.products: set[torch.dtype] = set()
        self._entered = 0  # it is entered again while an operator is taken apart
        self._around = ExitStack()

    def __enter__(self):
        if not self._entered:
            self._around.enter_context(FakeTensorMode())
            self._around.enter_context(torch.inference_mode())
            # Autocast asks for a device, and for what it can do.
            no = "torch.cuda.amp.common.amp_definitely_not_available"
            self._around.enter_context(patch(no, lambda: False))
            able = patch.object(torch.cuda, "is_bf16_supported", lambda *_, **__: True)
            self._around.enter_context(able)
            # These two do not go by operators.
            self._around.enter_context(patch.object(FakeTensor, "tolist", _to_list))
            self._around.enter_context(patch.object(FakeTensor, "numpy", _to_numpy, create=True))
        self._entered += 1
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self._entered -= 1
        if not self._entered:
            self._around.close()

    def move(self, module):
        """Puts the parameters and buffers of a module on the meta device onto the fake one."""
        for part in module.modules():
            for name, parameter in part.named_parameters(recurse=False):
                part.register_parameter(name, nn.Parameter(_like(parameter), requires_grad=False))
            for name, buffer in part.named_buffers(recurse=False):
                setattr(part, name, _like(buffer))
        return module

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        kind = func.overloadpacket
        if func.namespace == "aten" and kind not in LOWERED:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        if kind in LOWERED:
            self._watch_product(func, args, kwargs)
        self._watch_copies(kind, args, kwargs)
        out = self._decided_by_values(func, args, kwargs)
        if out is NotImplemented:
            out = func(*args, **kwargs)
            _keep_written(func, args, out)
        self.dtypes |= {x.dtype for x in _tensors(out) if x.is_floating_point()}
        return out

    def _watch_product(self, func, args, kwargs):
        found = {x.dtype for x in _tensors((args, kwargs)) if x.is_floating_point()}
        if len(found) > 1:  # which fake tensors take
            raise RuntimeError(f"{func}: expected all tensors to have the same dtype, got {found}")
        self.products |= found

    def _decided_by_values(self, func, args, kwargs):
        """The largest result of an operator that makes the host wait for values."""
        kind = func.overloadpacket
        if kind in INDEXING and any(map(_is_mask, args[1])):
            self.waits.append("index of booleans")
            indices = [y for x in args[1] for y in (_places(x) if _is_mask(x) else [x])]
            return func(args[0], indices, *args[2:], **kwargs)
        if kind not in SIZED_BY_VALUES and kind is not aten._local_scalar_dense:
            return NotImplemented
        if args[0].is_cuda:
            self.waits.append(str(kind))
        if kind is aten._local_scalar_dense:
            try:
                return func(*args)  # a constant of the host
            except DataDependentOutputException:
                return _read(args[0]).item()
        if kind is aten.equal:
            return True
        return _SELECTIONS[kind](*args) if kind in _SELECTIONS else NotImplemented

    def _watch_copies(self, kind, args, kwargs):
        if kind in INDEXING:
            on_host = [x for x in _tensors(args[1]) if x.device != args[0].device]
            self.waits += ["copy to the device"] * len(on_host)
        if kind not in (aten._to_copy, aten.copy_):
            return
        source = args[1] if kind is aten.copy_ else args[0]
        target = args[0].device if kind is aten.copy_ else kwargs.get("device") or source.device
        there = target.type == "cuda"
        nonblocking = kwargs.get("non_blocking") or (len(args) > 2 and args[2])
        if source.is_cuda != there and not (nonblocking and there):
            self.waits.append(f"copy to the {'device' if there else 'host'}")


def _like(tensor):
    form = {"dtype": tensor.dtype, "device": CUDA}
    return torch.empty_strided(tensor.shape, tensor.stride(), **form)


def _to_list(tensor):
    return _read(tensor.cpu()).tolist()


def _to_numpy(tensor):
    if tensor.is_cuda:
        raise TypeError("a tensor on a CUDA device has no array; expected .cpu() before")
    return _read(tensor).astype(str(tensor.dtype).removeprefix("torch."))


def _read(tensor):
    """The values that the host reads, as an array: what it wrote, or else 0 and True."""
    if hasattr(tensor, "written"):
        return tensor.written
    shape = tuple(tensor.shape)
    if tensor.dtype == torch.bool:
        return np.ones(shape, bool)
    return np.zeros(shape, float if tensor.is_floating_point() else int)


def _keep_written(func, args, out):
    """Keeps the values of `torch.tensor`, of their copy to the device and of its parts."""
    kind = func.overloadpacket
    if func._schema.is_mutable and kind is not aten.detach_:
        vars(args[0]).pop("written", None)
    elif kind is aten.lift_fresh:
        with no_dispatch():
            out.written = np.array(args[0].tolist())
    elif kind is aten._to_copy and hasattr(args[0], "written"):
        out.written = args[0].written
    elif kind is aten.select and hasattr(args[0], "written"):
        out.written = args[0].written.take(args[2], args[1])


def _is_mask(index):
    return isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8)


def _tensors(values):
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]
