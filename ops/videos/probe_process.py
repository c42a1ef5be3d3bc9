"""Open videos in a separate process: a decoder that crashes or hangs costs one video and not the run.

The process is started for the first video and kept for the next ones, because starting it takes as long as opening ten
videos (0.5 s). After a crash or a hang the next video gets a new one.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from logging.handlers import QueueHandler
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Protocol

from ops.core.errors import MediaError
from ops.core.interrupts import interrupts_held_back
from ops.core.media import MediaInfo
from ops.videos.film_errors import film_errors
from ops.videos.probe import probe

STEP = "opening it"
OVERTIME_S = 30
"""A process that hangs after its parent is gone ends itself this many seconds after the limit."""

OpenFilm = Callable[[Path], MediaInfo]
Answer = tuple[MediaInfo | MediaError | OSError | ImportError, list[logging.LogRecord]]


class Prober(Protocol):
    """An object that opens videos, such as :class:`ProbeProcess`."""

    def probe(self, path: Path, name: str) -> MediaInfo:
        """Return the facts about the file at ``path``, which users know as ``name``. Raises ``MediaError``."""


class ProbeProcess:
    """Calls ``open_film`` in another process, within ``limit_s`` seconds a video."""

    def __init__(self, limit_s: float, open_film: OpenFilm = probe) -> None:
        self._limit_s = limit_s
        self._open_film = open_film
        self._process: BaseProcess | None = None
        self._connection: Connection[tuple[Path, str], Answer] | None = None

    def __enter__(self) -> ProbeProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def probe(self, path: Path, name: str) -> MediaInfo:
        """Return the facts about the video at ``path``; errors are reported about ``name``, its address.

        A video whose process dies is tried once more, because the system may have killed it for the memory of another
        program. Raises ``MediaError`` if the video cannot be used, ends its process twice, or takes longer than the
        limit.
        """
        for _ in range(2):
            try:
                return self._ask(path, name)
            except (EOFError, ConnectionError):
                exit_code = self._end()
        raise MediaError(_reason_of_death(exit_code))

    def _ask(self, path: Path, name: str) -> MediaInfo:
        connection = self._connection or self._start()
        connection.send((path, name))
        if not connection.poll(self._limit_s):
            self._end()
            raise MediaError(
                f"{STEP} took longer than {self._limit_s:g} seconds (NEEDLE_OPEN_SECONDS) and was given up: convert "
                "it, or allow more time if it is on a slow disk"
            )
        result, records = connection.recv()
        for record in records:
            logging.getLogger(record.name).handle(record)
        if isinstance(result, Exception):
            raise result
        return result

    def _start(self) -> Connection[tuple[Path, str], Answer]:
        context = get_context("spawn")  # a decoder that crosses ``fork`` hangs
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._open_film, self._limit_s), daemon=True)
        with interrupts_held_back():  # until it ignores them: its parent ends it
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


def _reason_of_death(exit_code: int) -> str:
    if exit_code == -signal.SIGKILL:
        return (
            "the process that opened it was killed (SIGKILL), twice, most often for want of memory: free memory and "
            "try again with `needle ingest --retry`"
        )
    how = signal.Signals(-exit_code).name if exit_code < 0 else f"exit status {exit_code}"
    return f"the process that opened it crashed ({how}), twice: convert it, for example with ffmpeg, or report it"


def _serve(connection: Connection[Answer, tuple[Path, str]], open_film: OpenFilm, limit_s: float) -> None:
    """Answer requests in the other process until the connection ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    records: SimpleQueue[logging.LogRecord] = SimpleQueue()
    root = logging.getLogger()
    root.handlers[:] = [QueueHandler(records)]
    root.setLevel(logging.INFO)
    while True:
        try:
            path, name = connection.recv()
        except EOFError:
            return
        signal.alarm(round(limit_s + OVERTIME_S))
        result = _open(open_film, path, name)
        signal.alarm(0)
        connection.send((result, [records.get() for _ in range(records.qsize())]))


def _open(open_film: OpenFilm, path: Path, name: str) -> MediaInfo | MediaError | OSError | ImportError:
    try:
        with film_errors(name, STEP):
            return open_film(path)
    except (MediaError, OSError, ImportError) as error:
        return error
