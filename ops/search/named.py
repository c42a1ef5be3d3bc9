"""Recognise names of shows and files in the words of a query, by how unlikely the words are to be there otherwise.

"sintel dragon" names the show Sintel: nobody writes "sintel" to describe an image. "a frozen lake" does not name the
show Frozen, although it has the word. The evidence is the chance that a text has the words of a name in this order,
from word frequencies (wordfreq), as log10. Set on the names and queries of ``tests/unit/search/test_query_parts.py``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from ops.embeddings.starter.text_tower import read_tokenizer_words
from ops.index.frequencies import load_word_frequencies
from ops.index.words import split_words

NameKind = Literal["show", "file"]
Words = tuple[str, ...]

CERTAIN = -8.7
"""Words that are less likely than this together name something: "sintel" -9, "buck bunny" -10, "golden hour" -8.2."""
_UNSEEN = -9.0
"""Log chance of a word that no list has: one in a billion."""
_NUMBER = -3.0
_CAPITALS = -4.5
"""Added if the name is written with capitals in a text that is not: "a woman in Frozen"."""
_CONTENT = -3.2
"""Words that are more likely than this ("the", "with", "one") have no content."""
_MOST_OFFERS = 2
_MOST_VALUES = 20
_MOST_WORDS = 12
_LEAST_UNSEEN = 4
KINDS: tuple[NameKind, ...] = ("show", "file")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)
# Parts of file names that describe the file.
_TECHNICAL = re.compile(
    r"\d{3,4}[pi]|[248]k|[hx]26[45]|\d+(?:fps|bit)|hdr|uhd|fhd|mp4|mov|mkv|webm|mxf|avi|prores|dnxhd"
)
_VOWELS = re.compile(r"[aeiouyäöüáéíóúàèìòùâêîôû0-9]")
_REST = re.compile(r"(?:_\w*)?(?:\.[a-z0-9]{2,4}(?!\w))?", re.IGNORECASE)
_BEFORE = re.compile(
    r"(?:(?:^|\s)(?:in|from|of|on))?(?:\s*(?:the|my|our))?(\s*(?:film|movie|show|series|video|clip))?\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class NameMatch:
    """``text[start:end]`` names ``values``: shows by name, or files by video id.

    If it is not ``is_certain``, it may be an ordinary word.
    """

    start: int
    end: int
    kind: NameKind
    values: tuple[str, ...]
    is_certain: bool


class CatalogueWords:
    """The names of a catalogue by their words. ``shows`` are names, ``files`` pairs of a name and the video id."""

    def __init__(self, shows: Iterable[str], files: Iterable[tuple[str, str]]) -> None:
        self._whole: dict[tuple[NameKind, Words], list[str]] = {}
        self._by_word: dict[str, dict[tuple[NameKind, Words], list[str]]] = {}
        for show in shows:
            self._add("show", show, show)
        for name, value in files:
            self._add("file", name, value)

    def _add(self, kind: NameKind, name: str, value: str) -> None:
        places: list[list[str]] = []
        for words in _list_spellings(split_name(name)):
            places += [self._whole.setdefault((kind, each), []) for each in {words, _drop_technical(words)} if each]
            places += [self._by_word.setdefault(word, {}).setdefault((kind, words), []) for word in set(words)]
        for values in places:
            if value not in values:
                values.append(value)

    @property
    def words(self) -> Collection[str]:
        """Return every word of a name."""
        return self._by_word.keys()

    def with_words(self, words: Sequence[str], kind: NameKind) -> tuple[str, ...]:
        """Return the values of names that are just these words or, if there are none, have them in a row."""
        if whole := self._whole.get((kind, tuple(words))):
            return tuple(whole)
        names = min((self._by_word.get(word, {}) for word in words), key=len, default={})
        matches = [
            values
            for (own_kind, name_words), values in names.items()
            if own_kind == kind and _has_run(name_words, words)
        ]
        return tuple(dict.fromkeys(value for values in matches for value in values))

    def find(self, text: str, skipped_spans: Sequence[tuple[int, int]] = ()) -> list[NameMatch]:
        """Return names in a text outside ``skipped_spans``: all certain ones, and up to two that may be meant."""
        tokens = [
            Token(match.start(), match.end(), _fold_word(_POSSESSIVE.sub("", match.group())))
            for match in _WORD.finditer(text)
            if not any(start < match.end() and match.start() < end for start, end in skipped_spans)
        ]
        matches: list[NameMatch] = []
        at = 0
        while at < len(tokens):
            match, count = self._longest(text, tokens, at)
            matches += [match] if match else []
            at += count
        certain = [each for each in matches if each.is_certain]
        offers = {
            each.values: each
            for each in reversed(matches)
            # "in the show Her" does not offer a show called Show.
            if not each.is_certain and not any(one.start < each.end and each.start < one.end for one in certain)
        }
        return sorted([*certain, *list(offers.values())[-_MOST_OFFERS:]], key=lambda each: each.start)

    def _longest(self, text: str, tokens: Sequence[Token], at: int) -> tuple[NameMatch | None, int]:
        """Return the name with the most words from ``at`` on, and how many words to go on."""
        if tokens[at].word not in self._by_word:
            return None, 1
        most = min(len(tokens) - at, _MOST_WORDS)
        for count in range(most, 0, -1):
            run = tokens[at : at + count]
            for kind in KINDS:
                values = self._whole.get((kind, tuple(each.word for each in run)), ())
                if 0 < len(values) <= _MOST_VALUES and (match := _judge_whole(text, run, kind, tuple(values))):
                    return match, count
        # A part of a name counts if no other text has its word: "sintel" of "sintel_trailer_204p".
        for count in range(most if is_unseen(tokens[at].word) else 0, 0, -1):
            run = tokens[at : at + count]
            for kind in KINDS:
                parts = self.with_words([each.word for each in run], kind)
                if 0 < len(parts) <= _MOST_VALUES:
                    return _match_certainly(text, run, kind, parts), count
        return None, 1


class Token(NamedTuple):
    """``text[start:end]`` is a word; ``word`` is it folded."""

    start: int
    end: int
    word: str


def _judge_whole(text: str, run: Sequence[Token], kind: NameKind, values: tuple[str, ...]) -> NameMatch | None:
    """Return a match of a whole name, certain or offered; ``None`` if it is too ordinary to be either.

    Titles of files describe what they show ("ramen bowl"), so their words need other evidence: a word that no list
    has, capitals, or an announcement.
    """
    start, end = run[0].start, run[-1].end
    words = [each.word for each in run]
    chance = sum(map(log_chance, words)) + (_CAPITALS if _stands_out(text, start, end) else 0.0)
    before = _BEFORE.search(text[:start])
    is_announced = bool(before and before[1])
    is_likely = chance <= CERTAIN and (kind == "show" or _stands_out(text, start, end) or any(map(is_unseen, words)))
    if is_likely or is_announced:
        return _match_certainly(text, run, kind, values)
    has_content = any(log_chance(word) < _CONTENT for word in words)
    if has_content and (kind == "show" or len(words) > 1):
        return NameMatch(start=start, end=end, kind=kind, values=values, is_certain=False)
    return None


def _match_certainly(text: str, run: Sequence[Token], kind: NameKind, values: tuple[str, ...]) -> NameMatch:
    """Return a match with the words that announce it ("in the film") and the rest of a file's name."""
    start, end = run[0].start, run[-1].end
    before = _BEFORE.search(text[:start])
    start = before.start() if before and before.group().strip() else start
    rest = _REST.match(text, end)  # "sintel_tr", "sintel.mp4"
    end = rest.end() if rest else end
    start += len(text[start:end]) - len(text[start:end].lstrip())
    return NameMatch(start=start, end=end, kind=kind, values=values, is_certain=True)


@lru_cache(maxsize=65_536)
def split_name(name: str) -> tuple[str, ...]:
    """Return the words of a name, folded; cached, because every search reads the catalogue's names."""
    return tuple(map(_fold_word, _WORD.findall(name)))


def _fold_word(word: str) -> str:
    return word.lower() if word.isascii() else "".join(split_words(word))


def is_unseen(word: str) -> bool:
    """Return True if no list of words has it: a name, or the number of a recording ("A001")."""
    if len(word) < _LEAST_UNSEEN or word.isdigit() or _TECHNICAL.fullmatch(word) or word in read_tokenizer_words():
        return False
    return word not in load_word_frequencies("large_en")


def log_chance(word: str) -> float:
    """Return log10 of the chance that a word of a text is this word, 0 for a part that describes a file."""
    if _TECHNICAL.fullmatch(word):
        return 0.0
    if word.isdigit():
        return _NUMBER
    if len(word) > 2 and word.isascii() and not _VOWELS.search(word):
        return _UNSEEN  # "bbb" is an abbreviation
    zipf = load_word_frequencies("large_en").get(word, 0.0)
    return zipf - 9 if zipf else _UNSEEN if len(word) > 2 else _NUMBER


def _list_spellings(words: Words) -> Collection[Words]:
    """Return the words of a name, and as they are without possessives and without apostrophes ("oceans eleven")."""
    if not any("'" in word for word in words):
        return (words,)
    bare = tuple(_POSSESSIVE.sub("", word) for word in words)
    return {words, bare, tuple(word.replace("'", "") for word in words)}


def _drop_technical(words: Words) -> Words:
    return tuple(word for word in words if not _TECHNICAL.fullmatch(word))


def _has_run(name_words: Sequence[str], words: Sequence[str]) -> bool:
    return any(
        tuple(name_words[at : at + len(words)]) == tuple(words) for at in range(len(name_words) - len(words) + 1)
    )


def _stands_out(text: str, start: int, end: int) -> bool:
    """Return True if the words begin with capitals, inside a text whose other words do not."""
    inside = [match.group()[0] for match in _WORD.finditer(text[start:end])]
    others = [match.group()[0] for match in _WORD.finditer(text[:start] + " " + text[end:])]
    is_first = not text[:start].strip()
    return all(each.isupper() or each.isdigit() for each in inside) and not is_first and any(map(str.islower, others))
