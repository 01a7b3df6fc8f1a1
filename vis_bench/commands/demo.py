"""`demo`: the bundled mini models by clip length, on the synthetic videos."""

from __future__ import annotations

import argparse
from pathlib import Path

from vis_bench.commands import run as run_command
from vis_bench.commands.arguments import Options

DESCRIPTION = "run the bundled config `demo`: no data, no download, no GPU"


def add_arguments(options: Options) -> None:
    """What all measuring takes."""
    options.measuring(Path("runs/demo"))


def run(options: argparse.Namespace) -> int:
    """As `run demo`."""
    options.config = "demo"
    return run_command.run(options)
