"""How well decoded text fits a language: the share of plausible characters, and how common its letters are.

Stands alone because statistics over bytes fail on short files. With eight code pages, the last byte of ``café`` is some
letter or other. Only one code page gives each word the letters of one language, with capitals, final letters and marks
in their proper places.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from ops.dialogue.alphabets import WESTERN_LETTERS, Alphabet

_QUOTES = frozenset("“”‘’‚„«»‹›…–—\u00a0")
"""Marks next to words."""
_SYMBOLS = frozenset("·°€£§©®™²´¨♪♫№•¡¿₪₫ªº½")
"""Marks apart from words, or before numbers and after them."""
_BESIDE_WORDS = frozenset("♪♫¡¿·•")
_BEFORE_WORDS = frozenset("„‚¿¡")
_PAIRS = (("«", "»"), ("‹", "›"))
_USUAL = {
    "arabic": "،؛؟ـ٪",
    "greek": "·΄",
    "hebrew": "־׳״",
}
_WORD = re.compile(r"[^\W\d_][^\W\d_\u0300-\u036f]*(?:[\u0300-\u036f]+[^\W\d_]*)*")
_MOST_MARKED = 0.6
"""Share of letters that are not ASCII, in lines that have one, in languages of Latin script."""
_CASED_SCRIPTS = frozenset(("latin", "cyrillic", "greek", "vietnamese"))
_FINAL_ONLY = {"hebrew": frozenset("םןךףץ"), "greek": frozenset("ς"), "arabic": frozenset("ةى")}
_NOT_FINAL = {"hebrew": frozenset("כמנצ"), "greek": frozenset("σ")}
WIDE = ("japanese", "korean", "chinese")
_JOINERS = frozenset("\u200c\u200d\u200e\u200f")
_TEXTS = 64
"""Number of texts whose words are kept: a file is decoded by some forty encodings, each rated for several languages."""


@dataclass(frozen=True, kw_only=True)
class LanguageFit:
    """``bad`` is the share of the characters beyond ASCII that the language does not explain. ``cost`` is how much
    rarer the others are than usual, in nats. ``signs`` is the number of characters beyond ASCII."""

    bad: float
    cost: float
    signs: int

    @property
    def score(self) -> float:
        """0 is perfect; comparable among languages and encodings of the same bytes."""
        return self.bad + 0.06 * self.cost


class _FitCounts:
    def __init__(self) -> None:
        self.good = self.bad = self.cost = self.rated_weight = 0.0

    def fit(self, extra: float = 0.0) -> LanguageFit:
        total = self.good + self.bad
        return LanguageFit(
            bad=(self.bad / total if total else 0.5) + extra,
            cost=self.cost / self.rated_weight if self.rated_weight else 0.0,
            signs=round(total),
        )


def measure_fit(text: str, alphabet: Alphabet) -> LanguageFit:
    """Return how well a text, decoded with replacement characters, fits the language of an alphabet."""
    if alphabet.script in WIDE:
        return _fit_wide(text, alphabet.script)
    if alphabet.script == "thai":
        return _fit_thai(text, alphabet)
    return _fit_words(text, alphabet)


def _fit_words(text: str, alphabet: Alphabet) -> LanguageFit:
    tally = _FitCounts()
    script = alphabet.script
    # The code page of Vietnamese has no letters with tones, so its tones are characters of their own.
    is_without_tones = script == "vietnamese" and not any(map(unicodedata.combining, text))
    text = unicodedata.normalize("NFC", text)
    counts = _count_letters(text)
    for word, letters, times in counts.words:
        _rate_word(word, letters, alphabet, times, tally)
    _rate_marks(text, script, tally)
    extra = 0.0
    if script == "latin" and counts.marked + counts.plain:
        extra += max(counts.marked / (counts.marked + counts.plain) - _MOST_MARKED, 0.0)
    if script in ("cyrillic", "greek") and counts.upper + counts.lower:
        # Headings are in capitals, whole files hardly ever; a file of some length without any is another script.
        is_flat = text.lower() == text and counts.lower > 12
        extra += 0.1 * counts.upper / (counts.upper + counts.lower) + (0.1 if is_flat else 0.0)
    if is_without_tones:
        extra += 0.3
    if alphabet.language == "ar" and counts.marked > 12 and not re.search(r"\bال", text):
        extra += 0.05  # hardly a sentence is without the article
    return tally.fit(extra)


@dataclass(frozen=True, kw_only=True)
class _LetterCounts:
    """Words with letters beyond ASCII: each with the number of these letters and how often it occurs.

    ``marked`` and ``plain`` are letters beyond ASCII and in it; ``upper`` and ``lower`` are of ``words`` only.
    """

    words: tuple[tuple[str, int, int], ...]
    marked: int
    plain: int
    upper: int
    lower: int


@lru_cache(maxsize=_TEXTS)
def _count_letters(text: str) -> _LetterCounts:
    words = []
    marks = plain = upper = lower = 0
    for word, times in Counter(_WORD.findall(text)).items():
        letters = 0 if word.isascii() else sum(not sign.isascii() for sign in word)
        marks += letters * times
        plain += (len(word) - letters) * times
        if letters:
            upper += sum(map(str.isupper, word[1:])) * times
            lower += sum(map(str.islower, word)) * times
            words.append((word, letters, times))
    return _LetterCounts(words=tuple(words), marked=marks, plain=plain, upper=upper, lower=lower)


def _rate_word(word: str, letters: int, alphabet: Alphabet, times: int, tally: _FitCounts) -> None:
    costs = _compute_costs(alphabet.letters)
    script = alphabet.script
    is_mixed = script not in ("latin", "vietnamese") and letters < len(word)
    is_odd = is_mixed or (script in _CASED_SCRIPTS and not _is_cased(word))
    for place, sign in enumerate(word):
        if sign.isascii():
            continue
        # The dot above is a character of its own in small letters.
        cost = costs.get("ı" if sign == "İ" else sign.lower())
        if is_odd or (cost is not None and not _is_placed(sign, place, word, alphabet)):
            tally.bad += times
        elif cost is not None:
            tally.good += times
            tally.cost += cost * times
            tally.rated_weight += times
        elif unicodedata.category(sign) == "Mn" and script in ("hebrew", "arabic"):
            tally.good += times
        else:
            # A name from another country: possible if its letters are on the same code page.
            is_western = script == "latin" and sign.lower() in WESTERN_LETTERS and "cp1252" in alphabet.encodings
            tally.bad += 0.5 * times if is_western else times


def _is_placed(sign: str, place: int, word: str, alphabet: Alphabet) -> bool:
    """Return whether a letter may be at this place of a word."""
    script = alphabet.script
    is_last = place == len(word) - 1
    if sign in _FINAL_ONLY.get(script, ()):
        return is_last and len(word) > 1
    if sign in _NOT_FINAL.get(script, ()):
        return not is_last or len(word) == 1
    if script == "latin":
        match sign.lower():
            case "þ":
                return place == 0
            case "ð":
                return place > 0
            case "õ" if alphabet.language == "pt":
                return word[place + 1 : place + 2].lower() == "e"
            case "ï":
                return place > 0 and word[place - 1].lower() in "aeiouéèóöá"
    return script != "cyrillic" or place > 0 or sign.lower() not in "ьы"


def _rate_marks(text: str, script: str, tally: _FitCounts) -> None:
    """Rate characters beyond ASCII that are not letters: in an unusual place they mean the wrong code page."""
    marks, unpaired_count = _list_marks(text)
    for before, sign, after in marks:
        if _is_usual(before, sign, after, script):
            tally.good += 0.3
            tally.cost += 0.3 * 0.5
            tally.rated_weight += 0.3
        else:
            tally.bad += 2 if unicodedata.category(sign) == "Cc" else 1
    tally.bad += unpaired_count


@lru_cache(maxsize=_TEXTS)
def _list_marks(text: str) -> tuple[tuple[tuple[str, str, str], ...], int]:
    """Return characters beyond ASCII that are not letters, each between its neighbours, and how many lack a partner."""
    marks = tuple(signs for signs in _pair_signs(text) if not (signs[1].isascii() or signs[1].isalpha()))
    return marks, sum(abs(text.count(opening) - text.count(closing)) for opening, closing in _PAIRS)


def _is_usual(before: str, sign: str, after: str, script: str) -> bool:
    if unicodedata.category(sign) == "Mn" or sign in _JOINERS:
        return (before.isalpha() and not before.isascii()) or unicodedata.category(before) == "Mn"
    if sign in _BEFORE_WORDS and (before.isalnum() or before == sign):
        return False
    if sign in _QUOTES or sign in _USUAL.get(script, ""):
        # Within a word only apostrophes and dashes.
        return not (before.isalpha() and after.isalpha()) or sign in "’‘–—…"
    if sign not in _SYMBOLS:
        return False
    if sign in _BESIDE_WORDS:
        return not (before.isalpha() and after.isalpha())
    return not (before.isalpha() or after.isalpha())


def _fit_thai(text: str, alphabet: Alphabet) -> LanguageFit:
    """Rate Thai text: marks follow consonants, and vowels written before a consonant have one after them."""
    tally = _FitCounts()
    costs = _compute_costs(alphabet.letters)
    vowels = 0
    for before, sign, after in _pair_signs(text):
        if sign.isascii():
            continue
        is_mark, is_leading = unicodedata.category(sign) == "Mn", "\u0e40" <= sign <= "\u0e44"
        vowels += is_mark or is_leading or sign in "ะาำ"
        is_glued = (before.isascii() and before.isalpha()) or (after.isascii() and after.isalpha())
        if not "\u0e01" <= sign <= "\u0e5b" or sign in "ฃฅ":
            tally.bad += 0 if sign in _QUOTES or sign in _SYMBOLS else 1
        elif is_glued or (is_mark and not _can_carry(before)) or (is_leading and not "\u0e01" <= after <= "\u0e2e"):
            tally.bad += 1
        else:
            tally.good += 1
            if not (is_mark or is_leading):
                tally.cost += costs.get(sign, 1.0)
                tally.rated_weight += 1
    # About every third character is a vowel or a tone.
    return tally.fit(0.3 if vowels < 0.2 * tally.good and tally.good > 4 else 0.0)


def _can_carry(sign: str) -> bool:
    return "\u0e01" <= sign <= "\u0e2e" or unicodedata.category(sign) == "Mn"


def _pair_signs(text: str) -> Iterator[tuple[str, str, str]]:
    return zip(f" {text}", text, f"{text[1:]} ", strict=False)


def _fit_wide(text: str, script: str) -> LanguageFit:
    tally = _FitCounts()
    kana = han = 0
    for sign, times in Counter(sign for sign in text if not sign.isascii()).items():
        kind = _classify(sign)
        kana += times * (kind == "kana")
        han += times * (kind == "han")
        good = _share_good(sign, kind, script)
        tally.good += good * times
        tally.bad += (1 - good) * times
    # Japanese without syllables is another language, unless it is a shout.
    extra = 0.3 if script == "japanese" and han > 8 * kana and han > 3 else 0.0
    glued_pairs = sum(
        not sign.isascii() and before.isascii() and before.islower() for before, sign, _ in _pair_signs(text)
    )
    return tally.fit(extra + (0.4 + 0.5 * glued_pairs) / max(tally.good + tally.bad, 1.0))


def _share_good(sign: str, kind: str, script: str) -> float:
    match kind, script:
        case "wide mark", _:
            return 0.5 if sign.isalnum() or sign >= "\uff61" else 1.0
        case "kana", "japanese":
            return 1.0
        case "hangul", "korean":
            return 1.0 if _is_in(sign, "euc_kr", 0xB0, 0xC8) else 0.3
        case "han", "japanese":
            return 1.0 if _is_in(sign, "shift_jis", 0x88, 0x97) else 0.3
        case "han", "korean":
            return 0.3
        case "han", "chinese":
            is_common = _is_in(sign, "gb2312", 0xB0, 0xD7) or _is_in(sign, "big5", 0xA4, 0xC6)
            return 1.0 if is_common else 0.2
        case "half kana", "japanese":
            return 0.4
    return 0.7 if sign in _QUOTES or sign in "♪♫·" else 0.0


def _classify(sign: str) -> str:
    if "\u4e00" <= sign <= "\u9fff":
        return "han"
    if "\u3041" <= sign <= "\u30ff":
        return "kana"
    if "\uac00" <= sign <= "\ud7a3":
        return "hangul"
    if "\uff66" <= sign <= "\uff9f":
        return "half kana"
    if "\u3000" <= sign <= "\u301f" or "\uff01" <= sign <= "\uff65":
        return "wide mark"
    return "other"


@cache
def _is_in(sign: str, encoding: str, first: int, last: int) -> bool:
    """Return whether a character is in these rows of a character set: the rows of characters in common use."""
    try:
        return first <= sign.encode(encoding)[0] <= last
    except UnicodeEncodeError:
        return False


@cache
def _compute_costs(letters: str) -> dict[str, float]:
    """Return nats that a letter costs beyond the usual one, by its rank in its language (Zipf's law)."""
    weights = {letter: 1 / (place + 3) for place, letter in enumerate(dict.fromkeys(letters))}
    total = sum(weights.values())
    costs = {letter: -math.log(weight / total) for letter, weight in weights.items()}
    usual = sum(weights[letter] / total * cost for letter, cost in costs.items())
    return {letter: cost - usual for letter, cost in costs.items()}


def _is_cased(word: str) -> bool:
    """Return whether a word is all small, capitalised or all capitals: the wrong code page mixes them."""
    word = word.replace("ß", "")
    return len(word) < 2 or word[1:].islower() or word.isupper()
