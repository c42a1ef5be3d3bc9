"""Limits of a process that reads one untrusted film: its memory, the files that it writes, and its time.

A few bytes of a film can ask a decoder for gigabytes, or for hours of work. The system counts the first two, and
refuses what exceeds them. A process that exceeds its time ends itself by ``SIGALRM``.
"""

from __future__ import annotations

import mmap
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_SPARE_BYTES = 64 << 20
"""If so much can be had, memory is not scarce: a frame of 4K in 10 bits has 25 MB."""
_NOW_S = 0.001


@dataclass(frozen=True, kw_only=True)
class ProcessLimits:
    """Limits in bytes and seconds; 0 means unlimited.

    ``memory_bytes`` is what a film may add to the process: private, writable memory (``RLIMIT_DATA``). Address space
    that is only reserved, as by CUDA and by malloc for its threads, does not count. macOS does not enforce it.
    ``pause_s`` is the longest time without a frame, ``total_s`` that of a whole film.
    """

    memory_bytes: int = 0
    file_bytes: int = 0
    pause_s: float = 0
    total_s: float = 0

    @contextmanager
    def limit_memory(self) -> Iterator[None]:
        """Refuse more memory in the block: an allocation fails with ``MemoryError``, or as its library has it."""
        with _soft_limit(resource.RLIMIT_DATA, self.memory_bytes and _read_data_bytes() + self.memory_bytes):
            yield

    @contextmanager
    def limit_files(self) -> Iterator[None]:
        """Refuse larger files in the block: a write fails with ``EFBIG``, because Python ignores ``SIGXFSZ``."""
        with _soft_limit(resource.RLIMIT_FSIZE, self.file_bytes):
            yield

    def watch(self, items: Iterator[T]) -> Iterator[T]:
        """Yield the items; end this process if the next one, or all of them, take too long.

        The process ends because a decoder in C cannot be interrupted. So only a child process may call this.
        """
        end_s = time.monotonic() + self.total_s if self.total_s else None
        try:
            self._set_alarm(end_s)
            for item in items:
                self._set_alarm(end_s)
                yield item
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _set_alarm(self, end_s: float | None) -> None:
        left_s = [] if end_s is None else [end_s - time.monotonic()]
        limits_s = [*left_s, self.pause_s] if self.pause_s else left_s
        if limits_s:
            signal.setitimer(signal.ITIMER_REAL, max(min(limits_s), _NOW_S))


def is_memory_limited() -> bool:
    """Return whether this process has a limit of its memory."""
    return resource.getrlimit(resource.RLIMIT_DATA)[0] != resource.RLIM_INFINITY


@contextmanager
def exempt_libraries() -> Iterator[None]:
    """Do not count the memory that the block adds: torch 2.14 maps 3 GB at import and uses 0.4 (2026-11-29)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft == resource.RLIM_INFINITY:
        yield
        return
    before = _read_data_bytes()
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft + max(_read_data_bytes() - before, 0), hard))


def _read_data_bytes() -> int:
    """Return the private, writable memory of this process in bytes; 0 on systems that do not count it."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("VmData:")), 0)


def require_memory(error: Exception) -> None:
    """Raise ``MemoryError`` if little memory is left: then that is the cause of a decoder's ``error``, not damage.

    Decoders report a lack of memory as other errors, too. A ``MemoryError`` with much memory left means that damaged
    data announced an absurd size.
    """
    if not _has_spare_memory():
        raise MemoryError(str(error)) from error


def _has_spare_memory() -> bool:
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if soft == resource.RLIM_INFINITY:
        return True
    try:
        mmap.mmap(-1, _SPARE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError:
        return False
    return True


@contextmanager
def _soft_limit(kind: int, value: int) -> Iterator[None]:
    if not value:
        yield
        return
    soft, hard = resource.getrlimit(kind)
    lowest = min(each for each in (value, soft, hard) if each != resource.RLIM_INFINITY)
    resource.setrlimit(kind, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))
