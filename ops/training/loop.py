"""The training loop: one function for a single process and for each of several workers.

With torch.distributed, every worker draws the same batch and computes the vectors of its own shard; the loss is that
of all shards. A checkpoint holds everything that decides the next step, so a fit that was stopped and resumed ends with
the same weights, bit by bit. Several workers can resume a fit of a single process, and the other way round.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch

from ops.core.errors import TrainingError, take_first_sentence
from ops.training.checkpoint import Checkpoint, CheckpointState, read_checkpoint, write_checkpoint
from ops.training.distributed import (
    BatchRng,
    all_gather,
    all_gather_dict,
    local_rows,
    local_shard,
    rank,
    sum_gradients,
    world_size,
)
from ops.training.examples import Batch, BatchChoice, Examples
from ops.training.loss import MAX_LOG_SCALE, backward_loss, find_same_pairs
from ops.training.metrics import MetricsLog, StepFigures
from ops.training.model import DualEncoder, choose_dtype, group_parameters
from ops.training.recipes import Recipe
from ops.training.shard_stream import ShardStream

log = logging.getLogger(__name__)

_BAD_GRADIENT = "a gradient is NaN or infinite"
_MOST_OVERFLOWS = 25
"""Steps in a row whose fp16 gradients may overflow. The factor halves each time, from 65,536 to below 1 after 17."""

_FUSED_FROM = 4_000_000
"""From this number of parameters the optimiser works in one pass over memory, in a seventh of the time on a CPU. It
rounds differently; the shipped head (a million parameters) was fitted without."""


@dataclass(kw_only=True)
class FitResult:
    """The result of a fit: the loss of each step, and the step at which it started or resumed (0: the start).

    ``skipped`` has the pairs that any worker could not read, before a stop or after it: thing -> reason.
    """

    losses: list[float] = field(default_factory=list)
    resumed_at: int = 0
    skipped: dict[str, str] = field(default_factory=dict)


def fit(
    model: DualEncoder,
    examples: Examples | ShardStream,
    recipe: Recipe,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
    on_step: Callable[[int, float], None] | None = None,
    on_resume: Callable[[int], None] | None = None,
) -> FitResult:
    """Fit ``model`` in place; resume from ``checkpoint`` if its file exists.

    Uses torch's global random numbers: seed them before, with the same seed in each worker. ``on_step`` receives the
    step, from 1, and its loss; ``on_resume`` the number of steps of an earlier run, before the next one. An image that
    cannot be read is left out of its batch.

    Raises:
        TrainingError: a loss is not finite, or fewer than two pairs of a batch can be read (the checkpoint stays at the
            last good step); the checkpoint has another identity; or the workers do not see the same checkpoint.
    """
    model.to(device).train()
    run = _Run(model, examples, recipe, device, checkpoint)
    result = FitResult(losses=run.losses)
    with closing(run):
        result.resumed_at = run.resume()
        if on_resume and result.resumed_at:
            on_resume(result.resumed_at)
        run.open_metrics()
        run.synchronise_workers()
        for epoch in range(run.steps // run.per_epoch, recipe.epochs):
            for batch in run.time_batches(epoch):
                run.step(batch.to(device))
                if on_step:
                    on_step(run.steps, run.losses[-1])
            log.info("epoch %d: loss %.3f", epoch, run.losses[-1])
        run.save()
    result.skipped = run.skip_reasons
    model.eval()
    return result


def count_steps(recipe: Recipe, pairs: int) -> int:
    """Return the number of steps of a fit."""
    return recipe.epochs * max(1, pairs // recipe.batch)


class _Run:
    """A fit in progress: optimiser, schedule and position."""

    def __init__(
        self,
        model: DualEncoder,
        examples: Examples | ShardStream,
        recipe: Recipe,
        device: str,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.model, self.examples, self.recipe, self.checkpoint = model, examples, recipe, checkpoint
        self.device = device
        self.per_epoch = max(1, len(examples) // recipe.batch)
        self.learning = model.learning()
        groups = group_parameters(model, recipe)
        is_fused = sum(parameter.numel() for parameter in self.learning) > _FUSED_FROM
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=is_fused)
        self.schedule = _build_schedule(self.optimizer, recipe, recipe.epochs * self.per_epoch)
        self.dtype = choose_dtype(recipe, device)
        self.scaler = torch.amp.GradScaler(device, enabled=self.dtype == torch.float16)
        # Its factor exists from its first use on; the loss is scaled in backward_loss, without the scaler.
        self.scaler.scale(torch.zeros((), device=device))
        self.steps, self.saved_step, self.refused_steps, self.equal_batches = 0, 0, 0, 0
        clamp_scale(model)
        self.losses: list[float] = []
        self.skip_reasons: dict[str, str] = {}
        self.order = torch.empty(0, dtype=torch.int64)
        self.epoch_choice: BatchChoice | None = None
        self.metrics: MetricsLog | None = None
        self.step_start, self.waited_s, self.gradient_norm, self.rate = 0.0, 0.0, 0.0, 0.0
        self.positions: dict[str, str] = {}
        self.stream: Generator[Batch, None, None] | None = None
        self.draws = BatchRng(recipe.seed) if world_size() > 1 else None

    def synchronise_workers(self) -> None:
        """Give all workers the first one's weights. Raises ``TrainingError`` unless all are at the same step."""
        if world_size() == 1:
            return
        steps: list[Any] = [None] * world_size()
        torch.distributed.all_gather_object(steps, self.steps)
        if len(set(steps)) > 1:
            raise TrainingError(
                f"the workers found checkpoints of steps {sorted(set(steps))}: the home must be a folder that all "
                "nodes share"
            )
        for value in self.model.state_dict().values():
            torch.distributed.broadcast(value, 0)

    def time_batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, and note the seconds without one."""
        batches = self.read_batches(epoch)
        while True:
            self.step_start = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                return
            self.waited_s = time.perf_counter() - self.step_start
            yield batch

    def log_step(self, rows: int) -> None:
        """Write the figures of a finished step; only the first worker does."""
        if self.metrics is None:
            return
        seconds = time.perf_counter() - self.step_start
        self.metrics.write(
            StepFigures(
                step=self.steps,
                loss=self.losses[-1],
                rate=self.rate,
                scale=math.exp(self.model.log_scale.item()),
                gradient_norm=self.gradient_norm,
                pairs_per_s=rows * world_size() / seconds,
                seconds=seconds,
                wait_s=self.waited_s,
            )
        )

    def read_batches(self, epoch: int) -> Iterator[Batch]:
        """Yield this worker's share of the remaining batches of an epoch."""
        if not isinstance(self.examples, ShardStream):
            yield from self.examples.batches(self.draw_choices(self.examples, epoch))
            return
        self.stream = self.stream or self.examples.read_batches(self.positions)
        yield from islice(self.stream, (epoch + 1) * self.per_epoch - self.steps)

    def draw_choices(self, examples: Examples, epoch: int) -> Iterator[BatchChoice]:
        """Yield the remaining batches of an epoch; each is drawn at its turn, unless the examples read ahead."""
        first = self.steps - epoch * self.per_epoch
        if first == 0:
            with self.drawing():
                self.order = torch.randperm(len(examples))
                self.epoch_choice = examples.choose(self.order) if examples.draws_ahead else None
        size = min(self.recipe.batch, len(examples))
        for step in range(first, self.per_epoch):
            start, end = step * size, (step + 1) * size
            with self.drawing():
                choice = (
                    self.epoch_choice.part(start, end) if self.epoch_choice else examples.choose(self.order[start:end])
                )
            yield local_shard(choice)

    def close(self) -> None:
        """Stop the threads that read a stream ahead, and close the log of figures."""
        if self.stream is not None:
            self.stream.close()
        if self.metrics is not None:
            self.metrics.close()

    def open_metrics(self) -> None:
        """Open the log of figures beside the checkpoint, up to the step of the checkpoint."""
        if self.checkpoint is not None and rank() == 0:
            total = self.recipe.epochs * self.per_epoch
            self.metrics = MetricsLog(self.checkpoint.path.parent, self.steps, total)

    def drawing(self) -> AbstractContextManager[Any]:
        return self.draws.drawing() if self.draws else nullcontext()

    def step(self, batch: Batch) -> None:
        model, recipe = self.model, self.recipe
        self.optimizer.zero_grad()
        if self.draws:
            self.draws.seed_step(self.steps)
        parts, usable_B = batch.parts(recipe.micro_batch), self.find_usable(batch)
        grow = self.scaler.get_scale()
        keys = self.read_keys(batch, usable_B)
        loss = backward_loss(
            model.encode,
            parts,
            model.log_scale,
            autocast=self.autocast,
            grow=grow,
            usable_B=usable_B,
            keys_B2=keys,
        )
        sum_gradients(self.learning)
        self.scaler.unscale_(self.optimizer)
        self._require_finite(loss.item())
        self.scaler.step(self.optimizer)
        self.scaler.update()
        clamp_scale(model)
        self.rate = float(self.schedule.get_last_lr()[0])
        if self.scaler.get_scale() >= grow:  # else the scaler left out the step, because a gradient overflowed
            self.schedule.step()
        self.steps += 1
        self.losses.append(loss.item())
        self.log_step(len(batch))
        if self.steps % recipe.checkpoint_steps == 0:
            self.save()

    def find_usable(self, batch: Batch) -> torch.Tensor | None:
        """Return which rows of all workers were read (``None``: all); the same in each, so that all stop or none."""
        if batch.usable_B is None:
            return None
        usable_B = all_gather(batch.usable_B.to(torch.uint8)).bool()
        if int(usable_B.sum()) < min(2, len(usable_B)):
            reason = "".join(f" ({why})" for why in list(self.examples.skipped.values())[-1:])
            raise TrainingError(
                f"fewer than two of the {len(usable_B)} pairs of {self._place(self.steps + 1)} can be read{reason}: "
                f"{self._describe_checkpoint()}; repair the data; the same command then resumes"
            )
        return usable_B

    def read_keys(self, batch: Batch, usable_B: torch.Tensor | None) -> torch.Tensor | None:
        """Return the keys of all workers' pairs, or ``None`` if equal pairs are to be contrasted.

        Raises ``TrainingError`` if no batch of a whole epoch has two pairs that differ: nothing can be learned.
        """
        if self.recipe.as_shipped or batch.keys_B2 is None:
            return None
        keys_B2 = all_gather(batch.keys_B2)
        usable = keys_B2 if usable_B is None else keys_B2[usable_B]
        rows = local_rows(len(keys_B2), usable_B)
        is_equal = torch.tensor([bool(find_same_pairs(usable, rows).all())], device=keys_B2.device)
        self.equal_batches = self.equal_batches + 1 if bool(all_gather(is_equal.to(torch.uint8)).all()) else 0
        if self.equal_batches >= self.per_epoch:
            raise TrainingError(
                f"the pairs of each batch of an epoch, up to {self._place(self.steps + 1)}, share their picture or "
                "their caption, so there is nothing to contrast: add other data, or raise --batch"
            )
        return keys_B2

    def autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.split(":")[0], self.dtype) if self.dtype else nullcontext()

    def save(self) -> None:
        """Replace the checkpoint; only the first worker writes it. Weights that are not finite are never written."""
        self.skip_reasons |= all_gather_dict(self.examples.skipped)  # a collective call: every worker must make it
        if isinstance(self.examples, ShardStream):
            self.positions |= all_gather_dict(self.examples.positions)
        if self.checkpoint is None or self.saved_step == self.steps:
            return
        if not all(bool(value.isfinite().all()) for value in self.model.state_dict().values()):
            raise TrainingError(self._explain_failure(self.losses[-1], "a weight is NaN or infinite"))
        if rank() == 0:
            self._write(self.checkpoint)
        self.saved_step = self.steps
        if self.checkpoint.on_save:
            self.checkpoint.on_save()

    def _write(self, checkpoint: Checkpoint) -> None:
        state: CheckpointState = {
            "identity": checkpoint.identity,
            "steps": self.steps,
            "losses": self.losses,
            "aside": self.skip_reasons,
            "positions": self.positions,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "order": self.order,
            "drawn": None if self.epoch_choice is None else [self.epoch_choice.views, self.epoch_choice.captions],
            "random": self.draws.state if self.draws else torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() and not self.draws else [],
        }
        write_checkpoint(checkpoint, state)

    def resume(self) -> int:
        """Resume from the checkpoint if it exists; return the number of finished steps."""
        if self.checkpoint is None or not self.checkpoint.path.exists():
            return 0
        state = read_checkpoint(self.checkpoint, self.device)
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.scaler.load_state_dict(state["scaler"])
            self.order = state["order"].cpu()
            if state["drawn"] is not None:
                views, captions = (choice.cpu() for choice in state["drawn"])
                self.epoch_choice = BatchChoice(rows=self.order, views=views, captions=captions)
            self.steps = self.saved_step = int(state["steps"])
            self.losses.extend(state["losses"])
            self.skip_reasons = dict(state["aside"])
            self.positions = dict(state["positions"])
            self._set_random(state)
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise TrainingError(
                f"the checkpoint {self.checkpoint.label} belongs to another model: {take_first_sentence(error)}"
            ) from error
        return self.steps

    def _set_random(self, state: CheckpointState) -> None:
        if self.draws:
            self.draws.state = state["random"].cpu()
            return
        torch.set_rng_state(state["random"].cpu())
        # A checkpoint may come from a machine with another number of GPUs.
        torch.cuda.set_rng_state_all([each.cpu() for each in state["random_cuda"][: torch.cuda.device_count()]])

    def _require_finite(self, loss: float) -> None:
        """Raise ``TrainingError`` for a loss or gradient that is NaN or infinite, before it reaches a weight.

        In fp16 a gradient may overflow: the scaler then leaves out the step and lowers its factor, a few times.
        """
        is_finite = self._is_finite()
        self.refused_steps = 0 if is_finite else self.refused_steps + 1
        may_overflow = self.dtype == torch.float16 and self.refused_steps < _MOST_OVERFLOWS
        if not math.isfinite(loss) or not (is_finite or may_overflow):
            raise TrainingError(self._explain_failure(loss))

    def _is_finite(self) -> bool:
        # One pass and one number: a test of each element allocates a tensor of booleans and took longer than a step.
        gradients = [parameter.grad for parameter in self.learning if parameter.grad is not None]
        self.gradient_norm = float(torch.nn.utils.get_total_norm(gradients))
        return math.isfinite(self.gradient_norm)

    def _explain_failure(self, loss: float, otherwise: str = _BAD_GRADIENT) -> str:
        step = self.steps + (otherwise == _BAD_GRADIENT)
        problem = f"the loss is {loss}" if not math.isfinite(loss) else otherwise
        place = f"{self._place(step)} (learning rate {self.recipe.learning_rate:g})"
        return f"{problem} at {place}: {self._describe_checkpoint()}; try a lower --learning-rate"

    def _place(self, step: int) -> str:
        return f"step {step} of {self.recipe.epochs * self.per_epoch}"

    def _describe_checkpoint(self) -> str:
        if self.checkpoint and self.saved_step:
            return f"the last good checkpoint is {self.checkpoint.label}, of step {self.saved_step}"
        return "no checkpoint was written yet"


def clamp_scale(model: DualEncoder) -> None:
    """Keep the inverse temperature in the range of CLIP, 1 to 100."""
    with torch.no_grad():
        model.log_scale.clamp_(0.0, MAX_LOG_SCALE)


def _build_schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, total: int) -> Any:
    rising = max(recipe.warmup, 1.5 / total)
    if total < 3:
        return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=total, pct_start=rising, cycle_momentum=recipe.as_shipped
    )
