"""Registers, spills and occupancy of the CUDA kernels, and the limits stated on data sheets."""

from dataclasses import replace

import pytest
import torch

from cuda_ops.build import BuildError
from cuda_ops.profile.attention_shapes import AttentionShape
from cuda_ops.profile.bounds import CARDS, Bound, bound_of, kernel_of
from cuda_ops.profile.resources import (
    CAPABILITIES,
    kernel_resources,
    parse_report,
    resident_blocks,
)
from kernels_page import (
    golden_kernels,
    golden_text,
    kernel_tables,
    nvcc_release,
)

RELEASE, KERNELS = golden_kernels()
FORWARD = kernel_of(KERNELS, "forward", torch.float32, (9, 0))


@pytest.fixture(scope="module")
def compiled():
    try:
        return kernel_resources()
    except BuildError as error:
        if "gpu architecture" not in str(error):
            raise
        pytest.skip(f"nvcc is too old: {error}")


@pytest.mark.nvcc
def test_every_kernel_keeps_its_registers(compiled):
    if nvcc_release() != RELEASE:
        pytest.skip(f"nvcc is {nvcc_release()}, and the golden of {RELEASE}")
    assert golden_text(RELEASE, compiled) == golden_text(RELEASE, KERNELS)


@pytest.mark.nvcc
def test_no_kernel_spills_whatever_nvcc_it_is(compiled):
    types = "float32 float32", "float16 float16", "float16 float32"
    types += "bfloat16 bfloat16", "bfloat16 float32"
    names = {
        f"{name} {kinds} {vector}"
        for name in ("forward", "backward")
        for kinds in types
        for vector in (1, 4 if kinds.startswith("float32") else 8)
    }
    found = {(kernel.name, kernel.capability) for kernel in compiled}
    assert found == {(name, capability) for name in names for capability in CAPABILITIES}
    assert {kernel.spilled for kernel in compiled} == {0}


def test_a_spill_and_shared_memory_are_read():
    report = """ptxas info    : Compiling entry function '{}' for 'sm_103'
ptxas info    : Function properties for {}
    8 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads
ptxas info    : Used 72 registers, used 1 barriers, 8 bytes stack, 640 bytes smem, 852 bytes cmem[0]
"""
    name = "_ZN14ms_deform_attn10run_kernelINS_8BackwardI13__nv_bfloat16fLi8EEEEEvNS_7ProblemET_i"
    (kernel,) = parse_report(report.replace("{}", name))
    assert kernel.name == "backward bfloat16 float32 8"
    assert (kernel.capability, kernel.registers) == ((10, 3), 72)
    assert (kernel.spilled, kernel.shared) == (36, 640)


@pytest.mark.parametrize(
    ("registers", "shared", "threads", "blocks"),
    [
        # The CUDA C++ Programming Guide's example: 64 registers and 512 threads a block fill the
        # registers with two blocks, and one register more leaves room for one.
        (64, 0, 512, 2),
        (65, 0, 512, 1),
        (32, 0, 1024, 2),  # all 2048 threads
        (16, 0, 32, 32),  # no more blocks than 32
        (32, 99 * 1024, 128, 2),  # 228 KiB, of which each block takes one more
        (32, 227 * 1024, 128, 1),
    ],
)
def test_resident_blocks(registers, shared, threads, blocks):
    assert resident_blocks(registers, shared, (9, 0), threads) == blocks


def test_limits_follow_from_bytes_operations_and_blocks():
    shape = AttentionShape("made", ((10, 10),), batch=2, queries=64)
    card = replace(CARDS[1], memory_bytes=1e9, float32_flop=1e10, multiprocessors=1)
    bound = bound_of(shape, "forward", torch.float32, card, FORWARD)
    samples = 2 * 64 * 8 * 4
    # Value, locations with weights, and output; 4 positions of 32 channels; 5 multiply-adds.
    numbers = 2 * 100 * 256 + 3 * samples + 2 * 64 * 256
    assert bound.memory == pytest.approx(4 * numbers / 1e9)
    assert bound.cache == pytest.approx(samples * 4 * 32 * 4 / 5e9)
    assert bound.arithmetic == pytest.approx(2 * 5 * samples * 32 / 1e10)
    assert bound.rounds == pytest.approx(2 * 8 * 4 / FORWARD.blocks())  # 16 queries a block


def test_the_limit_is_the_slowest_or_latency():
    assert Bound(3.0, 2.0, 1.0, rounds=4).name == "memory"
    assert Bound(1.0, 2.0, 1.5, rounds=4).name == "cache"
    assert Bound(1.0, 2.0, 2.5, rounds=1.5).name == "arithmetic"
    assert Bound(1.0, 2.0, 2.5, rounds=1).name == "latency"


def test_the_page_says_what_spills():
    assert "None of them spills." in kernel_tables(RELEASE, KERNELS)
    kernels = [replace(kernel, spilled=8) for kernel in KERNELS]
    assert "They spill 480 bytes." in kernel_tables(RELEASE, kernels)
