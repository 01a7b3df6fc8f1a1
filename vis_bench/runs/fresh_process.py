"""Calls in a fresh Python process, for measurements that differ from process to process.

The function and its arguments pickle. What the process prints is shown only where it fails.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import torch

from vis_bench.errors import InputError, reason

_START = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    f"from {__name__} import answer; answer()"
)
# Of what a process that failed wrote.
_LAST_LETTERS = 300
_EXIT = os._exit  # which is replaced while a method is measured
# Time for threads of a plug-in that still run when the answer is there.
_THREAD_SECONDS = 5.0


def call_in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own, with this one's import path and threads.

    Raises:
        InputError: if the call does not pickle, raises, or the process ends without an answer.
    """
    try:
        call = pickle.dumps((function, arguments))
    except (Exception, SystemExit) as error:  # objects of a plug-in may raise anything
        raise InputError(f"cannot be sent to a fresh process: {reason(error)}") from None
    torch.cuda.empty_cache()  # leaves the GPU's memory to it
    with tempfile.TemporaryDirectory(prefix="vis_bench_") as folder:
        file = Path(folder, "answer")
        settings = pickle.dumps(sys.path) + pickle.dumps((str(file), torch.get_num_threads()))
        with Path(folder, "output").open("w+b") as output:
            status = _run(settings + call, output)
            if not file.is_file():
                output.seek(0)
                last = " ".join(output.read().decode(errors="replace").split())[-_LAST_LETTERS:]
                said = f"; its last output: {last}" if last else ""
                why = f"signal {-status}" if status < 0 else f"exit status {status}"
                raise InputError(f"ended with {why}{said}")
        value, problem = pickle.loads(file.read_bytes())
    if problem is not None:
        raise InputError(problem)
    return value


def _run(call: bytes, output: BinaryIO) -> int:
    """Start the process, and return its exit status; it ends with this one."""
    process = subprocess.Popen(
        [sys.executable, "-c", _START], stdin=subprocess.PIPE, stdout=output, stderr=output
    )
    assert process.stdin is not None
    try:
        with suppress(BrokenPipeError):  # it has ended
            process.stdin.write(call)
            process.stdin.flush()
        return process.wait()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        with suppress(BrokenPipeError):
            process.stdin.close()


def answer() -> None:
    """Answer the call on standard input: the main function of the fresh process."""
    file, threads = pickle.load(sys.stdin.buffer)
    try:
        function, arguments = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with_caller, daemon=True).start()
        torch.set_num_threads(threads)
        content = pickle.dumps((function(*arguments), None))
    except (Exception, SystemExit) as error:  # a method's own code may raise anything
        traceback.print_exc()
        content = pickle.dumps((None, reason(error)))
    part = Path(f"{file}.part")
    part.write_bytes(content)
    part.replace(file)
    end = threading.Timer(_THREAD_SECONDS, _EXIT, [0])
    end.daemon = True
    end.start()


def _end_with_caller() -> None:
    """End this process when the other end of standard input is closed."""
    os.read(sys.stdin.fileno(), 1)
    _EXIT(1)
