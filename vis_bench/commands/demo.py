"""`demo`: a tour of the bench: the bundled mini models on a few synthetic videos."""

from __future__ import annotations

import argparse
from pathlib import Path

from vis_bench.commands import run as run_command
from vis_bench.commands.options import Options
from vis_bench.commands.output import print_parts
from vis_bench.data.synthetic import FIRST_VIDEOS
from vis_bench.progress import Bars
from vis_bench.record.store import RecordStore
from vis_bench.runs.bundled import find_config
from vis_bench.table import Part

RECORDS, FULL_RECORDS = Path("runs/demo"), Path("runs/demo_full")
NUM_VIDEOS = 8


def add_arguments(options: Options) -> None:
    options.measuring(RECORDS, videos=f"{NUM_VIDEOS}, with --full {FIRST_VIDEOS}")
    options.flag(
        "--full", f"{FIRST_VIDEOS} videos at five clip lengths; records go to {FULL_RECORDS}"
    )


def run(options: argparse.Namespace) -> int:
    """Measure, draw masks, write a report, and name commands to try next."""
    from vis_bench.runs.measure_config import measure_config
    from vis_bench.show import demo
    from vis_bench.show.paired_ap import PairedAP

    config, folder, limit = (
        ("clip_lengths", FULL_RECORDS, FIRST_VIDEOS)
        if options.full
        else ("demo", RECORDS, NUM_VIDEOS)
    )
    options.config = find_config(config)
    options.output, options.limit = options.output or folder, options.limit or limit
    bars = Bars(tracebacks=options.traceback)
    bars.say(demo.TOUR)
    if not options.full:
        bars.say(demo.duration(options.limit))
    outcome = measure_config(**run_command.asked(options, folder), bars=bars)
    if options.full:
        return run_command.show(options, outcome, bars)
    difference = PairedAP(RecordStore(outcome.folder).readable())
    parts: list[Part] = [
        demo.finding(outcome.records, difference),
        demo.result_page(outcome.records),
        demo.show_best(outcome.records, outcome.folder, bars),
    ]
    print_parts(options, outcome.records, [part for part in parts if part])
    return 1 if outcome.failures else 0
