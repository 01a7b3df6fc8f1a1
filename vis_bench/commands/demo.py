"""`demo`: runs the bundled config `demo` into a folder of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from vis_bench.commands import run as run_command
from vis_bench.commands.options import Options
from vis_bench.runs.bundled import find_config

RECORDS = Path("runs/demo")


def add_arguments(options: Options) -> None:
    options.measuring(RECORDS)


def run(options: argparse.Namespace) -> int:
    """Measures as `run demo` does."""
    options.config = find_config("demo")
    return run_command.measure(options, RECORDS)
