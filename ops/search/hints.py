"""Hints on the text of a visual search, as sentences for the notes of an answer.

Each hint concerns a text that the encoder does not read as intended: a misspelt word, another language, a negation, a
truncated end, or the name of a show. An ordinary description gets no hint; the tests check this on hundreds of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Protocol

from ops.index.letters import restore_marks
from ops.index.words import split_words
from ops.search.english import detect_foreign_language, list_unknown_words, suggest_word
from ops.search.schema import Query, TextCondition
from ops.search.shot_details import ShotDetails

ENGLISH = "en"
TOLD_NAMES = 3
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
_FILE_NAME = re.compile(r"[_\d]|\.\w{2,4}$")
_LEAST_NAME = 4


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
    """Return hints on all visual texts of a query; ``seen_text`` are those of its own words."""
    texts = [seen_text] if seen_text else []
    texts += [query.then.text] if query.then and query.then.text.strip() else []
    texts += [each.text for each in query.conditions if isinstance(each, TextCondition)]
    knows_show = bool(query.shows)
    hints = (hint for text in texts for hint in collect_hints(text, encoder, names, is_spoken, knows_show=knows_show))
    return tuple(dict.fromkeys(hints))


def collect_hints(
    text: str, encoder: TextReader, names: Names, is_spoken: Callable[[str], bool], *, knows_show: bool = False
) -> list[str]:
    """Return sentences on the text of a visual search, most important first; usually none.

    ``is_spoken``: whether a word occurs in the dialogue, as names of people do. ``knows_show``: the search is already
    limited to shows.
    """
    text = " ".join(text.split())
    shows = [] if knows_show else find_named_shows(text, names)
    hints = [_show_hint(text, shows)] if shows else []
    hints += _check_length(text, encoder.read_length(text))
    is_english_only = encoder.languages() == (ENGLISH,)
    if is_english_only and not shows:
        rare = list_unknown_words(text)
        unknown = _select_unnamed(rare, names, is_spoken)
        plain = _remove_words(text, set(rare).difference(unknown))
        if not is_named(text, names) and (language := detect_foreign_language(plain)):
            what = f"{_quote(text)} looks like {language}, not like English: the encoder knows English only"
            return [*hints, f"{what}, so describe it in English"]
        if meant := {word: other for word in unknown if (other := suggest_word(word))}:
            hints.append(f"did you mean {_quote(correct_words(text, meant))}?")
    return [*hints, *_check_negation(text)]


def find_named_shows(text: str, names: Names) -> list[str]:
    """Return shows that a text names: by the beginning of a name, or by a whole name of several words within it."""
    words = split_words(text)
    whole = "".join(words)
    if len(whole) < _LEAST_NAME:
        return []
    is_file_name = bool(_FILE_NAME.search(text))
    found = [show for show in names.shows() if _is_name(words, show, is_file_name)]
    if not found and is_file_name:
        found = [show for name, show in names.files() if _is_name(words, name, is_file_name)]
    return list(dict.fromkeys(found))


def is_named(text: str, names: Names) -> bool:
    """Return True if the name of a show has all the words of the text: titles may be in any language."""
    words = set(split_words(text))
    return any(words.issubset(_name_words(show)) for show in names.shows())


def correct_words(text: str, meant: Mapping[str, str]) -> str:
    """Return the text with the words (folded) replaced that are keys of ``meant``."""
    return " ".join(_correct_part(part, meant) for part in text.split())


def _correct_part(part: str, meant: Mapping[str, str]) -> str:
    words = split_words(part)
    return restore_marks(" ".join(meant.get(word, word) for word in words)) if meant.keys() & set(words) else part


def _is_name(words: list[str], name: str, is_file_name: bool) -> bool:
    """Return True if the words are the first words of a name, or contain all of a name of several words."""
    own = _name_words(name)
    if own[: len(words)] == words:
        return True
    if is_file_name and "".join(own).startswith("".join(words)):
        return True
    if len(own) < 2 or own[0] not in words or len("".join(own)) < 2 * _LEAST_NAME:
        return False
    return any(words[at : at + len(own)] == own for at in range(len(words) - len(own) + 1))


@lru_cache(maxsize=65_536)
def _name_words(name: str) -> list[str]:
    """Return the words of a name; cached, because every search reads the catalogue's names."""
    return split_words(name)


def _show_hint(text: str, shows: Sequence[str]) -> str:
    options = " or ".join(f'--show "{show}"' for show in shows[:TOLD_NAMES])
    more = f" and {len(shows) - TOLD_NAMES} more" if len(shows) > TOLD_NAMES else ""
    return f"{_quote(text)} names {'a show' if len(shows) == 1 else 'shows'}: {options}{more} finds shots of it alone"


def _check_length(text: str, length: int) -> list[str]:
    unread = text[length:].strip()
    if not split_words(unread):
        return []
    return [
        f"the text is too long: only the first {len(text[:length].split())} words are read, the end is not read "
        f"({_quote(unread)})"
    ]


def _check_negation(text: str) -> list[str]:
    found = _NEGATION.search(_NO_NEGATION.sub(lambda match: "-" * len(match.group()), text))
    if not found:
        return []
    what = " ".join(text[found.start() :].split()[:3])
    return [
        f"{_quote(what)} is not understood as a negation: the encoder searches for the thing itself. Leave it out, "
        'and give a hit that shows it as a negative example: --unlike SHOT_ID ("less like this" on the page)'
    ]


def _remove_words(text: str, words: Collection[str]) -> str:
    """Return the text without those words (folded)."""
    return " ".join(part for part in text.split() if not words or set(split_words(part)).isdisjoint(words))


def _select_unnamed(unknown: list[str], names: Names, is_spoken: Callable[[str], bool]) -> list[str]:
    """Return those of the words that are in no name of the catalogue and in no line."""
    if not unknown:
        return []
    known = {word for show in names.shows() for word in split_words(show)}
    unknown = [word for word in unknown if word not in known]
    known = {word for name, _ in names.files() for word in split_words(name)} if unknown else set()
    return [word for word in unknown if word not in known and not is_spoken(word)]


def _quote(text: str) -> str:
    short = text if len(text) <= TOLD_LETTERS else f"{text[: TOLD_LETTERS - 1]}\u2026"
    return f"'{short}'"


class CatalogueNames:
    """Names of one version of the index, with ``shows``, and of the register of videos; see :class:`Names`."""

    def __init__(self, shows: Sequence[str], details: ShotDetails) -> None:
        self._shows = shows
        self._details = details

    def shows(self) -> Sequence[str]:
        """Return the names of the indexed shows."""
        return self._shows

    def files(self) -> list[tuple[str, str]]:
        """Return titles and file names without their endings, each with its show, for indexed shows."""
        indexed = set(self._shows)
        rows = [row for row, _ in self._details.list_videos() if row.show in indexed]
        names = [(name, row.show) for row in rows for name in (row.title, PurePosixPath(row.path).stem)]
        return [(name, show) for name, show in names if name]
