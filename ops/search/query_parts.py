"""The parts of a query's text that are not plain words, as an answer reports them, and how to undo each.

Part of the search contract (``schema.py``).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from ops.core.types import parse_shot_id

_IMAGE = re.compile(r"image:|data:|.*[/\\]|.*\.\w{2,5}$", re.DOTALL)

PartKind = Literal["show", "file", "after", "before", "said", "text", "sound", "person", "label", "without", "spelling"]


class Answered(BaseModel):
    """A part of an answer; a later version may add fields."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"additionalProperties": True})

    @classmethod
    def assemble(cls, values: dict[str, object]) -> Self:
        """Return the model with a value for each field, in their order; nothing is validated.

        A page has hundreds of hits, and validating them took a fifth of a query's time (28 November 2026).
        ``model_construct`` takes ten times as long.
        """
        model = cls.__new__(cls)
        object.__setattr__(model, "__dict__", values)
        object.__setattr__(model, "__pydantic_fields_set__", _list_fields(cls))
        object.__setattr__(model, "__pydantic_extra__", None)
        object.__setattr__(model, "__pydantic_private__", None)
        return model


@cache
def _list_fields(model: type[BaseModel]) -> set[str]:
    return set(model.model_fields)


class QueryChange(Answered):
    """Fields of the query to replace."""

    text: str
    literal: tuple[str, ...]


class QueryPart(Answered):
    """A part of the text that is a filter, an exclusion or a corrected word.

    Typed filters are always applied. A part that was recognised in plain words can be switched off, and one that may be
    meant is only offered.
    """

    kind: PartKind
    text: str = Field(description="the part of the text, as written")
    value: str = Field(description="its meaning: a show, a file, a date, a label, or words")
    label: str = Field(
        description="its meaning in a few words for people, such as `show Sintel` or `less like a rabbit`"
    )
    is_negated: bool = Field(description="true for a filter that leaves out what it names")
    is_typed: bool = Field(
        description="true for `show:Sintel` or `-rabbit`, false for a part recognised in plain words"
    )
    is_applied: bool = Field(description="false if it was switched off, or is only offered")
    change: QueryChange = Field(description="the query without this part; if it is not applied, the query with it")


class Reading(Answered):
    """How the query was understood."""

    visual: bool
    dialogue: bool
    why: str
    said_in: int = Field(
        description="lines, up to 20, that have the words although only pictures were searched: quotes find them"
    )
    notes: tuple[str, ...] = Field(
        description="parts that the search could not do, and possible corrections, in sentences"
    )
    parts: tuple[QueryPart, ...] = Field(
        default=(), description="parts of the text that are filters, exclusions or corrected words, in their order"
    )
    words: str = Field(default="", description="the words of the text that remain to be searched")


def is_words(example: str) -> bool:
    """Return True if an unwanted example is a description, and not a shot id, an image of the service or a file."""
    return not (parse_shot_id(example) or _IMAGE.match(example))
