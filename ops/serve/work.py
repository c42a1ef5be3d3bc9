"""How much is done at once: few things in threads, the others in a line that has an end.

Two cores are not faster with sixteen searches at once, only less fair. Each kind of work has a number of
threads; who comes first is served first, and who finds the line full is told to come again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from ops.serve.problems import ProblemError

Result = TypeVar("Result")
RETRY_AFTER_S = 2


class Lane:
    """``threads`` pieces of one kind of work at a time, and at most ``line`` that wait."""

    def __init__(self, name: str, threads: int, line: int) -> None:
        self.name = name
        self._line = line
        self._limiter = CapacityLimiter(threads)

    @property
    def waiting(self) -> int:
        return self._limiter.statistics().tasks_waiting

    async def run(self, work: Callable[..., Result], *arguments: object) -> Result:
        """The result of ``work(*arguments)`` in a thread. Raises ``ProblemError`` 429 where the line is full.

        Work whose caller went away is finished, and its result dropped.
        """
        if self.waiting >= self._line:
            raise ProblemError(
                429, f"too many requests for {self.name} at once: try again", {"retry-after": str(RETRY_AFTER_S)}
            )
        return await run_sync(partial(work, *arguments), limiter=self._limiter)
