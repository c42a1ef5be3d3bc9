"""Stretches of sound with speech, by Silero VAD, whose model is in the package of the optional extra ``speech``."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ops.core.media import SPEECH_RATE

BLOCK = 60 * SPEECH_RATE
LEAD = 2 * SPEECH_RATE
"""Sound before a block that the model hears again, so that it knows the voice at its beginning."""
LEAST_MS, PAUSE_MS = 250, 300
"""Shorter speech does not count, and a shorter pause does not divide it."""
NO_DETECTOR = "the package faster-whisper is not there: install it with `pip install 'needle[speech]'`"

Ranges: TypeAlias = NDArray[np.float64]
"""Seconds (N, 2), half-open, ascending and disjoint."""
Detect = Callable[[NDArray[np.float32]], list[tuple[int, int]]]
"""``samples -> (first sample, sample after the last)`` of each stretch with speech, ascending."""


def explain_no_speech() -> str:
    """Return why speech cannot be found; empty if it can."""
    return "" if find_spec("faster_whisper") else NO_DETECTOR


def load_detector() -> Detect:
    """Return the detector of voices of faster-whisper; its model is loaded once a process."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(min_speech_duration_ms=LEAST_MS, min_silence_duration_ms=PAUSE_MS, speech_pad_ms=0)

    def detect(samples: NDArray[np.float32]) -> list[tuple[int, int]]:
        return [(each["start"], each["end"]) for each in get_speech_timestamps(samples, options)]

    return detect


class SpeechFinder:
    """Finds speech in sound that is added piece by piece: float32 (N,) at 16 kHz. Holds a minute of it."""

    def __init__(self, detect: Detect) -> None:
        self._detect = detect
        self._pieces: list[NDArray[np.float32]] = []
        self._held = 0
        self._start = 0
        """Sample number of the first held sample."""
        self._done = 0
        """Samples before this one were searched."""
        self._found: list[tuple[int, int]] = []

    def add(self, samples: NDArray[np.float32]) -> None:
        """Search a block as soon as it is complete."""
        self._pieces.append(samples)
        self._held += len(samples)
        if self._start + self._held - self._done >= BLOCK:
            self._search()

    def finish(self) -> Ranges:
        """Search the rest, and return the speech in seconds."""
        if self._start + self._held > self._done:
            self._search()
        return merge_ranges(np.array(self._found, np.float64).reshape(-1, 2) / SPEECH_RATE)

    def _search(self) -> None:
        sound = np.concatenate(self._pieces)
        for start, end in self._detect(sound):
            start, end = max(start + self._start, self._done), min(end + self._start, self._start + len(sound))
            if start < end:
                self._found.append((start, end))
        self._done = self._start + len(sound)
        lead = sound[-LEAD:].copy()
        self._pieces, self._held, self._start = [lead], len(lead), self._done - len(lead)


def merge_ranges(ranges: Ranges) -> Ranges:
    """Return ascending ranges in which those that touch or overlap are one."""
    merged: list[list[float]] = []
    for start, end in ranges.tolist():
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    return np.array(merged, np.float64).reshape(-1, 2)
