"""One writer at a time for one thing, across processes of one machine.

Stands alone because a lock that is not released by ``kill -9`` would stop the catalogue for ever:
``flock`` belongs to the open file, so the kernel releases it with the process.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` alone for the block; waits for other holders."""
    with _locked(path, fcntl.LOCK_EX):
        yield


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` together with others that share it; waits for one that holds it alone."""
    with _locked(path, fcntl.LOCK_SH):
        yield


@contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path`` alone where nobody holds it: true then, and false at once where somebody does."""
    try:
        with _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            yield True
    except BlockingIOError:
        yield False


def is_alive(pid: int) -> bool:
    """Whether this machine runs a process of that number, ours or somebody else's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, how)
        yield
