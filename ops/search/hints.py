"""Hints on the text of a visual search, as sentences for the notes of an answer.

Each hint concerns a text that the encoder does not read as intended: a misspelt word, another language, a negation, or
a truncated end. An ordinary description gets no hint; the tests check this on hundreds of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.util import find_spec
from typing import Protocol

from ops.index.letters import restore_marks
from ops.index.words import split_words
from ops.search.conditions import TextCondition
from ops.search.english import (
    LEAST_LETTERS,
    detect_foreign_language,
    find_nearest_word,
    list_unknown_words,
    suggest_word,
)
from ops.search.named import split_name
from ops.search.schema import Query
from ops.search.typed_filters import NAMES, TypedFilter, parse_filters, write_filter

ENGLISH = "en"
MULTILINGUAL = "xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k"
"""A model of open_clip that reads a hundred languages."""
TOLD_LETTERS = 60

# English words of negation.
_NEGATION = re.compile(
    r"\b(?:without|no|not|never|nobody|none|nothing|nowhere|neither|nor|no-?one|except|excluding|lacking"
    r"|minus(?! \d)|free of|other than|w/o"
    r"|(?:is|are|was|were|do|does|did|has|have|had|ca|ai|wo)n[\u2019']?t|cannot)\b",
    re.IGNORECASE,
)
# Visible signs, numbers and set phrases in which these words do not negate.
_NO_NEGATION = re.compile(
    r"\bno (?:entry|smoking|parking|trespassing|stopping|exit|admittance|swimming|dogs|vacancy)\b|\bno\.? ?\d"
    r"|\bdo not (?:enter|disturb|cross|touch)\b|\bnot only\b|\bforget-me-nots?\b|\bno man[\u2019']?s land\b"
    r"|\bdr\.? no\b|\bwhether or not\b|\bnothing (?:in particular|special|but)\b",
    re.IGNORECASE,
)


class TextReader(Protocol):
    """The properties of an encoder that concern its texts."""

    def languages(self) -> tuple[str, ...]:
        """Return ISO 639-1 codes of the languages that it reads; empty for one that reads any."""

    def read_length(self, text: str) -> int:
        """Return how many characters of a text it reads, from the first."""


class Names(Protocol):
    """Names of shows and files in the catalogue."""

    def shows(self) -> Collection[str]:
        """Return the names of the indexed shows; a cheap call."""

    def files(self) -> Sequence[tuple[str, str]]:
        """Return ``(name, show)``: title and file name without its ending, of every file. May read the register."""


def collect_notes(
    query: Query,
    seen_text: str,
    encoder: TextReader,
    names: Names,
    is_spoken: Callable[[str], bool],
) -> tuple[str, ...]:
    """Return hints on all visual texts of a query; ``seen_text`` are the words of its text."""
    texts = [query.then.text] if query.then and query.then.text.strip() else []
    texts += [each.text for each in query.conditions if isinstance(each, TextCondition)]
    typed_filters = [each for text in texts for each in parse_filters(text).filters if each.name in NAMES]
    texts += query.unwanted_words
    text_hints = collect_hints(seen_text, encoder, names, is_spoken, checks_spelling=False) if seen_text else []
    hints = (hint for text in texts for hint in collect_hints(text, encoder, names, is_spoken))
    return tuple(dict.fromkeys([*map(_explain_misplaced, typed_filters), *text_hints, *hints]))


def _explain_misplaced(typed: TypedFilter) -> str:
    """Return the note on a filter in the text of a condition or of the following shot."""
    shown = write_filter(typed.name, typed.value, is_negated=typed.is_negated)
    return f"{shown!r} is read as words in a condition or a next shot: filters belong into the text of the search"


def find_meant_words(text: str, encoder: TextReader, names: Names, is_spoken: Callable[[str], bool]) -> dict[str, str]:
    """Return the words that were probably meant, by the misspelt words (folded) of an English text.

    They are words of the catalogue's names and common English words. Words that occur in names or in the dialogue are
    right as they are. Empty for a text in another language, and if the encoder reads others.
    """
    if encoder.languages() != (ENGLISH,):
        return {}
    rare = list_unknown_words(text)
    unknown = _select_unnamed(rare, names, is_spoken)
    if not unknown or detect_foreign_language(_remove_words(text, set(rare).difference(unknown))):
        return {}
    names_by_word = {word: 1.0 for name, _ in names.files() for word in split_words(name)}
    names_by_word |= {word: 1.0 for show in names.shows() for word in split_words(show)}
    names_by_word = {
        word: count for word, count in names_by_word.items() if len(word) >= LEAST_LETTERS and word.isalpha()
    }
    corrections = {
        word: find_nearest_word(word, names_by_word, most_edits=1)
        or suggest_word(word)
        or find_nearest_word(word, names_by_word)
        for word in unknown
        if len(word) >= LEAST_LETTERS
    }
    return {word: other for word, other in corrections.items() if other}


def collect_hints(
    text: str,
    encoder: TextReader,
    names: Names,
    is_spoken: Callable[[str], bool],
    *,
    checks_spelling: bool = True,
) -> list[str]:
    """Return sentences on the text of a visual search, most important first; usually none.

    ``is_spoken``: whether a word occurs in the dialogue, as names of people do.
    """
    text = " ".join(text.split())
    hints = _check_length(text, encoder.read_length(text))
    is_english_only = encoder.languages() == (ENGLISH,)
    if is_english_only:
        rare = list_unknown_words(text)
        unknown = _select_unnamed(rare, names, is_spoken)
        plain = _remove_words(text, set(rare).difference(unknown))
        if not is_named(text, names) and (language := detect_foreign_language(plain)):
            return [*hints, _explain_language(text, language)]
        if checks_spelling and (corrections := find_meant_words(text, encoder, names, is_spoken)):
            hints.append(f"did you mean {_quote(correct_words(text, corrections))}?")
    return [*hints, *_check_negation(text)]


def is_named(text: str, names: Names) -> bool:
    """Return True if the name of a show has all the words of the text: titles may be in any language."""
    words = set(split_words(text))
    return any(words.issubset(split_name(show)) for show in names.shows())


def correct_words(text: str, corrections: Mapping[str, str]) -> str:
    """Return the text with the words (folded) replaced that are keys of ``corrections``."""
    return " ".join(_correct_part(part, corrections) for part in text.split())


def _correct_part(part: str, corrections: Mapping[str, str]) -> str:
    words = split_words(part)
    return (
        restore_marks(" ".join(corrections.get(word, word) for word in words))
        if corrections.keys() & set(words)
        else part
    )


def _explain_language(text: str, language: str) -> str:
    what = f"{_quote(text)} looks like {language}, not like English: the encoder knows English only"
    translate = " (argos-translate, which is installed, translates it)" if find_spec("argostranslate") else ""
    return (
        f"{what}, so describe it in English{translate}, or make a multilingual encoder live: "
        f"`needle upgrade --encoder open_clip:{MULTILINGUAL}`"
    )


def _check_length(text: str, length: int) -> list[str]:
    unread = text[length:].strip()
    if not split_words(unread):
        return []
    return [
        f"the text is too long: only the first {len(text[:length].split())} words are read, the end is not read "
        f"({_quote(unread)})"
    ]


def _check_negation(text: str) -> list[str]:
    negation = _NEGATION.search(_NO_NEGATION.sub(lambda match: "-" * len(match.group()), text))
    if not negation:
        return []
    what = " ".join(text[negation.start() :].split()[:3])
    return [
        f"{_quote(what)} is not understood as a negation: the encoder searches for the thing itself. Leave it out, and "
        'write -WORD or "without a THING" in the text of the search, or give a hit that shows it as a negative example '
        '("less like this")'
    ]


def _remove_words(text: str, words: Collection[str]) -> str:
    """Return the text without those words (folded)."""
    return " ".join(part for part in text.split() if not words or set(split_words(part)).isdisjoint(words))


def _select_unnamed(unknown: list[str], names: Names, is_spoken: Callable[[str], bool]) -> list[str]:
    """Return those of the words that are in no name of the catalogue and in no line."""
    if not unknown:
        return []
    words_in_names = {word for show in names.shows() for word in split_words(show)}
    unknown = [word for word in unknown if word not in words_in_names]
    words_in_names = {word for name, _ in names.files() for word in split_words(name)} if unknown else set()
    return [word for word in unknown if word not in words_in_names and not is_spoken(word)]


def _quote(text: str) -> str:
    short = text if len(text) <= TOLD_LETTERS else f"{text[: TOLD_LETTERS - 1]}\u2026"
    return f"'{short}'"
