"""`python -m methods.training.separability`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from methods.training.separability.areas import LevelGain, gains, judge
from methods.training.separability.cells import BACKGROUND_BELOW, FOREGROUND_ABOVE
from methods.training.separability.measure import measure
from methods.training.separability.table import grid, remark
from vis_bench.commands.arguments import Parser
from vis_bench.errors import InputError
from vis_bench.metrics.bootstrap import NUM_RESAMPLES, draw_videos
from vis_bench.progress import Bars
from vis_bench.runs.bundled import find_config
from vis_bench.runs.config import load_cells
from vis_bench.show.tables.grid import Page
from vis_bench.show.tables.text import render as render_table


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table of areas; exit code 2 with one sentence for wrong input."""
    try:
        options = _parser().parse_args(arguments)
        sys.stdout.write(_report(options))
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _report(options: argparse.Namespace) -> str:
    for name in ("videos", "held_out", "frames"):
        if getattr(options, name) < 1:
            shown = f"--{name.replace('_', '-')} is {getattr(options, name)}"
            raise InputError(f"{shown}; expected a whole number from 1 up")
    if not 0 < options.background_below <= FOREGROUND_ABOVE:
        raise InputError(
            f"--background-below is {options.background_below:g}; expected a number above 0, up to "
            f"{FOREGROUND_ABOVE}"
        )
    cell = load_cells(find_config(options.config), options.overrides)[0]
    names = ("videos", "held_out", "frames", "background_below")
    sizes = {name: getattr(options, name) for name in names}
    pairs, cells = measure(cell, options.weights, **sizes, bars=Bars())
    counts_BV = draw_videos(options.held_out, NUM_RESAMPLES, seed=0)
    areas = judge(pairs, cells, counts_BV)
    more: list[LevelGain] = []
    if options.against is not None:
        others, _ = measure(cell, options.against, **sizes, bars=Bars())
        more = gains(pairs, others, counts_BV)
    if options.json:
        shown = {"areas": [asdict(row) for row in areas], "gains": [asdict(row) for row in more]}
        return json.dumps(shown, indent=1) + "\n"
    return render_table(
        Page(
            "",
            (grid(areas, more),),
            {},
            (remark(options.videos, options.held_out, options.frames),),
        )
    )


def _parser() -> Parser:
    parser = Parser(
        prog="python -m methods.training.separability",
        description="how well a plane separates foreground from background in encoder features",
    )
    parser.add_argument("config", metavar="CONFIG", help="a run config; its first cell counts")
    parser.add_argument("--weights", metavar="FILE", type=Path, help="in place of the config's")
    parser.add_argument(
        "--against", metavar="FILE", type=Path, help="other weights, to show the gain over them"
    )
    parser.add_argument(
        "--set", metavar="KEY=VALUE", dest="overrides", action="append", default=[],
        help="a setting over the config's; may be given again",
    )  # fmt: skip
    for name, default, text in (
        ("--videos", 60, "training videos for the probe"),
        ("--held-out", 24, "validation videos for the area"),
        ("--frames", 5, "frames of each video"),
    ):
        parser.add_argument(
            name, metavar="N", type=int, default=default, help=f"{text} (default: {default})"
        )
    parser.add_argument(
        "--background-below", metavar="X", type=float, default=BACKGROUND_BELOW,
        help="cells covered less than this are background; with 0.5 those at the edges of "
        f"instances count too (default: {BACKGROUND_BELOW})",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
