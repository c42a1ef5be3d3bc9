"""A query with the words that were probably meant: searched instead of those typed if these find nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ops.index.lines import LineIndex
from ops.index.words import split_words
from ops.search.conditions import Condition, DialogueCondition, WrittenCondition, means_any_words
from ops.search.interpretation import find_meant_spoken, find_said, parse_words
from ops.search.literals import is_literal
from ops.search.query_parts import QueryChange, QueryPart
from ops.search.schema import Query
from ops.search.searched_catalogue import Scope

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, kw_only=True)
class QueryCorrection:
    """A query with the words that were probably meant; ``corrections`` has them by the misspelt ones (folded)."""

    original: Query
    corrections: Mapping[str, str]

    @property
    def query(self) -> Query:
        """Return the corrected query."""
        return self.original.model_copy(update={"text": replace_words(self.original.text, self.corrections)})

    def report(self, *, is_applied: bool) -> QueryPart:
        """Return the part of the answer: what was searched instead, or the text to search with one click."""
        words = ", ".join(self.corrections)
        corrections = ", ".join(self.corrections.values())
        text = self.query.text
        undo = QueryChange(text=self.original.text, literal=(*self.original.literal, *self.corrections))
        return QueryPart(
            kind="spelling",
            text=words,
            value=corrections,
            label=f"searched '{corrections}' instead of '{words}'" if is_applied else f"did you mean '{text}'?",
            is_negated=False,
            is_typed=False,
            is_applied=is_applied,
            change=undo if is_applied else QueryChange(text=text, literal=self.original.literal),
        )


def replace_words(text: str, corrections: Mapping[str, str]) -> str:
    """Return the text with the words (folded) replaced that are keys of ``corrections``; quotes and filters stay."""
    return _WORD.sub(lambda match: corrections.get("".join(split_words(match.group())), match.group()), text)


def find_correction(original: Query, corrections: Mapping[str, str]) -> QueryCorrection | None:
    """Return the query with the ``corrections`` that its ``literal`` allows, ``None`` if nothing changes."""
    allowed_corrections = {word: other for word, other in corrections.items() if not is_literal(word, original.literal)}
    correction = QueryCorrection(original=original, corrections=allowed_corrections)
    return correction if allowed_corrections and correction.query.text != original.text else None


def find_meant_in_conditions(
    conditions: Iterable[Condition], lines: LineIndex | None, texts: LineIndex | None, scope: Scope
) -> dict[str, str]:
    """Return words that are spoken or written, by those of a condition that finds nothing and would with them."""
    meant_words: dict[str, str] = {}
    for condition in conditions:
        if isinstance(condition, DialogueCondition):
            words, index = condition.dialogue, lines
        elif isinstance(condition, WrittenCondition):
            words, index = condition.written, texts
        else:
            continue
        if index is None or means_any_words(words) or find_said(words, index, scope):
            continue
        corrections = find_meant_spoken(parse_words(words), index, scope)
        if corrections and find_said(replace_words(words, corrections), index, scope):
            meant_words |= corrections
    return meant_words
