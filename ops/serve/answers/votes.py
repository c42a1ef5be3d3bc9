"""Annotations of a shot."""

from __future__ import annotations

from pydantic import Field, SerializeAsAny

from ops.serve.answers.shots import Answer, Shot


class Vote(Answer):
    """The latest that one person said of a shot."""

    annotator: str
    value: bool
    created_at: str
    origin: str


class Judged(Answer):
    """How one shot stands under a label."""

    shot_id: str
    value: bool | None = Field(description="the latest judgement; null where nobody said anything")
    conflict: bool
    gone: str = Field(description="why the shot is not in the catalogue any more; else empty")
    votes: list[Vote] = Field(description="the latest of each person, the newest last")


class JudgedShot(Judged):
    shot: SerializeAsAny[Shot] | None = Field(description="null if it is gone")
