"""The words of a text: the only tokenizer of lines and of queries, for ranking and for phrases.

Stands alone because a line and a query must be split by one rule, and because embedded engine, server and the client's
in-memory mode must agree. Words are letters and digits only (``ops/index/letters.py`` folds them), joined by blanks,
and the engines only split at those.

A text has several spellings, and a phrase is in a line if one spelling of the phrase is in one of the line. "don't" is
also "dont", "co-pilot" also "copilot", 학교에서 is also 학교 with a particle, והבית is also בית with two prefixes.
Scripts without spaces are split by ICU's dictionaries, so that ตา (eye) does not match ตาม (follow), and 京都 does not
match 東京都.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ops.index.affixes import find_nouns, split_affixes
from ops.index.letters import APOSTROPHE, HYPHEN, SEPARATOR, fold_case, fold_letters, normalise

STEMMERS = {
    "ar": "arabic",
    "hy": "armenian",
    "da": "danish",
    "nl": "dutch",
    "en": "english",
    "fi": "finnish",
    "fr": "french",
    "de": "german",
    "el": "greek",
    "hu": "hungarian",
    "it": "italian",
    "no": "norwegian",
    "nb": "norwegian",
    "nn": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "es": "spanish",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
"""Snowball stemmers by ISO 639-1 code."""

UNKNOWN_LANGUAGE = "english"
NO_STEMMER = "none"

# Scripts written without spaces: Thai, Lao, Myanmar, Khmer; kana and CJK ideographs.
_SOUTHEAST = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_IDEOGRAPHS = "\u3005-\u3007\u3040-\u30fe\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED_RUN = re.compile(f"[{_SOUTHEAST}{_IDEOGRAPHS}]+")
_IDEOGRAPH_RUN = re.compile(f"[{_IDEOGRAPHS}]{{2,}}")
LEAST_PAIRED = 3
"""Minimum length of a run of ideographs that is also searched by its pairs.

Two neighbours of two words are not a name.
"""

_LETTER = r"[^\W_]"
# For a separator of thousands: "1,000" is "1000", but "2-1" is not "21". It is not in a normalised text.
_OPTIONAL = "\u2010"
_JOINTS = f"[{APOSTROPHE}{_OPTIONAL}{HYPHEN}]"
_GROUP = re.compile(f"{_LETTER}+(?:{_JOINTS}{_LETTER}+)*")
# U.S.A. and 1,000 are written with and without these characters, too.
_INITIALS = re.compile(r"(?<![^\W_])(?:[^\W\d_]\.){2,}(?:[^\W\d_](?![^\W_]))?")
_THOUSANDS = re.compile(r"(?<![\d,.'])\d{1,3}(?:[,.']\d{3})+(?!\d)")
# Written together these are other words: "we'll go" does not contain "well".
_OTHER_WORDS_TEXT = "am as at hed hell id ill in is it me shed shell so to us wed well were whore"
_OTHER_WORDS = frozenset(_OTHER_WORDS_TEXT.split())
# "co pilot", "t shirt": first parts that are written apart, with a hyphen or together.
_FIRST_PARTS_TEXT = "anti co e ex mini multi non semi t u x"
_FIRST_PARTS = frozenset(_FIRST_PARTS_TEXT.split())

Words = tuple[str, ...]


def split_words(text: str) -> list[str]:
    """Return the words of a text in order, without case, accents and punctuation: "You’re" is "you", "re"."""
    return list(_split_text(text))


@lru_cache(maxsize=512)
def _split_text(text: str) -> Words:
    """Return :func:`split_words`, cached: every step of a search splits the same text."""
    return _split(_find_groups(fold_letters(_segment(normalise(text)))))


def split_exact_words(text: str) -> list[str]:
    """Return the words as :func:`split_words`, with every accent and mark as typed: to rank exact lines first."""
    return list(_split(_find_groups(fold_case(_segment(normalise(text))))))


def list_spellings(text: str) -> list[Words]:
    """Return the spellings of a query's text, each once; the first is :func:`split_words`, and none is empty."""
    plain = normalise(text)
    # A name that no dictionary has is split differently alone and within a sentence: 王小明 in 王小明天来.
    is_cut = any(_is_cut(match.group()) for match in _IDEOGRAPH_RUN.finditer(plain))
    return list(dict.fromkeys([*_list_plain_spellings(plain), *(_split_into_pairs(plain) if is_cut else [])]))


def list_phrase_spellings(text: str) -> list[Words]:
    """Return :func:`list_spellings` a phrase, which also matches a line with its prefixes and nouns: הבית in והבית."""
    spellings = list_spellings(text)
    apart = [_split_all_affixes(words) for words in spellings if any(map(_has_prefix, words))]
    return list(dict.fromkeys([*spellings, *apart]))


def list_line_spellings(text: str) -> list[Words]:
    """Return :func:`list_spellings` a line, and those with its nouns separated from their particles and prefixes.

    Only lines are split before particles: a search for 고양이 (cat) does not mean 고양 (a city) with a particle.
    """
    plain = normalise(text)
    spellings = _list_plain_spellings(plain)
    return list(dict.fromkeys([*spellings, *map(_split_all_affixes, spellings), *_split_into_pairs(plain)]))


def list_terms(text: str) -> list[str]:
    """Return the terms for ranking: the words, and once each the new words of other spellings and their nouns."""
    spellings = _list_plain_spellings(normalise(text))
    words = list(spellings[0]) if spellings else []
    more = [word for other in spellings[1:] for word in other]
    more += [form for word in [*words, *more] for form in list_forms(word)]
    known_words = set(words)
    return words + [word for word in dict.fromkeys(more) if word not in known_words]


def list_pairs(text: str) -> list[str]:
    """Return pairs of neighbouring ideographs, which rank a phrase that shares no word with the line."""
    return [word for words in _split_into_pairs(normalise(text)) for word in words if word.endswith(SEPARATOR)]


def list_forms(word: str) -> Words:
    """Return a word, and the nouns in it if it is written together with a particle, an article or prefixes."""
    return (word, *find_nouns(word))


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Letters and digits with no blank between them: ``parts`` and the ``signs`` that separate them."""

    parts: Words
    signs: str
    follows_blank: bool

    def join_parts(self, joining: str) -> Words:
        """Return the parts, joined at every character that is in ``joining``, unless that makes another word."""
        words = [self.parts[0]]
        for at, (sign, part) in enumerate(zip(self.signs, self.parts[1:], strict=True)):
            # The possessive of a name with an apostrophe (O'Neill's) stays apart; "it's" and "captain's" do not.
            is_possessive = part == "s" and APOSTROPHE in self.signs[:at]
            if _is_optional(sign, words[-1], part, joining) and not is_possessive:
                words[-1] += part
            else:
                words.append(part)
        return tuple(words) if _OTHER_WORDS.isdisjoint(words) or not joining else self.parts


def _is_optional(sign: str, before: str, after: str, joining: str) -> bool:
    """Return True if a sign between two words joins them; a hyphen between digits does not."""
    if sign == _OPTIONAL:
        return HYPHEN in joining
    return sign in joining and not (sign == HYPHEN and before[-1].isdecimal() and after[0].isdecimal())


def _find_groups(text: str) -> list[_Group]:
    """Return the groups of a folded text."""
    text = _INITIALS.sub(lambda match: match.group().rstrip(".").replace(".", HYPHEN), text)
    text = _THOUSANDS.sub(lambda match: re.sub(r"\D", _OPTIONAL, match.group()), text)
    groups, end = [], -1
    for match in _GROUP.finditer(text):
        pieces = re.split(f"({_JOINTS})", match.group())
        follows_blank = match.start() == end + 1 and text[end] == " "
        groups.append(_Group(parts=tuple(pieces[::2]), signs="".join(pieces[1::2]), follows_blank=follows_blank))
        end = match.end()
    return groups


def _split(groups: Sequence[_Group]) -> Words:
    return tuple(part for group in groups for part in group.parts)


def _list_plain_spellings(plain: str) -> list[Words]:
    """Return the spellings of a normalised text: split at every mark, then joined at apostrophes, hyphens, both."""
    groups = _find_groups(fold_letters(_segment(plain)))
    if not groups:
        return []
    spellings = [_split(groups)]
    signs = set("".join(group.signs for group in groups))
    for joining in (APOSTROPHE, HYPHEN, APOSTROPHE + HYPHEN):
        is_joined = signs.intersection(joining) or (HYPHEN in joining and _OPTIONAL in signs)
        if is_joined or (HYPHEN in joining and not _FIRST_PARTS.isdisjoint(spellings[0])):
            spellings.append(tuple(_join_groups(groups, joining)))
    return list(dict.fromkeys(spellings))


def _join_groups(groups: Sequence[_Group], joining: str) -> list[str]:
    words: list[str] = []
    before: _Group | None = None
    for group in groups:
        parts = group.join_parts(joining)
        if HYPHEN in joining and before and len(before.parts) == 1 and before.parts[0] in _FIRST_PARTS:
            is_one = group.follows_blank and parts[0].isalpha() and len(parts[0]) > 2
            words[-1:] = [words[-1] + parts[0]] if is_one else [words[-1], parts[0]]
            words += parts[1:]
        else:
            words += parts
        before = group
    return words


def _split_all_affixes(words: Words) -> Words:
    return tuple(itertools.chain.from_iterable(map(split_affixes, words)))


def _has_prefix(word: str) -> bool:
    return split_affixes(word)[0].endswith(SEPARATOR)


def _segment(plain: str) -> str:
    """Return the text with blanks between words also if its script has none."""
    return plain if plain.isascii() else _UNSPACED_RUN.sub(_insert_blanks, plain)


def _insert_blanks(run: re.Match[str]) -> str:
    left, right = run.string[run.start() - 1 : run.start()], run.string[run.end() : run.end() + 1]
    words = " ".join(_cut(run.group()))
    return f"{'' if left == HYPHEN else ' '}{words}{'' if right == HYPHEN else ' '}"


@lru_cache(maxsize=4096)
def _cut(run: str) -> Words:
    # One dictionary covers all these scripts; the locale only decides ties.
    from icu4py.breakers import WordBreaker

    return tuple(WordBreaker(run, "en"))


def _is_cut(run: str) -> bool:
    return len(run) >= LEAST_PAIRED and len(_cut(run)) > 1


def _split_into_pairs(plain: str) -> list[Words]:
    """Return the text with each run of ideographs as its overlapping pairs; empty if it has no such run."""
    if plain.isascii() or not _IDEOGRAPH_RUN.search(plain):
        return []
    text = _UNSPACED_RUN.sub(lambda match: f" {' '.join(_find_pairs(match.group()))} ", plain)
    return [_split(_find_groups(fold_letters(text)))]


def _find_pairs(run: str) -> Iterator[str]:
    """Yield overlapping pairs of the ideographs of a run.

    Its other parts as words. A pair ends in a special character.
    """
    end = 0
    for match in _IDEOGRAPH_RUN.finditer(run):
        yield from _cut(run[end : match.start()])
        yield from (left + right + SEPARATOR for left, right in itertools.pairwise(match.group()))
        end = match.end()
    yield from _cut(run[end:])


def choose_stemmer(language: str) -> str:
    """Return the stemmer for a language code (``en``, ``pt-BR``); ``none`` if none exists, English if unknown."""
    code = language.lower().replace("_", "-").split("-")[0]
    return STEMMERS.get(code, NO_STEMMER) if code not in ("", "und") else UNKNOWN_LANGUAGE
