"""Rows of ``shot_sound``: the part of a film's sound in each shot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ops.core.rows import LakeShot, LakeShotSound
from ops.sound.kinds import name_kinds
from ops.sound.measure import FilmSound
from ops.sound.speech import Ranges, merge_ranges
from ops.videos.loudness import NOTHING, STEP_S, WINDOW_S

SILENCE = -60.0
"""Momentary loudness in LUFS below which a window of 0.4 s is silence: -60 dBFS is the level below which a sound track
counts as silent (``ops/videos/sound_tracks.py``)."""


@dataclass(frozen=True, kw_only=True)
class ShotSound:
    """The measures of one shot, see ``LakeShotSound``."""

    loudness: float | None
    relative_loudness: float | None
    silence: Ranges | None
    speech: Ranges | None


def find_silence(film: FilmSound) -> Ranges | None:
    """Return the stretches of at least 0.4 s in which every moment is part of a silent window; ``None`` if unknown."""
    if not len(film.momentary):
        return None
    starts_s = np.flatnonzero(film.momentary < SILENCE) * STEP_S
    ranges = merge_ranges(np.stack([starts_s, starts_s + WINDOW_S], axis=1).round(3))
    if len(ranges) and film.momentary[-1] < SILENCE:
        ranges[-1, 1] = max(film.length_s, ranges[-1, 1])  # less than a step is left
    return ranges


def measure_shot(film: FilmSound, silence: Ranges | None, start_s: float, end_s: float) -> ShotSound:
    """Return the sound of ``[start_s, end_s)``.

    Loudness is the mean of the power of all windows inside it. In less than half a second, where there may be none, it
    is that of the window nearest to the middle.
    """
    loudness = _measure_loudness(film, start_s, end_s)
    return ShotSound(
        loudness=loudness,
        relative_loudness=None if loudness is None or film.integrated is None else loudness - film.integrated,
        silence=None if silence is None else _clip(silence, start_s, end_s),
        speech=None if film.speech is None else _clip(film.speech, start_s, end_s),
    )


def _measure_loudness(film: FilmSound, start_s: float, end_s: float) -> float | None:
    count = len(film.momentary)
    first, last = math.ceil(start_s / STEP_S - 1e-6), math.floor((end_s - WINDOW_S) / STEP_S + 1e-6)
    windows = film.momentary[first : last + 1] if first <= last else film.momentary[:0]
    if not len(windows) and count:
        middle = round(((start_s + end_s - WINDOW_S) / 2) / STEP_S)
        windows = film.momentary[[min(max(middle, 0), count - 1)]]
    if not len(windows):
        return None
    loudness = 10 * math.log10(float(np.mean(10 ** (windows.astype(np.float64) / 10))))
    return loudness if loudness >= NOTHING else None


def _clip(ranges: Ranges, start_s: float, end_s: float) -> Ranges:
    first = int(np.searchsorted(ranges[:, 1], start_s, side="right"))
    last = int(np.searchsorted(ranges[:, 0], end_s, side="left"))
    return ranges[first:last].clip(start_s, end_s)


def _add_up(ranges: Ranges | None) -> float:
    return 0.0 if ranges is None else float((ranges[:, 1] - ranges[:, 0]).sum())


def build_shot_row(
    shot: LakeShot, sound: ShotSound | None, reason: str | None, input_hash: str, now: datetime
) -> LakeShotSound:
    """Return the row of ``shot_sound``; ``sound`` is ``None`` for a film without sound, or if it was not measured."""
    length_s = shot["end_s"] - shot["start_s"]
    row: LakeShotSound = {
        "shot_id": shot["shot_id"],
        "video_id": shot["video_id"],
        "show": shot["show"],
        "index": shot["index"],
        "loudness": None,
        "relative_loudness": None,
        "silence": None,
        "speech": None,
        "kinds": None,
        "silence_ms": None,
        "speech_ms": None,
        "reason": reason,
        "input_hash": input_hash,
        "event_timestamp": shot["event_timestamp"],
        "created_timestamp": now,
    }
    if sound is None or sound.silence is None:
        return row
    row["loudness"] = None if sound.loudness is None else round(sound.loudness, 2)
    row["relative_loudness"] = None if sound.relative_loudness is None else round(sound.relative_loudness, 2)
    row["silence"], row["silence_ms"] = _share(sound.silence, length_s), _flatten(sound.silence)
    if sound.speech is not None:
        row["speech"], row["speech_ms"] = _share(sound.speech, length_s), _flatten(sound.speech)
    kinds = name_kinds(length_s, _add_up(sound.silence), _add_up(sound.speech), sound.relative_loudness)
    row["kinds"] = ",".join(kinds)
    return row


def _share(ranges: Ranges, length_s: float) -> float:
    return round(min(_add_up(ranges) / length_s, 1.0), 3) if length_s > 0 else 0.0


def _flatten(ranges: Ranges) -> list[int]:
    flat: list[int] = (1000 * ranges).round().astype(np.int64).reshape(-1).tolist()
    return flat
