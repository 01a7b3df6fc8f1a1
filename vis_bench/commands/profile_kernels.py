"""`profile-kernels`: times the kernels alone, or traces a whole method."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from vis_bench.commands.options import Options
from vis_bench.commands.output import deliver, json_text, say
from vis_bench.commands.values import config_file, names, output_file
from vis_bench.data.nominal import SIZE_HW
from vis_bench.errors import InputError
from vis_bench.files import check_writable, overwrite_guard, write_atomically
from vis_bench.progress import Bars
from vis_bench.record.environment import describe_machine, pick_device
from vis_bench.runs.config import Cell, load_cells
from vis_bench.runs.sources import config_categories
from vis_bench.show.kernels import (
    kernel_page,
    kernel_summary,
    most_expensive_operators,
    skipped_lines,
)
from vis_bench.system_memory import available_memory
from vis_bench.table import Part, as_markdown, render
from vis_bench.table.to_markdown import escape_markdown

if TYPE_CHECKING:
    import torch

    from vis_bench.method import VISMethod

TRACE = Path("runs/trace.json.gz")
# Frames of the traced clip where the config's clip is a whole video.
FRAMES_OF_WHOLE_CLIP = 5


def add_arguments(options: Options) -> None:
    for name in ("--shapes", "--backends", "--passes", "--dtypes"):
        options.value(
            name, "A,B", f"measure only these {name[2:]}", names, unless_given="all that apply"
        )
    options.value(
        "--original-op",
        "MODULE",
        "also measure the original CUDA operator of Deformable DETR, from an importable "
        "module such as MultiScaleDeformableAttention",
        str,
        unless_given="not measured",
    )
    options.output_file()
    options.value(
        "--config",
        "CONFIG",
        "trace the method of this config's first cell instead, see --trace",
        config_file,
        unless_given="no trace",
    )
    options.value(
        "--trace",
        "FILE",
        "trace to write (.json or .json.gz), with --config",
        output_file,
        unless_given=f"{TRACE} with --config",
    )
    options.method()


def run(options: argparse.Namespace) -> None:
    """Measure the kernels, or trace a method."""
    if options.config:
        _trace(options, options.trace or TRACE)
    elif options.trace is not None:
        raise InputError(
            f"--trace {options.trace} needs the config of the method to trace; give --config CONFIG"
        )
    else:
        _profile(options)


def _profile(options: argparse.Namespace) -> None:
    from cuda_ops.profile import PASSES, profile

    device = pick_device(options.device)
    with Bars().steps("kernels") as progress:
        try:
            rows = profile(
                options.shapes,
                options.backends,
                options.passes or PASSES,
                options.dtypes,
                device=device,
                original=options.original_op,
                progress=progress,
                free_on_cpu=available_memory,
            )
        except ValueError as error:
            raise InputError(str(error)) from None
    if options.json:
        deliver(json_text(rows), options.output)
    elif options.output is not None:
        deliver(
            render(kernel_page(rows, describe_machine(device, "float32", None))), options.output
        )
    else:
        measured = kernel_summary(rows)
        lines = skipped_lines(rows)
        table: Part = measured if measured.rows else "nothing was measured"
        text = as_markdown([table, "\n".join(f"- {escape_markdown(line)}" for line in lines)])
        deliver(text, None, [table, "\n".join(f"- {line}" for line in lines)])


def _trace(options: argparse.Namespace, output: Path) -> None:
    from cuda_ops.profile import trace_method
    from methods import build_method
    from vis_bench.runs.build import Recipe
    from vis_bench.runs.weights import find_weights

    cell = load_cells(options.config, options.overrides)[0]
    device = pick_device(options.device)
    categories = [*config_categories(cell.dataset).values()]
    weights = find_weights(cell, options.weights)
    overwrite_guard([output, options.output], [options.config, weights.path if weights else None])
    loaded = Recipe(build_method, cell, categories, weights).load(device)
    check_writable(output)
    with loaded.calling() as method, TemporaryDirectory() as folder:
        trace = Path(folder) / ("trace.json.gz" if output.suffix == ".gz" else "trace.json")
        rows = trace_method(method, _random_clip(method, cell, device), trace)
        write_atomically(output, trace.read_bytes())
    table = most_expensive_operators(rows)
    text = json_text(rows) if options.json else render(table)
    deliver(text, options.output, () if options.json else [table])
    say(f"wrote {output}")


def _random_clip(method: VISMethod, cell: Cell, device: torch.device) -> torch.Tensor:
    """Random 16:9 frames (T, 3, H, W) at the cell's resolution."""
    import torch

    from vis_bench.inference.preprocess import input_size

    length = FRAMES_OF_WHOLE_CLIP if cell.clip_length == "whole" else cell.clip_length
    size_HW = input_size(*SIZE_HW, cell.resolution, method.input_format)
    generator = torch.Generator().manual_seed(cell.seed)
    return torch.randn(length, 3, *size_HW, generator=generator).to(device)
