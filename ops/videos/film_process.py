"""Work on films in a separate process: a decoder that crashes or hangs costs one film and not the run.

The process is started for the first film and kept for the next ones, because starting it takes as long as opening ten
films (0.5 s). After a crash or a hang the next film gets a new one.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from types import TracebackType
from typing import Generic, TypeVar

from ops.core.child_processes import copy_environment, get_child_context, set_environment
from ops.core.errors import MediaError, NeedleError
from ops.core.interrupts import hold_back_interrupts
from ops.core.process_limits import ProcessLimits
from ops.videos.film_errors import convert_film_errors

OVERTIME_S = 30
"""A process that hangs after its parent is gone ends itself this many seconds after the limit."""

Request = TypeVar("Request")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class FilmStep:
    """Words for the reasons: ``doing`` as in "opening it", ``did`` as in "opened it", ``limit`` names the limit."""

    doing: str
    did: str
    limit: str


class FilmProcess(Generic[Request, Result]):
    """Calls ``work`` in another process, within the memory of ``limits``.

    ``work``, its requests and its results must be picklable.
    """

    def __init__(self, work: Callable[[Request], Result], step: FilmStep, limits: ProcessLimits) -> None:
        self._work = work
        self._step = step
        self._limits = limits
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> FilmProcess[Request, Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def ask(self, request: Request, name: str, limit_s: float) -> Result:
        """Return ``work(request)``; errors are reported about ``name``, the film's address.

        A film whose process dies is tried once more, because the system may have killed it for the memory of another
        program. Raises ``MediaError`` if the film cannot be used, ends its process twice, or takes longer than
        ``limit_s``. Other errors of the project, ``OSError`` and ``ImportError`` of the work pass.
        """
        for _ in range(2):
            try:
                return self._ask(request, name, limit_s)
            except (EOFError, ConnectionError):
                exit_code = self._end()
        raise MediaError(self._explain_death(exit_code))

    def _ask(self, request: Request, name: str, limit_s: float) -> Result:
        connection = self._connection or self._start()
        connection.send((request, name, limit_s))
        if not connection.poll(limit_s):
            self._end()
            raise MediaError(
                f"{self._step.doing} took longer than {limit_s:g} seconds ({self._step.limit}) and was given up: "
                "convert it, or allow more time if it is on a slow disk"
            )
        result: Result | Exception
        result, records = connection.recv()
        for record in records:
            logging.getLogger(record.name).handle(record)
        if isinstance(result, Exception):
            raise result
        return result

    def _start(self) -> Connection:
        context = get_child_context()
        self._connection, theirs = context.Pipe()
        arguments = (theirs, self._work, self._step.doing, self._limits, copy_environment())
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        with hold_back_interrupts():  # until it ignores them: its parent ends it
            self._process.start()
        theirs.close()  # so that its end is seen as the end of the connection
        return self._connection

    def _end(self) -> int:
        """End the process, and return its exit code."""
        if self._process is None or self._connection is None:
            return 0
        self._connection.close()
        if self._process.exitcode is None:
            self._process.join(0.5)
        self._process.kill()  # it may hang; one that died already keeps its exit code
        self._process.join()
        exit_code = self._process.exitcode or 0
        self._process.close()
        self._process = self._connection = None
        return exit_code

    def _explain_death(self, exit_code: int) -> str:
        if exit_code == -signal.SIGKILL:
            return (
                f"the process that {self._step.did} was killed (SIGKILL), twice, most often for want of memory: free "
                "memory and try again with `needle ingest --retry`"
            )
        how = signal.Signals(-exit_code).name if exit_code < 0 else f"exit status {exit_code}"
        return (
            f"the process that {self._step.did} crashed ({how}), twice: convert it, for example with ffmpeg, or "
            "report it"
        )


def _serve(
    connection: Connection,
    work: Callable[[Request], Result],
    doing: str,
    limits: ProcessLimits,
    environment: dict[str, str],
) -> None:
    """Answer requests in the other process until the connection ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_environment(environment)
    records: SimpleQueue[logging.LogRecord] = SimpleQueue()
    root = logging.getLogger()
    root.handlers[:] = [QueueHandler(records)]
    root.setLevel(logging.INFO)
    while True:
        try:
            request, name, limit_s = connection.recv()
        except EOFError:
            return
        signal.alarm(round(limit_s + OVERTIME_S))
        with limits.limit_memory():
            result = _try(work, request, name, doing)
        signal.alarm(0)
        connection.send((result, [records.get() for _ in range(records.qsize())]))


def _try(
    work: Callable[[Request], Result], request: Request, name: str, doing: str
) -> Result | NeedleError | OSError | ImportError:
    try:
        with convert_film_errors(name, doing):
            return work(request)
    except (NeedleError, OSError, ImportError) as error:
        return error
