"""A whole video: its shots in order, and the corrections of its cuts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ops.serve.answers.shots import Answer, Rate, Span, Url


class FilmShot(Span):
    """A shot of the film."""

    shot_id: str
    start_s: float
    end_s: float
    start_timecode: str
    transition: str = Field(description="how it begins: start, cut or gradual")
    is_blank: bool
    corrections: list[str] = Field(description="the corrections that made the shot, such as `no_cut@489`")
    poster: Url
    proxy: Url


class Correction(Answer):
    """A correction of a frame, and its state."""

    frame: int
    action: Literal["cut", "no_cut", "withdrawn"]
    author: str
    created_at: str
    note: str
    state: Literal["applied", "agrees", "waiting", "past_end", "withdrawn", "superseded"] = Field(
        description="`waiting`: the next ingest applies it; `agrees`: the detector finds the same; `superseded`: a "
        "later one of the same frame counts"
    )


class CorrectionsAnswer(Answer):
    """Corrections of one film, the oldest first, and the changes of the next ingest."""

    video_id: str
    corrections: list[Correction]
    to_cut: list[int] = Field(description="frames at which shots begin after the next ingest, and not now")
    to_merge: list[int] = Field(description="frames at which shots begin now, and not after the next ingest")
    shots: int
    detected_by: str = Field(description="version of the detector")


class ChangedLabel(Answer):
    """A label whose shot changes with the next ingest."""

    label: str
    shot_id: str
    value: bool
    effect: Literal["unused", "longer", "shorter"]
    why: str


class CorrectedAnswer(CorrectionsAnswer):
    labels: list[ChangedLabel]


class FilmAnswer(CorrectionsAnswer):
    """A film with all its shots."""

    show: str
    title: str
    path: str
    fps: Rate
    frames: int
    start_timecode: str | None
    has_audio: bool | None
    film_shots: list[FilmShot]
