"""Names that people give to what they save: one line, compared without case, and ids made of words."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from ops.core.errors import UsageError

MAX_NAME = 120
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_INVISIBLE = ("Cf", "Cc", "Zl", "Zp")
"""Categories of Unicode: format, control, line and paragraph."""
_JOINERS = "\u200c\u200d"
_VIRAMA = 9
"""The combining class of the sign that joins two consonants of an Indian script; a joiner may follow it."""


def require_name(name: str, thing: str) -> str:
    """Return the name of a ``thing`` ("collection") without spaces around it, in Unicode's form NFC.

    Raises ``UsageError`` if it is empty, longer than ``MAX_NAME`` characters, or not one line.
    """
    text = unicodedata.normalize("NFC", name).strip()
    if not text:
        raise UsageError(f"a {thing} needs a name")
    if len(text) > MAX_NAME:
        raise UsageError(f"the name of a {thing} has at most {MAX_NAME} characters, and this has {len(text)}")
    if _CONTROL.search(text):
        raise UsageError(f"{text!r} cannot be a name: use one line, without control characters")
    return text


def find_invisible(text: str) -> str:
    """Return the first invisible character or mark of direction in a text; empty if it has none.

    Joiners that letters need are not meant: inside a word (Persian, Indian scripts, emoji), or after a virama.
    """
    for at, sign in enumerate(text):
        if unicodedata.category(sign) not in _INVISIBLE:
            continue
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        is_needed = _is_visible(before) and (_is_visible(after) or unicodedata.combining(before) == _VIRAMA)
        if sign not in _JOINERS or not is_needed:
            return sign
    return ""


def _is_visible(sign: str) -> bool:
    """Return True for a letter, a mark on one, or a symbol; False for the end of a text."""
    return bool(sign) and unicodedata.category(sign)[0] in "LMS"


def fold_name(name: str) -> str:
    """Return the form by which two names are compared.

    That is without case, width, invisible characters, and spaces around it.
    """
    text = "".join(sign for sign in name if unicodedata.category(sign) not in _INVISIBLE)
    return unicodedata.normalize("NFKC", text).casefold().strip()


def hash_words(*words: str) -> str:
    """Return the hash of several words, 32 hexadecimal digits."""
    return hashlib.blake2b("\x00".join(words).encode(), digest_size=16).hexdigest()
