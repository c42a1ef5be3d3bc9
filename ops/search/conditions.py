"""Conditions on frames: which frames of which videos fulfil all, or any, of them."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ops.core.errors import NotFoundError
from ops.core.types import shot_id_of
from ops.index.lines import LineHit, LineIndex
from ops.search.candidates import Candidate, Ranking
from ops.search.probe_filters import ProbeScores
from ops.search.ranges import Range, intersection, intersection_of, union_of
from ops.search.schema import Condition, DialogueCondition, Kind, TextCondition, parse_filter
from ops.search.shot_details import ShotDetail
from ops.search.spoken import find_said

Details = Callable[[Sequence[str]], dict[str, ShotDetail]]


@dataclass(frozen=True, kw_only=True)
class Fulfilled:
    """Where one condition holds: ``ranges`` by video, and how well in each of its shots, 0 to 1.

    ``kind`` is ``visual`` or ``dialogue``; ``line_ids`` are lines by shot, for a condition on what is said.
    """

    kind: Kind
    ranges: dict[str, list[Range]]
    strengths: dict[str, float]
    line_ids: dict[str, list[str]]


class ConditionReader:
    """Finds where conditions hold. ``ranking_of`` ranks all shots by a text; ``details_of`` as ``ShotDetails.of``."""

    def __init__(
        self,
        *,
        ranking_of: Callable[[str], Ranking],
        details_of: Details,
        lines: LineIndex | None,
        probes: ProbeScores,
        shows: Sequence[str] = (),
    ) -> None:
        self._ranking_of = ranking_of
        self._details_of = details_of
        self._lines = lines
        self._probes = probes
        self._shows = tuple(shows)
        self.lines: dict[str, LineHit] = {}
        """The lines that conditions found, by id."""

    def read(self, condition: Condition) -> Fulfilled:
        """Where the condition holds. Raises ``NotFoundError`` for an unknown probe or without dialogue."""
        if isinstance(condition, TextCondition):
            return self._shots(self._seen(condition.text, condition.relevance))
        if isinstance(condition, DialogueCondition):
            return self._said(condition.dialogue)
        wanted = parse_filter(condition.probe)
        scores = self._probes.of(wanted.probe)
        is_least = wanted.comparison[0] == ">"
        return self._shots(
            {shot: score if is_least else 1 - score for shot, score in scores.items() if wanted.holds(score)}
        )

    def _seen(self, text: str, relevance: float) -> dict[str, float]:
        """Shots with at least that relevance for the text."""
        ranking, asked = self._ranking_of(text), 255
        while True:
            found, is_all = ranking.best(asked)
            if is_all or found[-1].relevance < relevance:
                return {each.shot_id: each.relevance for each in found if each.relevance >= relevance}
            asked = 4 * asked + 3

    def _shots(self, strengths: dict[str, float]) -> Fulfilled:
        details = self._details_of(list(strengths))
        ranges: dict[str, list[Range]] = {}
        for shot in details.values():
            if not self._shows or shot.show in self._shows:
                ranges.setdefault(shot.video_id, []).append((shot.start_frame, shot.end_frame))
        return Fulfilled(kind="visual", ranges=ranges, strengths=strengths, line_ids={})

    def _said(self, text: str) -> Fulfilled:
        if self._lines is None:
            raise NotFoundError(
                "no dialogue is indexed: put subtitles (.srt, .vtt, .ass) beside the films and run `needle ingest`"
            )
        ranges: dict[str, list[Range]] = {}
        strengths: dict[str, float] = {}
        line_ids: dict[str, list[str]] = {}
        for line, share in find_said(text, self._lines, self._shows):
            self.lines[line.line_id] = line
            ranges.setdefault(line.video_id, []).append((line.start_frame, line.end_frame))
            for shot_id in line.shot_ids:
                strengths[shot_id] = max(share, strengths.get(shot_id, 0.0))
                line_ids.setdefault(shot_id, []).append(line.line_id)
        return Fulfilled(kind="dialogue", ranges=ranges, strengths=strengths, line_ids=line_ids)


def matching_shots(
    all_of: Sequence[Fulfilled],
    any_of: Sequence[Fulfilled],
    starts_of: Callable[[str], Sequence[int]],
    details_of: Details,
) -> list[Candidate]:
    """One candidate for each shot that has frames which fulfil all of ``all_of`` and any of ``any_of``.

    At least one of both is not empty. ``match`` is the longest such run of frames within the shot. Relevance
    is the least of the strengths of ``all_of`` and the greatest of ``any_of`` (fuzzy "and" and "or": L. A.
    Zadeh, "Fuzzy sets", 1965). Best first.
    """
    parts = [each.ranges for each in all_of]
    if any_of:
        parts.append(union_of(each.ranges for each in any_of))
    matching = intersection_of(parts)
    touched = [shot_id for video_id, ranges in matching.items() for shot_id in _shots_in(video_id, ranges, starts_of)]
    found = []
    for shot_id, shot in details_of(touched).items():
        inside = intersection(matching[shot.video_id], [(shot.start_frame, shot.end_frame)])
        if not inside:
            continue
        longest = max(inside, key=lambda run: (run[1] - run[0], -run[0]))
        holding = [each for each in (*all_of, *any_of) if shot_id in each.strengths]
        line_ids = [name for each in holding for name in each.line_ids.get(shot_id, ())]
        found.append(
            Candidate(
                shot_id=shot_id,
                score=math.nan,
                relevance=_strength(shot_id, all_of, any_of),
                matched=tuple(sorted({each.kind for each in holding}, reverse=True)),
                line_ids=tuple(dict.fromkeys(line_ids)),
                match=longest,
            )
        )
    return sorted(found, key=lambda each: (-each.relevance, each.shot_id))


def _strength(shot_id: str, all_of: Iterable[Fulfilled], any_of: Iterable[Fulfilled]) -> float:
    least = [each.strengths.get(shot_id, 0.0) for each in all_of]
    greatest = [each.strengths.get(shot_id, 0.0) for each in any_of]
    return min([*least, max(greatest)] if greatest else least)


def _shots_in(video_id: str, ranges: Sequence[Range], starts_of: Callable[[str], Sequence[int]]) -> list[str]:
    """Shots of the video that share a frame with the ranges."""
    starts = starts_of(video_id)
    touched: dict[int, None] = {}
    for first, last in ranges:
        at = max(0, bisect_right(starts, first) - 1)
        touched |= dict.fromkeys(starts[at : bisect_left(starts, last)])
    return [shot_id_of(video_id, start) for start in touched]
