"""A folder for temporary files of one video; a later run removes the folder of a killed process."""

from __future__ import annotations

import fcntl
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)

PREFIX = "shots-"
LOCK = ".in-use"
MIN_AGE_S = 60
"""A younger folder may belong to a process that is about to take its lock."""


@contextmanager
def open_working_folder(scratch: Path, video_id: str) -> Iterator[Path]:
    """A new folder below ``scratch`` for the block; folders of killed processes are deleted first."""
    scratch.mkdir(parents=True, exist_ok=True)
    _sweep(scratch)
    with tempfile.TemporaryDirectory(dir=scratch, prefix=f"{PREFIX}{video_id}-") as name:
        folder = Path(name)
        with (folder / LOCK).open("w") as lock:
            # The kernel releases the lock with the process, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder


def _sweep(scratch: Path) -> None:
    for folder in scratch.glob(f"{PREFIX}*"):
        try:
            if time.time() - folder.stat().st_mtime < MIN_AGE_S:
                continue
            with (folder / LOCK).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                logger.info("removed %s, left by a process that was killed", folder)
        except (BlockingIOError, FileNotFoundError, NotADirectoryError):
            continue
