"""Triton's interpreter with bounds: an access outside of a launch's tensors is an error.

`python -m triton_bounds float32:4`, with TRITON_INTERPRET=1, prints as JSON what `deformable_cases`
does, all of it within bounds, and which masks of the kernels are missed where they are left out.
"""

import json
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from triton.runtime import interpreter
from triton.runtime.errors import InterpreterError

from cuda_ops.ms_deform_attn import triton_kernel
from deformable_cases import CASES, found_errors, make_inputs

OUTSIDE = "outside of all tensors"
MASK = re.compile(r"\bmask=")


class Bounds:
    """Stands for the memory operations of Triton's interpreter, which take addresses."""

    def __init__(self, memory):
        self._memory = memory
        self._ranges = []

    def __getattr__(self, name):
        return getattr(self._memory, name)

    def take(self, arguments):
        """The tensors of the next launch."""
        tensors = [x for x in arguments if hasattr(x, "data_ptr")]
        assert all(x.is_contiguous() for x in tensors)
        self._ranges = [(x.data_ptr(), x.data_ptr() + x.nbytes) for x in tensors]

    def load(self, addresses, mask, other, dtype):
        self._check(addresses[mask], np.dtype(dtype).itemsize)
        return self._memory.load(addresses, mask, other, dtype)

    def store(self, addresses, values, mask):
        self._check(addresses[mask], values.itemsize)
        return self._memory.store(addresses, values, mask)

    def atomic_rmw(self, operation, addresses, values, mask, order):
        self._check(addresses[mask], values.itemsize)
        return self._memory.atomic_rmw(operation, addresses, values, mask, order)

    def _check(self, addresses, size):
        inside = np.zeros(addresses.shape, bool)
        for start, stop in self._ranges:
            inside |= (addresses >= start) & (addresses <= stop - size)
        if not inside.all():
            raise IndexError(f"{(~inside).sum()} addresses are {OUTSIDE}")


def watch():
    """Checks all later launches of this process."""
    bounds = Bounds(interpreter._interpreter)
    interpreter._interpreter = bounds
    to_host = interpreter.GridExecutor._init_args_hst

    def init(executor, args_dev, kwargs):
        args, named = to_host(executor, args_dev, kwargs)
        bounds.take([*args, *named.values()])
        return args, named

    interpreter.GridExecutor._init_args_hst = init


def kernels_of(text, path):
    """The kernels' module with another text."""
    path.write_text(text)
    spec = spec_from_file_location(path.stem, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def goes_outside(call, *inputs):
    try:
        call(*inputs)
    except InterpreterError as error:
        if OUTSIDE not in str(error):
            raise
        return True
    return False


def missed_masks():
    """The lines of the masks without which nothing is outside, and the number of masks."""
    text = Path(triton_kernel.__file__).read_text()
    inputs = make_inputs(CASES["odd"]).to("cpu", torch.float32, torch.float32)
    missed, masks = [], [found.end() for found in MASK.finditer(text)]
    with TemporaryDirectory() as folder:
        for at in masks:
            path = Path(folder) / f"without_{at}.py"
            kernels = kernels_of(f"{text[:at]}True | {text[at:]}", path)
            if at < text.index("def _backward_kernel"):
                found = goes_outside(kernels.forward, inputs)
            else:
                found = goes_outside(kernels.backward, inputs.grad_BQE, inputs)
            if not found:
                missed.append(text[:at].count("\n") + 1)
    return missed, len(masks)


if __name__ == "__main__":
    watch()
    missed, masks = missed_masks()
    errors = found_errors("triton", sys.argv[1:])
    print(json.dumps({"errors": errors, "missed": missed, "masks": masks}))  # noqa: T201
