"""`figure NAME`: a paper's figure, or a picture of failures; the modules of `figure_kinds`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from types import ModuleType

from vis_bench.commands import figure_kinds
from vis_bench.commands.arguments import Options

DESCRIPTION = "draw a figure of a paper: what attention reads, and where AP is lost"


def find_kinds() -> dict[str, ModuleType]:
    """Every figure's module by the name that is typed, such as `sampling-points`."""
    return {
        module.name.replace("_", "-"): importlib.import_module(
            f"{figure_kinds.__name__}.{module.name}"
        )
        for module in pkgutil.iter_modules(figure_kinds.__path__)
        if not module.ispkg
    }


def add_arguments(options: Options) -> None:
    """The figures, each with arguments of its own."""
    options.kinds("figure", "NAME", find_kinds())


def run(options: argparse.Namespace) -> int | None:
    """Draws the figure that was named."""
    return find_kinds()[options.figure].run(options)
