"""A search, as clients send it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from ops.search.query import MAX_TEXT
from ops.serve.fields import Body, CursorText, Example, Limit, ProbeFilter, Share, ShowName, Text


class TextCondition(Body):
    """Shots that look like this."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    relevance: Share = 0.5


class DialogueCondition(Body):
    """Frames in which this is said; quotes mean exact words."""

    dialogue: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class ProbeCondition(Body):
    """Shots that a probe scores so."""

    probe: ProbeFilter


Condition = TextCondition | DialogueCondition | ProbeCondition


class ThenBody(Body):
    """What must follow within a few shots of the same video."""

    text: Text = ""
    like: list[Example] = Field(default=[], max_length=20)
    unlike: list[Example] = Field(default=[], max_length=20)
    within: int = Field(default=3, ge=1, le=100, description="shots")


class SearchBody(Body):
    """A search; one of `text`, `like`, `all` and `any` is needed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "a rabbit in a meadow", "limit": 20, "shows": []}]}
    )

    text: Text = Field(default="", description="what to look for; quotes mean words that are said")
    like: list[Example] = Field(default=[], max_length=50)
    unlike: list[Example] = Field(default=[], max_length=50)
    shows: list[ShowName] = Field(default=[], max_length=1_000, description="only in these shows")
    where: list[ProbeFilter] = Field(default=[], max_length=20)
    limit: Limit = 50
    cursor: CursorText | None = None
    exact: bool = Field(default=False, description="compare with every shot instead of walking the index's graph")
    dialogue: Literal["auto", "off", "only"] = "auto"
    fold: bool = Field(default=False, description="near-duplicates under the best of them")
    include_blank: bool = False
    include_titles: bool = False
    min_relevance: Share | None = None
    then: ThenBody | None = None
    all: list[Condition] = Field(default=[], max_length=20)
    any: list[Condition] = Field(default=[], max_length=20)

    def document(self) -> dict[str, Any]:
        """What ``Query.from_document`` takes."""
        return self.model_dump(exclude={"cursor"})
