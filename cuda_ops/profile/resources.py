"""Registers, spills and occupancy of the CUDA kernels, from the compiler; no GPU is needed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from cuda_ops.build import MOST_SECONDS, BuildError, cuda_compilation
from cuda_ops.ms_deform_attn.cuda import SOURCE

# Compute capabilities of the A100, the H100 and the B200.
CAPABILITIES = ((8, 0), (9, 0), (10, 0))
WARP, BLOCK_THREADS = 32, 128
# Of a multiprocessor of these capabilities (CUDA C++ Programming Guide, "Compute Capabilities"):
# registers, the unit in which a warp gets them, warps, blocks, and the bytes of shared memory that
# the system takes of each block.
_REGISTERS, _REGISTER_UNIT, _MOST_WARPS, _MOST_BLOCKS, _RESERVED = 65536, 256, 64, 32, 1024
_SHARED = {(8, 0): 164 * 1024, (9, 0): 228 * 1024, (10, 0): 228 * 1024}
# A multiprocessor has four partitions, each with its part of the registers and of the warps.
_PARTITIONS = 4
# Samples that a block keeps for each of its items, times the bytes of one.
_ITEM_BYTES = {"Forward": 8 * 32, "Backward": 4 * 64}
_TYPES = {"float": "float32", "__half": "float16", "__nv_bfloat16": "bfloat16"}

_KERNEL = re.compile(r"run_kernel<\w+::(\w+)<(\w+), (\w+), (\d+)>")
_ENTRY = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\d+)'")
_SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers.*")


@dataclass(frozen=True)
class KernelResources:
    """One kernel of one compute capability as ptxas reports it.

    `channels`: those that a thread reads at once, 1 where their number does not fill 16 bytes.
    `spilled`: bytes of registers stored to and loaded from memory, and of the stack.
    `shared`: bytes of static shared memory.
    """

    pass_name: str
    value: str
    coordinate: str
    channels: int
    capability: tuple[int, int]
    registers: int
    spilled: int
    shared: int

    @property
    def name(self) -> str:
        """Pass, dtypes of the value and the locations, and channels at once."""
        return f"{self.pass_name} {self.value} {self.coordinate} {self.channels}"

    def blocks(self, channels: int = 32) -> int:
        """Blocks that a multiprocessor holds at once, for heads of so many channels."""
        shared = self.shared + dynamic_shared(self.pass_name, self.channels, channels)
        return resident_blocks(self.registers, shared, self.capability)

    def occupancy(self, channels: int = 32) -> float:
        """Share of the warps that a multiprocessor can hold."""
        return self.blocks(channels) * (BLOCK_THREADS // WARP) / _MOST_WARPS


def threads_per_item(vector: int, channels: int) -> int:
    """Threads that share a query and head; `group_size` of the kernels."""
    group = 1
    while group < WARP and group * vector < channels:
        group *= 2
    return group


def dynamic_shared(pass_name: str, vector: int, channels: int) -> int:
    """Bytes of shared memory that a launch asks for; `shared_bytes` of the kernels."""
    items = BLOCK_THREADS // threads_per_item(vector, channels)
    return _ITEM_BYTES[pass_name.capitalize()] * (items + 1)


def resident_blocks(
    registers: int, shared: int, capability: tuple[int, int], threads: int = BLOCK_THREADS
) -> int:
    """Blocks on a multiprocessor at once: as many as its registers, warps and memory allow."""
    warps = -(-threads // WARP)
    of_a_warp = -(-registers * WARP // _REGISTER_UNIT) * _REGISTER_UNIT
    fitting = _REGISTERS // _PARTITIONS // of_a_warp * _PARTITIONS
    by_shared = _SHARED[capability] // (shared + _RESERVED)
    return min(_MOST_BLOCKS, _MOST_WARPS // warps, fitting // warps, by_shared)


def kernel_resources(
    capabilities: Sequence[tuple[int, int]] = CAPABILITIES,
) -> list[KernelResources]:
    """Compile every kernel for these compute capabilities, and read ptxas's report.

    Raises:
        BuildError: there is no nvcc or c++filt, or the compiler fails.
    """
    nvcc = cuda_compilation(capabilities[0]).command[0]
    codes = [f"{major}{minor}" for major, minor in capabilities]
    targets = [f"-gencode=arch=compute_{code},code=sm_{code}" for code in codes]
    flags = ["-std=c++17", "-O3", "-fatbin", "-Xptxas=-v", *targets]
    with TemporaryDirectory() as folder:
        report = _errors_of([nvcc, *flags, "-o", f"{folder}/kernels", str(SOURCE)])
    return parse_report(report)


def parse_report(report: str) -> list[KernelResources]:
    """Kernels of ptxas's report, in its order.

    Raises:
        BuildError: there is no c++filt, or a kernel of the report is unknown.
    """
    parts = _ENTRY.split(report)[1:]
    names = _errors_of(["c++filt"], "\n".join(parts[0::3]), output=True).splitlines()
    return [
        _kernel(name, code, text)
        for name, code, text in zip(names, parts[1::3], parts[2::3], strict=True)
    ]


def _kernel(name: str, code: str, text: str) -> KernelResources:
    kernel, spills, used = _KERNEL.search(name), _SPILLS.search(text), _USED.search(text)
    if kernel is None or spills is None or used is None:
        raise BuildError(f"ptxas reports on {name} in an unknown form: {text[:200]!r}")
    shared = re.search(r"(\d+) bytes smem", used[0])
    return KernelResources(
        pass_name=kernel[1].lower(),
        value=_TYPES[kernel[2]],
        coordinate=_TYPES[kernel[3]],
        channels=int(kernel[4]),
        capability=(int(code[:-1]), int(code[-1])),
        registers=int(used[1]),
        spilled=sum(map(int, spills.groups())),
        shared=int(shared[1]) if shared else 0,
    )


def _errors_of(command: list[str], given: str = "", *, output: bool = False) -> str:
    """The text that a program writes to standard error, or to standard output."""
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{command[0]} cannot be run ({error})") from error
    if done.returncode:
        raise BuildError(f"{command[0]} failed: {done.stderr.strip()[:500]}")
    return done.stdout if output else done.stderr
