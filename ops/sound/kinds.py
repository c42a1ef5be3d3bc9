"""The kinds of sound that searches find, and their thresholds.

Stands alone because searches need them and must not load what decodes sound.
"""

from __future__ import annotations

from typing import Literal, get_args

SoundKind = Literal["quiet", "loud", "silent", "speech"]
KINDS: tuple[SoundKind, ...] = get_args(SoundKind)
"""A shot may have any number of them; only silence excludes quiet and loud."""
LEAST_SILENCE = 0.9
QUIET_LU, LOUD_LU = -8.0, 6.0
LEAST_SPEECH, LEAST_SPEECH_S = 0.25, 1.0


def name_kinds(length_s: float, silence_s: float, speech_s: float, relative_loudness: float | None) -> list[SoundKind]:
    """Return the kinds of a shot's sound, in the order of :data:`KINDS`.

    ``silence_s`` and ``speech_s`` are seconds of the shot, ``relative_loudness`` is in LU against its video.
    """
    is_silent = silence_s >= LEAST_SILENCE * length_s
    relative = None if is_silent else relative_loudness
    holds: dict[SoundKind, bool] = {
        "quiet": relative is not None and relative <= QUIET_LU,
        "loud": relative is not None and relative >= LOUD_LU,
        "silent": is_silent,
        "speech": speech_s > 0 and speech_s >= min(LEAST_SPEECH * length_s, LEAST_SPEECH_S),
    }
    return [kind for kind in KINDS if holds[kind]]
