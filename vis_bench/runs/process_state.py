"""Settings of the process that a method's own code may change, put back for the next cell."""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from PIL import Image, ImageFile
from torch import nn
from torch.backends import mha, opt_einsum
from torch.utils._config_module import ConfigModule
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack, _pop_mode

from vis_bench.errors import InputError

Setting = tuple[Callable[[], Any], Callable[[Any], Any]]

# Flags with `_get_NAME` and `_set_NAME` in `torch._C`, behind `torch.backends` and others.
FLAGS = (
    "blas_preferred_backend", "cpu_allow_fp16_reduced_precision_reduction",
    "cublas_allow_bf16_reduced_precision_reduction", "cublas_allow_fp16_accumulation",
    "cublas_allow_fp16_reduced_precision_reduction", "cudnn_benchmark", "cudnn_depthwise_kernel",
    "cudnn_deterministic", "cudnn_enabled", "deterministic_fill_uninitialized_memory",
    "graph_executor_optimize", "linalg_preferred_backend", "math_sdp_allow_fp16_bf16_reduction",
    "miopen_immediate", "mkldnn_deterministic", "mkldnn_enabled", "nnpack_enabled", "qengine",
    "rocm_fa_preferred_backend", "sdp_priority_order", "sm_carveout_experimental",
)  # fmt: skip
# Others in `torch._C`, by what sets them.
GETTERS = {
    **{f"_set_{name}": f"_get_{name}" for name in FLAGS},
    "_cuda_set_cudnn_benchmark_limit": "_cuda_get_cudnn_benchmark_limit",
    "_set_check_sparse_tensor_invariants": "_check_sparse_tensor_invariants",
    "_set_sdp_use_cudnn": "_get_cudnn_sdp_enabled",
    "_set_sdp_use_flash": "_get_flash_sdp_enabled",
    "_set_sdp_use_math": "_get_math_sdp_enabled",
    "_set_sdp_use_mem_efficient": "_get_mem_efficient_sdp_enabled",
    "_set_sdp_use_overrideable": "_get_overrideable_sdp_enabled",
    "set_anomaly_enabled": "is_anomaly_enabled",
    "set_autocast_cache_enabled": "is_autocast_cache_enabled",
    "set_num_threads": "get_num_threads",
}
# Backends and operators whose float32 products have a precision of their own.
PRECISIONS = [
    ("generic", "all"),
    *((backend, op) for backend in ("cuda", "mkldnn") for op in ("all", "conv", "rnn", "matmul")),
]
# The same in PyTorch's old API.
OLD_PRECISIONS = {
    "_set_cublas_allow_tf32": "_get_cublas_allow_tf32",
    "_set_cudnn_allow_tf32": "_get_cudnn_allow_tf32",
    "_set_float32_matmul_precision": "_get_float32_matmul_precision",
}
# Hooks of all modules.
_HOOKS = [
    own for name, own in vars(nn.modules.module).items()
    if name.startswith("_global_") and isinstance(own, dict)
]  # fmt: skip
# Devices whose autocast the bench uses.
AUTOCAST = ("cpu", "cuda")
_SUBNORMAL = 1e-310


def _pair(setter: str, getter: str) -> Setting:
    put = getattr(torch._C, setter)
    return getattr(torch._C, getter), lambda value: put(*value if type(value) is tuple else [value])


def _precisions() -> tuple[dict, dict]:
    """Precisions of both APIs; the old one cannot be read if only the new one was used."""
    old = {}
    for setter, getter in OLD_PRECISIONS.items():
        with suppress(RuntimeError):
            old[setter] = getattr(torch._C, getter)()
    return {place: torch._C._get_fp32_precision_getter(*place) for place in PRECISIONS}, old


def _put_precisions(precisions: tuple[dict, dict]) -> None:
    """Each API refuses what the other one has changed, so that the new one is first and last."""
    new, old = precisions
    for last in (False, True):
        for place, precision in new.items():
            torch._C._set_fp32_precision_setter(*place, precision)  # type: ignore[call-arg]
        for setter, precision in () if last else old.items():
            getattr(torch._C, setter)(precision)


def _put_device(device: torch.device) -> None:
    torch.set_default_device(None)
    if torch.get_default_device() != device:
        torch.set_default_device(device)


def _determinism() -> tuple[bool, bool]:
    enabled = torch.are_deterministic_algorithms_enabled()
    return enabled, torch.is_deterministic_algorithms_warn_only_enabled()


def _put_determinism(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _stance() -> str:
    """Stance of `torch.compile`: to compile, or to run code as it is written."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    return "default" if dynamo is None else dynamo._stance.stance


def _hooks() -> list[dict]:
    """Hooks of all modules, which every later method would call."""
    return [dict(own) for own in _HOOKS]


def _put_hooks(hooks: list[dict]) -> None:
    for own, before in zip(_HOOKS, hooks, strict=True):
        own.clear()
        own.update(before)


def _put_modes(modes: list[Any]) -> None:
    while len(_get_current_dispatch_mode_stack()) > len(modes):
        _pop_mode()


def _gpu() -> int:
    return torch.cuda.current_device() if torch.cuda.is_initialized() else 0


TORCH_SETTINGS: list[Setting] = [
    (torch.get_default_device, _put_device),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (_precisions, _put_precisions),
    (_determinism, _put_determinism),
    *(
        (partial(torch.is_autocast_enabled, kind), partial(torch.set_autocast_enabled, kind))
        for kind in AUTOCAST
    ),
    *(
        (partial(torch.get_autocast_dtype, kind), partial(torch.set_autocast_dtype, kind))
        for kind in AUTOCAST
    ),
    (lambda: _SUBNORMAL * 1.0 == 0.0, torch.set_flush_denormal),
    (_gpu, torch.cuda.set_device),
    (mha.get_fastpath_enabled, mha.set_fastpath_enabled),
    (lambda: opt_einsum.enabled, lambda value: setattr(opt_einsum, "enabled", value)),
    (lambda: opt_einsum.strategy, lambda value: setattr(opt_einsum, "strategy", value)),
    *(
        _pair(setter, getter)
        for setter, getter in GETTERS.items()
        if hasattr(torch._C, setter) and hasattr(torch._C, getter)
    ),
]


# Held by the one thread that measures: the state of a process is one.
_MEASURING = threading.RLock()
CLOCKS = [
    name
    for clock in ("time", "perf_counter", "monotonic", "process_time", "thread_time")
    for name in (clock, f"{clock}_ns")
    if hasattr(time, name)
]


@contextmanager
def sole_measurement() -> Iterator[None]:
    """Keep other threads of this process from measuring.

    Raises:
        InputError: if one of them measures.
    """
    if not _MEASURING.acquire(blocking=False):
        raise InputError(
            "another thread of this process measures a method, which may change the settings of "
            "the process; expected one at a time, or separate processes"
        )
    try:
        yield
    finally:
        _MEASURING.release()


@contextmanager
def kept_process_state() -> Iterator[None]:
    """Put `SETTINGS` back; `os._exit` and odd kinds of exceptions become plain ones.

    Every call of a method's own code is inside, from its import on. `kept_cell_state` has what a
    method sets for its later calls. PyTorch's number of threads between operators stays changed: it
    can be set once.

    Raises:
        InputError: if another thread is inside.
    """
    with sole_measurement(), _kept_settings():
        yield


@contextmanager
def kept_cell_state() -> Iterator[None]:
    """Put `CELL_SETTINGS` and the random states of Python, NumPy and PyTorch back after a cell.

    They last from call to call: methods seed and set them when they are built.
    """
    python, array = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=_gpus()):
        try:
            with _put_back(CELL_SETTINGS):
                yield
        finally:
            random.setstate(python)
            np.random.set_state(array)  # noqa: NPY002


@contextmanager
def _kept_settings() -> Iterator[None]:
    leave = os._exit
    os._exit = _exit_of(os.getpid(), leave)  # type: ignore[assignment]
    try:
        with _put_back(SETTINGS):
            yield
    except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # nobody else expects it
        raise RuntimeError(f"{type(error).__name__}: {error}") from error
    finally:
        os._exit = leave


@contextmanager
def _put_back(settings: Sequence[Setting]) -> Iterator[None]:
    before = [get() for get, _ in settings]
    try:
        yield
    finally:
        for (get, put), value in zip(settings, before, strict=True):
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


def _gpus() -> list[int]:
    """GPUs whose random states exist."""
    return [*range(torch.cuda.device_count())] if torch.cuda.is_initialized() else []


def _clocks() -> list[Any]:
    return [getattr(time, name) for name in CLOCKS]


def _put_clocks(clocks: list[Any]) -> None:
    for name, clock in zip(CLOCKS, clocks, strict=True):
        setattr(time, name, clock)


def _put_collector(value: tuple[bool, tuple[int, int, int]]) -> None:
    (gc.enable if value[0] else gc.disable)()
    gc.set_threshold(*value[1])


def _put_environment(variables: dict[str, str]) -> None:
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ |= variables


def _config_modules() -> list[ConfigModule]:
    """Config modules of `torch.compile` and its parts that are imported."""
    modules: list[Any] = [*sys.modules.values()]
    return [own for own in modules if issubclass(type(own), ConfigModule)]


def _configs() -> dict[str, dict[str, Any]]:
    """Values other than the default, by module."""
    return {own.__name__: own._get_dict(skip_default=True) for own in _config_modules()}


def _put_configs(before: dict[str, dict[str, Any]]) -> None:
    for module in _config_modules():
        values = before.get(module.__name__, {})
        for name in module._get_dict(skip_default=True).keys() - values.keys():
            delattr(module, name)  # which also hides it
            module._config[name].hide = False
        module.load_config(values)


# What reads a setting of a cell, and what sets it.
CELL_SETTINGS: list[Setting] = [
    (lambda: dict(os.environ), _put_environment),
    (_configs, _put_configs),
]
# The same of a call.
SETTINGS: list[Setting] = [
    (_folder, _put_folder),
    *TORCH_SETTINGS,
    (np.geterr, lambda value: np.seterr(**value)),
    (lambda: (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS), _put_pillow),
    (lambda: (sys.stdout, sys.stderr), _put_streams),
    (_errors, _put_errors),
    (_handlers, _put_handlers),
    (_clocks, _put_clocks),
    (lambda: (gc.isenabled(), gc.get_threshold()), _put_collector),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (sys.getswitchinterval, sys.setswitchinterval),
    (sys.getprofile, sys.setprofile),
    (sys.gettrace, sys.settrace),
    (_stance, lambda stance: torch.compiler.set_stance(stance)),
    (_hooks, _put_hooks),
    (_get_current_dispatch_mode_stack, _put_modes),
]
if hasattr(os, "sched_getaffinity"):
    SETTINGS.append((partial(os.sched_getaffinity, 0), partial(os.sched_setaffinity, 0)))
