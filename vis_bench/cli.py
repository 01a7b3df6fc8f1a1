"""The command line: `vis-bench COMMAND`, or `python run_bench.py COMMAND` in a checkout.

Finds the commands, which are the modules of `vis_bench.commands`, and runs the one that was typed.
Wrong input ends with one sentence on standard error and exit code 2.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType

from vis_bench import commands
from vis_bench.commands.arguments import Options, Parser
from vis_bench.commands.arguments.never_an_input import check_outputs
from vis_bench.commands.output import say
from vis_bench.commands.output.stream import SteadyStream
from vis_bench.errors import InputError, unusable_path

PROGRAM, SCRIPT = "vis-bench", "run_bench.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit code: 0 done, 1 a check failed, 2 wrong input, 130 interrupted. It does not depend
        on who reads the output; only output that is lost otherwise, such as to a full disk, turns
        a 0 into a 2.
    """
    program = SCRIPT if Path(sys.argv[0]).name == SCRIPT else PROGRAM
    out, err = SteadyStream(sys.stdout), SteadyStream(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        code = _run(program, list(sys.argv[1:] if arguments is None else arguments))
        out.flush()
        if out.lost:
            err.write(f"error: cannot write to standard output: {out.lost.strerror}\n")
            code = code or 2
        err.flush()
    return code


def find_commands() -> dict[str, ModuleType]:
    """Every command's module by the name that is typed, such as `profile-kernels`."""
    return {
        module.name.replace("_", "-"): importlib.import_module(f"{commands.__name__}.{module.name}")
        for module in pkgutil.iter_modules(commands.__path__)
        if not module.ispkg
    }


def build_parser(program: str, arguments: Sequence[str]) -> Parser:
    """A parser of all commands, of which those that `arguments` name have their arguments."""
    parser = Parser(
        prog=program, description="Benchmark and evaluation harness for video instance segmentation"
    )
    parser.add_argument("--version", action=_ShowVersion)
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    for name, module in find_commands().items():
        text = module.DESCRIPTION
        subparser = subparsers.add_parser(name, help=text, description=text)
        if name in arguments:
            options = Options(subparser)
            module.add_arguments(options)
            subparser.set_defaults(output_files=tuple(options.output_files))
    return parser


def _run(program: str, arguments: list[str]) -> int:
    try:
        options = build_parser(program, arguments).parse_args(arguments)
        check_outputs(options)
        options.command_line = shlex.join([program, *arguments])
        return find_commands()[options.command].run(options) or 0
    except SystemExit as end:  # argparse's, after --help or --version
        return int(end.code or 0)
    except InputError as error:
        say(f"error: {error}")
        return 2
    except OSError as error:  # of a path that a reader did not name better
        say(f"error: {unusable_path(error)}")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; records written so far are kept\n")
        return 130


class _ShowVersion(argparse.Action):
    """Prints the version and ends; it is looked up only then, which takes a moment."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        text = "show program's version number and exit"
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=text)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        sys.stdout.write(f"{parser.prog} {_version()}\n")
        parser.exit()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("vis-bench")
    except PackageNotFoundError:
        return "(not installed)"
