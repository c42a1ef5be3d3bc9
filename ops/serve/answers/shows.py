"""Contents of the catalogue."""

from __future__ import annotations

from pydantic import Field

from ops.serve.answers.shots import Answer


class Counts(Answer):
    """How much there is, of a show or of all; ``footage_s`` in seconds."""

    videos: int
    ready: int
    pending: int
    set_aside: int
    shots: int
    footage_s: float


class Show(Counts):
    show: str
    searchable_since: str | None = Field(description="when the last of the show's videos became searchable")


class Totals(Counts):
    shows: int


class ShowsAnswer(Answer):
    shows: list[Show]
    totals: Totals
    encoder_id: str | None
    index_version: str | None
    dialogue_version: str | None
    lines: int
    texts: int = Field(description="texts in the picture that are indexed")
    shots_with_text: int = Field(description="shots that `text:*` finds")
    shots_by_sound: dict[str, int] = Field(description="shots that `sound:speech` finds, and so on for each kind")
    probes: list[str]
    hint: str = Field(description="what to do if there is nothing to search yet; else empty")
