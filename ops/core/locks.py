"""One writer at a time for one thing, across processes of one machine.

Stands alone because a lock that survives ``kill -9`` would stop the catalogue permanently. ``flock`` belongs to the
open file, so the kernel releases it with the process.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def lock_exclusively(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` exclusively for the block; wait for other holders."""
    with _hold_lock(path, fcntl.LOCK_EX):
        yield


@contextmanager
def lock_shared(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` together with other shared holders; wait for an exclusive holder."""
    with _hold_lock(path, fcntl.LOCK_SH):
        yield


@contextmanager
def lock_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path`` exclusively if it is free, and yield true; if it is held, yield false at once."""
    try:
        with _hold_lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            yield True
    except BlockingIOError:
        yield False


@contextmanager
def lock_temporarily(path: Path) -> Iterator[bool]:
    """As :func:`lock_if_free`, with a lock file that is deleted at the end of the block: for folders of users."""
    try:
        with _hold_lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB) as handle:
            # A holder that ended between the opening and the locking has deleted this file: it locks nothing.
            is_held = _is_at(handle, path)
            try:
                yield is_held
            finally:
                if is_held:
                    path.unlink(missing_ok=True)
    except BlockingIOError:
        yield False


@contextmanager
def lock_name(path: Path, name: str) -> Iterator[None]:
    """Hold the lock called ``name`` of the lock file ``path`` exclusively for the block; wait for another holder.

    Each name locks one byte of the file at a place that is a hash of the name, so one file has all locks of a lake.
    As with ``flock``, the lock belongs to the open file, not to the process: threads exclude each other, too.
    """
    place = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") >> 2
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as handle:
        # struct flock of Linux: type, whence, start, length, process (0 for locks of open files)
        fcntl.fcntl(handle, fcntl.F_OFD_SETLKW, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0))
        yield


def is_alive(pid: int) -> bool:
    """Whether this machine runs a process with this id, of any user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _hold_lock(path: Path, how: int) -> Iterator[TextIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, how)
        yield handle


def _is_at(handle: TextIO, path: Path) -> bool:
    """Return whether ``path`` still names the open file."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False
