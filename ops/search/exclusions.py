"""Exclusions in plain English words: "a meadow without a rabbit", "a street with no cars", "dogs but not cats".

Encoders look for what a negation names, so these words must not reach them. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_START = re.compile(
    r"\b(?:(?:but|and) (?:with )?(?:no|not|without)(?: any)?|(?:that|which|who) (?:has|have|had|wears?|shows?) no"
    r"|(?:having|wearing|showing|carrying|holding|containing) no(?: more)?"
    r"|without(?: any)?|w/o|with no(?: more)?|excluding|except(?: for)?|but not|free of|lacking|minus(?! \d)"
    r"|(?<=[,;.(] )(?:no|not)|(?<=\()(?:no|not))\s+(?=\w)",
    re.IGNORECASE,
)
# "not a dog" alone names nothing to search for, but "no people, a beach" does.
_FIRST = re.compile(r"\s*\bno\s+(?=\w)", re.IGNORECASE)
# "with no hat on": these words belong to the exclusion if the phrase ends after them.
_LAST = re.compile(
    r"\s+(?:on|in it|inside|nearby|around|left|at all|in sight|in the (?:picture|frame|shot))(?=\s*(?:[,;.!?()\n]|$))"
)
# Visible signs and set phrases in which these words do not exclude.
_SET_PHRASES = re.compile(
    r"\bno[ -](?:entry|smoking|parking|trespassing|stopping|exit|admittance|swimming|dogs|vacancy)\b|\bno\.? ?\d"
    r"|\bno man['’]?s land\b|\bdr\.? no\b|\bwithout (?:a doubt|doubt|a word|warning|end|borders|a cause)\b"
    r"|\b(?:nothing|anything|everything|none|all) (?:but|except)\b|\bnot only\b",
    re.IGNORECASE,
)
# A new phrase begins at these words, and the exclusion ends before it.
_END = re.compile(
    r"[,;!?()\n]|\.(?!\w)|\s+(?:in|on|at|with|under|near|by|during|from|while|behind|over|next to|inside|outside"
    r"|beside|along|across|through|for|until|after|before|but|as|is|are|was|who|which|that|when|nearby)\b"
    r"|(?<=\w\w\w) (?!building|ceiling|clothing|earring|evening|king|lightning|morning|painting|railing|ring|spring"
    r"|string|wedding|wing)\w{2,}ing\b",
    re.IGNORECASE,
)
_AND = re.compile(r"\s+(?:and|or|nor)\s+(?:no |without |any )?|\s*/\s*", re.IGNORECASE)
_MOST_WORDS = 6
_PRONOUNS_TEXT = "it them him her me us this that these those one anything anyone anybody everything much many more"
_PRONOUNS = frozenset(_PRONOUNS_TEXT.split())


@dataclass(frozen=True)
class Exclusion:
    """``text[start:end]`` of the query excludes each of ``things``: "without cars or people"."""

    start: int
    end: int
    things: tuple[str, ...]


def find_exclusions(text: str) -> list[Exclusion]:
    """Return the exclusions of an English text, in their order; none for signs and set phrases ("no smoking")."""
    masked_text = _SET_PHRASES.sub(lambda match: "\0" * len(match.group()), text)
    return list(_find(text, masked_text))


def _find(text: str, masked_text: str) -> Iterator[Exclusion]:
    at = 0
    while match := (_FIRST.match(masked_text) if at == 0 else None) or _START.search(masked_text, at):
        end = _END.search(masked_text, match.end())
        stop = end.start() if end else len(text)
        last = _LAST.match(masked_text, stop)
        things = tuple(each.strip() for each in _AND.split(text[match.end() : stop]) if each.strip())
        stop = last.end() if last else stop
        at = max(stop, match.end())
        start = match.end() - len(match.group().lstrip())
        if "\0" not in masked_text[start:stop] and things and all(map(_names_a_thing, things)):
            yield Exclusion(start, stop, things)
        if at >= len(text):
            return


def _names_a_thing(words: str) -> bool:
    parts = words.lower().split()
    return len(parts) <= _MOST_WORDS and not _PRONOUNS.issuperset(parts) and any(each[0].isalpha() for each in parts)
