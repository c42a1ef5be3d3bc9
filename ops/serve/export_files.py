"""Export files for one answer, and their progress: no file stays on the disk, however the answer ends.

The file is unlinked before its first byte is sent. So nothing remains if a client stops reading or the service is
killed. Files of a service that was killed while it wrote are deleted at the next start or export.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ops.core.locks import lock_if_free, lock_shared
from ops.core.types import SilentProgress

PIECE = 256 * 1024


class ExportTally(SilentProgress):
    """Progress of an export: ``done`` of ``total`` clips; 0 of 0 while it is queued, and for instant formats."""

    def __init__(self) -> None:
        self.done = 0
        self.total = 0

    def start(self, stage: str, total: float, unit: str) -> None:
        self.total = int(total)

    def advance(self, stage: str, amount: float = 1) -> None:
        self.done += int(amount)


class ExportFolder:
    """The folder in which exports are written; every service that writes there holds ``lock``."""

    def __init__(self, path: Path, lock: Path) -> None:
        self._path = path
        self._lock = lock

    def clear(self) -> None:
        """Delete its contents, unless another service writes an export now: then a later call does."""
        with lock_if_free(self._lock) as nobody_writes:
            for left in self._path.glob("*") if nobody_writes else ():
                shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def open_folder(self) -> Iterator[Path]:
        """Yield a folder for one export, deleted after the block."""
        self.clear()
        with lock_shared(self._lock):
            self._path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._path, ignore_cleanup_errors=True) as folder:
                yield Path(folder)


class OpenFileResponse(StreamingResponse):
    """All of an open file, which may be unlinked; closed when the answer ends, also if the client does not read it."""

    def __init__(self, file: BinaryIO, headers: Mapping[str, str], media_type: str) -> None:
        length = file.seek(0, 2)
        file.seek(0)
        super().__init__(
            iter(lambda: file.read(PIECE), b""),
            headers={**headers, "content-length": str(length)},
            media_type=media_type,
        )
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()
