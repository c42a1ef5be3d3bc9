"""Shots, and the fields of every answer with shots."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ops.search.schema import HitText, Line, ProbeScore, Rate, Shot, Span

__all__ = ["Answer", "HitText", "Line", "ProbeScore", "Rate", "Shot", "Span", "SpokenLine", "Url"]

Url = Annotated[str, Field(description="an address of this service")]


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class SpokenLine(Line):
    """A line of the dialogue of a video."""

    is_unsure: bool = Field(description="true for recognised speech of which the model is not certain")
