"""Settings of the process that a method's own code may change, put back for the next cell."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from PIL import Image, ImageFile


@contextmanager
def kept_process_state() -> Iterator[None]:
    """Put `SETTINGS` back; `os._exit` and odd kinds of exceptions become plain ones.

    Every call of a method's own code is inside, from its import on. The environment stays changed:
    methods set variables for themselves when they are imported.
    """
    before = [get() for get, _ in SETTINGS]
    leave = os._exit
    os._exit = _exit_of(os.getpid(), leave)  # type: ignore[assignment]
    try:
        yield
    except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # nobody else expects it
        raise RuntimeError(f"{type(error).__name__}: {error}") from error
    finally:
        os._exit = leave
        for (get, put), value in zip(SETTINGS, before, strict=True):
            if get() != value:
                put(value)


def _exit_of(process: int, leave: Callable[[int], NoReturn]) -> Callable[[int], NoReturn]:
    """An `os._exit` that ends the processes which a method starts, but not its own."""

    def exit_or_raise(status: int) -> NoReturn:
        if os.getpid() != process:
            leave(status)
        raise SystemExit(f"os._exit({status})")

    return exit_or_raise


def _folder() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was deleted
        return None


def _put_folder(folder: Path | None) -> None:
    if folder is not None:
        os.chdir(folder)


def _put_device(device: torch.device) -> None:
    torch.set_default_device(None)
    if torch.get_default_device() != device:
        torch.set_default_device(device)


def _determinism() -> tuple[bool, bool]:
    enabled = torch.are_deterministic_algorithms_enabled()
    return enabled, torch.is_deterministic_algorithms_warn_only_enabled()


def _put_determinism(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _put_streams(streams: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = streams


def _errors() -> list[Any]:
    """Filters that turn warnings into errors."""
    return [entry for entry in warnings.filters if entry[0] == "error"]


def _put_errors(before: list[Any]) -> None:
    with warnings.catch_warnings():  # so that Python notices the change
        pass
    kept = [entry for entry in warnings.filters if entry[0] != "error" or entry in before]
    warnings.filters[:] = kept  # type: ignore[index]


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


def _put_handlers(handlers: dict[int, Any]) -> None:
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            if signal.getsignal(number) != signal.SIG_DFL:  # left by the first Ctrl-C
                signal.signal(number, handler)


def _put_pillow(value: tuple[bool, int | None]) -> None:
    ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = value


# What reads a setting, and what sets it.
SETTINGS: list[tuple[Callable[[], Any], Callable[[Any], Any]]] = [
    (_folder, _put_folder),
    (torch.get_default_device, _put_device),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (_determinism, _put_determinism),
    (
        lambda: torch.is_autocast_enabled("cpu"),
        lambda value: torch.set_autocast_enabled("cpu", value),
    ),
    (np.geterr, lambda value: np.seterr(**value)),
    (lambda: (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS), _put_pillow),
    (lambda: (sys.stdout, sys.stderr), _put_streams),
    (_errors, _put_errors),
    (_handlers, _put_handlers),
    (sys.getrecursionlimit, sys.setrecursionlimit),
]
