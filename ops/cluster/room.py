"""Whether a cluster has room: Ray waits for ever, and silently, for CPUs that are not there or not free."""

from __future__ import annotations

import logging
import time
from typing import Any

from ops.cluster.session import Cluster
from ops.core.errors import ClusterError

log = logging.getLogger(__name__)

_PATIENCE_S = 60.0
_ASK_S = 1.0


def await_room(cluster: Cluster, *, cpus: int, gpus: int, patience_s: float = _PATIENCE_S) -> None:
    """Wait until so many are free. Raises ``ClusterError`` where they are still not after ``patience_s``."""
    import ray

    available: Any = ray.available_resources
    end = time.monotonic() + patience_s
    is_told = False
    while True:
        free = available()
        if free.get("CPU", 0) >= cpus and free.get("GPU", 0) >= gpus:
            return
        found = f"{free.get('CPU', 0):.0f} of {cluster.cpus} CPUs and {free.get('GPU', 0):.0f} of {cluster.gpus} GPUs"
        if time.monotonic() > end:
            raise ClusterError(
                f"the Ray cluster has {found} free, and {cpus} CPUs and {gpus} GPUs are needed: try again when others "
                "are done, or ask for less (--workers)"
            )
        if not is_told:
            log.warning("waiting for %d CPUs and %d GPUs: the Ray cluster has %s free", cpus, gpus, found)
            is_told = True
        time.sleep(_ASK_S)
