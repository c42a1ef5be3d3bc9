"""Collections: trays with a name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SerializeAsAny

from ops.serve.answers.labels import Refused
from ops.serve.answers.shots import Answer, Shot


class CollectionSummary(Answer):
    """A collection without its shots: who created it, and who changed it last."""

    collection_id: str
    name: str
    version: str = Field(description="changes with each change; an editor sends the one that they opened")
    shots: int
    created_by: str
    created_at: str
    changed_by: str
    changed_at: str
    poster: str | None = Field(description="the address of the poster of its first shot; null if it has none")


class CollectionsAnswer(Answer):
    """Every collection, the last changed first."""

    collections: list[CollectionSummary]
    notes: list[str] = Field(description="collections that cannot be read, with the reason")


class CollectionItem(Answer):
    """A shot of a collection with its source frames `[in_frame, out_frame)`, note, and the search that found it."""

    shot_id: str = Field(description="the shot of today; the stored id if it is missing")
    stored_id: str = Field(description="the shot when it was added; two entries may be in one shot of today")
    in_frame: int
    out_frame: int
    note: str
    query: str | None
    score: float | None
    relevance: float | None
    encoder_id: str | None
    index_version: str | None
    matched: list[str]
    dialogue_version: str | None
    line_ids: list[str]
    added_by: str
    added_at: str
    missing_reason: str = Field(description="why its shot is not in the catalogue; otherwise empty")
    is_recut: bool = Field(description="its shot has other frames than when it was added; the range is kept")
    shot: SerializeAsAny[Shot] | None = Field(description="null if it is missing")


class CollectionChanged(Answer):
    """A change: who made it, when, and the name and number of shots after it."""

    action: Literal["created", "saved", "renamed", "forgotten", "deleted"]
    author: str
    created_at: str
    name: str
    shots: int
    note: str


class CollectionAnswer(CollectionSummary):
    """A collection with its shots in the editor's order."""

    entries: list[CollectionItem]
    history: list[CollectionChanged]
    notes: list[str] = Field(description="what was removed without an editor since one of them saved")
    set_aside: list[Refused] = Field(description="shots of the request that were not taken, with the reason")
