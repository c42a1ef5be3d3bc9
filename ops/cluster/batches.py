"""A table's rows over a pool of actors, in order, as they come: Ray Data's ``map_batches``.

Legend: N rows of a batch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from ops.cluster.room import await_room
from ops.cluster.session import Cluster
from ops.core.errors import ClusterError

Columns = dict[str, Any]
Stage = Callable[[Columns], Columns]

_BATCHES_AHEAD = 2


def map_batches(
    table: pa.Table, stage: type[Any], arguments: Mapping[str, Any], cluster: Cluster, *, batch_rows: int
) -> Iterator[Columns]:
    """What ``stage(**arguments)`` makes of each batch: columns of N rows, as numpy arrays, in the table's order.

    ``stage`` is a class of a module; each actor makes one and calls it with batch after batch. There is an actor a
    GPU, or, without GPUs, one a CPU, as far as there are batches for them. Only a few batches are under way at once.
    Raises ``ClusterError`` where actors are lost or no room is found for one.
    """
    import ray
    import ray.data

    await_room(cluster, cpus=1, gpus=1 if cluster.gpus else 0)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_options.preserve_order = True
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    blocks = [table.slice(start, batch_rows) for start in range(0, len(table), batch_rows)]
    most = max(1, min(len(blocks), cluster.gpus or cluster.cpus))
    made = ray.data.from_arrow(blocks).map_batches(
        stage,
        fn_constructor_kwargs=dict(arguments),
        batch_size=None,  # a block each, as it was cut
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most),
        num_cpus=1,
        num_gpus=1 if cluster.gpus else 0,
    )
    try:
        found: Any = made.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=_BATCHES_AHEAD)
        yield from found
    except ray.exceptions.RayError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ClusterError(
            f"the Ray actors ended ({(lines or [type(error).__name__])[-1][:300]}): see the machine's memory and "
            "Ray's logs; what was done is kept, and the same command goes on from there"
        ) from error
