"""The loop in several workers of a Ray cluster, until the checkpoint says that the fit is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from ops.cluster.session import Cluster, cluster
from ops.cluster.workers import Crew, Tell, crew_of, run_workers
from ops.core.errors import UsageError
from ops.training.examples import Examples
from ops.training.loop import Checkpoint, fit
from ops.training.model import DualEncoder
from ops.training.recipes import Recipe


@dataclass(frozen=True, kw_only=True)
class Team:
    """Workers that are there for a fit, and the CPU threads each of them uses."""

    cluster: Cluster
    crew: Crew
    threads: int

    def fit(
        self,
        model: DualEncoder,
        examples: Examples,
        recipe: Recipe,
        checkpoint: Checkpoint,
        on_step: Callable[[int], None],
    ) -> None:
        """Bring ``checkpoint`` to its end; who then calls ``loop.fit`` gets the fitted model.

        Model and examples are sent to the workers, so these need no files but the checkpoint's, and pictures where
        a tower that learns streams them. ``on_step`` gets the number of steps that are done. Raises as ``loop.fit``
        does, and ``ClusterError``.
        """
        share = _Share(
            model=model,
            examples=examples,
            recipe=recipe,
            checkpoint=checkpoint,
            threads=self.threads,
            random=torch.get_rng_state(),
        )
        run_workers(_work, share, self.cluster, self.crew, folder=checkpoint.path.parent, on_step=on_step)


@dataclass(frozen=True, kw_only=True)
class _Share:
    """What each worker gets; ``random`` is torch's state with which one process would begin."""

    model: DualEncoder
    examples: Examples
    recipe: Recipe
    checkpoint: Checkpoint
    threads: int
    random: torch.Tensor


@contextmanager
def team_of(address: str, recipe: Recipe, workers: int | None, gpu: bool | None, threads: int | None) -> Iterator[Team]:
    """A team at a Ray cluster, as large as asked for, else one worker a GPU or a node, as far as these share the batch
    evenly. ``threads`` of each, by default its part of the CPUs.

    Raises ``UsageError`` where ``workers`` do not share the batch evenly, ``ClusterError`` as ``cluster`` and
    ``crew_of``.
    """
    if workers and recipe.batch % workers:
        even = [count for count in range(1, workers + 1) if recipe.batch % count == 0]
        raise UsageError(
            f"a batch of {recipe.batch} cannot be shared evenly by {workers} workers: --workers {even[-1]}, or --batch "
            f"{recipe.batch // workers * workers or workers}"
        )
    with cluster(address) as found:
        crew = crew_of(found, workers, gpu)
        while recipe.batch % crew.workers:
            crew = Crew(workers=crew.workers - 1, gpu=crew.gpu)
        yield Team(cluster=found, crew=crew, threads=threads or max(1, found.cpus // crew.workers))


def _work(share: Any, device: str, tell: Tell) -> None:
    torch.set_num_threads(share.threads)
    torch.set_rng_state(share.random)
    fit(
        share.model,
        share.examples,
        share.recipe,
        device=device,
        checkpoint=share.checkpoint,
        on_step=lambda step, loss: tell(step),
    )
