"""A then B: pairs of shots of one video, the second at most so many shots after the first."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

from ops.core.types import parse_shot_id, shot_id_of
from ops.search.candidates import Candidate, Ranking

# Shots of each side that may take part. In a catalogue of up to so many every pair is looked at.
DEEPEST = 2000


def sequences(
    first: Ranking, second: Ranking, starts_of: Callable[[str], Sequence[int]], within: int
) -> list[Candidate]:
    """The shots of ``first`` that are followed by one of ``second``, each with the best of these.

    ``starts_of`` gives the start frames of a video's shots, ascending. A pair's relevance is the geometric
    mean of both: a sequence is as good as both its halves, and none is good with a half that does not match.
    Best pairs first; ``score`` stays the cosine of the first shot.
    """
    leaders, _ = first.best(DEEPEST)
    followers = {each.shot_id: each for each in second.best(DEEPEST)[0][:DEEPEST]}
    found = []
    for leader in leaders[:DEEPEST]:
        after = [
            followers[shot_id] for shot_id in _following(leader.shot_id, starts_of, within) if shot_id in followers
        ]
        if after:
            best = max(after, key=lambda each: each.relevance)
            leader.relevance, leader.then = math.sqrt(leader.relevance * best.relevance), best
            found.append(leader)
    return sorted(found, key=lambda each: (-each.relevance, each.shot_id))


def _following(shot_id: str, starts_of: Callable[[str], Sequence[int]], within: int) -> list[str]:
    """The next ``within`` shots of the video."""
    parsed = parse_shot_id(shot_id)
    if parsed is None:
        return []
    video_id, start = parsed
    starts = starts_of(video_id)
    after = bisect_right(starts, start)
    return [shot_id_of(video_id, frame) for frame in starts[after : after + within]]
