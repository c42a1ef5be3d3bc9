"""Shots, and the fields of every answer with shots."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ops.search.schema import Line, ProbeScore, Rate, Shot, Span

__all__ = ["Answer", "Line", "ProbeScore", "Rate", "Shot", "Span", "Url"]

Url = Annotated[str, Field(description="an address of this service")]


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow")
