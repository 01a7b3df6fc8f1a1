"""The command line: `vis-bench COMMAND`, or `python run_bench.py COMMAND` in a checkout.

Imports the module of the typed command alone, from `vis_bench.commands`, and runs it.
Wrong input ends with one sentence on standard error and exit code 2.
"""

from __future__ import annotations

import _thread
import argparse
import importlib
import os
import shlex
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import NoReturn, TextIO

from vis_bench.commands.options import Options, Parser
from vis_bench.commands.output import SafeStream, own_output, say
from vis_bench.commands.version import print_version
from vis_bench.errors import (
    HINT,
    InputError,
    names_code,
    root_traceback,
    unusable_path,
    without_package,
)
from vis_bench.files import pipes_kept
from vis_bench.signal_watch import default_after_first, watch_signals
from vis_bench.text import did_you_mean

PROGRAM, SCRIPT = "vis-bench", "run_bench.py"
# Time for threads that still run when a command is done.
THREAD_SECONDS = 5
DESCRIPTION = "Benchmark and evaluation harness for video instance segmentation"

GROUPS = {
    "start": {
        "demo": "measure three mini models: no data, no download, no GPU",
        "list": "list methods, configs, data sets, tables and figures",
        "new-method": "write an installable package for your own method",
        "train": "train a mini model on the synthetic videos",
    },
    "measure": {
        "run": "measure every cell of a config and write its record",
        "predict": "segment frames or a video file into a results JSON",
        "eval": "evaluate a results file: AP, AR, HOTA, IDF1, TETA",
        "flops": "count multiply-adds by module, per clip and source frame",
        "profile-kernels": "time kernels against memory and arithmetic limits",
    },
    "look": {
        "compare": "compare records or results files, with intervals",
        "check": "compare measurements with a baseline; exit 1 on a regression",
        "history": "show figures over commits, and which commits moved them",
        "report": "write an HTML page about one or two records",
        "draw": "draw results over the frames: strips, animations, frames",
        "figure": "draw a paper's figure: attention maps, lost AP",
    },
    "publish": {
        "table": "print a paper's table, or a table of all records",
        "leaderboard": "print the ranking of the records, or draw its charts",
        "submit": "check a results file and zip it for a server",
    },
    "data": {
        "synth": "write the synthetic data set to disk in YouTube-VIS form",
        "validate": "check an annotations file and its frames; exit 1 on a problem",
        "convert": "convert annotations: COCO with tracks, PNG, MOTS text",
        "split": "cut a held-out part from a training annotations file",
    },
}
COMMANDS = {name: line for group in GROUPS.values() for name, line in group.items()}


def main(arguments: Sequence[str] | None = None, noticed: Callable[[], None] | None = None) -> int:
    """Run one command.

    Args:
        noticed: as `watch_signals` returns it, in a process of the command's own.

    Returns:
        The exit code: 0 done, 1 a check failed, 2 wrong input, 130 interrupted, 143 terminated.
        A closed pipe does not change it; output lost otherwise, such as on a full disk, turns 0
        into 2.
    """
    # Before NumPy and PyTorch are imported: threads that wait for work by spinning take several
    # times the processor time of small models and products, and slow down whoever shares the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # 2^4 cycles; 2^26 unless set
    program = SCRIPT if Path(sys.argv[0]).name == SCRIPT else PROGRAM
    out, err = SafeStream(sys.stdout), SafeStream(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        with _interruptible(noticed) as signals, pipes_kept(), warnings.catch_warnings():
            warnings.showwarning = _say_warning
            code = _run(program, list(sys.argv[1:] if arguments is None else arguments))
        code = 143 if code == 130 and signal.SIGTERM in signals else code
        out.flush()
        if out.failure and not isinstance(out.failure, BrokenPipeError):
            err.write(f"error: cannot write to standard output: {out.failure.strerror}\n")
            code = code or 2
        err.flush()
    return code


def _say_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a Python warning as a sentence, without the line of code that raised it."""
    say(f"warning: {message}")


def start() -> NoReturn:
    """Run the command that was typed; before and after it, Ctrl-C ends the process silently."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = main(noticed=watch_signals())
    ours = threading.main_thread()
    left = [thread for thread in threading.enumerate() if thread != ours and not thread.daemon]
    if left:  # `sys.exit` waits for threads that a plug-in has started: for so long and no longer
        threading.Thread(target=_end, args=(code, left), daemon=True).start()
    sys.exit(code)


def _end(code: int, running: Sequence[threading.Thread]) -> None:
    """End the process where threads that a plug-in has left keep it."""
    time.sleep(1 if code in (130, 143) else THREAD_SECONDS)
    names = ", ".join(thread.name for thread in running if thread.is_alive())
    sys.stderr.write(f"warning: ended although threads of a plug-in still run: {names}\n")
    sys.stderr.flush()
    os._exit(code)


def command_module(name: str) -> ModuleType:
    """Import the module of a command: `add_arguments(options)` and `run(options)`."""
    return importlib.import_module(f"vis_bench.commands.{name.replace('-', '_')}")


def _run_command(program: str, arguments: list[str]) -> int:
    word = arguments[0] if arguments else "--help"
    if word not in COMMANDS and not word.startswith("-"):
        meant = did_you_mean(word, COMMANDS)
        raise InputError(f"{word!r} is not a command{meant}; {program} --help lists them")
    name = _overview(program).parse_args([word]).command
    command = command_module(name)
    options = Options(Parser(prog=f"{program} {name}", description=COMMANDS[name]))
    command.add_arguments(options)
    parsed = options.parse(arguments[1:])
    parsed.command_line = shlex.join([program, *arguments])
    files = [value for value in vars(parsed).values() if isinstance(value, Path)]
    with own_output(files) if parsed.json else nullcontext():
        try:
            return command.run(parsed) or 0
        except InputError as error:
            if not hasattr(parsed, "traceback") or not names_code(error):
                raise
            if not parsed.traceback:
                raise InputError(f"{error}; {HINT}") from error
            for line in root_traceback(error).splitlines():
                say(line)
            raise


def _run(program: str, arguments: list[str]) -> int:
    try:
        if "--version" in arguments[:2] and arguments[0] in ("--version", "--json"):
            print_version(program, as_json="--json" in arguments)
            return 0
        if arguments[:1] == ["--completion"]:
            _print_completion(program, arguments[1:])
            return 0
        return _run_command(program, arguments)
    except SystemExit as end:  # raised by argparse after --help
        return int(end.code or 0)
    except InputError as error:
        say(f"error: {error}")
        return 2
    except MemoryError:
        say("error: there is not enough free memory; expected smaller files, or more memory")
        return 2
    except ModuleNotFoundError as error:
        failure = without_package(error)
        if failure is error:
            raise
        say(f"error: {failure}")
        return 2
    except OSError as error:  # a path that no reader has named
        say(f"error: {unusable_path(error)}")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130


def _print_completion(program: str, shells: Sequence[str]) -> None:
    from vis_bench.commands.completion import print_completion

    if len(shells) != 1:
        raise InputError("--completion takes one shell: bash, zsh or fish")
    commands = {name: command_module(name).add_arguments for name in COMMANDS}
    print_completion(program, shells[0], commands)


@contextmanager
def _interruptible(noticed: Callable[[], None] | None) -> Iterator[list[int]]:
    """Ctrl-C, and SIGTERM by which Slurm ends a job, interrupt once and are noted in the list.

    A second one ends the process at once; a signal that the process ignores stays ignored. One that
    comes while Python cleans up an object, where exceptions are dropped, is sent again.
    """
    came: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        came.append(number)
        if noticed:
            noticed()
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    def dropped(unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, KeyboardInterrupt) or not came:
            return usual(unraisable)
        signal.signal(came[-1], interrupt)
        again = threading.Timer(0.01, _thread.interrupt_main, came[-1:])
        again.daemon = True
        return again.start()

    before, usual = {}, sys.unraisablehook
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
    try:
        for number in before:
            signal.signal(number, interrupt)
            sys.unraisablehook = dropped
        if noticed:
            default_after_first(before)
        yield came
    finally:
        sys.unraisablehook = usual
        for number, handler in before.items():
            signal.signal(number, handler)


def _overview(program: str) -> Parser:
    """Parser of the first word, with all commands in its help."""
    lines = []
    for group, commands in GROUPS.items():
        lines += [f"{group}:", *(f"  {name:<17}{line}" for name, line in commands.items()), ""]
    parser = Parser(
        prog=program,
        usage="%(prog)s [-h] [--version [--json]] [--completion SHELL] COMMAND ...",
        description=DESCRIPTION,
        epilog="\n".join([*lines, f"{program} COMMAND --help shows a command's arguments."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", metavar="COMMAND", choices=COMMANDS, help=argparse.SUPPRESS)
    parser.add_argument(
        "--version",
        action="store_true",
        help="print the version; with --json also devices, extras and compilers",
    )
    parser.add_argument(
        "--completion",
        metavar="SHELL",
        help="print the script that completes commands and options in bash, zsh or fish",
    )
    return parser
