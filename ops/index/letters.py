"""Normalise the letters of a text for comparison: one form for text that is typed in several ways.

Stands alone because a line and a query must be folded by one rule. The rule for combining marks is by script:

| script | marks |
| --- | --- |
| Latin, Greek | dropped: café = cafe, καλημέρα = ΚΑΛΗΜΕΡΑ; an exact line ranks first |
| Cyrillic | stress marks dropped, ё = е; й, ї and ў are letters |
| Arabic, Hebrew | vowel marks dropped; forms of alef, hamza carriers, ى and ة as they are often typed |
| Devanagari | kept; candrabindu = anusvara, न् before त = anusvara, nukta of borrowed sounds dropped (फ़ = फ) |
| every other | kept: vowel signs, viramas and tone marks make another word |

A kept mark becomes a letter (see ``MARK_OFFSET``). So each word is letters and digits only, and every engine sees the
same words, however it handles marks.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

MARK_OFFSET = 0x20000
"""Added to the code point of a kept mark: a rare ideograph (CJK Extension B), a letter for every engine."""
_LAST_MARK = 0xFFFF

APOSTROPHE = "'"
HYPHEN = "-"
# Characters for an apostrophe, with the Hebrew geresh and gershayim; NFKC would decompose some of them.
_APOSTROPHES = "\u2018\u2019\u201b\u2032`\u00b4\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\uff07\u055a\u05f3\u05f4\ua78c"
# Hyphens, the Hebrew maqaf, and the dots inside words: Catalan l·l, Katakana スター・ウォーズ, Korean ㆍ.
_HYPHENS = "\u2010\u2011\u058a\u05be\ufe63\uff0d\u00b7\u30fb\uff65\u318d"
_SIGNS = str.maketrans(dict.fromkeys(_APOSTROPHES, APOSTROPHE) | dict.fromkeys(_HYPHENS, HYPHEN))

# Hebrew acronyms are typed with a double quote as often as with gershayim: צה"ל.
_TYPED_GERSHAYIM = re.compile('(?<=[\u05d0-\u05ea])"(?=[\u05d0-\u05ea])')

SEPARATOR = "\u318d"
"""A letter for every engine that does not occur in :func:`normalise` text."""

# Letters that are not an ASCII letter with a mark, but are often typed as ASCII.
_LATIN = {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h", "ŧ": "t"}
_CYRILLIC = {"ё": "е", "ѐ": "е", "ѝ": "и"}
_ARABIC = {
    **dict.fromkeys("أإآٱ", "ا"),
    **dict.fromkeys("ىیئې", "ي"),
    **dict.fromkeys("ةہۀھەۃ", "ه"),
    "ؤ": "و",
    "ک": "ك",
    "ـ": "",
}
_HANGING = {"\u0901": "\u0902"}  # Devanagari candrabindu, often written as anusvara
_LETTERS = _LATIN | _CYRILLIC | _ARABIC | _HANGING
_OPTIONAL_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0711"
    "\u0730-\u074a\u08ca-\u08ff\u0951-\u0954\u180b-\u180f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\u3099\u309a"
    "\ufe00-\ufe0f\ufe20-\ufe2f]"
)
# Zero-width non-joiner between letters of Arabic script: often typed as a space in Persian, and often left out.
_HALF_SPACE = re.compile("(?<=[\u0600-\u06ff])\u200c(?=[\u0600-\u06ff])")
# Thai and Lao am: tone marks may be typed before or after its circle, and NFKC decomposes it.
_AM = re.compile("([\u0e48-\u0e4b]?)\u0e4d([\u0e48-\u0e4b]?)\u0e32|([\u0ec8-\u0ecb]?)\u0ecd([\u0ec8-\u0ecb]?)\u0eb2")
_DEVANAGARI_NASAL = re.compile("ङ्(?=[क-घ])|ञ्(?=[च-झ])|ण्(?=[ट-ढ])|न्(?=[त-ध])|म्(?=[प-भ])")
_BORROWED_SOUND = re.compile("([कखगजफ])\u093c")


def normalise(text: str) -> str:
    """Return the text in form NFKC, with one apostrophe and one hyphen, without invisible characters."""
    if text.isascii():
        return text.replace("`", APOSTROPHE)
    text = _TYPED_GERSHAYIM.sub(APOSTROPHE, _HALF_SPACE.sub(HYPHEN, text.translate(_SIGNS)))
    text = "".join(sign for sign in text if not _is_invisible(sign))
    return _AM.sub(_order_am, unicodedata.normalize("NFKC", text))


def fold_letters(text: str) -> str:
    """Fold a :func:`normalise` text for comparison: without case, with one form for each letter."""
    if text.isascii():
        return text.lower()
    text = _BORROWED_SOUND.sub(r"\1", _DEVANAGARI_NASAL.sub("\u0902", text))
    return "".join(map(_fold_letter, text))


def restore_marks(word: str) -> str:
    """Return a :func:`fold_letters` word in normal spelling: letters that stand for marks become marks again."""
    if word.isascii():
        return word
    return "".join(_restore_mark(sign) for sign in word)


def fold_case(text: str) -> str:
    """Return a :func:`normalise` text without case, but with every typed mark; marks are letters here too."""
    if text.isascii():
        return text.lower()
    return "".join(_replace_mark(each) for each in text.casefold())


@lru_cache(maxsize=65_536)
def _fold_letter(sign: str) -> str:
    if _OPTIONAL_MARKS.match(sign):
        return ""
    base = unicodedata.normalize("NFD", sign)[0]
    is_bare = base.isascii() or "\u0370" <= base <= "\u03ff" or "\u1f00" <= base <= "\u1fff"
    letters = (base if is_bare else sign).casefold()
    return "".join(_replace_mark(_LETTERS.get(each, each)) for each in letters if not _OPTIONAL_MARKS.match(each))


def _replace_mark(sign: str) -> str:
    """Convert a mark to a letter and a digit of any script to 0 to 9; keep every other character."""
    kind = unicodedata.category(sign) if len(sign) == 1 else ""
    if kind.startswith("M") and ord(sign) <= _LAST_MARK:
        return chr(ord(sign) + MARK_OFFSET)
    return str(unicodedata.digit(sign)) if kind == "Nd" else sign


def _restore_mark(sign: str) -> str:
    mark = chr(ord(sign) - MARK_OFFSET) if ord(sign) >= MARK_OFFSET else ""
    return mark if mark and unicodedata.category(mark).startswith("M") else sign


@lru_cache(maxsize=65_536)
def _is_invisible(sign: str) -> bool:
    """Match soft hyphens, joiners, directions (Cf), and the selectors of emoji and ideographs."""
    return unicodedata.category(sign) == "Cf" or "\ufe00" <= sign <= "\ufe0f" or "\U000e0100" <= sign <= "\U000e01ef"


def _order_am(match: re.Match[str]) -> str:
    thai_before, thai_after, lao_before, lao_after = match.groups(default="")
    is_thai = "\u0e32" in match.group()
    return f"{thai_before}{thai_after}\u0e33" if is_thai else f"{lao_before}{lao_after}\u0eb3"
