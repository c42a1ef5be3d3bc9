"""Sessions, and the state of the service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ops.serve.answers.shots import Answer


class SessionAnswer(Answer):
    signed_in: bool = Field(description="true as well if the service needs no token")
    needed: bool = Field(description="whether the service needs a token")
    name: str = Field(description="the name of the token, under which answers are stored; empty if it has none")
    role: Literal["look", "label", "administer"] | None = Field(description="null: not signed in")


class Health(Answer):
    status: str = Field(description="ok, empty (nothing was ingested yet), warming, or failed")
    encoder_id: str | None
    index_version: str | None
    shots: int


class Alive(Answer):
    status: Literal["ok"]


class Readiness(Answer):
    status: str = Field(description="ok, empty (nothing was ingested yet), warming, or failed")
