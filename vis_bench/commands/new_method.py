"""`new-method NAME DIR`: the package that a new method starts from."""

from __future__ import annotations

import argparse

from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import output_folder
from vis_bench.commands.output import print_json, print_text

DESCRIPTION = "write an installable package for a method of your own, with its test and a config"


def add_arguments(options: Options) -> None:
    """What the method is called, and where the package goes."""
    options.argument("name", "NAME", "the method's name, such as my_method", str)
    options.argument("folder", "DIR", "folder to write; missing or empty", output_folder)


def run(options: argparse.Namespace) -> None:
    """Writes the package and says what to do next."""
    from methods import method_names
    from vis_bench.skeleton.write import write_skeleton

    written = write_skeleton(options.name, options.folder, method_names())
    if options.json:
        print_json([str(path) for path in written])
        return
    print_text("\n".join(map(str, written)))
    print_text(
        f"\nNext:\n  cd {options.folder}\n  pip install -e '.[test]'\n  pytest\n"
        f"  vis-bench run {options.name}.yaml --limit 4"
    )
