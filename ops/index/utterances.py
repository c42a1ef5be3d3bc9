"""Lines of one sentence: find the lines that continue each other, and the number of them that a query matches.

Stands alone because the index holds lines, but a user remembers sentences. A phrase that spans several cues is one hit,
from the cue with its first word on; one within a cue stays the hit of that cue.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ops.index.line_points import Following, LineHit, LineRow, build_words_field, has_phrases
from ops.index.sentences import is_aside, is_continued, join_text

LONGEST_GAP_S = 2.0
"""A longer pause ends a sentence, whatever its punctuation."""
LEAST_SHOWN = 0.5
"""Share of a cue after which the next one may begin; one that begins sooner is shown at the same time."""
MOST_FOLLOWING = 6
MOST_SIGNS = 240
"""Characters of the lines after a line that are indexed with it: captions without punctuation never end."""
_CANDIDATES = 8
"""Number of lines after a line that are searched for the next one of its sentence."""


def add_sentences(rows: Iterable[LineRow]) -> Iterator[LineRow]:
    """Yield the lines of one video, each with the lines that continue its sentence."""
    groups: dict[tuple[str, str], list[LineRow]] = {}
    for row in rows:
        groups.setdefault((row.language, row.source), []).append(row)
    for group in groups.values():
        group.sort(key=lambda row: (row.start_s, row.end_s, row.line_id))
        starts = [row.start_s for row in group]
        parts = [_build_following(row) for row in group]
        nexts = [_find_next(group, starts, at) for at in range(len(group))]
        for at, row in enumerate(group):
            yield row if nexts[at] is None else replace(row, following=tuple(_follow_sentence(parts, nexts, at)))


def extend_hit(hit: LineHit, count: int) -> LineHit:
    """Extend the hit by the next ``count`` lines of its sentence: one text, one range of time, all of their shots."""
    if not count:
        return hit
    more = hit.following[:count]
    return replace(
        hit,
        text=join_text([hit.text, *(each.text for each in more)]),
        shot_ids=tuple(dict.fromkeys([*hit.shot_ids, *(shot for each in more for shot in each.shot_ids)])),
        end_frame=max(hit.end_frame, *(each.end_frame for each in more)),
        end_s=max(hit.end_s, *(each.end_s for each in more)),
        following=hit.following[count:],
        joined_ids=(*hit.joined_ids, *(each.line_id for each in more)),
    )


def extend_to_phrases(hit: LineHit, phrases: Sequence[Sequence[str]]) -> LineHit | None:
    """Return the hit with the lines of its sentence that hold all ``phrases``; ``None`` if they begin in a later line.

    ``phrases`` are spellings of phrases from :func:`~ops.index.line_points.spell_phrase`.
    """
    if not phrases or not hit.following or has_phrases(build_words_field(hit.text), phrases):
        return hit
    texts = [hit.text, *(each.text for each in hit.following)]
    for count in range(1, len(texts)):
        if has_phrases(build_words_field(join_text(texts[1 : count + 1])), phrases):
            return None
        if has_phrases(build_words_field(join_text(texts[: count + 1])), phrases):
            return extend_hit(hit, count)
    return None


def _find_next(rows: Sequence[LineRow], starts: Sequence[float], at: int) -> int | None:
    """Return the place of the line that continues the sentence of line ``at``.

    Asides such as "[thunder]" are skipped.
    """
    row = rows[at]
    if is_aside(row.text):
        return None
    first = max(bisect_left(starts, row.start_s + LEAST_SHOWN * (row.end_s - row.start_s)), at + 1)
    for place in range(first, min(first + _CANDIDATES, len(rows))):
        other = rows[place]
        if other.start_s - row.end_s >= LONGEST_GAP_S:
            return None
        if not is_aside(other.text):
            return place if is_continued(row.text, other.text) else None
    return None


def _follow_sentence(parts: Sequence[Following], nexts: Sequence[int | None], at: int) -> Iterator[Following]:
    signs = 0
    for _ in range(MOST_FOLLOWING):
        place = nexts[at]
        if place is None or (signs and signs + len(parts[place].text) > MOST_SIGNS):
            return
        signs += len(parts[place].text)
        yield parts[place]
        at = place


def _build_following(row: LineRow) -> Following:
    return Following(
        line_id=row.line_id, text=row.text, shot_ids=row.shot_ids, end_frame=row.end_frame, end_s=row.end_s
    )
