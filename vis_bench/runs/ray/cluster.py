"""Ray clusters: connecting, room for workers, and tasks that have a node to themselves."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import secrets
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from vis_bench.errors import InputError
from vis_bench.operating_system import require_posix

INSTALL = "pip install 'vis-bench[cluster]'"
# Older ones have no token authentication (before 2.52), or leave a process behind for seconds.
OLDEST_RAY = (2, 57)
LOOPBACK = "127.0.0.1"
# Longest folder whose session's sockets, about 65 characters deeper, Unix can name.
LONGEST_FOLDER = 24
CONNECT_SECONDS = 10.0
# How long a node may take to become free before FPS are measured beside other tasks.
FREE_SECONDS = 120.0


@dataclass(frozen=True)
class ClusterSettings:
    """Workers as the command line asks for them.

    `address`: of an existing Ray cluster, "auto" included; None starts one on this machine.
    `workers`: their number; None for as many as the cluster has room for.
    `gpus_per_worker`: a fraction lets workers share a GPU; 0 on the CPU.
    `threads`: CPU threads of a worker. Results of some methods depend on it in the last digits, so
    it does not follow from the number of workers.
    `retries`: how often a shard whose worker died or failed is tried again.
    """

    address: str | None = None
    workers: int | None = None
    gpus_per_worker: float = 0.0
    threads: int = 1
    retries: int = 2


@dataclass(frozen=True)
class Node:
    """A node of the cluster with its CPUs and GPUs."""

    id: str
    cpus: float
    gpus: float


def check_ray() -> None:
    """Refuse a missing Ray, and one that is too old; without importing it."""
    require_posix("a run with --workers or --ray")
    if importlib.util.find_spec("ray") is None:
        raise InputError(f"--workers and --ray need Ray; install it with {INSTALL}")
    version = importlib.metadata.version("ray")
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_RAY:
        raise InputError(
            f"Ray is {version}; expected {OLDEST_RAY[0]}.{OLDEST_RAY[1]} or later: {INSTALL}"
        )


@contextlib.contextmanager
def connected(settings: ClusterSettings, gpu: bool) -> Iterator[ModuleType]:
    """Connect Ray to a cluster, or to one that is started on this machine and ends with it.

    Raises:
        InputError: if Ray is not installed, the address does not answer, or the workers do not fit.
    """
    check_ray()
    if settings.address is not None:
        _check_answers(settings.address)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    with contextlib.ExitStack() as stack:
        if settings.address is None:
            options = stack.enter_context(_own_cluster(ray, settings))
        else:
            options = {"address": settings.address}
        stack.callback(ray.shutdown)
        with _signals_wait(ray):
            _init(ray, options, settings.address or "this machine")
        if settings.address is None and {node["NodeManagerAddress"] for node in ray.nodes()} != {
            LOOPBACK
        }:
            raise InputError(
                f"Ray {ray.__version__} listens on more than {LOOPBACK}; expected another version"
            )
        _check_room(ray, settings, gpu)
        yield ray


@contextlib.contextmanager
def _own_cluster(ray: ModuleType, settings: ClusterSettings) -> Iterator[dict[str, Any]]:
    """Options of a cluster on the loopback interface, with a token and a folder of its own.

    Ray opens its temporary folder to everybody, so it lies in one that is closed.
    """
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    before = {name: os.environ.get(name) for name in token}
    constants = ray._private.ray_constants
    multi_node = constants.ENABLE_RAY_CLUSTER
    parent = tempfile.gettempdir()
    parent = parent if len(parent) <= LONGEST_FOLDER else "/tmp"
    cpus = max(os.cpu_count() or 1, (settings.workers or 1) * settings.threads)
    with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as folder:
        os.environ |= token
        constants.ENABLE_RAY_CLUSTER = False
        _read_token(ray)
        try:
            yield {
                "address": "local",
                "_node_ip_address": LOOPBACK,
                "include_dashboard": False,
                "_temp_dir": str(Path(folder, "ray")),
                "num_cpus": cpus,
            }
        finally:
            constants.ENABLE_RAY_CLUSTER = multi_node
            for name, value in before.items():
                os.environ.pop(name)
                os.environ |= {} if value is None else {name: value}
            _read_token(ray)


def _read_token(ray: ModuleType) -> None:
    """Make Ray, which reads its environment once, read it again."""
    ray._raylet.Config.initialize("")
    ray._raylet.AuthenticationTokenLoader.instance().reset_cache()


def _init(ray: ModuleType, options: dict[str, Any], where: str) -> None:
    try:
        ray.init(**options, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        problem = " ".join(str(error).split())
        raise InputError(f"cannot join the Ray cluster at {where}: {problem}") from None


@contextlib.contextmanager
def _signals_wait(ray: ModuleType) -> Iterator[None]:
    """Ctrl-C and SIGTERM take effect at the end: an aborted `ray.init` leaves processes behind.

    Afterwards SIGTERM does what it did before; Ray would print a stack dump. Ray's processes
    inherit it blocked and end with this one: a driver whose node ends first exits with 1.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    set_by_ray = ray._private.utils.set_sigterm_handler
    ray._private.utils.set_sigterm_handler = lambda handler: None
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {n: signal.signal(n, lambda number, frame: came.append(number)) for n in numbers}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        ray._private.utils.set_sigterm_handler = set_by_ray
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def worker_count(ray: ModuleType, settings: ClusterSettings) -> int:
    """The number of workers that are asked for, or that fit."""
    if settings.workers is not None:
        return settings.workers
    resources = ray.cluster_resources()
    by_cpu = int(resources.get("CPU", 1) // settings.threads)
    if settings.gpus_per_worker == 0:
        return max(1, by_cpu)
    return max(1, min(by_cpu, int(resources.get("GPU", 0) // settings.gpus_per_worker)))


def alive_nodes(ray: ModuleType) -> list[Node]:
    """The nodes of the cluster that are alive."""
    return [
        Node(node["NodeID"], node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0))
        for node in ray.nodes()
        if node["Alive"]
    ]


def becomes_free(ray: ModuleType, node: Node) -> bool:
    """Wait for a task that takes the whole node; False if it does not start in time."""
    probe = task_on(ray, node, node.cpus, _nothing).remote()
    ended, _ = ray.wait([probe], timeout=FREE_SECONDS)
    if not ended:
        ray.cancel(probe, force=True)
    return bool(ended)


def task_on(ray: ModuleType, node: Node, cpus: float, function: Any) -> Any:
    """A function as a Ray task that takes some CPUs, and a GPU if there is one, of a node."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    place = NodeAffinitySchedulingStrategy(node.id, soft=False)
    return ray.remote(num_cpus=cpus, num_gpus=min(1, node.gpus), max_retries=1)(function).options(
        scheduling_strategy=place
    )


def ray_error(error: Exception) -> str:
    """Ray's error as the end of a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"its worker died: {type(error).__name__}" + (f": {lines[-1]}" if lines else "")


def _nothing() -> None:
    pass


def _check_room(ray: ModuleType, settings: ClusterSettings, gpu: bool) -> None:
    resources = ray.cluster_resources()
    workers = settings.workers or 1
    gpus, cpus = resources.get("GPU", 0), resources.get("CPU", 0)
    if gpu and workers * settings.gpus_per_worker > gpus:
        raise InputError(
            f"{workers} workers with {settings.gpus_per_worker:g} GPUs each do not fit on "
            f"{gpus:g} GPUs; expected fewer workers or a smaller --gpus-per-worker"
        )
    if workers * settings.threads > cpus:
        raise InputError(
            f"{workers} workers with {settings.threads} threads each do not fit on the cluster's "
            f"{cpus:g} CPUs; expected fewer workers or a smaller --threads-per-worker"
        )


def _check_answers(address: str) -> None:
    """Refuse an address where nothing listens; Ray itself would wait for minutes."""
    if address == "auto":
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
