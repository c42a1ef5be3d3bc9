"""One writer at a time for one thing, across processes of one machine.

Stands alone because a lock that is not released by ``kill -9`` would stop the catalogue for ever:
``flock`` belongs to the open file, so the kernel releases it with the process.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` for the block; waits for another holder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
