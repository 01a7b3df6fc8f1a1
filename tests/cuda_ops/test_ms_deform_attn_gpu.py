"""The CUDA and the Triton backend on a GPU: huge sizes, streams, devices, memory."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from cuda_ops import ms_deform_attn, resolve_backend
from deformable_cases import CASES, assert_same, far_inputs, make_inputs
from paths import ROOT

pytestmark = pytest.mark.gpu
DEVICE = "cuda"
BACKENDS = ("cuda", "triton")
GIB = 2**30
# What the largest tensors of a test take together, and some room.
FAR_BYTES, MANY_BYTES = 20 * GIB, 12 * GIB


def needs_memory(wanted):
    torch.cuda.empty_cache()
    free = torch.cuda.mem_get_info()[0]
    if free < wanted:
        pytest.skip(f"needs {wanted / GIB:.0f} GiB of device memory, {free / GIB:.1f} are free")


def small(name="odd", dtype=torch.float32):
    return make_inputs(CASES[name]).to(DEVICE, dtype, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_auto_takes_one_that_passes_its_self_test(dtype):
    assert resolve_backend(DEVICE, dtype) in (*BACKENDS, "reference")


@pytest.mark.parametrize("backend", BACKENDS)
def test_more_than_two_to_the_31_elements_of_value(backend):
    needs_memory(FAR_BYTES)
    # 4.3 GB of bfloat16, and its gradient in float32 and in bfloat16.
    value = torch.zeros(2**31 + 128, dtype=torch.bfloat16, device=DEVICE)
    near, far = far_inputs(value)
    output, value_grad, *others = far.results(backend, checked=False)
    expected = near.results(backend)
    last = near.value_BSMD.shape[1]
    torch.testing.assert_close(output, expected[0], rtol=0, atol=0)
    torch.testing.assert_close(value_grad[:, -last:], expected[1], rtol=2e-2, atol=2e-2)
    assert value_grad[:, :1000].count_nonzero() == 0
    for found, own in zip(others, expected[2:], strict=True):
        torch.testing.assert_close(found, own, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_more_than_two_to_the_31_elements_of_output(backend):
    needs_memory(MANY_BYTES)
    queries, tail, half = 2**28 + 7, 300, torch.bfloat16
    random = torch.Generator(DEVICE).manual_seed(0)
    value = torch.rand(1, 20, 1, 8, generator=random, device=DEVICE).to(half)
    size = (1, queries, 1, 1, 1)
    locations = torch.full((*size, 2), 7.0, dtype=half, device=DEVICE)  # outside
    weights = torch.ones(size, dtype=half, device=DEVICE)
    locations[:, -tail:] = torch.rand(1, tail, 1, 1, 1, 2, generator=random, device=DEVICE).to(half)
    found = ms_deform_attn(value, [(4, 5)], None, locations, weights, backend=backend)
    last = (locations[:, -tail:].contiguous(), weights[:, -tail:].contiguous())
    expected = ms_deform_attn(value, [(4, 5)], None, *last, backend=backend)
    assert found.numel() > 2**31
    assert torch.equal(found[:, -tail:], expected)
    assert found[:, :1000].count_nonzero() == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_runs_on_the_stream_that_is_current(backend):
    inputs = small()
    expected = inputs.results(backend)  # also builds
    late = replace(inputs, value_BSMD=torch.zeros_like(inputs.value_BSMD))
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        # A kernel on any other stream would not wait for the value.
        torch.cuda._sleep(200_000_000)
        late.value_BSMD.copy_(inputs.value_BSMD)
        found = late.results(backend)
    stream.synchronize()
    assert_same(found, expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_runs_in_a_captured_graph(backend):
    inputs = small()
    arguments = (inputs.shapes_L2, inputs.starts_L, inputs.locations_BQMLP2, inputs.weights_BQMLP)
    value = torch.zeros_like(inputs.value_BSMD)
    expected = inputs.results(backend)[0]
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad():
        ms_deform_attn(value, *arguments, backend=backend)  # builds, and fills its tables
        with torch.cuda.graph(graph):
            output = ms_deform_attn(value, *arguments, backend=backend)
    value.copy_(inputs.value_BSMD)
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(output, expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_runs_on_the_tensors_device_whatever_is_current(backend):
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices, and there is one")
    expected = small().results(backend)
    with torch.cuda.device(0):
        there = make_inputs(CASES["odd"]).to("cuda:1", torch.float32, torch.float32)
        found = there.results(backend)
    assert {x.device.index for x in found} == {1}
    assert_same(found, expected)


def test_a_device_without_an_index_is_the_current_one():
    assert resolve_backend("cuda") == resolve_backend("cuda:0")


def test_compute_sanitizer_finds_nothing():
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None:
        pytest.skip("there is no compute-sanitizer")
    script = (
        "from deformable_cases import CASES, errors\n"
        "for case in CASES: errors(case, 'float16', 'cuda', 'cuda', thinned=8)"
    )
    paths = [str(ROOT), str(ROOT / "tests" / "support"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    # PyTorch asks for things that fail and handles it; only accesses of memory are looked at.
    options = ["--report-api-errors", "no", "--error-exitcode", "9"]
    done = subprocess.run(
        [sanitizer, *options, sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    if "Device not supported" in done.stdout + done.stderr:
        pytest.skip("compute-sanitizer does not support this device")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
