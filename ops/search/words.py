"""What the words of a query are: quoted phrases, the rest, and which words carry its content.

Pure functions: whether a query means spoken words is decided from these, without a version of the index or lake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ops.index.stems import is_in, stems_of, stems_of_words
from ops.index.words import spellings_of, words_of

# Straight and curly double quotes, and guillemets. Single quotes are apostrophes far more often.
_OPENING, _CLOSING = '"“„«', '"”“»'
_PHRASE = re.compile(f"[{_OPENING}]([^{_OPENING}{_CLOSING}]*)[{_CLOSING}]")
_QUOTES = re.compile(f"[{_OPENING}{_CLOSING}]")

# Words that say nothing about what is meant: English articles, pronouns, prepositions, auxiliaries, and what is
# left of them after an apostrophe. A short list on purpose: a word too many here would hide a line, a word too
# few costs nothing.
_EMPTY_WORDS = """
a about all also am an and any are aren as at be been being but by can could couldn d did didn do does doesn doing
don for from had hadn has hasn have haven having he her here hers him his how i if in into is isn it its just let ll
m me my no nor not of off on or our ours out over re s she should shouldn so some such t than that the their theirs
them then there these they this those through to too under up ve very was wasn we were weren what when where which
while who whom why will with won would wouldn you your yours
"""
# The same words without their apostrophes, as many people type them.
_CONTRACTIONS_TEXT = """
arent cant couldnt didnt doesnt dont hadnt hasnt havent hes im isnt ive shes shouldnt thats theres theyre theyve
wasnt weve werent whats wheres whos wont wouldnt youll youre youve
"""
_CONTRACTIONS = frozenset(_CONTRACTIONS_TEXT.split())
_EMPTY = frozenset(_EMPTY_WORDS.split()) | _CONTRACTIONS

# Words by which people speak to each other, and which descriptions of a picture seldom have: "where are the
# bicycles" is said, "in the car" is a place.
_SPEAKING_WORDS = """
am are aren can could couldn did didn do does doesn don had has have how i is isn it let ll m me my not our re
shall should shouldn that this us ve was wasn we were weren what when where which who whom whose why will won would
wouldn you your yours
"""
_SPEAKING = frozenset(_SPEAKING_WORDS.split()) | _CONTRACTIONS
# Words with which descriptions begin that have only one more to say: "in the car", "a car of their own".
_DESCRIBING_WORDS = "a an at by down for from in into of off on out over the through to under up with"
_DESCRIBING = frozenset(_DESCRIBING_WORDS.split())


@dataclass(frozen=True, kw_only=True)
class Words:
    """A text as it was meant: quoted ``phrases``, the ``rest`` without them, and all of it without quotes."""

    phrases: tuple[str, ...]
    rest: str
    plain: str


def parse_words(text: str) -> Words:
    """Split a text into quoted phrases and the rest; a quote without its other half counts as nothing.

    A phrase without any letter or figure is none.
    """
    phrases = tuple(" ".join(found.split()) for found in _PHRASE.findall(text) if words_of(found))
    rest = " ".join(_QUOTES.sub(" ", _PHRASE.sub(" ", text)).split())
    return Words(phrases=phrases, rest=rest, plain=" ".join(_QUOTES.sub(" ", text).split()))


def content_words(text: str) -> list[str]:
    """The words that say something, each once, in order."""
    return _with_content(words_of(text))


def content_spellings(text: str) -> list[list[str]]:
    """The words to look for in a line, for each way to spell the text; all its words if none says anything."""
    return [_with_content(words) or list(words) for words in spellings_of(text)]


def sounds_spoken(text: str) -> bool:
    """Whether three or more words could be what somebody says, and not only what a picture shows.

    Lines of a film hold many of the second kind too ("in the car"), by which nobody means the lines.
    """
    words = words_of(text)
    return len(words) > 2 and (words[0] not in _DESCRIBING or not _SPEAKING.isdisjoint(words))


def coverage(wanted: Sequence[str], line: str, language: str = "") -> float:
    """Share of the words ``wanted`` that the line has in any form of its language, 0 to 1; 0 where none is wanted."""
    words = dict(zip(stems_of_words(wanted, language), wanted, strict=True))
    stems = stems_of(line, language)
    return sum(is_in(word, stems, language) for word in words.values()) / len(words) if words else 0.0


def _with_content(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(word for word in words if word not in _EMPTY))
