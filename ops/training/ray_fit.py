"""Run the training loop in several workers of a Ray cluster until the checkpoint is complete."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ops.cluster.resources import WorkerGroup, plan_workers
from ops.cluster.session import Cluster, open_cluster
from ops.cluster.workers import WorkerReport, run_workers
from ops.core.errors import UsageError
from ops.training.checkpoint import Checkpoint
from ops.training.examples import Examples
from ops.training.loop import fit
from ops.training.model import DualEncoder
from ops.training.recipes import Recipe, require_precision
from ops.training.shard_reader import count_readers
from ops.training.shard_stream import ShardStream


@dataclass(frozen=True, kw_only=True)
class RayFit:
    """The workers of a fit, and the CPU threads of each."""

    cluster: Cluster
    group: WorkerGroup
    threads: int
    readers: int
    """The numbers of workers that divide it can share the batches."""
    storage: str = ""
    """Where checkpoints are kept if it is an object store; else in the home, which all nodes must share."""

    def fit(
        self,
        model: DualEncoder,
        examples: Examples | ShardStream,
        recipe: Recipe,
        checkpoint: Checkpoint,
        on_step: Callable[[int], None],
        on_resume: Callable[[int], None],
    ) -> int:
        """Fit until ``checkpoint`` is complete; a call of ``loop.fit`` then returns the fitted model.
        Returns the last number of workers.

        Model and examples are sent to the workers, so these need no file but the checkpoint, and images if a tower
        that is trained streams them. ``on_step`` and ``on_resume`` as for ``loop.fit``, without the loss. Raises as
        it does, and ``ClusterError``.
        """
        share = _Share(
            model=model,
            examples=examples,
            recipe=recipe,
            checkpoint=checkpoint,
            threads=self.threads,
            random=torch.get_rng_state(),
            storage=self.storage,
        )
        return run_workers(
            _work,
            share,
            self.cluster,
            self.group,
            folder=checkpoint.path.parent,
            on_step=on_step,
            on_resume=on_resume,
            counts=[count for count in range(1, self.readers + 1) if self.readers % count == 0],
            storage=self.storage,
        )


@dataclass(frozen=True, kw_only=True)
class _Share:
    """The input of each worker; ``random`` is torch's state at the start of a single process."""

    model: DualEncoder
    examples: Examples | ShardStream
    recipe: Recipe
    checkpoint: Checkpoint
    threads: int
    random: torch.Tensor
    storage: str


@contextmanager
def plan_ray_fit(
    address: str,
    recipe: Recipe,
    workers: int | None,
    gpu: bool | None,
    threads: int | None,
    shards: int = 0,
    storage: str = "",
) -> Iterator[RayFit]:
    """Plan a fit on a Ray cluster with ``workers``, or by default with one worker per GPU or node.

    The default is reduced until the workers share the batch evenly, and the readers of ``shards``, the number of
    streamed ones. ``threads`` of each worker default to its share
    of the CPUs.

    Raises:
        UsageError: ``workers`` cannot share the batch evenly.
        ClusterError: as ``cluster`` and ``plan_workers``.
    """
    if workers and recipe.batch % workers:
        even = [count for count in range(1, workers + 1) if recipe.batch % count == 0]
        raise UsageError(
            f"a batch of {recipe.batch} cannot be shared evenly by {workers} workers: --workers {even[-1]}, or --batch "
            f"{recipe.batch // workers * workers or workers}"
        )
    readers = count_readers(recipe.batch, shards) if shards else recipe.batch
    if workers and readers % workers:
        raise UsageError(
            f"{shards} shards for batches of {recipe.batch} have {readers} readers, which {workers} workers cannot "
            "share evenly: take another number of --workers, or write more and smaller shards"
        )
    with open_cluster(address) as session:
        group = plan_workers(session, workers, gpu)
        require_precision(recipe, is_cuda=group.gpu)
        while readers % group.workers:
            group = WorkerGroup(workers=group.workers - 1, gpu=group.gpu)
        yield RayFit(
            cluster=session,
            group=group,
            threads=threads or max(1, session.cpus // group.workers),
            readers=readers,
            storage=storage,
        )


def _work(share: Any, device: str, report: WorkerReport) -> None:
    torch.set_num_threads(share.threads)
    torch.set_rng_state(share.random)
    with tempfile.TemporaryDirectory(prefix="needle-") if share.storage else nullcontext("") as name:
        checkpoint, folder = share.checkpoint, Path(name)
        if share.storage:
            report.restore(folder)
            path = folder / checkpoint.path.name
            checkpoint = replace(checkpoint, path=path, on_save=lambda: report.save(folder), place=share.storage)
        fit(
            share.model,
            share.examples,
            share.recipe,
            device=device,
            checkpoint=checkpoint,
            on_step=lambda step, loss: report.reach(step),
            on_resume=report.resume,
        )
