"""The conditions of a query: frames that look so, with spoken or written words, that sound so, or that a probe scores.

Part of the search contract (``schema.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from ops.search.quotes import ALL_QUOTES
from ops.sound.kinds import SoundKind

MAX_TEXT = 2_000
MAX_CONDITIONS = 20
CONDITION_MESSAGE = "a condition has exactly one of text, dialogue, written, sound and probe"
ANY_WORDS = "*"
"""The value of a condition on spoken or written words that any words fulfil."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
ConditionText = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
ProbeFilterText = Annotated[str, Field(min_length=3, max_length=200, description="such as `closeup>=0.5`")]


class Asked(BaseModel):
    """A part of a query: unknown fields are refused, and nothing is converted silently ("50" is not a number)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TextCondition(Asked):
    """Shots that look like this."""

    text: ConditionText
    relevance: Share | None = Field(
        default=None, description="At least so relevant (0-1); by default, more than hardly a shot is by chance."
    )


class DialogueCondition(Asked):
    """Frames in which this is said; quotes mean exact words, ``*`` shots with any speech."""

    dialogue: ConditionText


class WrittenCondition(Asked):
    """Frames in which this is written in the picture; quotes mean exact words, ``*`` shots with any text."""

    written: ConditionText


class SoundCondition(Asked):
    """Shots with this kind of sound."""

    sound: SoundKind


class ProbeCondition(Asked):
    """Shots that a probe scores so."""

    probe: ProbeFilterText


def means_any_words(words: str) -> bool:
    """Return True if any words fulfil a condition on these spoken or written words: ``*``, also in quotes."""
    return words.strip(ALL_QUOTES).strip() == ANY_WORDS


def _find_kind(condition: object) -> str | None:
    """Return the tag of a condition, ``None`` unless it has exactly one of the five kinds."""
    fields = condition if isinstance(condition, Mapping) else getattr(type(condition), "model_fields", {})
    kinds = [kind for kind in ("text", "dialogue", "written", "sound", "probe") if kind in fields]
    return kinds[0] if len(kinds) == 1 else None


Condition = Annotated[
    Annotated[TextCondition, Tag("text")]
    | Annotated[DialogueCondition, Tag("dialogue")]
    | Annotated[WrittenCondition, Tag("written")]
    | Annotated[SoundCondition, Tag("sound")]
    | Annotated[ProbeCondition, Tag("probe")],
    Discriminator(
        _find_kind,
        custom_error_type="condition",
        custom_error_message=CONDITION_MESSAGE,
    ),
]
Conditions = Annotated[tuple[Condition, ...], Field(strict=False, max_length=MAX_CONDITIONS)]
