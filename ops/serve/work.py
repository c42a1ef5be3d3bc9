"""Limits of concurrent work: a few tasks in threads, the others in a bounded queue.

Two cores are not faster with sixteen searches at once, only less fair. Each kind of work has a number of threads;
requests are served in order, and a request that finds the queue full is rejected with a retry message.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from anyio import CapacityLimiter, create_task_group
from anyio.to_thread import run_sync
from fastapi import Request

from ops.core.cancellation import CancelToken
from ops.core.errors import JobCancelledError
from ops.serve.problems import ProblemError

Result = TypeVar("Result")
RETRY_AFTER_S = 2


class WorkQueue:
    """``threads`` tasks of one kind of work at a time, and at most ``line`` that wait."""

    def __init__(self, name: str, threads: int, line: int) -> None:
        self.name = name
        self._line = line
        self._limiter = CapacityLimiter(threads)

    @property
    def running(self) -> int:
        return self._limiter.borrowed_tokens

    @property
    def waiting(self) -> int:
        return self._limiter.statistics().tasks_waiting

    async def run(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Return the result of ``work(*arguments)`` in a thread. Raises ``ProblemError`` 429 if the queue is full.

        If the client disconnects, the work is finished and its result dropped.
        """
        if self.waiting >= self._line:
            raise ProblemError(
                429, f"too many requests for {self.name} at once: try again", {"retry-after": str(RETRY_AFTER_S)}
            )
        return await run_sync(partial(work, *arguments), limiter=self._limiter)

    async def run_while_wanted(self, request: Request, work: Callable[..., Result], *arguments: object) -> Result:
        """Return the result of ``work(*arguments, stop)``; ``stop`` is set when the client disconnects.

        Work that is still queued then is not started. The request's body must have been read.
        Raises ``JobCancelledError`` if the client disconnects, and ``ProblemError`` as :meth:`run`.
        """
        stop = CancelToken()
        results: list[Result] = []
        failures: list[Exception] = []
        async with create_task_group() as group:

            async def watch() -> None:
                while (await request.receive())["type"] != "http.disconnect":
                    pass
                stop.set()
                group.cancel_scope.cancel()

            group.start_soon(watch)
            try:
                results.append(await self.run(work, *arguments, stop))
            except Exception as error:  # noqa: BLE001 - raised again below: a task group would wrap it
                failures.append(error)
            group.cancel_scope.cancel()
        if failures:
            raise failures[0]
        if not results:
            raise JobCancelledError("the client went away before its turn came")
        return results[0]
