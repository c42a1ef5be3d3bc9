"""Decide if a text continues the sentence of another one, and join the two.

Stands alone because this rule can be wrong: subtitles break a sentence at the width of the screen, and only their
punctuation shows a change of speaker or the end of a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_CLOSING = "\"'\u201d\u2019\u00bb\u203a)]\u300d\u300f\u3011\uff09\u266a\u266b#* "
_SENTENCE_ENDS = tuple(".!?\u3002\uff0e\uff01\uff1f\uff61\u203c\u2047\u0589\u061f\u06d4\u0964\u0965\u104b\u17d4\u1362")
_ELLIPSES = ("...", "\u2026", "\u2025")
_TITLES = re.compile(r"\b(?:mr|mrs|ms|dr|st|prof|sr|jr|mme|fr|hr|lt|sgt|capt|gen|rev|vs)\.$", re.IGNORECASE)
_BREAKS = ("--", "\u2014", "\u2013")
# A dash at the start of a row, ">>" and "NAME:" mark a change of speaker in subtitles.
_SPEAKER = re.compile(r"(?:[-\u2010-\u2015\u2212\uff0d](?![-\u2010-\u2015])|>>|[^\W\da-z_](?:[^\W\da-z_]|[ .'-])+:\s)")
# Some subtitles write a dash on both sides of a break within a sentence.
_DASH_ENDS = re.compile(r"(?:\s|\w)[-\u2010-\u2015]$")
_DASH_STARTS = re.compile(r"[-\u2010-\u2015]\s?(?=[^\W\d_])")
_REMARK = re.compile(r"(?:\s*(?:\[[^\]]*\]|\([^)]*\)|\{[^}]*\}|\uff08[^\uff09]*\uff09)\s*)+")
_MUSIC = re.compile("[\u266a\u266b]")
# Thai, Lao, Myanmar, Khmer; kana and ideographs: written without blanks between words.
_UNSPACED_LETTER = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def join_text(texts: Sequence[str]) -> str:
    """Join texts of consecutive lines, without a blank between scripts that have none."""
    whole = " ".join(texts[0].split()) if texts else ""
    for text in texts[1:]:
        more = " ".join(text.split())
        is_one_word = re.search(r"[^\W\d_]-$", whole) and more[:1].islower()
        whole += more if is_unspaced(whole, more) or is_one_word else f" {more}"
    return whole


def is_unspaced(before: str, after: str) -> bool:
    """Return True if a word may cross the border of two texts, because neither side has blanks between words."""
    return bool(_UNSPACED_LETTER.fullmatch(before[-1:]) and _UNSPACED_LETTER.fullmatch(after[:1]))


def is_continued(before: str, after: str) -> bool:
    """Return True if ``after`` continues the sentence of ``before``: no end between them, and the same speaker."""
    before, after = before.strip(), after.strip()
    if _DASH_ENDS.search(before) and (dash := _DASH_STARTS.match(after)) and after[dash.end()].islower():
        return True
    if _SPEAKER.match(after) or bool(_MUSIC.search(before)) != bool(_MUSIC.search(after)):
        return False
    end, start = before.rstrip(_CLOSING), after.lstrip("\"'\u201c\u2018\u00ab\u2039([\u300c\u300e \u266a\u266b")
    if end.endswith((*_ELLIPSES, *_BREAKS)):
        return start.startswith(_ELLIPSES) or start[:1].islower()
    return bool(end) and (not end.endswith(_SENTENCE_ENDS) or bool(_TITLES.search(end)))


def is_aside(text: str) -> bool:
    """Return True if a text consists only of sounds and directions in brackets: "[thunder]"."""
    return bool(_REMARK.fullmatch(text))
