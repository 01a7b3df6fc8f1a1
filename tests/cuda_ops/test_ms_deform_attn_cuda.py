"""The CUDA backend without a GPU: its code run on the CPU, and compiled by nvcc."""

import ctypes
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from cuda_ops.build import build_library, cuda_compilation
from cuda_ops.ms_deform_attn import cuda
from cuda_ops.ms_deform_attn.inputs import AttentionInputs
from cuda_ops.profile.resources import dynamic_shared, threads_per_item
from deformable_cases import CASES, errors, far_inputs

HERE = Path(__file__).parent
# Of a batch entry; the second one begins beyond what 31 bits count.
FAR_ELEMENTS = 2**30 + 64
needs_cxx = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")


class KernelsOnHost:
    """The kernels' code compiled by the C++ compiler; see kernels_on_host.cpp."""

    def __init__(self, library):
        self.library = library

    def results(self, inputs, *, name):
        """The output and the three gradients; `name` is a key of `DTYPES`."""
        problem = cuda._problem(inputs)
        value, locations, weights = tensors = inputs.tensors
        output = torch.empty_like(inputs.grad_BQE)
        value_grad = torch.zeros(value.shape)
        grads = [value_grad, torch.empty_like(locations), torch.empty_like(weights)]
        self._call(f"forward_{name}", problem, [*tensors, output])
        self._call(f"backward_{name}", problem, [inputs.grad_BQE, *tensors, *grads])
        return [output, value_grad.to(value.dtype), *grads[1:]]

    def _call(self, name, problem, tensors):
        pointers = [ctypes.c_void_p(tensor.contiguous().data_ptr()) for tensor in tensors]
        getattr(self.library, name)(ctypes.byref(problem), *pointers)


@pytest.fixture(scope="module")
def kernels_on_host(tmp_path_factory):
    target = tmp_path_factory.mktemp("host") / "kernels.so"
    flags = ["-std=c++17", "-O1", "-march=native", "-Wall", "-Wextra", "-Wno-unknown-pragmas"]
    source = str(HERE / "kernels_on_host.cpp")
    subprocess.run(
        ["g++", *flags, "-fPIC", "-shared", source, "-o", str(target)], check=True, timeout=300
    )
    return KernelsOnHost(ctypes.CDLL(str(target)))


@needs_cxx
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "bfloat16_float32"])
@pytest.mark.parametrize("case", CASES)
def test_kernel_code_error_is_at_most_twice_that_of_pytorch(kernels_on_host, case, dtype):
    run = partial(kernels_on_host.results, name=dtype)
    for name, (error, allowed) in errors(case, dtype, run).items():
        assert error <= allowed, name


@needs_cxx
@pytest.mark.parametrize("channels", [4, 32, 40, 256])
@pytest.mark.parametrize("vector", [1, 4, 8])
def test_launches_are_known_without_a_gpu(kernels_on_host, channels, vector):
    library = kernels_on_host.library
    library.group_of.argtypes = [ctypes.c_int64, ctypes.c_int]
    library.shared_of.restype = ctypes.c_int64
    group = library.group_of(channels, vector)
    assert threads_per_item(vector, channels) == group
    for backward, name in enumerate(("forward", "backward")):
        assert dynamic_shared(name, vector, channels) == library.shared_of(backward, group)


@needs_cxx
def test_no_location_makes_the_kernels_leave_their_buffers(tmp_path):
    checks = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    flags = ["-std=c++17", "-O1", "-march=native", "-fno-math-errno", "-fno-trapping-math"]
    program, source = tmp_path / "hostile", str(HERE / "hostile_locations.cpp")
    command = ["g++", *flags, *checks, source, "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if "cannot find" in built.stderr:
        pytest.skip("g++ has no address checker here")
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([str(program)], capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[:2000]
    assert ran.stdout == "24 sizes\n"


@needs_cxx
def test_more_than_two_to_the_31_elements(kernels_on_host, tmp_path):
    # Files of 8.6 GB that take no space: nothing is written but the few rows that are read.
    value, value_grad = (
        torch.from_numpy(np.memmap(tmp_path / name, np.float32, "w+", shape=2 * FAR_ELEMENTS))
        for name in ("value", "grad")
    )
    near, far = far_inputs(value)
    problem = cuda._problem(far)
    output = torch.empty_like(far.grad_BQE)
    grads = [
        value_grad,
        torch.empty_like(far.locations_BQMLP2),
        torch.empty_like(far.weights_BQMLP),
    ]
    kernels_on_host._call("forward_float32", problem, [*far.tensors, output])
    kernels_on_host._call("backward_float32", problem, [far.grad_BQE, *far.tensors, *grads])
    last = near.value_BSMD.shape[1]
    found = [output, grads[0].view(far.value_BSMD.shape)[:, -last:], *grads[1:]]
    for one, expected in zip(found, near.results("reference"), strict=True):
        torch.testing.assert_close(one, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.nvcc
def test_nvcc_builds_the_library(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_OPS_CACHE", str(tmp_path))
    path = build_library("cuda", cuda.SOURCE, cuda_compilation((9, 0)))
    library = ctypes.CDLL(str(path))
    for name in ("forward", "backward", "error"):
        assert getattr(library, f"ms_deform_attn_{name}")


@pytest.mark.nvcc
def test_header_compiles_alone_into_16_byte_accesses(tmp_path):
    source = tmp_path / "kernels.cu"
    source.write_text(
        f'#include "{cuda.SOURCE.parent / "kernels.cuh"}"\n'
        "namespace ms_deform_attn {\n"
        "template __global__ void run_kernel(const __grid_constant__ Problem,"
        " const Forward<__half, __half, 8>, int);\n"
        "template __global__ void run_kernel(const __grid_constant__ Problem,"
        " const Backward<float, float, 4>, int);\n"
        "}\n"
    )
    command = [
        cuda_compilation((9, 0)).command[0],
        "-std=c++17",
        "-arch=sm_90",
        "-ptx",
        str(source),
        "-o",
        "-",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "torch" not in (cuda.SOURCE.parent / "kernels.cuh").read_text().replace("no torch", "")
    forward, backward = re.split(r"\.entry .*Backward", done.stdout)
    assert len(re.findall(r"ld\.global\.v4", forward)) >= 4
    assert re.search(r"st\.global\.v4", forward)
    assert len(re.findall(r"ld\.global\.v4", backward)) >= 5
    assert re.search(r"(red|atom)\.global\.\S*v4", backward)


def test_more_levels_than_the_kernels_take_are_refused():
    value, locations = torch.zeros(1, 17, 1, 4), torch.zeros(1, 1, 1, 17, 1, 2)
    inputs = AttentionInputs(value, [1] * 34, list(range(17)), locations, locations[..., 0])
    with pytest.raises(ValueError, match="at most 16 levels on backend 'cuda', got 17"):
        cuda._problem(inputs)


def test_the_problem_has_the_layout_of_the_header(tmp_path):
    header = (cuda.SOURCE.parent / "kernels.cuh").read_text()
    declared = re.search(r"struct Problem \{(.*?)\};", header, re.S)
    assert declared is not None
    names = re.findall(r"(\w+)(?:\[kMaxLevels\])?[,;]", declared[1])
    assert names == [field[0] for field in cuda._KernelProblem._fields_]
    assert f"kMaxLevels = {cuda.MAX_LEVELS};" in header
