"""Typed filters and exclusions in the text of a query: ``show:Sintel``, ``-said:"good morning"``, ``-rabbit``.

Pure: only the form of a text counts here, ``understanding.py`` finds the meaning of the values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

NAMES = ("show", "file", "after", "before", "person", "said", "text", "label")
_QUOTED = '"([^"]*)"|“([^”]*)”|„([^“”]*)[“”]|«([^»]*)»'
_FILTER = re.compile(rf"(?<!\S)([-−]?)({'|'.join(NAMES)}):(\s*)(?:{_QUOTED}|([^\s\"“„«]\S*))?", re.IGNORECASE)
_EXCLUSION = re.compile(rf"(?<!\S)[-−](?:{_QUOTED}|([^\W\d_][\w'’-]*))(?!\S)")
# "Mission: Impossible", "16:9" and "https://..." are not meant as filters.
_UNKNOWN = re.compile(r"(?<!\S)[-−]?([a-z_]{3,20}):(?!//)(?=[\w\"“])")
_PHRASE = re.compile(_QUOTED)
_END_MARKS = ",;"


@dataclass(frozen=True, kw_only=True)
class TypedFilter:
    """One filter: ``text[start:end]`` of the query.

    ``name`` is one of ``NAMES``, or ``without`` for an exclusion by words. ``is_quoted``: the value was in quotes.
    ``is_spaced``: a blank follows the colon, so the person may not mean a filter.
    """

    name: str
    value: str
    is_negated: bool
    is_quoted: bool
    is_spaced: bool
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Typed:
    """The filters of a text in their order, and notes on parts that look like filters and are not."""

    filters: tuple[TypedFilter, ...]
    notes: tuple[str, ...]


def parse_filters(text: str) -> Typed:
    """Return the filters and exclusions in a text; everything else are words."""
    filters: list[TypedFilter] = []
    notes: list[str] = []
    for match in _FILTER.finditer(text):
        *quoted, plain = match.groups()[3:]
        value = next((each for each in quoted if each is not None), None)
        end = match.end()
        if plain is not None:
            value = plain.rstrip(_END_MARKS)
            end -= len(plain) - len(value)
        name, value = match[2].lower(), " ".join((value or "").split())
        if not value:
            notes.append(f"'{match[2]}:' has no value and is read as a word: write {_EXAMPLES[name]}")
            continue
        is_quoted, is_spaced = plain is None, bool(match[3])
        filters.append(
            TypedFilter(
                name=name,
                value=value,
                is_negated=bool(match[1]),
                is_quoted=is_quoted,
                is_spaced=is_spaced,
                start=match.start(),
                end=end,
            )
        )
    filters += _exclusions(text, filters)
    notes += _unknown_names(text, filters)
    return Typed(filters=tuple(sorted(filters, key=lambda each: each.start)), notes=tuple(notes))


def write_filter(name: str, value: str, *, is_negated: bool = False) -> str:
    """Return the typed form of a filter; a value with blanks is quoted."""
    shown = f'"{value}"' if re.search(r"\s", value) else value
    return f"{'-' if is_negated else ''}{name}:{shown}"


def phrase_spans(text: str) -> list[tuple[int, int]]:
    """Return the places of quoted phrases, quotes included."""
    return [match.span() for match in _PHRASE.finditer(text)]


_EXAMPLES = {
    "show": "show:NAME",
    "file": "file:NAME",
    "after": "after:2024-05-31",
    "before": "before:2024-05-31",
    "person": "person:NAME",
    "said": 'said:"good morning"',
    "text": "text:WORD",
    "label": "label:NAME",
}


def _exclusions(text: str, filters: list[TypedFilter]) -> Iterator[TypedFilter]:
    for match in _EXCLUSION.finditer(text):
        if any(each.start < match.end() and match.start() < each.end for each in filters):
            continue
        value = " ".join(next((each for each in match.groups() if each), "").split())
        if not any(map(str.isalnum, value)):
            continue
        yield TypedFilter(
            name="without",
            value=value,
            is_negated=True,
            is_quoted=not match.groups()[-1],
            is_spaced=False,
            start=match.start(),
            end=match.end(),
        )


def _unknown_names(text: str, filters: list[TypedFilter]) -> Iterator[str]:
    known = [(each.start, each.end) for each in filters] + phrase_spans(text)
    for match in _UNKNOWN.finditer(text):
        if match[1] in NAMES or any(start <= match.start() < end for start, end in known):
            continue
        near = get_close_matches(match[1], NAMES, n=1, cutoff=0.6)
        hint = f"did you mean '{near[0]}:'?" if near else f"filters are {', '.join(f'{each}:' for each in NAMES)}"
        yield f"'{match[1]}:' is not a filter and is read as words: {hint}"
