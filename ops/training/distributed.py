"""Collective operations for data-parallel training. No-ops in a single process or without torch.distributed.

Stands alone because workers could differ here without an error. They must draw the same batches, take shards that
together are the batch, and step with the same gradients. Legend: B batch of all workers, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ops.core.errors import TrainingError
from ops.training.examples import BatchChoice

_BUCKET_BYTES = 25 << 20
"""As in torch's DistributedDataParallel."""


def world_size() -> int:
    """Return the number of workers of this fit."""
    dist = torch.distributed
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return this worker's number, from 0."""
    return torch.distributed.get_rank() if world_size() > 1 else 0


def local_shard(choice: BatchChoice) -> BatchChoice:
    """Return this worker's rows of a batch. Raises ``TrainingError`` if workers cannot share it evenly."""
    world, rows = world_size(), len(choice.rows)
    if rows % world:
        raise TrainingError(f"a batch of {rows} cannot be shared evenly by {world} workers: change --batch")
    share = rows // world
    return choice.part(rank() * share, (rank() + 1) * share)


def local_rows(rows: int, usable_B: torch.Tensor | None = None) -> slice:
    """Return the positions of this worker's rows among those of all, of which only the ``usable`` ones are kept."""
    share = rows // world_size()
    start, end = rank() * share, (rank() + 1) * share
    if usable_B is not None:
        start, end = int(usable_B[:start].sum()), int(usable_B[:end].sum())
    return slice(start, end)


def all_reduce(*tensors: torch.Tensor) -> None:
    """Sum each tensor over all workers, in place."""
    if world_size() > 1:
        for tensor in tensors:
            torch.distributed.all_reduce(tensor)


def all_gather(local: torch.Tensor) -> torch.Tensor:
    """Return the rows of all workers (B, D), in their order; all workers must have the same number of rows."""
    if world_size() == 1:
        return local
    parts = [torch.empty_like(local) for _ in range(world_size())]
    torch.distributed.all_gather(parts, local.contiguous())
    return torch.cat(parts)


def all_gather_dict(local: dict[str, str]) -> dict[str, str]:
    """Return the entries of all workers."""
    if world_size() == 1:
        return dict(local)
    parts: list[Any] = [None] * world_size()
    torch.distributed.all_gather_object(parts, local)
    return {key: value for entries in parts for key, value in entries.items()}


def sum_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Sum the gradients of the towers over all workers. A parameter without one in every worker stays without.

    With a gradient of zeros the optimiser would decay a parameter that takes no part in the fit.
    """
    if world_size() == 1 or not parameters:
        return
    has_gradient = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.int32)
    has_gradient = has_gradient.to(parameters[0].device)
    torch.distributed.all_reduce(has_gradient)
    gradients: list[torch.Tensor] = []
    for parameter, count in zip(parameters, has_gradient.tolist(), strict=True):
        if count:
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            gradients.append(parameter.grad)
    waiting = []
    for bucket in _fill_buckets(gradients):
        flat = torch.cat([gradient.flatten() for gradient in bucket])
        waiting.append((bucket, flat, torch.distributed.all_reduce(flat, async_op=True)))
    for bucket, flat, work in waiting:
        work.wait()
        for gradient, part in zip(bucket, torch.split(flat, [gradient.numel() for gradient in bucket]), strict=True):
            gradient.copy_(part.view_as(gradient))


def _fill_buckets(gradients: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Yield the gradients in groups of one type and about 25 MB, so that a small one costs no round of its own."""
    bucket: list[torch.Tensor] = []
    size = 0
    for gradient in gradients:
        if bucket and (size >= _BUCKET_BYTES or gradient.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(gradient)
        size += gradient.numel() * gradient.element_size()
    if bucket:
        yield bucket


class BatchRng:
    """Random numbers of several workers: the same for batches, different for dropout.

    One process takes both from torch's one generator. Several workers must not. Dropout takes as many numbers as a
    shard needs, which may differ (frames are padded to the longest of a shard), and later batches would differ too.
    So batches have their own ``state``, which begins as that of a single process. Each step's dropout has its own
    seed, so that a resumed fit needs no other worker's state.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.state = torch.get_rng_state()

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Take the random numbers within the block from the state of batches."""
        outer = torch.get_rng_state()
        torch.set_rng_state(self.state)
        try:
            yield
        finally:
            self.state = torch.get_rng_state()
            torch.set_rng_state(outer)

    def seed_step(self, step: int) -> None:
        """Seed the random numbers of this worker's model for a step."""
        torch.manual_seed(((self._seed << 32) + (step << 12) + rank()) % (1 << 63))
