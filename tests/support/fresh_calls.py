"""Calls that a fresh process makes."""

import os
import sys
import threading
from pathlib import Path

import torch

from vis_bench.errors import InputError


def facts(folder):
    """The process, its import path, its threads, and whether another call was made in it."""
    before = hasattr(sys, "called_before")
    sys.called_before = True
    sys.stdout.write("not an answer")
    Path(folder, "cwd").write_text(str(Path.cwd()))
    return os.getpid(), sys.path, torch.get_num_threads(), before


def fail(kind):
    if kind == "input":
        raise InputError("key is 3; expected 4")
    if kind == "error":
        raise RuntimeError("out of luck")
    if kind == "exit":
        os._exit(3)
    sys.stdout.write("the last words")
    sys.stdout.flush()
    os.abort()


def leave_a_thread():
    threading.Thread(target=threading.Event().wait).start()
    return "done"


def wait_for_ever(file):
    Path(file).write_text(str(os.getpid()))
    threading.Event().wait()


def unpicklable():
    return lambda: None
