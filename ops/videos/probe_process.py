"""Open videos in a separate process, as :mod:`ops.videos.film_process` does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol

from ops.core.media import MediaInfo
from ops.core.process_limits import ProcessLimits
from ops.videos.film_process import FilmProcess, FilmStep
from ops.videos.probe import probe

STEP = FilmStep(doing="opening it", did="opened it", limit="NEEDLE_OPEN_SECONDS")

OpenFilm = Callable[[Path], MediaInfo]


class Prober(Protocol):
    """An object that opens videos, such as :class:`ProbeProcess`."""

    def probe(self, path: Path, name: str) -> MediaInfo:
        """Return the facts about the file at ``path``, which users know as ``name``. Raises ``MediaError``."""


class ProbeProcess:
    """Calls ``open_film`` in another process, within the memory of ``limits`` and its ``pause_s`` for each video."""

    def __init__(self, limits: ProcessLimits, open_film: OpenFilm = probe) -> None:
        self._limit_s = limits.pause_s
        self._process: FilmProcess[Path, MediaInfo] = FilmProcess(open_film, STEP, limits)

    def __enter__(self) -> ProbeProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.__exit__(kind, error, trace)

    def probe(self, path: Path, name: str) -> MediaInfo:
        """Return the facts about the video at ``path``; errors are reported about ``name``, its address.

        Raises ``MediaError`` if the video cannot be used, ends its process twice, or takes longer than the limit.
        """
        return self._process.ask(path, name, self._limit_s)
