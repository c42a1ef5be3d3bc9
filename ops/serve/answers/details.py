"""All details of one shot."""

from __future__ import annotations

from pydantic import Field

from ops.serve.answers.provenance import Provenance
from ops.serve.answers.shots import Answer, HitText, ProbeScore, Shot, SpokenLine


class VideoFacts(Answer):
    frames: int | None
    width: int | None
    height: int | None
    codec: str | None
    has_audio: bool | None
    start_timecode: str | None
    bytes: int
    season: int | None
    episode: int | None


class ShotAnswer(Shot):
    previous: str | None
    next: str | None
    frame_times: list[float] | None = Field(
        description="seconds from the shot's start at which each frame begins, where the rate is not constant"
    )
    lines: list[SpokenLine]
    texts: list[HitText] = Field(description="writing in the picture, without timecodes and logos")
    probes: list[ProbeScore]
    is_blank: bool
    is_title: bool
    video: VideoFacts
    provenance: Provenance
