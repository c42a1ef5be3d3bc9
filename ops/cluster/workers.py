"""Run one function in several processes joined by torch.distributed: Ray Train's TorchTrainer.

The function keeps its own checkpoints. If a worker is lost, all workers start again and call the function again. An
error of Needle that it raises would happen again, so it ends the run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.cluster.resources import WorkerGroup, reduce_workers, wait_for_resources
from ops.cluster.session import Cluster
from ops.core.errors import ClusterError, NeedleError, take_first_sentence

log = logging.getLogger(__name__)

Work = Callable[[Any, str, "WorkerReport"], None]

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


class WorkerReport:
    """The connection of a worker to the run."""

    def __init__(self, mailbox: Any, *, is_first: bool) -> None:
        self._mailbox, self._is_first = mailbox, is_first

    def reach(self, step: int) -> None:
        """Report a finished step."""
        if self._is_first:
            self._mailbox.report.remote(step)

    def resume(self, step: int) -> None:
        """Report the number of steps that earlier runs finished, before the first new one."""
        if self._is_first:
            self._mailbox.resume.remote(step)

    def restore(self, folder: Path) -> None:
        """Copy the files of the last :meth:`save` into ``folder``; nothing if there is none."""
        import ray.train

        _fetch(ray.train.get_checkpoint(), folder)

    def save(self, folder: Path) -> None:
        """Store the first worker's files of ``folder`` in the run's storage. Every worker must call it."""
        import ray.train

        checkpoint = ray.train.Checkpoint.from_directory(str(folder)) if self._is_first else None
        ray.train.report({}, checkpoint=checkpoint)


def run_workers(
    work: Work,
    argument: Any,
    cluster: Cluster,
    group: WorkerGroup,
    *,
    folder: Path,
    on_step: Callable[[int], None],
    on_resume: Callable[[int], None],
    counts: Sequence[int] = (),
    storage: str = "",
) -> int:
    """Call ``work(argument, device, report)`` in each worker; return the last number of workers when all are done.

    ``work`` is a function of a module; ``argument`` goes through Ray's object store, once per node. The first worker
    reports finished steps, which ``on_step`` receives here; ``on_resume`` receives those of an earlier run before, if
    there are any. Lost workers are replaced as long as there are new steps; three losses in a row without one end the
    run. If their resources do not come back within seconds, the run goes on with fewer workers, one of ``counts``.
    ``folder`` must be shared by all nodes, unless ``storage``, an address such as ``s3://bucket/prefix``, keeps the
    files that workers ``save``: Ray Train's storage.

    Raises:
        NeedleError: as raised by a worker.
        ClusterError: workers are lost repeatedly, or the cluster has too few free resources.
    """
    import ray

    wait_for_resources(cluster, cpus=group.workers, gpus=group.workers if group.gpu else 0)
    mailbox = _start_mailbox()
    task = {"work": work, "argument": ray.put(argument), "mailbox": mailbox}
    losses = WorkerLosses()
    place = _configure_storage(folder, storage)
    reports = _Reports(mailbox=mailbox, on_step=on_step, on_resume=on_resume)
    while True:
        try:
            attempt = _run_attempt(task, group, place, reports)
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"the Ray cluster is gone ({take_first_sentence(error)}): start the same command again"
            ) from error
        if reports.error is not None:
            raise reports.error
        if attempt.loss is None:
            if storage:
                _fetch(attempt.checkpoint, folder)
            return group.workers
        losses.count(reports.step, attempt.loss)
        log.warning("a worker was lost after step %d: all resume from the last checkpoint", reports.step)
        group = reduce_workers(cluster, group, counts)


@dataclass(kw_only=True)
class _WorkerAttempt:
    """The result of one attempt: the last checkpoint, or why a worker was lost."""

    loss: str | None = None
    checkpoint: Any = None


class _Mailbox:
    """An actor that holds the workers' reports until the driver reads them."""

    def __init__(self) -> None:
        self._step, self._resumed_at, self._error = 0, 0, None

    def report(self, step: int) -> None:
        self._step = step

    def resume(self, step: int) -> None:
        self._resumed_at = step

    def fail(self, error: Any) -> None:
        self._error = self._error or error

    def read(self) -> tuple[int, int, Any]:
        return self._step, self._resumed_at, self._error


@dataclass(kw_only=True)
class _Reports:
    """Passes the workers' reports on. Steps after which workers resume when one was lost are no news."""

    mailbox: Any
    on_step: Callable[[int], None]
    on_resume: Callable[[int], None]
    step: int = 0
    error: NeedleError | None = None

    def pass_on(self) -> None:
        import ray

        step, resumed_at, self.error = ray.get(self.mailbox.read.remote())
        if resumed_at and not self.step:
            self.step = resumed_at
            self.on_resume(resumed_at)
        if step > self.step:
            self.step = step
            self.on_step(step)


def _start_mailbox() -> Any:
    import ray

    return ray.remote(num_cpus=0)(_Mailbox).options(scheduling_strategy=_stay_here()).remote()


def _stay_here() -> Any:
    """Return the scheduling on this process's own node, so that the loss of another node does not end the run."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)


def _run_attempt(task: dict[str, Any], group: WorkerGroup, place: dict[str, Any], reports: _Reports) -> _WorkerAttempt:
    """Start the workers once and wait for them.

    Ray Train runs in a task: in this process's main thread it would handle Ctrl-C itself, and in another thread it
    could still use Ray after its end, which ends the process.
    """
    import ray

    attempt = _WorkerAttempt()
    fit = ray.remote(num_cpus=0, max_retries=0)(_fit).options(scheduling_strategy=_stay_here())
    future = fit.remote(task, group, place).future()  # `ray.wait` turns Ctrl-C into a SystemError
    while not wait([future], _POLL_S).done:
        reports.pass_on()
    reports.pass_on()
    try:
        attempt.checkpoint = future.result()
    except ray.exceptions.RayError as error:
        attempt.loss = take_first_sentence(getattr(error, "cause", None) or error)
    return attempt


def _fit(task: dict[str, Any], group: WorkerGroup, place: dict[str, Any]) -> Any:
    """Run the workers to their end in Ray Train; return the last checkpoint. Raises as ``TorchTrainer.fit``."""
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

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
            **place,
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            failure_config=FailureConfig(controller_failure_limit=1),  # type: ignore[call-arg]  # stub is of Train V1
        ),
    )
    return trainer.fit().checkpoint


def _run_worker(task: dict[str, Any]) -> None:
    """Run in each worker."""
    import ray
    import ray.train.torch

    device = ray.train.torch.get_device()
    first = ray.train.get_context().get_world_rank() == 0
    mailbox = task["mailbox"]

    try:
        task["work"](ray.get(task["argument"]), str(device), WorkerReport(mailbox, is_first=first))
    except NeedleError as error:
        ray.get(mailbox.fail.remote(error))
        raise


def _configure_storage(folder: Path, storage: str) -> dict[str, Any]:
    """Return the storage of Ray Train's files: a shared folder, or an object store as Needle reaches it."""
    if not storage:
        return {"storage_path": str(folder)}
    import fsspec
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    scheme, _, path = storage.partition("://")
    return {"storage_path": path, "storage_filesystem": PyFileSystem(FSSpecHandler(fsspec.filesystem(scheme)))}


def _fetch(checkpoint: Any, folder: Path) -> None:
    """Copy the files of the last checkpoint into ``folder``."""
    if checkpoint is not None:
        checkpoint.to_directory(str(folder))
