"""Run a table's rows through stages that overlap, and yield the blocks in order: operators of Ray Data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ops.cluster.resources import wait_for_resources
from ops.cluster.session import Cluster
from ops.core.errors import ClusterError

_BLOCKS_AHEAD = 2


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One operator: ``work`` gets and returns blocks.

    A function, called as ``work(block, **arguments)``, runs in tasks. A class of a module runs in actors: each makes
    one instance, ``work(**arguments)``, and calls it for block after block. ``cpus`` and ``gpus`` are those of one task
    or actor. ``most`` of them run at once; 0 means as many as the cluster has resources for. Ray may run stages with
    the same resources as one.
    """

    work: Callable[..., Any]
    arguments: Mapping[str, Any]
    cpus: float
    gpus: float = 0.0
    most: int = 0


def run_stages(table: pa.Table, stages: Sequence[Stage], cluster: Cluster, *, block_rows: int) -> Iterator[pa.Table]:
    """Yield the blocks of the last stage, in the table's order; the first stage gets ``block_rows`` rows at a time.

    Each stage works on its next block while the others work on theirs, and only a bounded number of blocks waits
    between two. Raises ``ClusterError`` if workers are lost for good, or the cluster has too few free resources.
    """
    import ray
    import ray.data

    wait_for_resources(cluster, cpus=1, gpus=1 if cluster.gpus else 0)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_options.preserve_order = True
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    blocks = [table.slice(start, block_rows) for start in range(0, len(table), block_rows)]
    results: Any = ray.data.from_arrow(blocks)
    for stage in stages:
        most = min(len(blocks), stage.most or len(blocks))
        if isinstance(stage.work, type):
            options: dict[str, Any] = {
                "fn_constructor_kwargs": dict(stage.arguments),
                "compute": ray.data.ActorPoolStrategy(min_size=1, max_size=most),
            }
        else:
            options = {"fn_kwargs": dict(stage.arguments), "compute": ray.data.TaskPoolStrategy(most)}
        results = results.map_batches(
            stage.work,
            batch_size=None,  # a block each, as cut above
            batch_format="pyarrow",
            num_cpus=stage.cpus,
            num_gpus=stage.gpus,
            **options,
        )
    try:
        yield from results.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=_BLOCKS_AHEAD)
    except ray.exceptions.RayError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ClusterError(
            f"the Ray workers ended ({(lines or [type(error).__name__])[-1][:300]}): see the machine's memory and "
            "Ray's logs; finished work is stored, and the same command continues from there"
        ) from error
