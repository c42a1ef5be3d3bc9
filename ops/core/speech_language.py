"""The language of speech, by show: ``en`` for all, or ``SHOW=CODE`` pairs with commas, with ``*`` for all other shows.

Stands alone because names of shows may have commas.
"""

from __future__ import annotations

import re
from functools import lru_cache

_CODE = re.compile(r"[a-z]{2,3}")
_PAIR = re.compile(r"\s*(.+?)\s*=\s*([a-z]{2,3})\s*(?:,|$)")
OTHERS = "*"


def parse_speech_language(text: str) -> dict[str, str]:
    """Return language codes by show. Raises ``ValueError`` if the text has another form."""
    if not text.strip() or _CODE.fullmatch(text.strip()):
        return {OTHERS: text.strip()}
    languages: dict[str, str] = {}
    at = 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            raise ValueError(f"write a language such as en, or SHOW=de,*=en, not {text[at:]!r}")
        languages[pair[1]], at = pair[2], pair.end()
    return languages


def check_speech_language(text: str) -> str:
    """Return the text if it can be parsed; for a field of settings."""
    parse_speech_language(text)
    return text


@lru_cache
def find_speech_language(text: str, show: str) -> str:
    """Return the code of a show's language; empty if it is to be detected."""
    languages = parse_speech_language(text)
    return languages.get(show, languages.get(OTHERS, ""))
