"""Measure the sound of one film: loudness of every window of 0.4 s, integrated loudness, and speech.

The film is untrusted: this runs in another process (``ops/videos/film_process.py``). It decodes the sound once, in
blocks of ten seconds, so that memory does not grow with the film: 8 hours have 288,000 windows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.media import SoundTrack
from ops.sound.speech import Ranges, SpeechFinder, load_detector
from ops.videos.loudness import NOTHING, LoudnessMeter, SoundLog, SpeechConverter, follow_sound


@dataclass(frozen=True, kw_only=True)
class MeasureRequest:
    """A film to measure for ``length_s`` seconds; ``tracks`` represent it, and are chosen if there are none."""

    path: Path
    tracks: tuple[SoundTrack, ...]
    length_s: float
    finds_speech: bool


@dataclass(frozen=True, kw_only=True)
class FilmSound:
    """The sound of a film; ``momentary`` (K,) in LUFS, see :data:`ops.videos.loudness.STEP_S`.

    ``integrated`` is ``None`` if the film is silent, ``speech`` if it was not looked for.
    """

    length_s: float
    momentary: NDArray[np.float32]
    integrated: float | None
    speech: Ranges | None
    notes: tuple[str, ...] = ()


def measure_sound(request: MeasureRequest) -> FilmSound:
    """Return the sound of a film. Raises ``MediaError`` if none can be decoded."""
    detect = load_detector() if request.finds_speech else None
    log = SoundLog()

    def hear(blocks: Iterator[Any]) -> FilmSound:
        meter, converter = LoudnessMeter(), SpeechConverter()
        finder = SpeechFinder(detect) if detect else None
        for block in blocks:
            meter.add(block)
            if finder:
                finder.add(converter.convert(block))
        if finder:
            finder.add(converter.convert(None))
        return FilmSound(
            length_s=request.length_s,
            momentary=np.array(meter.momentary, np.float32),
            integrated=meter.integrated if meter.integrated > NOTHING else None,
            speech=finder.finish() if finder else None,
            notes=log.describe(),
        )

    return follow_sound(request.path, request.tracks, request.length_s, hear, log)
