"""What the workers of one fit do together; with one process, or none of torch.distributed, each is a no-op.

Stands alone because this is where workers could come to differ without an error: they must draw the same batches,
take shares that together are the batch, and step with the same gradients. Legend: B batch of all workers, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ops.core.errors import TrainingError
from ops.training.examples import Choice


def world_size() -> int:
    """How many workers share this fit."""
    distributed = torch.distributed
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """This worker's number, from 0."""
    return torch.distributed.get_rank() if world_size() > 1 else 0


def own_share(choice: Choice) -> Choice:
    """This worker's rows of a batch. Raises ``TrainingError`` where it cannot be shared evenly."""
    world, rows = world_size(), len(choice.rows)
    if rows % world:
        raise TrainingError(f"a batch of {rows} cannot be shared evenly by {world} workers: change --batch")
    share = rows // world
    return choice.part(rank() * share, (rank() + 1) * share)


def gathered(own: torch.Tensor) -> torch.Tensor:
    """The rows of all workers (B, D), in their order; every worker must have as many."""
    if world_size() == 1:
        return own
    parts = [torch.empty_like(own) for _ in range(world_size())]
    torch.distributed.all_gather(parts, own.contiguous())
    return torch.cat(parts)


def joined(own: dict[str, str]) -> dict[str, str]:
    """The entries of all workers."""
    if world_size() == 1:
        return dict(own)
    told: list[Any] = [None] * world_size()
    torch.distributed.all_gather_object(told, own)
    return {key: value for entries in told for key, value in entries.items()}


def sum_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Add up the towers' gradients over all workers."""
    if world_size() == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        torch.distributed.all_reduce(parameter.grad)


class Draws:
    """Random numbers of several workers: those of batches are the same in all, those of dropout are each one's own.

    One process takes both from torch's one generator. Several must not: dropout takes as much as a worker's share
    needs, which may differ (frames are padded to the longest of a share), and the next batches would differ with it.
    So batches have a ``state`` of their own, which begins where one process would, and each step's dropout is
    seeded anew, so that a fit that goes on needs no other worker's state.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.state = torch.get_rng_state()

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """A block whose random numbers are those of batches."""
        own = torch.get_rng_state()
        torch.set_rng_state(self.state)
        try:
            yield
        finally:
            self.state = torch.get_rng_state()
            torch.set_rng_state(own)

    def seed_step(self, step: int) -> None:
        """Seed what this worker's model draws in a step."""
        torch.manual_seed(((self._seed << 32) + (step << 12) + rank()) % (1 << 63))
