"""`split ANNOTATIONS DIR`: a held-out part of a training split."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from vis_bench.commands.options import Options
from vis_bench.commands.output import print_parts
from vis_bench.commands.values import output_folder, seed
from vis_bench.data.categories import HELD_OUT, REST
from vis_bench.data.split import FRACTION, SEED, split_annotations
from vis_bench.files import overwrite_guard
from vis_bench.table.model import Column, Table
from vis_bench.text import count, one_line


def add_arguments(options: Options) -> None:
    options.argument("annotations", "ANNOTATIONS", "YouTube-VIS annotations of a training split")
    options.argument("folder", "DIR", "folder for both parts", output_folder)
    options.value(
        "--fraction", "F", "held-out fraction of the videos, 0..1", float, default=FRACTION
    )
    options.value("--seed", "N", "another seed gives another split", seed, default=SEED)


def run(options: argparse.Namespace) -> None:
    """Write both parts and print their sizes."""
    written = [options.folder / f"{part}.json" for part in (HELD_OUT, REST)]
    overwrite_guard(written, [options.annotations])
    parts = split_annotations(
        options.annotations, options.folder, fraction=options.fraction, seed=options.seed
    )
    lines = [
        one_line(
            f"{part['path']}: {count(part['num_videos'], 'video')}, "
            f"{count(part['num_objects'], 'object')}, sha256 {part['sha256']}, "
            f"of the videos' ids {part['videos_sha256']}"
            + (f" ({part['protocol']})" if part["protocol"] else "")
            + "".join(f"; left out: {n} of {key}" for key, n in part["left_out"].items())
        )
        for part in parts
    ]
    print_parts(options, list(parts), [*lines, _videos_per_category(parts)])


def _videos_per_category(parts: Sequence[Mapping[str, Any]]) -> Table:
    columns = [Column("Category", numeric=False), *(Column(part["part"]) for part in parts)]
    rows = [["all videos", *(str(part["num_videos"]) for part in parts)]]
    for name in parts[0]["videos_per_category"]:
        rows.append([name, *(str(part["videos_per_category"][name]) for part in parts)])
    return Table.of(columns, rows)
