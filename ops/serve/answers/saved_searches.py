"""Saved searches with their new matches."""

from __future__ import annotations

from pydantic import Field, SerializeAsAny

from ops.search.schema import SearchFields
from ops.serve.answers.shots import Answer, Shot


class FoundMatch(Answer):
    """A shot of new footage above the divider."""

    shot_id: str
    relevance: float
    shot: SerializeAsAny[Shot]


class SavedSearchEntry(Answer):
    """A search that somebody saved, and what is new for it."""

    search_id: str
    name: str
    search: SearchFields
    author: str
    created_at: str
    new_matches: int
    matches: list[FoundMatch] = Field(description="the best of the new ones, at most 24")
    problem: str = Field(description="why it cannot be answered now; otherwise empty")


class SavedSearchesAnswer(Answer):
    """Every saved search, by name."""

    searches: list[SavedSearchEntry]
    new_matches: int = Field(description="of all searches together")
