"""What ends the process that handles it, as a decoder's fault or a lack of memory does; what hangs, and what fails."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ops.core.media import MediaInfo
from ops.core.storage import ObjectStore
from ops.dialogue.sources import SubtitleRequest, SubtitleSource, read_sources
from ops.videos.clip_process import ClipRequest, cut_request
from ops.videos.clips import ClipSpan
from ops.videos.probe import probe
from ops.videos.speech_sound import SoundRequest


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


def crash_in_b(path: Path) -> MediaInfo:
    """Opens a film; one called ``b`` ends the process by SIGSEGV."""
    if path.stem == "b":
        os.kill(os.getpid(), signal.SIGSEGV)
        signal.pause()
    return probe(path)


def kill_once_in_b(path: Path) -> MediaInfo:
    """Opens a film; one called ``b`` ends the first process that opens it by SIGKILL."""
    mark = path.with_suffix(".killed")
    if path.stem == "b" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()
    return probe(path)


def hang_in_b(path: Path) -> MediaInfo:
    """Opens a film; one called ``b`` never comes to an end, and is deaf to Ctrl-C."""
    while path.stem == "b":
        signal.pause()
    return probe(path)


def fail_in_b(path: Path) -> MediaInfo:
    """Opens a film; one called ``b`` meets an internal error."""
    if path.stem == "b":
        raise KeyError("prop")
    return probe(path)


def crash_in_german(request: SubtitleRequest) -> list[SubtitleSource]:
    """Reads the subtitles of a film; a German file ends the process by SIGSEGV."""
    if any(sidecar.language == "de" for sidecar in request.sidecars):
        os.kill(os.getpid(), signal.SIGSEGV)
        signal.pause()
    return read_sources(request)


def crash_while_reading(request: SubtitleRequest) -> list[SubtitleSource]:
    """Reads the subtitles of a film; it ends the process by SIGSEGV."""
    os.kill(os.getpid(), signal.SIGSEGV)
    signal.pause()
    raise AssertionError(request)


def crash_after_a_clip(request: ClipRequest) -> Iterator[ClipSpan]:
    """Cuts a clip; then it ends the process by SIGSEGV."""
    yield from itertools.islice(cut_request(request), 1)
    os.kill(os.getpid(), signal.SIGSEGV)
    signal.pause()


def hang_after_a_clip(request: ClipRequest) -> Iterator[ClipSpan]:
    """Cuts a clip; then it never comes to an end."""
    yield from itertools.islice(cut_request(request), 1)
    while True:
        signal.pause()


def crash_while_hearing(request: SoundRequest) -> None:
    """Reads the sound of a film; it ends the process by SIGSEGV."""
    os.kill(os.getpid(), signal.SIGSEGV)
    signal.pause()
    raise AssertionError(request)
