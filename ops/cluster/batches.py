"""Run a stage over a table's rows in a pool of actors, and yield the batches in order: Ray Data's ``map_batches``.

Legend: N rows of a batch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from ops.cluster.resources import wait_for_resources
from ops.cluster.session import Cluster
from ops.core.errors import ClusterError

Columns = dict[str, Any]
Stage = Callable[[Columns], Columns]

_BATCHES_AHEAD = 2


def map_batches(
    table: pa.Table, stage: type[Any], arguments: Mapping[str, Any], cluster: Cluster, *, batch_rows: int
) -> Iterator[Columns]:
    """Yield ``stage(**arguments)`` of each batch: columns of N rows, as numpy arrays, in the table's order.

    ``stage`` is a class of a module; each actor makes one instance and calls it for batch after batch. There is an
    actor per GPU or, without GPUs, per CPU, but not more than batches. Only a few batches are in progress at once.
    Raises ``ClusterError`` if actors are lost, or the cluster has too few free resources for one.
    """
    import ray
    import ray.data

    wait_for_resources(cluster, cpus=1, gpus=1 if cluster.gpus else 0)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_options.preserve_order = True
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    blocks = [table.slice(start, batch_rows) for start in range(0, len(table), batch_rows)]
    most = max(1, min(len(blocks), cluster.gpus or cluster.cpus))
    results = ray.data.from_arrow(blocks).map_batches(
        stage,
        fn_constructor_kwargs=dict(arguments),
        batch_size=None,  # a block each, as cut above
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most),
        num_cpus=1,
        num_gpus=1 if cluster.gpus else 0,
    )
    try:
        batches: Any = results.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=_BATCHES_AHEAD)
        yield from batches
    except ray.exceptions.RayError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ClusterError(
            f"the Ray actors ended ({(lines or [type(error).__name__])[-1][:300]}): see the machine's memory and "
            "Ray's logs; finished work is stored, and the same command continues from there"
        ) from error
