"""Plan and wait for resources of a cluster: Ray waits silently, without limit, for CPUs that are missing or in use."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ops.cluster.session import Cluster
from ops.core.errors import ClusterError

log = logging.getLogger(__name__)

_PATIENCE_S = 60.0
_POLL_S = 1.0
_NOTICE_S = 60.0
"""Limit for Ray to notice that a node is lost: its health checks take about 20 seconds."""
_REPLACEMENT_S = 10.0
"""Seconds in which another node may take the place of a lost one, before a run goes on without it."""


@dataclass(frozen=True, kw_only=True)
class WorkerGroup:
    """The number of ``workers``, and whether each has a GPU."""

    workers: int
    gpu: bool


def plan_workers(cluster: Cluster, workers: int | None, gpu: bool | None) -> WorkerGroup:
    """Return the requested workers; by default one per GPU, or one per node if there are no GPUs.

    Raises ``ClusterError`` if the cluster has too few GPUs or CPUs for them.
    """
    gpu = cluster.gpus > 0 if gpu is None else gpu
    count = workers or (cluster.gpus if gpu else cluster.nodes) or 1
    kind, available = ("GPU", cluster.gpus) if gpu else ("CPU", cluster.cpus)
    if count > min(available, cluster.cpus):
        place = f"the Ray cluster at {cluster.address}" if cluster.address else "this machine"
        raise ClusterError(
            f"{count} workers need a {kind} each, and {place} has {available} (CPUs: {cluster.cpus}): "
            f"--workers {max(1, min(available, cluster.cpus))}" + (" or --no-gpu" if gpu else "")
        )
    return WorkerGroup(workers=count, gpu=gpu)


def reduce_workers(cluster: Cluster, group: WorkerGroup, counts: Sequence[int]) -> WorkerGroup:
    """Return the group, or the largest of ``counts`` that the cluster can still start if a node does not come back."""
    import ray

    total: Any = ray.cluster_resources
    kind = "GPU" if group.gpu else "CPU"
    end = time.monotonic() + _NOTICE_S
    while time.monotonic() < end and _has_silent_node():
        time.sleep(_POLL_S)  # a worker that is placed on it would be lost, too
    end = time.monotonic() + _REPLACEMENT_S
    while total().get(kind, 0) < group.workers:
        if time.monotonic() > end:
            left = int(total().get(kind, 0))
            count = max((each for each in counts if each <= min(left, group.workers)), default=group.workers)
            log.warning("the Ray cluster has %d %ss left: going on with %d workers", left, kind, count)
            return WorkerGroup(workers=count, gpu=group.gpu)
        time.sleep(_POLL_S)
    return group


def _has_silent_node() -> bool:
    """Return whether Ray still counts on a node that does not answer."""
    import ray

    list_nodes: Any = ray.nodes
    for node in list_nodes():
        if node["Alive"]:
            try:
                socket.create_connection((node["NodeManagerAddress"], node["NodeManagerPort"]), _POLL_S).close()
            except OSError:
                return True
    return False


def wait_for_resources(cluster: Cluster, *, cpus: int, gpus: int, patience_s: float = _PATIENCE_S) -> None:
    """Wait until these resources are free. Raises ``ClusterError`` if they are not after ``patience_s``."""
    import ray

    available: Any = ray.available_resources
    end = time.monotonic() + patience_s
    is_logged = False
    while True:
        free = available()
        if free.get("CPU", 0) >= cpus and free.get("GPU", 0) >= gpus:
            return
        state = f"{free.get('CPU', 0):.0f} of {cluster.cpus} CPUs and {free.get('GPU', 0):.0f} of {cluster.gpus} GPUs"
        if time.monotonic() > end:
            raise ClusterError(
                f"the Ray cluster has {state} free, and {cpus} CPUs and {gpus} GPUs are needed: try again when other "
                "work is done, or ask for less (--workers)"
            )
        if not is_logged:
            log.warning("waiting for %d CPUs and %d GPUs: the Ray cluster has %s free", cpus, gpus, state)
            is_logged = True
        time.sleep(_POLL_S)
