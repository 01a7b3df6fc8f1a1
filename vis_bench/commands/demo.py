"""`demo`: the bundled mini models by clip length, on the synthetic videos."""

from __future__ import annotations

import argparse
from pathlib import Path

from vis_bench.commands import run as run_command
from vis_bench.commands.arguments import Options

DESCRIPTION = "run the bundled config `demo`: no data, no download, no GPU"


RECORDS = Path("runs/demo")


def add_arguments(options: Options) -> None:
    """What all measuring takes."""
    options.measuring(RECORDS)


def run(options: argparse.Namespace) -> int:
    """As `run demo`, into a folder of its own."""
    options.config = "demo"
    return run_command.measure(options, RECORDS)
