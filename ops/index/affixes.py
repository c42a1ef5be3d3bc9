"""Find the nouns in a word that is written together with a Korean particle, an Arabic article or Hebrew prefixes.

Stands alone because these rules depend on the language, not on the script. They only add forms to a line; the word
stays. So a search for the noun finds the line, and a search for the word does too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate

from ops.index.letters import SEPARATOR
from ops.index.prefixes import split_hebrew

_FIRST_SYLLABLE, _LAST_SYLLABLE = "\uac00", "\ud7a3"
_FINALS = 28
_FINAL_RIEUL = 8

# Particles and forms of the copula (to be), by the end of the noun before them. Source: the National Institute of
# Korean Language's standard grammar, chapter on josa (particles).
_AFTER_CONSONANT = """
은 이 을 과 으로 이나 이랑 이라 이라고 이라는 이란 이든 이며 이야 이에요 이었다 이었어 이었습니다 이고 이지만
이죠 이요 아 이니까 이잖아 이네 이지
"""
_AFTER_VOWEL = """
는 가 를 와 로 나 랑 라 라고 라는 란 든 며 야 예요 였다 였어 였습니다 죠 요 니까 잖아
"""
_AFTER_ANY = """
에 에서 에게 에게서 한테 한테서 께 께서 의 도 만 까지 부터 처럼 보다 마다 마저 조차 밖에 하고 만큼 같이 대로 뿐 입니다
입니까 인데 인가 일까
"""
_TAILS = ("", "는", "도", "만", "요", "은", "이", "의")
"""A second particle that may follow some particles: 에서는, 까지도."""
# A noun of one syllable is also the beginning of many others: 제도 (system) is not 제 with 도 (too).
_TOO_SHORT_FOR_ONE_SYLLABLE = frozenset("의도로과와나야아만라란든며요죠께뿐랑")
_PLURAL = "들"

# Conjunction, preposition, article; for two letters lam the preposition is the first and the article has no alef.
_ARTICLE = re.compile("([وف]?)([بك]?)(ال|لل)(?=[\u0620-\u064a]{3})")
_TO_THE, _TO, _THE = "لل", "ل", "ال"
_NOT_ARTICLE = frozenset(("الله", "والله", "بالله", "اللهم"))


@lru_cache(maxsize=65_536)
def split_affixes(word: str) -> tuple[str, ...]:
    """Split a folded word from its particle, article or prefixes; the word alone if it has no known one.

    Prefixes end in :data:`SEPARATOR`, so that a search for the single letter does not match them.
    """
    if len(word) < 2 or word.isascii():
        return (word,)
    if all(_FIRST_SYLLABLE <= sign <= _LAST_SYLLABLE for sign in word):
        noun = next(_find_korean_nouns(word), word)
        return (noun, word[len(noun) :]) if noun != word else (word,)
    *prefixes, rest = _split_arabic(word) or split_hebrew(word)
    return (*(prefix + SEPARATOR for prefix in prefixes), rest)


@lru_cache(maxsize=65_536)
def find_nouns(word: str) -> tuple[str, ...]:
    """Return the nouns in a folded word, the longest first: והבית has הבית and בית, والبيت has البيت and بيت."""
    first, *others = split_affixes(word)
    if not others or not first.endswith(SEPARATOR):
        return (first,) if others else ()
    tails = accumulate(reversed(others), lambda tail, prefix: prefix.removesuffix(SEPARATOR) + tail)
    return tuple(tail.replace(_TO + _THE, _TO_THE, 1) if tail.startswith(_TO + _THE) else tail for tail in tails)[::-1]


def _split_arabic(word: str) -> tuple[str, ...]:
    match = _ARTICLE.match(word)
    if not match or word in _NOT_ARTICLE:
        return ()
    conjunction, preposition, article = match.groups()
    prefixes = (conjunction, preposition, *((_TO, _THE) if article == _TO_THE else (_THE,)))
    return (*filter(None, prefixes), word[match.end() :])


def _find_korean_nouns(word: str) -> Iterator[str]:
    """Yield the nouns before a particle, for the longest particle first.

    A plural suffix is removed with its particle.
    """
    for start in range(1, len(word)):
        noun, particle = word[:start], word[start:]
        is_long = len(noun) > 1
        if is_long and particle[0] == _PLURAL:
            if len(particle) == 1 or _can_follow(_PLURAL, particle[1:]):
                yield noun
        elif (is_long or particle not in _TOO_SHORT_FOR_ONE_SYLLABLE) and _can_follow(noun[-1], particle):
            yield noun


def _can_follow(syllable: str, particle: str) -> bool:
    """Return True if a noun that ends in the syllable can have the particle."""
    final = (ord(syllable) - ord(_FIRST_SYLLABLE)) % _FINALS
    if particle in _list_particles(bool(final)):
        return True
    return final == _FINAL_RIEUL and particle in ("로", "로는", "로도", "로만")


@lru_cache(maxsize=2)
def _list_particles(after_consonant: bool) -> frozenset[str]:
    plain = (_AFTER_CONSONANT if after_consonant else _AFTER_VOWEL).split()
    double_particles = [first + tail for first in _AFTER_ANY.split() if len(first) > 1 for tail in _TAILS]
    double_particles += ["에는", "에도", "에만", "에요"]
    direction_particles = [
        first + tail for first in ("으로" if after_consonant else "로",) for tail in ("는", "도", "만")
    ]
    return frozenset((*plain, *_AFTER_ANY.split(), *double_particles, *direction_particles))
