"""Work on films in a separate process: a decoder that crashes or hangs costs one film and not the run.

The process is started for the first film and kept for the next ones, because starting it takes as long as opening ten
films (0.5 s). After a crash or a hang the next film gets a new one.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, TypeVar

from ops.core.cancellation import CancelToken
from ops.core.child_processes import copy_environment, get_child_context, set_environment
from ops.core.errors import MediaError, NeedleError
from ops.core.interrupts import hold_back_interrupts
from ops.core.process_limits import ProcessLimits
from ops.videos.film_errors import convert_film_errors

OVERTIME_S = 30
"""A process that hangs after its parent is gone ends itself this many seconds after the limit."""

STOP_CHECK_S = 0.2
"""How often a call that yields items looks if it is to stop."""

Request = TypeVar("Request")
Result = TypeVar("Result")
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class FilmStep:
    """Words for the reasons: ``doing`` as in "opening it", ``did`` as in "opened it", ``limit`` names the limit.

    ``again`` says how a person tries again.
    """

    doing: str
    did: str
    limit: str
    again: str = "try again with `needle ingest --retry`"


class _End:
    """Follows the last item of a result that is an iterator."""


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
        raise MediaError(self._explain_death(exit_code, "twice"))

    def ask_each(
        self: FilmProcess[Request, Iterator[Item]], request: Request, name: str, limit_s: float, stop: CancelToken
    ) -> Iterator[Item]:
        """Yield the items of ``work(request)`` as they are made; errors are reported about ``name``.

        Raises ``MediaError`` if the film cannot be used, ends its process, or takes longer than ``limit_s`` (0: no
        limit) in all; ``JobCancelledError`` soon after ``stop`` is set. Then the process is ended.
        """
        is_whole = False
        try:
            connection = self._connection or self._start()
            connection.send((request, name, limit_s))
            end_s = time.monotonic() + limit_s
            while not isinstance(item := self._wait(connection, end_s if limit_s else None, limit_s, stop), _End):
                yield item
            is_whole = True
        except (EOFError, ConnectionError) as error:
            raise MediaError(self._explain_death(self._end())) from error
        finally:
            if not is_whole:
                self._end()  # it is still at work

    def _wait(self, connection: Connection, end_s: float | None, limit_s: float, stop: CancelToken) -> Any:
        while not connection.poll(STOP_CHECK_S):
            stop.check()
            if end_s is not None and time.monotonic() > end_s:
                raise MediaError(self._explain_time(limit_s))
        return self._receive(connection)

    def _ask(self, request: Request, name: str, limit_s: float) -> Result:
        connection = self._connection or self._start()
        connection.send((request, name, limit_s))
        if not connection.poll(limit_s):
            self._end()
            raise MediaError(self._explain_time(limit_s))
        result: Result = self._receive(connection)
        return result

    def _receive(self, connection: Connection) -> Any:
        """Return what the process sent; raise it if it is an error."""
        result, records = connection.recv()
        for record in records:
            logging.getLogger(record.name).handle(record)
        if isinstance(result, Exception):
            raise result
        return result

    def _start(self) -> Connection:
        context = get_child_context()
        connection, theirs = context.Pipe()
        arguments = (theirs, self._work, self._step.doing, self._limits, copy_environment())
        process = context.Process(target=_serve, args=arguments, daemon=True)
        with hold_back_interrupts():  # until it ignores them: its parent ends it
            process.start()  # another thread may take the signal, and then it is interrupted all the same
        theirs.close()  # so that its end is seen as the end of the connection
        self._process, self._connection = process, connection
        return connection

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

    def _explain_time(self, limit_s: float) -> str:
        return (
            f"{self._step.doing} took longer than {limit_s:g} seconds ({self._step.limit}) and was given up: "
            "convert it, or allow more time if it is on a slow disk"
        )

    def _explain_death(self, exit_code: int, times: str = "") -> str:
        times = f", {times}" if times else ""
        if exit_code == -signal.SIGKILL:
            return (
                f"the process that {self._step.did} was killed (SIGKILL){times}, most often for want of memory: free "
                f"memory and {self._step.again}"
            )
        how = signal.Signals(-exit_code).name if exit_code < 0 else f"exit status {exit_code}"
        way_out = "convert it, for example with ffmpeg, or report it"
        return f"the process that {self._step.did} crashed ({how}){times}: {way_out}"


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
        signal.alarm(round(limit_s + OVERTIME_S) if limit_s else 0)
        try:
            with limits.limit_memory():
                for result in _try(work, request, name, doing):
                    connection.send((result, [records.get() for _ in range(records.qsize())]))
        except BrokenPipeError:
            return  # the parent closed the connection
        signal.alarm(0)


def _try(
    work: Callable[[Request], Result], request: Request, name: str, doing: str
) -> Iterator[object | NeedleError | OSError | ImportError]:
    """Yield the result; of an iterator its items, and then an ``_End``. An error is the last one in any case."""
    try:
        with convert_film_errors(name, doing):
            result = work(request)
            if not isinstance(result, Iterator):
                yield result
                return
            yield from result
            yield _End()
    except (NeedleError, OSError, ImportError) as error:
        yield error
