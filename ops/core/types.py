"""The nouns that travel between rooms: videos and shots, and the ids made of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

VideoState = Literal["ready", "pending", "set_aside", "removed"]
Transition = Literal["start", "cut", "gradual"]

VIDEO_ID_LENGTH = 16
_SHOT_ID = re.compile(r"^(?P<video>[0-9a-f]{16}):(?P<start>\d+)$")


def video_id_of(content_hash: str) -> str:
    """Id of a video: the first 16 hex digits of the SHA-256 of its bytes.

    64 bits: with a million videos the chance that any two share an id is 3e-8 (birthday bound).
    """
    return content_hash[:VIDEO_ID_LENGTH]


def shot_id_of(video_id: str, start_frame: int) -> str:
    """Id of the shot of ``video_id`` that starts at ``start_frame`` (0-based source frame)."""
    return f"{video_id}:{start_frame}"


def parse_shot_id(shot_id: str) -> tuple[str, int] | None:
    """``(video_id, start_frame)``, or ``None`` where the text is no shot id."""
    match = _SHOT_ID.match(shot_id)
    return (match["video"], int(match["start"])) if match else None


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A run of frames between two cuts: half-open ``[start_frame, end_frame)``, source frame numbers.

    ``start_s`` and ``end_s`` are presentation times in seconds from the first frame of the video; at a
    constant frame rate they equal frame / rate, at a variable rate they are what a player shows.
    ``transition`` is how the shot begins. ``mean_luma`` is 0-255; ``is_blank`` marks black or one colour.
    """

    video_id: str
    index: int
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    transition: Transition
    mean_luma: float
    is_blank: bool

    @property
    def shot_id(self) -> str:
        return shot_id_of(self.video_id, self.start_frame)

    @property
    def frames(self) -> int:
        return self.end_frame - self.start_frame


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """What a media file says of itself, checked by opening it.

    ``width``/``height`` are display pixels: after rotation and with square pixels. ``frames`` is the
    container's count or an estimate until the file was decoded once. ``fps`` is exact; for a variable
    frame rate it is the average, and ``variable_rate`` is true.
    """

    fps: Fraction
    frames: int
    width: int
    height: int
    codec: str
    has_audio: bool
    start_timecode: str
    rotation: int
    variable_rate: bool
    duration_s: float
