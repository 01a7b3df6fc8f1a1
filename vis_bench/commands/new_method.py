"""`new-method NAME DIR`: the package that a new method starts from."""

from __future__ import annotations

import argparse

from methods import method_names
from vis_bench.commands.options import Options
from vis_bench.commands.output import print_result
from vis_bench.commands.values import output_folder
from vis_bench.skeleton.write import write_skeleton


def add_arguments(options: Options) -> None:
    options.argument("name", "NAME", "the method's name, such as my_method", str)
    options.argument("folder", "DIR", "folder to write; missing or empty", output_folder)


def run(options: argparse.Namespace) -> None:
    """Writes the package and prints the next steps."""
    written = write_skeleton(options.name, options.folder, method_names())
    files = [str(path) for path in written]
    steps = (
        "Next:", f"  cd {options.folder}", "  pip install -e '.[test]'", "  pytest",
        f"  vis-bench run {options.name}.yaml --limit 4",
    )  # fmt: skip
    print_result(options, files, "\n".join([*files, "", *steps]))
