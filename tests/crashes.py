"""A store whose arrival ends the process that receives it, as a decoder's fault or a lack of memory does."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from ops.core.storage import ObjectStore


class CrashingStore(ObjectStore):
    """Ends another process than the one that made it, by ``signal_number``, ``times`` times; counted in ``folder``."""

    def __init__(self, root: str, signal_number: int, times: int, folder: Path) -> None:
        super().__init__(root)
        self.crash = (signal_number, times, folder)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "crash": self.crash}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        signal_number, times, folder = self.crash
        count = len(list(folder.glob("crash-*")))
        if count < times:
            (folder / f"crash-{count}").touch()
            os.kill(os.getpid(), signal_number)
            signal.pause()
