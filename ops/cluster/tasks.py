"""Run a function for each of many jobs as tasks of a Ray cluster, and yield each result when it is ready.

Stands alone because a job here may take an hour and crash its process: batches (:mod:`ops.cluster.batches`) suit many
small ones. A task that loses its process or its node is started again, elsewhere if there is another node.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ops.cluster.resources import wait_for_resources
from ops.cluster.session import Cluster
from ops.core.errors import ClusterError

log = logging.getLogger(__name__)

Job = TypeVar("Job")
Result = TypeVar("Result")

_RETRIES = 1
_SPARE = 2
"""Tasks that wait at the cluster beside those that have a CPU."""


@dataclass(frozen=True, kw_only=True)
class TaskLost:
    """A task that ended without a result, twice; ``reason`` is in Ray's words."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class TaskResult(Generic[Job, Result]):
    """The result of a job, and the node (its id in Ray) on which it ran; empty for a lost task."""

    job: Job
    outcome: Result | TaskLost
    node: str


def run_tasks(
    function: Callable[[Job, int], Result], jobs: Sequence[Job], cluster: Cluster, *, cpus: int
) -> Iterator[TaskResult[Job, Result]]:
    """Yield ``function(job, cpus)`` of each job, in any order. ``cpus`` of a node are reserved for each task.

    Nodes with fewer CPUs take a task each if no node has as many. ``function`` is one of a module, and returns its
    errors: one that it raises is an internal error. Raises ``ClusterError`` if the cluster is lost, or has no free CPU.
    """
    import ray
    from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, WorkerCrashedError

    cpus = max(1, min(cpus, _count_cpus_of_largest_node(ray)))
    wait_for_resources(cluster, cpus=cpus, gpus=0)
    task: Any = ray.remote(num_cpus=cpus, max_retries=_RETRIES)(_run_job)
    left, running = deque(jobs), dict[Any, Job]()
    try:
        while left or running:
            while left and len(running) < max(1, cluster.cpus // cpus) + _SPARE:
                job = left.popleft()
                running[task.remote(function, job, cpus)] = job
            (ready, *_), _ = ray.wait(list(running), num_returns=1)
            job = running.pop(ready)
            try:
                outcome, node = ray.get(ready)
            except (WorkerCrashedError, NodeDiedError, OutOfMemoryError) as error:
                outcome, node = TaskLost(reason=(str(error).strip().splitlines() or [""])[0][:300]), ""
            log.info("%s: done on node %s", type(job).__name__, node or "(lost)")
            yield TaskResult(job=job, outcome=outcome, node=node)
    except RayError as error:
        raise ClusterError(
            f"the Ray cluster failed ({(str(error).strip().splitlines() or [type(error).__name__])[-1][:300]}): see "
            "Ray's logs; finished work is stored, and the same command continues from there"
        ) from error
    finally:
        for each in running:
            ray.cancel(each, force=True)


def _run_job(function: Callable[[Job, int], Result], job: Job, cpus: int) -> tuple[Result, str]:
    import ray

    return function(job, cpus), str(ray.get_runtime_context().get_node_id())


def _count_cpus_of_largest_node(ray: Any) -> int:
    return int(max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=1))
