"""Searches that the catalogue answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ops.serve.answers.shots import Answer, Shot

SampleKind = Literal["seen", "said", "show", "without", "similar", "label"]


class SampleQuery(Answer):
    """A search with its best shots."""

    kind: SampleKind
    text: str = Field(description="as `text` of `POST /api/search`")
    like: list[str] = Field(description="as `like` of `POST /api/search`")
    shots: list[Shot] = Field(description="the first shots of the answer, at most three")


class SamplesAnswer(Answer):
    samples: list[SampleQuery] = Field(description="in the order of their kinds; those that find nothing are left out")
