"""How a run is spread."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClusterSettings:
    """What the command line says about workers.

    `address`: of a Ray cluster that exists, "auto" included; None starts one on this machine.
    `workers`: how many; None for as many as the cluster has room for.
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
