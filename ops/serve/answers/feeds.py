"""Shots to label next."""

from __future__ import annotations

from pydantic import Field

from ops.serve.answers.shots import Answer, Shot


class OfferedShot(Shot):
    score: float | None = Field(description="0 to 1; null where nothing scores yet")


class FeedsAnswer(Answer):
    """What to label next; without a version there are random shots only."""

    label: str
    version: str
    threshold: float | None
    feeds: dict[str, list[OfferedShot]]
