"""Convert marked-up subtitle text to plain text: the spoken words, in one line, bounded, without active markup."""

from __future__ import annotations

import html
import re
import unicodedata

MOST_SIGNS = 1000
"""Length of a line; one cue is read in a few seconds, so more is not dialogue."""
# Raw text is cut before any pattern matching: unclosed brackets make patterns slow.
_MOST_RAW = 8 * MOST_SIGNS

_HTML_TAGS = re.compile(r"</?\s*(?:i|b|u|s|em|strong|font|ruby|rt)(?:\s[^<>]*)?/?>", re.IGNORECASE)
_VTT_TAGS = re.compile(r"</?(?:c|v|lang|i|b|u|ruby|rt)(?:[.\s][^<>]*)?>|<\d[\d:.]*>")
# Captions of video sites keep the times of their words when they are saved as another format.
_WORD_TIMES = re.compile(r"</?c(?:\.[^<>\s]*)?>|<\d{1,3}:\d\d[\d:.,]*>")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});")
_OVERRIDES = re.compile(r"\{\\[^{}]*\}")
_ESCAPES = re.compile(r"\\[Nnh]")
# Marks that change the direction of text or have no meaning; joiners stay, because scripts and emoji need them.
_UNSEEN = frozenset(
    "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\ufff9\ufffa\ufffb"
)


def strip_markup(raw: str, kind: str) -> tuple[str, bool]:
    """Return ``(text, whether it was cut)`` of one cue; ``kind`` is srt, vtt, sami, ttml, ass or mov_text.

    Formatting is removed (italics, colours, positions, drawings). Any other ``<tag>`` is part of the text and stays as
    it is; the code that shows it must escape it. White space becomes single spaces.
    """
    cut = len(raw) > _MOST_RAW
    text = raw[:_MOST_RAW]
    if kind == "ass":
        text = _strip_drawings(text)
    elif kind in ("srt", "vtt", "sami", "ttml"):
        # Positions such as {\\an8} are written into files of every format.
        text = _OVERRIDES.sub("", (_VTT_TAGS if kind == "vtt" else _WORD_TIMES).sub("", text))
        text = _HTML_TAGS.sub("", text)
        # Entities last: their characters are text, also if it looks like a tag.
        text = _ENTITY.sub(_unescape, text if kind == "vtt" else _ESCAPES.sub(" ", text))
    text = " ".join("".join(map(_show_sign, unicodedata.normalize("NFC", text))).split())
    return (text, cut) if len(text) <= MOST_SIGNS else (text[: MOST_SIGNS - 1] + "…", True)


def _unescape(match: re.Match[str]) -> str:
    return html.unescape(match[0])


def _strip_drawings(text: str) -> str:
    """Return ASS text without override tags and without drawings, which begin with ``\\p1`` and end with ``\\p0``."""
    from pysubs2.formats.substation import parse_tags

    # 64 tags at most: for each piece, the parser reads all tags before it.
    if text.count("{") > 64:
        return _ESCAPES.sub(" ", _OVERRIDES.sub("", text))
    return _ESCAPES.sub(" ", "".join(piece for piece, style in parse_tags(text) if not style.drawing))


def _show_sign(sign: str) -> str:
    kind = unicodedata.category(sign)
    if kind in ("Cc", "Cs", "Zl", "Zp"):
        return " "
    return "" if sign in _UNSEEN else sign
