"""Typed filters and exclusions in the text of a query: ``show:Sintel``, ``-said:"good morning"``, ``-rabbit``.

Pure: only the form of a text counts here, ``understanding.py`` finds the meaning of the values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from ops.search.quotes import ALL_QUOTES, QUOTED_PATTERN, find_phrases, read_quoted, write_quoted

NAMES = ("show", "file", "after", "before", "person", "said", "text", "sound", "label")
# The closing single quote is also the apostrophe: one between letters belongs to its word ("the cat's"), a curly one
# before a letter too.
_VALUE = rf"{QUOTED_PATTERN}|'((?:[^']|(?<=\w)'(?=\w))*+)'(?!\w)|‘((?:[^‘’]|’(?=\w))*)’(?!\w)"
# Keyboards, word processors and telephones write a minus as any of these.
_MINUS = "-−–‐‑－"
_START = r"(?<![^\s(\[])"
_NOT = r"(?:(?:but|and)\s+)?(?:not|without|except(?:\s+for)?|excluding)\s+"
_FILTER = re.compile(
    rf"{_START}([{_MINUS}]|{_NOT})?({'|'.join(NAMES)})[:：](\s*)(?:{_VALUE}|([^\s{ALL_QUOTES}]\S*))?", re.IGNORECASE
)
# A word, or a picture (emoji); "-5 degrees" excludes nothing.
_EXCLUSION = re.compile(rf"{_START}[{_MINUS}](?:{_VALUE}|([^\W\d_]\S*|[\u2600-\u27bf\U0001f000-\U0001faff]\S*))")
# "Mission: Impossible", "16:9" and "https://..." are not meant as filters.
_UNKNOWN = re.compile(rf"{_START}[{_MINUS}]?([a-z_]{{3,20}})[:：](?!//)(?=[\w{ALL_QUOTES}])")
_END_MARKS = ",;"
_SENTENCE_MARKS = ",;.!?"
_ABBREVIATION = re.compile(r"(?:\w\.){2,}")
_MEANT_NAMES = {
    "film": "show", "movie": "show", "series": "show", "video": "file", "clip": "file", "path": "file", "title": "file",
    "name": "file", "since": "after", "from": "after", "until": "before", "till": "before", "date": "after",
    "year": "after", "line": "said", "says": "said", "quote": "said", "dialogue": "said", "dialog": "said",
    "tag": "label", "probe": "label", "actor": "person", "who": "person", "audio": "sound",
    "loudness": "sound",
}  # fmt: skip
"""Words that people write before a colon instead of the name of a filter."""


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
    phrases = phrase_spans(text)
    for match in _FILTER.finditer(text):
        if _is_inside(match.start(), phrases):
            continue
        *quoted_values, plain = match.groups()[3:]
        value = read_quoted(quoted_values)
        end = match.end()
        if plain is not None:
            value = _strip_end(plain, _END_MARKS)
            end -= len(plain) - len(value)
        name, value = match[2].lower(), " ".join((value or "").split())
        if not value:
            is_open = text[end : end + 1] in tuple(ALL_QUOTES)
            problem = "lacks the second quote of its value" if is_open else "has no value"
            notes.append(f"'{match[2]}:' {problem} and is read as a word: write {_EXAMPLES[name]}")
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


def _strip_end(word: str, marks: str) -> str:
    """Return a value without the marks of the sentence around it, and without a bracket that opened before it."""
    # "U.S." keeps its last point.
    while (
        not _ABBREVIATION.fullmatch(word)
        and word
        and (word[-1] in marks or (word[-1] in ")]" and not set(word) & set("([")))
    ):
        word = word[:-1]
    return word


def write_filter(name: str, value: str, *, is_negated: bool = False) -> str:
    """Return the typed form of a filter; a value with blanks is quoted."""
    shown_value = write_quoted(value) if re.search(rf"[\s{ALL_QUOTES}]", value) else value
    return f"{'-' if is_negated else ''}{name}:{shown_value}"


def phrase_spans(text: str) -> list[tuple[int, int]]:
    """Return the places of quoted phrases, quotes included."""
    return [(start, end) for start, end, _ in find_phrases(text)]


_EXAMPLES = {
    "show": "show:NAME",
    "file": "file:NAME",
    "after": "after:2024-05-31",
    "before": "before:2024-05-31",
    "person": "person:NAME",
    "said": 'said:"good morning"',
    "text": "text:WORD",
    "sound": "sound:speech",
    "label": "label:NAME",
}


def _exclusions(text: str, filters: list[TypedFilter]) -> Iterator[TypedFilter]:
    phrases = phrase_spans(text)
    for match in _EXCLUSION.finditer(text):
        end, plain = match.end(), match.groups()[-1]
        if plain is not None:
            word = _strip_end(plain, _SENTENCE_MARKS)
            end -= len(plain) - len(word)
        else:
            word = read_quoted(match.groups()) or ""
        is_part = any(each.start < end and match.start() < each.end for each in filters)
        if is_part or _is_inside(match.start(), phrases) or not any(map(_is_sign_of_word, word)):
            continue
        yield TypedFilter(
            name="without",
            value=" ".join(word.split()),
            is_negated=True,
            is_quoted=plain is None,
            is_spaced=False,
            start=match.start(),
            end=end,
        )


def _is_inside(place: int, spans: list[tuple[int, int]]) -> bool:
    return any(start < place < end for start, end in spans)


def _is_sign_of_word(sign: str) -> bool:
    return sign.isalnum() or sign >= "\u2600"


def _unknown_names(text: str, filters: list[TypedFilter]) -> Iterator[str]:
    spans = [(each.start, each.end) for each in filters] + phrase_spans(text)
    for match in _UNKNOWN.finditer(text):
        if match[1] in NAMES or any(start <= match.start() < end for start, end in spans):
            continue
        if match[1] in ("not", "without", "exclude", "minus"):
            yield f"'{match[1]}:' is not a filter and is read as words: write -WORD to leave out what shows it"
            continue
        alias = _MEANT_NAMES.get(match[1])
        near = [alias] if alias else get_close_matches(match[1], NAMES, n=1, cutoff=0.6)
        hint = f"did you mean '{near[0]}:'?" if near else f"filters are {', '.join(f'{each}:' for each in NAMES)}"
        yield f"'{match[1]}:' is not a filter and is read as words: {hint}"
