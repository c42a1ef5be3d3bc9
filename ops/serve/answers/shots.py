"""Shots, and what is in every answer that has some."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[str, Field(pattern=r"^[0-9]+/[0-9]+$", description="frames a second", examples=["24000/1001"])]
Url = Annotated[str, Field(description="an address of this service")]


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class Span(Answer):
    """Source frames, half-open."""

    start_frame: int
    end_frame: int


class Line(Span):
    """Something that is said in the shot."""

    line_id: str
    text: str
    start_s: float
    end_s: float
    start_timecode: str
    language: str | None
    source: str


class ProbeScore(Answer):
    probe: str
    score: float


class Shot(Span):
    """A run of frames between two cuts, half-open, in source frame numbers."""

    shot_id: str
    video_id: str
    show: str
    title: str
    path: str
    fps: Rate
    start_s: float
    end_s: float
    start_timecode: str
    poster: Url
    proxy: Url
