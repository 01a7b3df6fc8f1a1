"""The Triton backend: run by Triton's interpreter, and compiled for GPUs that are not here."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch

from deformable_cases import CASES

pytest.importorskip("triton")

from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from cuda_ops.ms_deform_attn import triton_kernel
from paths import ROOT

# Every how many draws of a case the slow interpreter looks at.
INTERPRETED = {"float32": 4, "float16": 8, "bfloat16": 8}


@pytest.fixture(scope="module")
def interpreted():
    """What `triton_bounds` prints, from a process in which Triton interprets its kernels."""
    path = os.pathsep.join([str(ROOT / "tests" / "support"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": path}
    command = [sys.executable, "-W", "ignore", "-m", "triton_bounds"]
    done = subprocess.run(
        [*command, *(f"{dtype}:{every}" for dtype, every in INTERPRETED.items())],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("dtype", INTERPRETED)
@pytest.mark.parametrize("case", CASES)
def test_error_is_at_most_twice_that_of_pytorch(interpreted, case, dtype):
    # The interpreter cuts a float32 off to make it a bfloat16, where a GPU rounds: an error of one
    # unit in the last place instead of half of one, on top of what the kernel does.
    factor = 2 if dtype == "bfloat16" else 1
    for name, (error, allowed) in interpreted["errors"][f"{case}-{dtype}"].items():
        assert error <= factor * allowed, name


def test_without_any_of_its_masks_a_kernel_leaves_its_tensors(interpreted):
    """With them none does, in any of the cases above: the process would have failed."""
    assert interpreted["masks"] > 0
    assert interpreted["missed"] == []


ARGUMENTS = {
    **{"grad": "*fp16", "value": "*fp16", "levels_L3": "*i32", "locations": "*fp16"},
    **{"attention": "*fp16", "output": "*fp16", "value_grad": "*fp32"},
    **{"location_grad": "*fp16", "attention_grad": "*fp16"},
    **{"positions": "i32", "heads": "i32", "channels": "i32", "queries": "i32"},
}
SIZES = {"LEVELS": 4, "POINTS": 4, "BLOCK_Q": 32, "BLOCK_D": 32}


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("name", ["_forward_kernel", "_backward_kernel"])
def test_compiles_for_gpus_with_16_byte_loads(name, capability):
    kernel = getattr(triton_kernel, name)
    if triton_kernel._interpreted():
        pytest.skip("Triton interprets in this process")
    names = kernel.arg_names
    signature = {n: "constexpr" if n in SIZES else ARGUMENTS[n] for n in names}
    # As at launch: pointers and the number of channels are multiples of 16.
    aligned = [n for n in names if signature[n].startswith("*") or n == "channels"]
    source = ASTSource(
        kernel,
        signature,
        constexprs={(names.index(n),): value for n, value in SIZES.items()},
        attrs={(names.index(n),): [["tt.divisibility", 16]] for n in aligned},
    )
    options = {"enable_fp_fusion": True}
    compiled = compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    assert len(compiled.asm["cubin"]) > 0
    assert re.search(r"ld\.global\S*v4\.b32", compiled.asm["ptx"])


def test_serves_cuda_only_where_it_is_not_interpreted():
    if triton_kernel._interpreted():
        pytest.skip("Triton interprets in this process")
    reason = triton_kernel.unsupported(torch.device("cpu"), torch.float32)
    assert reason is not None
    assert "TRITON_INTERPRET" in reason
    assert triton_kernel.unsupported(torch.device("cuda"), torch.float32) is None
    assert "float64" in str(triton_kernel.unsupported(torch.device("cuda"), torch.float64))
