"""Shots to label next."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from ops.serve.answers.shots import Answer, Shot


class OfferedShot(Shot):
    model_config = ConfigDict(extra="allow")

    score: float | None = Field(description="0 to 1; null if no version scores yet")


class FeedsAnswer(Answer):
    """Shots to label next; without a version only random ones."""

    label: str
    version: str
    threshold: float | None
    feeds: dict[str, list[OfferedShot]]
