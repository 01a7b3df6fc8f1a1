"""The tables of docs/gpu.md about the CUDA kernels, from tests/golden/cuda_kernels.json."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from cuda_ops.build import compiler_versions
from cuda_ops.profile.attention_shapes import PASSES, AttentionShape, attention_shapes
from cuda_ops.profile.bounds import CARDS, bound_of, kernel_of
from cuda_ops.profile.resources import CAPABILITIES, KernelResources
from vis_bench.table import render
from vis_bench.table.model import Page, Table
from vis_bench.table.number_format import percent

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "cuda_kernels.json"
# The shapes of the second table: a clip of five frames, and the longest.
_LENGTHS = ("T5", "T36")
_REGISTERS = (
    "Registers of a thread, and the share of a multiprocessor's warps that they leave room for, at "
    "32 channels. A thread reads 16 bytes at once."
)
_LIMITS = (
    "Least times in float32 by the data sheets of the A100 80 GB SXM, H100 SXM and B200. The "
    "slowest of three limits counts: memory (each value, location and weight read once, each "
    "result written once, nothing cached before), cache (the four positions of each sample read "
    "from L1 caches, no line by two samples at once) and arithmetic. Latency: all blocks fit on "
    "the card at once, so dependent reads take longer than this least time. The backward pass "
    "also adds to the value's gradient as many numbers as it reads from caches; no data sheet "
    "gives a rate for this. Predicted, not measured."
)


def nvcc_release() -> str | None:
    """The release of the nvcc at hand, such as 13.5."""
    found = re.search(r"release ([\d.]+)", compiler_versions()["cuda"] or "")
    return found and found[1]


def golden_text(release: str | None, kernels: Sequence[KernelResources]) -> str:
    """The golden's JSON, a line per kernel."""
    ordered = sorted(kernels, key=lambda kernel: (kernel.name, kernel.capability))
    lines = ",\n".join(json.dumps(asdict(kernel)) for kernel in ordered)
    return f'{{"nvcc": {json.dumps(release)}, "kernels": [\n{lines}\n]}}\n'


def golden_kernels(path: Path = GOLDEN) -> tuple[str, list[KernelResources]]:
    """The release of nvcc, and the kernels that it compiled."""
    content = json.loads(path.read_text())
    kernels = [
        KernelResources(**{**row, "capability": tuple(row["capability"])})
        for row in content["kernels"]
    ]
    return content["nvcc"], kernels


def kernel_tables(release: str, kernels: Sequence[KernelResources]) -> str:
    """Both tables as Markdown."""
    spilled = sum(kernel.spilled for kernel in kernels)
    each = "None of them spills." if not spilled else f"They spill {spilled} bytes."
    finding = f"{len(kernels)} kernels compiled by nvcc {release}. {each}"
    shapes = [s for n, s in attention_shapes().items() if n.rpartition("_")[2] in _LENGTHS]
    pages = (
        Page("", (_registers(kernels),), {}, (f"{finding} {_REGISTERS}",)),
        Page("", (_limits(kernels, shapes),), {}, (_LIMITS,)),
    )
    return "\n".join(map(render, pages))


def _registers(kernels: Sequence[KernelResources]) -> Table:
    by_name: dict[str, dict[tuple[int, int], KernelResources]] = {}
    for kernel in kernels:
        if kernel.channels > 1:
            by_name.setdefault(kernel.name, {})[kernel.capability] = kernel
    rows = []
    for found in by_name.values():
        first = next(iter(found.values()))
        row = {"Pass": first.pass_name, "Value": first.value, "Locations": first.coordinate}
        for capability in CAPABILITIES:
            kernel = found[capability]
            code = f"sm_{capability[0]}{capability[1]}"
            row[code] = f"{kernel.registers} ({percent(kernel.occupancy(), 0)})"
        rows.append(row)
    return Table.from_dicts(rows)


def _limits(kernels: Sequence[KernelResources], shapes: Sequence[AttentionShape]) -> Table:
    rows, dtype = [], torch.float32
    for pass_name in PASSES:
        for shape in shapes:
            row = {
                "Pass": pass_name,
                "Shape": shape.name,
                "MB": f"{shape.bytes_min(pass_name, dtype) / 1e6:.1f}",
                "MB from cache": f"{shape.bytes_gathered(dtype) / 1e6:.0f}",
                "GFLOP": f"{2 * shape.macs(pass_name) / 1e9:.2f}",
            }
            for card in CARDS:
                kernel = kernel_of(kernels, pass_name, dtype, card.capability)
                bound = bound_of(shape, pass_name, dtype, card, kernel)
                row[f"{card.name} (us)"] = f"{1e6 * bound.seconds:.1f}, {bound.name}"
            rows.append(row)
    return Table.from_dicts(rows)
