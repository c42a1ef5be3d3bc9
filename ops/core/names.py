"""Names that people give to what they save: one line, compared without case, and ids made of words."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from ops.core.errors import UsageError

MAX_NAME = 120
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


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


def fold_name(name: str) -> str:
    """Return the form by which two names are compared: without case, width and spaces around them."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


def hash_words(*words: str) -> str:
    """Return the hash of several words, 32 hexadecimal digits."""
    return hashlib.blake2b("\x00".join(words).encode(), digest_size=16).hexdigest()
