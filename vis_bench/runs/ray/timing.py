"""What is measured beside accuracy, by one worker that has a node to itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from vis_bench.records.schema import Record
from vis_bench.runs.jobs import Job
from vis_bench.runs.ray.answers import Refused
from vis_bench.runs.ray.pool import what_died
from vis_bench.runs.ray.worker import measure_all_else

# How long a node may take to become free before FPS are measured with a reservation.
FREE_SECONDS = 120.0


@dataclass(frozen=True)
class Node:
    """A node of the cluster."""

    id: str
    cpus: float
    gpus: float


def measure_alone(ray: ModuleType, job: Job) -> Record | Refused:
    """Measures a job without its accuracy.

    Takes every CPU of a node, so that no other task of the cluster runs there meanwhile; where no
    node becomes free, it runs beside others and the record says so.
    """
    needs_gpu = job.plan.device.type == "cuda"
    node = max(alive_nodes(ray), key=lambda node: (bool(node.gpus) == needs_gpu, node.cpus))
    wants_speed = "speed" in job.cell.measure
    alone = wants_speed and becomes_free(ray, node)
    task = _on(ray, node, node.cpus if alone else 1, measure_all_else)
    try:
        record = ray.get(task.remote(replace(job, ground_truth=None)))
    except ray.exceptions.RayError as error:
        return Refused(what_died(error))
    if isinstance(record, Refused) or record.fps is None:
        return record
    return record.model_copy(update={"timed_alone": alone})


def alive_nodes(ray: ModuleType) -> list[Node]:
    """The cluster's nodes."""
    return [
        Node(node["NodeID"], node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0))
        for node in ray.nodes()
        if node["Alive"]
    ]


def becomes_free(ray: ModuleType, node: Node) -> bool:
    """Waits for a task that takes the whole node."""
    probe = _on(ray, node, node.cpus, _nothing).remote()
    ended, _ = ray.wait([probe], timeout=FREE_SECONDS)
    if not ended:
        ray.cancel(probe, force=True)
    return bool(ended)


def _on(ray: ModuleType, node: Node, cpus: float, function: Any) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    place = NodeAffinitySchedulingStrategy(node.id, soft=False)
    return ray.remote(num_cpus=cpus, num_gpus=min(1, node.gpus), max_retries=1)(function).options(
        scheduling_strategy=place
    )


def _nothing() -> None:
    pass
