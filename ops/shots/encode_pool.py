"""Run the work of many shots on a few threads: in order within a shot, in any order between shots."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

MOST_FRAMES_WAITING = 96
"""Frames between detector and encoder; about 33 MB at 640 x 360."""


class EncodePool:
    """Threads that encode, with a bound on the waiting frames. With ``threads`` of 1 the caller does all work itself.

    The first error of any thread is raised in the caller at its next call.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="encode") if threads > 1 else None
        self._room = threading.BoundedSemaphore(MOST_FRAMES_WAITING)
        self._error: BaseException | None = None
        self._is_stopping = False

    def __enter__(self) -> EncodePool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_stopping = error is not None
        if self._pool:
            self._pool.shutdown(wait=True)
        if error is None:
            self.raise_error()

    def raise_error(self) -> None:
        """Raise the first error of a thread, if there is one."""
        if self._error is not None:
            raise self._error

    def add_queue(self) -> SerialQueue:
        """A new queue of calls that run one after the other."""
        return SerialQueue(self)


class SerialQueue:
    """Calls that run in the order in which they were submitted, one at a time."""

    def __init__(self, pool: EncodePool) -> None:
        self._encode_pool = pool
        self._calls: deque[tuple[Callable[[], None], bool]] = deque()
        self._lock = threading.Lock()
        self._is_running = False

    def submit(self, call: Callable[[], None], *, holds_frame: bool = False) -> None:
        """Run ``call`` after those before it; wait if too many calls that hold a frame are pending."""
        pool = self._encode_pool
        pool.raise_error()
        if pool._pool is None:
            call()
            return
        if holds_frame:
            pool._room.acquire()
        with self._lock:
            self._calls.append((call, holds_frame))
            if self._is_running:
                return
            self._is_running = True
        pool._pool.submit(self._run)

    def _run(self) -> None:
        pool = self._encode_pool
        while True:
            with self._lock:
                if not self._calls:
                    self._is_running = False
                    return
                call, holds_frame = self._calls.popleft()
            try:
                if pool._error is None and not pool._is_stopping:
                    call()
            except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
                pool._error = error
            finally:
                if holds_frame:
                    pool._room.release()
