"""The body of a search request: the fields of every search in a stricter form."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ops.search.conditions import MAX_CONDITIONS, ProbeFilterText
from ops.search.schema import MAX_SHOWS, SearchFields, Then
from ops.serve.fields import CursorText, Example, Limit, ShowName, UnwantedWords, VideoId

MOST_POSTERS = 64


def get_description(model: type[BaseModel], name: str) -> str | None:
    """Return the description of a field, for a field that replaces it."""
    return model.model_fields[name].description


def limit_list(model: type[BaseModel], name: str, most: int) -> Any:
    """Return a list to replace a field of ``model``, with a maximum number of values and the same description."""
    return Field(default=(), strict=False, max_length=most, description=get_description(model, name))


class ThenBody(Then):
    """What must follow within a few shots of the same video."""

    like: tuple[Example, ...] = limit_list(Then, "like", 20)
    unlike: tuple[Example, ...] = limit_list(Then, "unlike", 20)


class SearchBody(SearchFields):
    """A search; one of `text`, `like`, `all` and `any` is needed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "a rabbit in a meadow", "limit": 20, "shows": []}]}
    )

    # An example cannot be a file of the server's, and a page of hits has an end.
    like: tuple[Example, ...] = limit_list(SearchFields, "like", 50)
    unlike: tuple[Example | UnwantedWords, ...] = limit_list(SearchFields, "unlike", 50)
    shows: tuple[ShowName, ...] = limit_list(SearchFields, "shows", MAX_SHOWS)
    videos: tuple[VideoId, ...] = limit_list(SearchFields, "videos", MAX_SHOWS)
    where: tuple[ProbeFilterText, ...] = limit_list(SearchFields, "where", MAX_CONDITIONS)
    limit: Limit = Field(default=50, description="Hits of one page.")
    then: ThenBody | None = Field(default=None, description=get_description(SearchFields, "then"))
    cursor: CursorText | None = None
    posters: int = Field(default=0, ge=0, le=MOST_POSTERS, description="Hits whose small posters come in the answer.")
