"""Run one function in several processes joined by torch.distributed: Ray Train's TorchTrainer.

The function keeps its own checkpoints. If a worker is lost, all workers start again and call the function again. An
error of Needle that it raises would happen again, so it ends the run.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.cluster.resources import WorkerGroup, wait_for_resources
from ops.cluster.session import Cluster
from ops.core.errors import ClusterError, NeedleError, take_first_sentence

log = logging.getLogger(__name__)

Report = Callable[[int], None]
Work = Callable[[Any, str, Report], None]

_LOSSES_IN_A_ROW = 3
_POLL_S = 0.2


@dataclass(kw_only=True)
class WorkerLosses:
    """Counts lost workers since the last new step: workers that are lost for a reason, such as too little memory, would
    be lost each time."""

    last_step: int = 0
    in_a_row: int = 0

    def count(self, step: int, reason: str) -> None:
        """Count a loss after ``step``. Raises ``ClusterError`` at the third in a row without a new step."""
        self.in_a_row = 1 if step > self.last_step else self.in_a_row + 1
        self.last_step = max(self.last_step, step)
        if self.in_a_row >= _LOSSES_IN_A_ROW:
            raise ClusterError(
                f"workers were lost {self.in_a_row} times at step {self.last_step} ({reason}): see the machine's "
                "memory and Ray's logs; the same command goes on from the last checkpoint"
            )


def run_workers(
    work: Work, argument: Any, cluster: Cluster, group: WorkerGroup, *, folder: Path, on_step: Callable[[int], None]
) -> None:
    """Call ``work(argument, device, report)`` in each worker; return when all have returned.

    ``work`` is a function of a module; ``argument`` goes through Ray's object store, once per node. The first worker
    reports finished steps, which ``on_step`` receives here. Lost workers are replaced as long as there are new steps;
    three losses in a row without one end the run. ``folder``, for Ray's own notes, must be shared by all nodes.

    Raises:
        NeedleError: as raised by a worker.
        ClusterError: workers are lost repeatedly, or the cluster has too few free resources.
    """
    import ray

    wait_for_resources(cluster, cpus=group.workers, gpus=group.workers if group.gpu else 0)
    mailbox = ray.remote(num_cpus=0)(_Mailbox).remote()
    task = {"work": work, "argument": ray.put(argument), "mailbox": mailbox}
    losses = WorkerLosses()
    while True:
        try:
            attempt = _run_attempt(task, group, folder, on_step)
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"the Ray cluster is gone ({take_first_sentence(error)}): start the same command again"
            ) from error
        if attempt.error is not None:
            raise attempt.error
        if attempt.loss is None:
            return
        losses.count(attempt.step, attempt.loss)
        log.warning("a worker was lost after step %d: all resume from the last checkpoint", attempt.step)


@dataclass(kw_only=True)
class _WorkerAttempt:
    """The result of one attempt: the last step, an error of Needle, or why a worker was lost."""

    step: int = 0
    error: NeedleError | None = None
    loss: str | None = None


class _Mailbox:
    """An actor that holds the workers' reports until the driver reads them."""

    def __init__(self) -> None:
        self._step, self._error = 0, None

    def report(self, step: int) -> None:
        self._step = step

    def fail(self, error: Any) -> None:
        self._error = self._error or error

    def read(self) -> tuple[int, Any]:
        return self._step, self._error


def _run_attempt(
    task: dict[str, Any], group: WorkerGroup, folder: Path, on_step: Callable[[int], None]
) -> _WorkerAttempt:
    """Start the workers once and wait for them in a thread: in the main thread Ray Train would handle Ctrl-C itself."""
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    logging.getLogger("ray.train").setLevel(logging.ERROR)
    trainer = TorchTrainer(
        _run_worker,
        train_loop_config=task,
        torch_config=TorchConfig(backend="nccl" if group.gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=group.workers,
            use_gpu=group.gpu,
            resources_per_worker={"CPU": 1, **({"GPU": 1} if group.gpu else {})},
            placement_strategy="SPREAD",
        ),
        run_config=RunConfig(
            name="ray",
            storage_path=str(folder),
            failure_config=FailureConfig(controller_failure_limit=1),  # type: ignore[call-arg]  # stub is of Train V1
        ),
    )
    attempt = _WorkerAttempt()

    def run() -> None:
        try:
            trainer.fit()
        except Exception as error:  # noqa: BLE001 - the waiting thread must learn of every error
            attempt.loss = take_first_sentence(error)

    thread = threading.Thread(target=run, name="needle-ray", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_S)
        step, _ = ray.get(task["mailbox"].read.remote())
        if step > attempt.step:
            attempt.step = step
            on_step(step)
    attempt.error = ray.get(task["mailbox"].read.remote())[1]
    return attempt


def _run_worker(task: dict[str, Any]) -> None:
    """Run in each worker."""
    import ray
    import ray.train.torch

    device = ray.train.torch.get_device()
    first = ray.train.get_context().get_world_rank() == 0
    mailbox = task["mailbox"]

    def report(step: int) -> None:
        if first:
            mailbox.report.remote(step)

    try:
        task["work"](ray.get(task["argument"]), str(device), report)
    except NeedleError as error:
        ray.get(mailbox.fail.remote(error))
        raise
