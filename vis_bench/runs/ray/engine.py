"""Ray: connecting, starting workers, and asking who is alive."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from vis_bench.errors import InputError
from vis_bench.runs.ray.settings import ClusterSettings

INSTALL = "pip install 'vis-bench[cluster]'"
CONNECT_SECONDS = 10.0


def import_ray() -> ModuleType:
    """Ray.

    Raises:
        InputError: where it is not installed.
    """
    try:
        import ray
    except ImportError:
        raise InputError(f"--workers and --ray need Ray; install it with {INSTALL}") from None
    return ray


@contextlib.contextmanager
def connected(settings: ClusterSettings, gpu: bool) -> Iterator[ModuleType]:
    """Ray, connected to a cluster or to one that is started on this machine and ends with it.

    Raises:
        InputError: where Ray is not installed, the address does not answer, or the workers do not
            fit.
    """
    ray = import_ray()
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if settings.address is None:
        cpus = max(os.cpu_count() or 1, (settings.workers or 1) * settings.threads)
        options |= {"num_cpus": cpus, "include_dashboard": False}
    else:
        _check_answers(settings.address)
        options["address"] = settings.address
    try:
        ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise InputError(
            f"cannot join the Ray cluster at {settings.address or 'this machine'}: {said}"
        ) from None
    try:
        _check_room(ray, settings, gpu)
        yield ray
    finally:
        ray.shutdown()


def worker_count(ray: ModuleType, settings: ClusterSettings) -> int:
    """The number of workers that are asked for, or that fit."""
    if settings.workers is not None:
        return settings.workers
    have = ray.cluster_resources()
    by_cpu = int(have.get("CPU", 1) // settings.threads)
    if settings.gpus_per_worker == 0:
        return max(1, by_cpu)
    return max(1, min(by_cpu, int(have.get("GPU", 0) // settings.gpus_per_worker)))


def _check_room(ray: ModuleType, settings: ClusterSettings, gpu: bool) -> None:
    have = ray.cluster_resources()
    workers = settings.workers or 1
    gpus = have.get("GPU", 0)
    if gpu and workers * settings.gpus_per_worker > gpus:
        raise InputError(
            f"{workers} workers with {settings.gpus_per_worker:g} GPUs each do not fit on "
            f"{gpus:g} GPUs; expected fewer workers or a smaller --gpus-per-worker"
        )
    cpus = have.get("CPU", 0)
    if workers * settings.threads > cpus:
        raise InputError(
            f"{workers} workers with {settings.threads} threads each do not fit on the cluster's "
            f"{cpus:g} CPUs"
        )


def _check_answers(address: str) -> None:
    """Finds out within seconds whether anything listens; Ray itself would wait for minutes."""
    if address in ("auto", "local"):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(f"--ray is {address!r}; expected auto, or HOST:PORT of the head node")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise InputError(
            f"--ray {address} does not answer: {error.strerror or error}; expected the address "
            "that `ray start --head` prints"
        ) from None
