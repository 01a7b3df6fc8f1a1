"""`draw RESULTS... --frames DIR --output DIR`: masks over frames, as pictures."""

from __future__ import annotations

import argparse

from vis_bench.commands.options import FRAMES, Options
from vis_bench.commands.output import print_result, warn
from vis_bench.commands.values import frames_path, named_file, names, output_folder, whole_number
from vis_bench.data.categories import CATEGORIES
from vis_bench.progress import Bars
from vis_bench.runs.sources import drawn_sources
from vis_bench.text import one_line


def add_arguments(options: Options) -> None:
    options.argument(
        "results",
        "RESULTS",
        "results files or records, or NAME=FILE to call a row NAME",
        named_file,
        nargs="+",
    )
    options.required(
        "--frames",
        "PATH",
        f"base folder of the annotations' file names; without annotations {FRAMES}",
        frames_path,
    )
    options.required("--output", "DIR", "folder of pictures to write", output_folder)
    options.value(
        "--annotations",
        "GT.json",
        "annotations: adds a row with the ground truth, and marks missed, "
        "false and switched objects",
    )
    options.value("--videos", "NAME,...", "names or ids of videos", names, unless_given="all")
    options.choice(
        "--dataset",
        tuple(CATEGORIES),
        "data set whose class names to write",
        unless_given="that of the annotations or of the record next to the results",
    )
    options.value("--columns", "N", "frames in a strip", whole_number(1, 1000), default=5)
    options.value(
        "--side",
        "PIXELS",
        "long side of a frame",
        whole_number(1, 16383),
        unless_given="320 in strips, 640 in animations",
    )
    options.choice("--format", ("webp", "mp4"), "format of the animation", default="webp")
    options.value(
        "--fps", "N", "frames per second of the animation", whole_number(1, 1000), default=6
    )
    options.min_score()
    options.labels()
    options.flag("--single", "also write every frame of every row as a picture")


def run(options: argparse.Namespace) -> None:
    """Draw, and print the number of pictures."""
    from vis_bench.show.overlay.overlays import OverlayPlan, draw_overlays

    inputs = drawn_sources(
        options.results, options.frames, options.annotations, options.videos, options.dataset
    )
    plan = OverlayPlan(
        options.columns,
        options.side,
        options.format,
        options.fps,
        options.single,
        options.min_score,
        options.labels,
    )
    files, warnings = draw_overlays(
        inputs.videos,
        inputs.sides,
        inputs.annotated,
        inputs.truth.categories,
        options.output,
        plan,
        Bars(options.json),
    )
    known = inputs.truth.categories
    classes = sorted(
        {t.category_id for side in inputs.sides for t in side.results.tracks} - {*known}
    )
    unnamed = (
        [f"no names of classes {', '.join(map(str, classes))}: add --dataset"] if classes else []
    )
    warn([*inputs.truth.warnings, *unnamed, *warnings])
    num_files = sum(map(len, files.values()))
    text = f"pictures: {num_files}, videos: {len(files)}, folder: {options.output}"
    written = {name: list(map(str, paths)) for name, paths in files.items()}
    print_result(options, {"videos": written, "warnings": warnings}, one_line(text))
