"""Commands in child processes that are interrupted or whose disk fills up.

Run as a script this file imports everything once and forks a child per case, so that a case costs
what its command costs.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120


@dataclass(frozen=True)
class Case:
    """A command in a folder of its own, which is filled with `files` of another folder first.

    `interrupt_at`: the call of a function, counted from the start, at which the signal `number`
    arrives; `file_bytes`: the size at which files cannot grow any more; `counts`: calls are
    counted, which is slow.
    """

    folder: str
    arguments: list[str]
    interrupt_at: int | None = None
    number: int = signal.SIGINT
    file_bytes: int | None = None
    counts: bool = False


@dataclass(frozen=True)
class Ended:
    """Exit code, number of calls and standard error of a child."""

    code: int
    calls: int
    err: str


def run_cases(cases, *, together=False):
    """How each case ends; `together` runs them at the same time."""
    done = subprocess.run(
        [sys.executable, __file__, "together" if together else "one by one"],
        input=json.dumps([asdict(case) for case in cases]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return [Ended(**json.loads(line)) for line in done.stdout.splitlines()]


def _started(case):
    """The child's process id, and the ends of its two pipes."""
    reader, writer = os.pipe()
    counted, counter = os.pipe()
    child = os.fork()
    if child == 0:
        _in_child(case, writer, counter)
    os.close(writer)
    os.close(counter)
    return child, reader, counted


def _ended(child, reader, counted):
    with os.fdopen(reader, errors="replace") as pipe, os.fdopen(counted) as calls:
        err, count = pipe.read(), calls.read()
    status = os.waitpid(child, 0)[1]
    return Ended(os.waitstatus_to_exitcode(status), int(count or 0), err)


def _in_child(case, writer, counter):
    """Runs the command and ends the process as Python does, with everything at exit."""
    import resource

    from vis_bench.cli import start

    signal.alarm(SECONDS)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(writer, 2)
    os.chdir(case.folder)
    sys.argv = ["run_bench.py", *case.arguments]
    calls = 0

    def press(frame, event, argument):
        nonlocal calls
        if event == "call":
            calls += 1
            if calls == case.interrupt_at:
                sys.setprofile(None)
                signal.raise_signal(case.number)

    if case.file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (case.file_bytes, case.file_bytes))
    if case.counts or case.interrupt_at is not None:
        sys.setprofile(press)
    try:
        start()
    finally:
        sys.setprofile(None)
        os.write(counter, str(calls).encode())


def _main():
    import torch

    import methods
    import vis_bench.cli

    for path in (ROOT / "vis_bench" / "commands").glob("[a-z]*.py"):
        vis_bench.cli.command_module(path.stem)
    torch.set_num_threads(1)
    assert methods
    cases = [Case(**case) for case in json.load(sys.stdin)]
    started = [_started(case) for case in cases] if sys.argv[1] == "together" else []
    ends = [_ended(*s) for s in started] or [_ended(*_started(case)) for case in cases]
    sys.stdout.writelines(json.dumps(asdict(end)) + "\n" for end in ends)


if __name__ == "__main__":
    _main()
