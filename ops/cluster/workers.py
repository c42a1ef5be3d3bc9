"""One function in several processes at once, joined by torch.distributed: Ray Train's TorchTrainer.

The function keeps its own checkpoints. When a worker is lost, all are started anew and call it again; what it raises
as one of our errors would happen again, so that ends the run.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.cluster.room import await_room
from ops.cluster.session import Cluster
from ops.core.errors import ClusterError, NeedleError, first_sentence

log = logging.getLogger(__name__)

Tell = Callable[[int], None]
Work = Callable[[Any, str, Tell], None]

_LOSSES_IN_A_ROW = 3
_LISTEN_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Crew:
    """How many ``workers``, with a GPU each or none."""

    workers: int
    gpu: bool


def crew_of(cluster: Cluster, workers: int | None, gpu: bool | None) -> Crew:
    """The workers that were asked for; by default one a GPU, or one a node where there are none.

    Raises ``ClusterError`` where the cluster has not so many GPUs or CPUs: Ray itself would wait for them.
    """
    gpu = cluster.gpus > 0 if gpu is None else gpu
    count = workers or (cluster.gpus if gpu else cluster.nodes) or 1
    kind, there = ("GPU", cluster.gpus) if gpu else ("CPU", cluster.cpus)
    if count > min(there, cluster.cpus):
        where = f"the Ray cluster at {cluster.address}" if cluster.address else "this machine"
        raise ClusterError(
            f"{count} workers need a {kind} each, and {where} has {there} (CPUs: {cluster.cpus}): "
            f"--workers {max(1, min(there, cluster.cpus))}" + (" or --no-gpu" if gpu else "")
        )
    return Crew(workers=count, gpu=gpu)


@dataclass(kw_only=True)
class Losses:
    """Lost workers, and whether the work moves on between two losses: workers that are lost for a reason, such as too
    little memory, would be lost for ever."""

    reached: int = 0
    in_a_row: int = 0

    def count(self, step: int, reason: str) -> None:
        """One more, after ``step``. Raises ``ClusterError`` at the third in a row since the last new step."""
        self.in_a_row = 1 if step > self.reached else self.in_a_row + 1
        self.reached = max(self.reached, step)
        if self.in_a_row >= _LOSSES_IN_A_ROW:
            raise ClusterError(
                f"workers were lost {self.in_a_row} times at step {self.reached} ({reason}): see the machine's memory "
                "and Ray's logs; the same command goes on from the last checkpoint"
            )


def run_workers(
    work: Work, argument: Any, cluster: Cluster, crew: Crew, *, folder: Path, on_step: Callable[[int], None]
) -> None:
    """Call ``work(argument, device, tell)`` in each worker, until all have returned.

    ``work`` is a function of a module; ``argument`` goes through Ray's object store, once a node. The first worker
    tells the steps it has done, which ``on_step`` gets here. A lost worker is replaced as long as steps are done in
    between; three losses in a row without one end the run. ``folder``, for Ray's own notes, must be seen by all nodes.
    Raises the ``NeedleError`` that a worker raised, and ``ClusterError`` where workers are lost again and again or no
    room is found for them.
    """
    import ray

    await_room(cluster, cpus=crew.workers, gpus=crew.workers if crew.gpu else 0)
    mailbox = ray.remote(num_cpus=0)(_Mailbox).remote()
    task = {"work": work, "argument": ray.put(argument), "mailbox": mailbox}
    losses = Losses()
    while True:
        try:
            heard = _attempt(task, crew, folder, on_step)
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"the Ray cluster is gone ({first_sentence(error)}): start the same command again"
            ) from error
        if heard.error is not None:
            raise heard.error
        if heard.lost is None:
            return
        losses.count(heard.step, heard.lost)
        log.warning("a worker was lost after step %d: all go on from the last checkpoint", heard.step)


@dataclass(kw_only=True)
class _Heard:
    """What came of one attempt: the last step, an error of ours, or why a worker was lost."""

    step: int = 0
    error: NeedleError | None = None
    lost: str | None = None


class _Mailbox:
    """An actor that holds what the workers have to say until the driver asks."""

    def __init__(self) -> None:
        self._step, self._error = 0, None

    def tell(self, step: int) -> None:
        self._step = step

    def fail(self, error: Any) -> None:
        self._error = self._error or error

    def heard(self) -> tuple[int, Any]:
        return self._step, self._error


def _attempt(task: dict[str, Any], crew: Crew, folder: Path, on_step: Callable[[int], None]) -> _Heard:
    """One life of the workers. They are waited for in a thread: Ray Train would take Ctrl-C for itself."""
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    logging.getLogger("ray.train").setLevel(logging.ERROR)
    trainer = TorchTrainer(
        _worker,
        train_loop_config=task,
        torch_config=TorchConfig(backend="nccl" if crew.gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=crew.workers,
            use_gpu=crew.gpu,
            resources_per_worker={"CPU": 1, **({"GPU": 1} if crew.gpu else {})},
            placement_strategy="SPREAD",
        ),
        run_config=RunConfig(
            name="ray",
            storage_path=str(folder),
            failure_config=FailureConfig(controller_failure_limit=1),  # type: ignore[call-arg]  # stub is of Train V1
        ),
    )
    heard = _Heard()

    def run() -> None:
        try:
            trainer.fit()
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread that waits has to be told
            heard.lost = first_sentence(error)

    thread = threading.Thread(target=run, name="needle-ray", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_LISTEN_S)
        step, _ = ray.get(task["mailbox"].heard.remote())
        if step > heard.step:
            heard.step = step
            on_step(step)
    heard.error = ray.get(task["mailbox"].heard.remote())[1]
    return heard


def _worker(task: dict[str, Any]) -> None:
    """What runs in each worker."""
    import ray
    import ray.train.torch

    device = ray.train.torch.get_device()
    first = ray.train.get_context().get_world_rank() == 0
    mailbox = task["mailbox"]

    def tell(step: int) -> None:
        if first:
            mailbox.tell.remote(step)

    try:
        task["work"](ray.get(task["argument"]), str(device), tell)
    except NeedleError as error:
        ray.get(mailbox.fail.remote(error))
        raise
