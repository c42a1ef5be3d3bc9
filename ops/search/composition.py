"""Composed queries: A then B, and frames that fulfil all, or any, of several conditions.

Frame ranges are ``[start_frame, end_frame)``, half-open. Returned ranges are ascending, disjoint and never empty, and
they never touch.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ops.core.errors import NotFoundError
from ops.core.types import make_shot_id, parse_shot_id
from ops.index.fetching import fetch_until
from ops.index.lines import LineHit, LineIndex
from ops.search.conditions import (
    Condition,
    DialogueCondition,
    SoundCondition,
    TextCondition,
    WrittenCondition,
    means_any_words,
)
from ops.search.interpretation import NO_DIALOGUE, find_said
from ops.search.probe_filters import ProbeScores
from ops.search.ranking import Selection, measure_shares
from ops.search.retrieval import Candidate, FixedRanking, Ranking, Retrieval, keep_only
from ops.search.schema import Kind, Query, parse_filter
from ops.search.searched_catalogue import Scope
from ops.search.shot_details import ShotDetails
from ops.search.sound import SoundShots
from ops.search.writing import find_spoken_shots, find_texts, find_written_shots, limit_to_scope

Range = tuple[int, int]
VideoRanges = Mapping[str, Sequence[Range]]

# Maximum number of shots on each side of a sequence. In a catalogue up to this size every pair is compared.
DEEPEST = 2000
KINDS: tuple[Kind, ...] = ("visual", "dialogue", "written")


def compose(
    query: Query,
    scope: Scope,
    selection: Selection,
    retrieval: Retrieval,
    details: ShotDetails,
    lines: LineIndex | None,
    texts: LineIndex | None,
    probes: ProbeScores,
    sound: SoundShots,
) -> Selection:
    """Apply the conditions, ``then`` and the probe filters of the query to the selection.

    Conditions come first: without a description, their shots are the first ones of the sequences.
    Raises ``NotFoundError`` for an unknown example or probe, and for a condition on words that are not indexed.
    """
    if query.all or query.any:
        reader = ConditionReader(scope, retrieval, details, lines, texts, probes, sound)
        all_of, any_of = ([reader.read(each) for each in part] for part in (query.all, query.any))
        candidates = find_matching_shots(all_of, any_of, details)
        if query.is_described or query.unlike:
            matching = {each.shot_id: each for each in candidates}
            selection = replace(
                selection,
                filters=(*selection.filters, lambda shots: _select_matching(shots, matching)),
                lines=selection.lines | reader.lines,
                texts=selection.texts | reader.texts,
            )
        else:
            seen_texts = [each.text for each in query.conditions if isinstance(each, TextCondition)]
            selection = Selection(
                ranking=FixedRanking(candidates),
                vector=retrieval.compute_middle(seen_texts),
                lines=reader.lines,
                texts=reader.texts,
            )
    if query.then:
        part = retrieval.look_like(query.then.text.strip(), query.then.like, query.then.unlike)
        pairs = find_sequences(selection.apply_filters(), part.apply_filters(), details.list_starts, query.then.within)
        selection = Selection(
            ranking=FixedRanking(pairs), vector=selection.vector, lines=selection.lines, texts=selection.texts
        )
    if query.where:
        probe_scores = probes.find_fulfilling([parse_filter(each) for each in query.where])
        selection = replace(selection, filters=(*selection.filters, keep_only(probe_scores)))
    return selection


def _select_matching(shots: Sequence[Candidate], matching: Mapping[str, Candidate]) -> list[Candidate]:
    """Return the shots that fulfil the conditions, with the matching frames and lines."""
    matches = [each for each in shots if each.shot_id in matching]
    for each in matches:
        match = matching[each.shot_id]
        each.match = match.match
        each.line_ids = tuple(dict.fromkeys(each.line_ids + match.line_ids))
        each.text_ids = tuple(dict.fromkeys(each.text_ids + match.text_ids))
        found = {"visual": False, "dialogue": bool(match.line_ids), "written": "written" in match.matched}
        each.matched = tuple(kind for kind in KINDS if kind in each.matched or found[kind])
    return matches


@dataclass(frozen=True, kw_only=True)
class Fulfilled:
    """The frames that fulfil one condition: ``ranges`` by video, and its strength in each shot, 0 to 1.

    ``kind`` is ``visual``, ``dialogue`` or ``written``; ``line_ids`` are lines by shot, for a condition on words, and
    ``shares`` the greatest share of a line in each shot.
    """

    kind: Kind
    ranges: dict[str, list[Range]]
    strengths: dict[str, float]
    line_ids: dict[str, list[str]]
    shares: dict[str, float] = field(default_factory=dict)


class ConditionReader:
    """Finds the frames that fulfil the conditions of a query.

    ``lines`` is ``None`` if no dialogue is indexed, ``texts`` if no writing is.
    """

    def __init__(
        self,
        scope: Scope,
        retrieval: Retrieval,
        details: ShotDetails,
        lines: LineIndex | None,
        texts: LineIndex | None,
        probes: ProbeScores,
        sound: SoundShots,
    ) -> None:
        self._scope = scope
        self._retrieval = retrieval
        self._details = details
        self._lines = lines
        self._texts = texts
        self._probes = probes
        self._sound = sound
        self.lines: dict[str, LineHit] = {}
        """Lines that match conditions, by id."""
        self.texts: dict[str, LineHit] = {}
        """Writing that matches conditions, by id."""

    def read(self, condition: Condition) -> Fulfilled:
        """Return the frames that fulfil the condition.

        Raises ``NotFoundError`` for an unknown probe, or if no dialogue, no writing or no sound is known.
        """
        if isinstance(condition, TextCondition):
            return self._convert_strengths(self._find_seen(condition.text, condition.relevance))
        if isinstance(condition, DialogueCondition):
            return self._find_spoken(condition.dialogue)
        if isinstance(condition, WrittenCondition):
            return self._find_written(condition.written)
        if isinstance(condition, SoundCondition):
            shots = limit_to_scope(self._sound.find_shots(condition.sound), self._scope)
            return self._convert_strengths(dict.fromkeys(shots, 1.0))
        probe_filter = parse_filter(condition.probe)
        scores = self._probes.read(probe_filter.probe)
        is_least = probe_filter.comparison[0] == ">"
        return self._convert_strengths(
            {shot: score if is_least else 1 - score for shot, score in scores.items() if probe_filter.accept(score)}
        )

    def _find_seen(self, text: str, relevance: float | None) -> dict[str, float]:
        """Return shots with at least that relevance for the text, by default that of :attr:`Calibration.by_chance`."""
        part = self._retrieval.look_like(text.strip())
        ranking, least = part.apply_filters(), part.calibration.by_chance if relevance is None else relevance
        candidates = fetch_until(ranking.best, 255, lambda shots: bool(shots) and shots[-1].relevance < least)
        return {each.shot_id: each.relevance for each in candidates.items if each.relevance >= least}

    def _convert_strengths(self, strengths: dict[str, float]) -> Fulfilled:
        details = self._details.read(list(strengths))
        ranges: dict[str, list[Range]] = {}
        for shot in details.values():
            if self._scope.has(shot.show, shot.video_id):
                ranges.setdefault(shot.video_id, []).append((shot.start_frame, shot.end_frame))
        return Fulfilled(kind="visual", ranges=ranges, strengths=strengths, line_ids={})

    def _find_spoken(self, text: str) -> Fulfilled:
        if self._lines is None:
            raise NotFoundError(NO_DIALOGUE)
        if means_any_words(text):
            shots = find_spoken_shots(text, self._lines, self._scope)
            return replace(self._convert_strengths(dict.fromkeys(shots, 1.0)), kind="dialogue")
        return self._convert_lines("dialogue", find_said(text, self._lines, self._scope), self.lines)

    def _find_written(self, text: str) -> Fulfilled:
        if means_any_words(text):
            shots = find_written_shots(text, self._texts, self._scope)
            return replace(self._convert_strengths(dict.fromkeys(shots, 1.0)), kind="written")
        return self._convert_lines("written", find_texts(text, self._texts, self._scope), self.texts)

    def _convert_lines(self, kind: Kind, hits: Sequence[tuple[LineHit, float]], lines: dict[str, LineHit]) -> Fulfilled:
        """Return the frames of lines, and add the lines to ``lines``, by id."""
        ranges: dict[str, list[Range]] = {}
        strengths: dict[str, float] = {}
        line_ids: dict[str, list[str]] = {}
        shares: dict[str, float] = {}
        for line, share in hits:
            lines[line.line_id] = line
            shares |= {shot: max(part, shares.get(shot, 0.0)) for shot, part in measure_shares(line).items()}
            ranges.setdefault(line.video_id, []).append((line.start_frame, line.end_frame))
            for shot_id in line.shot_ids:
                strengths[shot_id] = max(share, strengths.get(shot_id, 0.0))
                line_ids.setdefault(shot_id, []).append(line.line_id)
        return Fulfilled(kind=kind, ranges=ranges, strengths=strengths, line_ids=line_ids, shares=shares)


def find_matching_shots(
    all_of: Sequence[Fulfilled],
    any_of: Sequence[Fulfilled],
    details: ShotDetails,
) -> list[Candidate]:
    """Return one candidate for each shot that has frames which fulfil all of ``all_of`` and any of ``any_of``.

    At least one of the two is not empty. ``match`` is the longest run of these frames within the shot. Relevance is the
    minimum of the strengths of ``all_of`` and the maximum of ``any_of`` (fuzzy "and" and "or": L. A. Zadeh, "Fuzzy
    sets", 1965). Best first; of equal ones, the shots with most of a line.
    """
    parts = [each.ranges for each in all_of]
    if any_of:
        parts.append(unite_all(each.ranges for each in any_of))
    matching = intersect_all(parts)
    touching = [
        shot_id
        for video_id, ranges in matching.items()
        for shot_id in _find_shots(video_id, ranges, details.list_starts)
    ]
    candidates = []
    for shot_id, shot in details.read(touching).items():
        inside = intersect(matching[shot.video_id], [(shot.start_frame, shot.end_frame)])
        if not inside:
            continue
        longest = max(inside, key=lambda run: (run[1] - run[0], -run[0]))
        holding = [each for each in (*all_of, *any_of) if shot_id in each.strengths]
        line_ids, text_ids = (
            [name for each in holding if each.kind == kind for name in each.line_ids.get(shot_id, ())]
            for kind in ("dialogue", "written")
        )
        kinds = {each.kind for each in holding}
        candidates.append(
            Candidate(
                shot_id=shot_id,
                score=math.nan,
                relevance=_combine_strengths(shot_id, all_of, any_of),
                matched=tuple(kind for kind in KINDS if kind in kinds),
                line_ids=tuple(dict.fromkeys(line_ids)),
                text_ids=tuple(dict.fromkeys(text_ids)),
                match=longest,
            )
        )
    shares = {
        each.shot_id: max((part.shares.get(each.shot_id, 0.0) for part in (*all_of, *any_of)), default=0.0)
        for each in candidates
    }
    return sorted(candidates, key=lambda each: (-each.relevance, -shares[each.shot_id], each.shot_id))


def _combine_strengths(shot_id: str, all_of: Iterable[Fulfilled], any_of: Iterable[Fulfilled]) -> float:
    least = [each.strengths.get(shot_id, 0.0) for each in all_of]
    greatest = [each.strengths.get(shot_id, 0.0) for each in any_of]
    return min([*least, max(greatest)] if greatest else least)


def _find_shots(video_id: str, ranges: Sequence[Range], starts_of: Callable[[str], Sequence[int]]) -> list[str]:
    """Return the shots of the video that share a frame with the ranges."""
    starts = starts_of(video_id)
    touching: dict[int, None] = {}
    for first, last in ranges:
        at = max(0, bisect_right(starts, first) - 1)
        touching |= dict.fromkeys(starts[at : bisect_left(starts, last)])
    return [make_shot_id(video_id, start) for start in touching]


def find_sequences(
    first: Ranking, second: Ranking, starts_of: Callable[[str], Sequence[int]], within: int
) -> list[Candidate]:
    """Return the shots of ``first`` that are followed by one of ``second``, each with its best follower.

    ``starts_of`` returns the start frames of a video's shots, ascending. A pair's relevance is the geometric mean of
    both: a sequence is as good as both its halves, and never good if one half does not match. Best pairs first;
    ``score`` stays the cosine of the first shot.
    """
    followers = {each.shot_id: each for each in second.best(DEEPEST).items[:DEEPEST]}
    candidates = []
    for leader in first.best(DEEPEST).items[:DEEPEST]:
        after = [
            followers[shot_id] for shot_id in _list_followers(leader.shot_id, starts_of, within) if shot_id in followers
        ]
        if after:
            best = max(after, key=lambda each: each.relevance)
            leader.relevance, leader.then = math.sqrt(leader.relevance * best.relevance), best
            candidates.append(leader)
    return sorted(candidates, key=lambda each: (-each.relevance, each.shot_id))


def _list_followers(shot_id: str, starts_of: Callable[[str], Sequence[int]], within: int) -> list[str]:
    """Return the next ``within`` shots of the video."""
    id_parts = parse_shot_id(shot_id)
    if id_parts is None:
        return []
    video_id, start = id_parts
    starts = starts_of(video_id)
    after = bisect_right(starts, start)
    return [make_shot_id(video_id, frame) for frame in starts[after : after + within]]


def normalise(ranges: Iterable[Range]) -> list[Range]:
    """Sort ranges and make them disjoint: drop empty ones, merge those that overlap or touch."""
    merged_ranges: list[Range] = []
    for start, end in sorted(each for each in ranges if each[0] < each[1]):
        if merged_ranges and start <= merged_ranges[-1][1]:
            merged_ranges[-1] = (merged_ranges[-1][0], max(merged_ranges[-1][1], end))
        else:
            merged_ranges.append((start, end))
    return merged_ranges


def union(left: Sequence[Range], right: Sequence[Range]) -> list[Range]:
    """Return the frames in either."""
    return normalise([*left, *right])


def intersect(left: Sequence[Range], right: Sequence[Range]) -> list[Range]:
    """Return the frames in both; both are sorted and disjoint. Linear in their lengths."""
    common: list[Range] = []
    at, other = 0, 0
    while at < len(left) and other < len(right):
        start = max(left[at][0], right[other][0])
        end = min(left[at][1], right[other][1])
        if start < end:
            common.append((start, end))
        if left[at][1] < right[other][1]:
            at += 1
        else:
            other += 1
    return normalise(common)


def unite_all(parts: Iterable[VideoRanges]) -> dict[str, list[Range]]:
    """Apply :func:`union` to each video; empty if there are no parts."""
    ranges_by_video: dict[str, list[Range]] = {}
    for part in parts:
        for video_id, ranges in part.items():
            ranges_by_video.setdefault(video_id, []).extend(ranges)
    merged_ranges = {video_id: normalise(ranges) for video_id, ranges in ranges_by_video.items()}
    return {video_id: ranges for video_id, ranges in merged_ranges.items() if ranges}


def intersect_all(parts: Sequence[VideoRanges]) -> dict[str, list[Range]]:
    """Apply :func:`intersect` to each video, for at least one part; videos without a common frame are left out."""
    common = {video_id: normalise(ranges) for video_id, ranges in parts[0].items()}
    for part in parts[1:]:
        common = {
            video_id: intersect(ranges, normalise(part[video_id]))
            for video_id, ranges in common.items()
            if video_id in part
        }
    return {video_id: ranges for video_id, ranges in common.items() if ranges}
