"""Sessions, and the health of the service."""

from __future__ import annotations

from pydantic import Field

from ops.serve.answers.shots import Answer


class SessionAnswer(Answer):
    signed_in: bool


class Health(Answer):
    status: str = Field(description="ok, empty (nothing was ingested yet), warming, or failed")
    encoder_id: str | None
    index_version: str | None
    shots: int
