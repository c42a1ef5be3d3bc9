"""Find shots with speech or with writing, for ``said:`` and ``text:``, and the writing that a query matches well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ops.core.errors import NotFoundError
from ops.core.types import parse_shot_id
from ops.index.lines import LineHit, LineIndex
from ops.index.words import split_words
from ops.search.conditions import means_any_words
from ops.search.interpretation import TOGETHER, Words, find_lines, find_said, parse_words, select_content_words
from ops.search.searched_catalogue import Scope

NO_TEXTS = "no writing in the picture is indexed: set NEEDLE_SCREEN_TEXT=on and run `needle ingest`, or take text: away"
LEAST_SHARE = 0.5
"""A text found by one word of a query consists of it to this share: the sign EXIT, not a page of credits."""
MOST_SHOWN = 200
"""Texts that answer one query at most; the filter ``text:`` has no limit."""


def find_texts(text: str, texts: LineIndex | None, scope: Scope) -> list[tuple[LineHit, float]]:
    """Return the writing that has ``text``, best first: every phrase in quotes, and most of the other words.

    Raises ``NotFoundError`` if no writing is indexed.
    """
    if texts is None:
        raise NotFoundError(NO_TEXTS)
    return find_said(text, texts, scope)


def find_spoken_shots(text: str, lines: LineIndex, scope: Scope) -> frozenset[str]:
    """Return the shots in which ``text`` is spoken, or with any speech for ``*``."""
    if means_any_words(text):
        return _list_shots(lines, scope)
    return frozenset(shot for line, _ in find_said(text, lines, scope) for shot in line.shot_ids)


def find_written_shots(text: str, texts: LineIndex | None, scope: Scope) -> frozenset[str]:
    """Return the shots in which ``text`` is written, or with any writing for ``*``; errors as :func:`find_texts`."""
    if not means_any_words(text):
        return frozenset(shot for line, _ in find_texts(text, texts, scope) for shot in line.shot_ids)
    if texts is None:
        raise NotFoundError(NO_TEXTS)
    return _list_shots(texts, scope)


def _list_shots(lines: LineIndex, scope: Scope) -> frozenset[str]:
    """Return the shots of all lines, those of the scope if it names videos."""
    return limit_to_scope(lines.shot_ids, scope)


def limit_to_scope(shots: Iterable[str], scope: Scope) -> frozenset[str]:
    """Return those of the shots that are of the videos of the scope; all if it names no videos."""
    if scope.is_empty:
        return frozenset()
    videos = scope.videos
    return frozenset(shot for shot in shots if videos is None or _find_video(shot) in videos)


def _find_video(shot_id: str) -> str:
    parts = parse_shot_id(shot_id)
    return parts[0] if parts else ""


def find_matching_texts(text: str, texts: LineIndex | None, scope: Scope) -> list[tuple[LineHit, float]]:
    """Return the writing that the words of a query match well, best first; few match, and none is an error.

    Words in quotes match exactly. Of several words without quotes, most are in the text; a single one is most of it.
    """
    words = parse_words(text)
    content = select_content_words(words.rest)
    if texts is None or not (words.phrases or content):
        return []
    if words.phrases:
        return find_lines(Words(phrases=words.phrases, rest="", plain=words.plain), texts, scope, MOST_SHOWN)
    matches = [each for each in find_lines(words, texts, scope, MOST_SHOWN) if each[1] >= TOGETHER]
    if len(content) > 1:
        return matches
    return [each for each in matches if _is_most(content, each[0].text)]


def _is_most(content: Sequence[str], text: str) -> bool:
    words = select_content_words(text) or split_words(text)
    return len(content) >= LEAST_SHARE * len(words)
