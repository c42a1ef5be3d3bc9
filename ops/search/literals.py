"""Parts of a text that a query's ``literal`` makes words."""

from __future__ import annotations

from collections.abc import Iterable

ALL_LITERAL = "*"


def fold_part(text: str) -> str:
    """Return a part of a text without differences of case and blanks."""
    return " ".join(text.casefold().split())


def reads_literally(literal: str, part: str) -> bool:
    """Return True if ``literal`` makes a part of the text words: it is the part, words inside it, or ``*``."""
    folded_literal = fold_part(literal)
    return folded_literal == ALL_LITERAL or (bool(folded_literal) and f" {folded_literal} " in f" {fold_part(part)} ")


def is_literal(part: str, literals: Iterable[str], *, as_whole: bool = False) -> bool:
    """Return True if one of ``literals`` makes the part words; ``as_whole``: words inside it do not."""
    if as_whole:
        return any(fold_part(each) in (ALL_LITERAL, fold_part(part)) for each in literals)
    return any(reads_literally(each, part) for each in literals)
