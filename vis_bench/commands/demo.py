"""`demo`: a tour of the bench: the bundled mini models on a few synthetic videos."""

from __future__ import annotations

import argparse
from pathlib import Path

from vis_bench.commands import run as run_command
from vis_bench.commands.options import Options
from vis_bench.commands.output import print_result
from vis_bench.data.synthetic import FIRST_VIDEOS
from vis_bench.progress import Bars
from vis_bench.record.environment import pick_device
from vis_bench.record.store import RecordStore
from vis_bench.runs.bundled import find_config

RECORDS, FULL_RECORDS = Path("runs/demo"), Path("runs/demo_full")
NUM_VIDEOS = 8


def add_arguments(options: Options) -> None:
    options.measuring(RECORDS, videos=f"{NUM_VIDEOS}, with --full {FIRST_VIDEOS}")
    options.flag(
        "--full", f"{FIRST_VIDEOS} videos at five clip lengths; records go to {FULL_RECORDS}"
    )


def run(options: argparse.Namespace) -> int:
    """Measures, draws masks, writes a report, and names commands to try next."""
    from vis_bench.show import demo

    bars = Bars(tracebacks=options.traceback)
    if options.full:
        options.config = find_config("clip_lengths")
        options.limit = options.limit or FIRST_VIDEOS
        options.output = options.output or FULL_RECORDS
        bars.say(demo.TOUR)
        return run_command.measure(options, FULL_RECORDS)
    from methods import build_method
    from vis_bench.runs.harness import run_jobs
    from vis_bench.runs.jobs import RunSettings, load_jobs

    settings = RunSettings(
        options.command_line, pick_device(options.device), options.data_root, options.weights,
        options.limit or NUM_VIDEOS, options.verify_frames,
    )  # fmt: skip
    store = RecordStore(options.output or RECORDS)
    jobs = load_jobs(find_config("demo"), options.overrides, settings, build_method, bars)
    store.prepare()
    for line in demo.announcement(jobs, store.folder):
        bars.say(line)
    outcome = run_jobs(jobs, store, bars, resume=options.resume)
    text = demo.table_text(outcome.records) + demo.show_best(jobs[0], outcome.records, store, bars)
    print_result(options, outcome.records, text)
    return 1 if outcome.failures else 0
