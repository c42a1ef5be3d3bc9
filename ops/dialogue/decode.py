"""Bytes of a subtitle file as text, whatever encoding they were written in."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from ops.core.errors import MediaError
from ops.dialogue.alphabets import code_page_of

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SIGNS_OF_LINES = ("-->", "Dialogue:")
SAMPLE = 64 << 10
"""Bytes that the guess of an encoding looks at: some hundred lines tell it, and more only cost time."""
LAST_RESORT = "cp1252"


def text_of(data: bytes, language: str = "") -> tuple[str, str]:
    """``(text, guessed encoding)``; the second is empty where nothing had to be guessed.

    A byte order mark counts first, then UTF-8, then UTF-16 without a mark, then letters that the ``language`` (ISO
    639-1, empty where not known) or another one uses, then a guess from the bytes. A wrong guess can cost accents
    but no line: an encoding under which lines would vanish is not taken, and what it cannot decode becomes a
    replacement sign. Raises ``MediaError`` where the bytes are no text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace"), ""
    if b"\0" in data:
        return _without_mark(data), "utf-16"
    try:
        return data.decode(), ""
    except UnicodeDecodeError:
        return _guessed(data, language)


def _without_mark(data: bytes) -> str:
    for encoding in ("utf-16-le", "utf-16-be"):
        text = data.decode(encoding, "replace")
        if any(sign in text for sign in _SIGNS_OF_LINES):
            return text
    raise MediaError("it holds binary data, no subtitles: is its name right?")


def _guessed(data: bytes, language: str) -> tuple[str, str]:
    for encoding in _candidates(_sample(data), language):
        text = data.decode(encoding, "replace")
        if all(text.count(sign) == data.count(sign.encode()) for sign in _SIGNS_OF_LINES):
            return text, encoding
    # Every byte is a sign in latin-1, so this cannot lose one.
    return data.decode("latin-1"), "latin-1"


def _candidates(sample: bytes, language: str) -> Iterator[str]:
    page = code_page_of(sample, language)
    if page:
        yield page
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    yield from (best.encoding, LAST_RESORT) if best else (LAST_RESORT,)


def _sample(data: bytes) -> bytes:
    """The lines that are not plain ASCII: only these tell one encoding from another."""
    telling = [line for line in data.splitlines(keepends=True) if not line.isascii()]
    return b"".join(telling)[:SAMPLE]
