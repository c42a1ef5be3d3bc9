"""Apply the filters of an understood query to a selection: labels, words that must not be spoken, and listings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ops.core.types import make_shot_id
from ops.index.fetching import Fetched
from ops.index.lines import LineIndex
from ops.search.people import PeopleShots
from ops.search.probe_filters import ProbeScores
from ops.search.ranking import Selection
from ops.search.retrieval import Candidate, exclude, keep_only
from ops.search.searched_catalogue import Scope, SearchedVideo
from ops.search.shot_details import ShotDetails
from ops.search.sound import SoundShots
from ops.search.understanding import Understanding
from ops.search.writing import find_spoken_shots, find_written_shots


class Listing:
    """Shots in a fixed order, read as far as they are needed: a show may have tens of thousands."""

    falls = False

    def __init__(self, shot_ids: Sequence[str]) -> None:
        self._shot_ids = shot_ids

    def best(self, count: int) -> Fetched[Candidate]:
        """See :class:`ops.search.retrieval.Ranking`."""
        first = self._shot_ids[:count]
        items = [Candidate(shot_id=each, score=math.nan, relevance=1.0, matched=()) for each in first]
        return Fetched(items=items, is_all=count >= len(self._shot_ids), looked_at=len(first))


def list_shots(videos: Iterable[SearchedVideo], scope: Scope, details: ShotDetails) -> Selection:
    """Return every shot of the scope, in the order of show, path and time, for a query of filters only."""
    scope_videos = sorted(
        (each for each in videos if scope.has(each.show, each.video_id)), key=lambda each: (each.show, each.path)
    )
    shots = [
        make_shot_id(each.video_id, start) for each in scope_videos for start in details.list_starts(each.video_id)
    ]
    return Selection(ranking=Listing(shots))


def restrict(
    selection: Selection,
    understanding: Understanding,
    lines: LineIndex | None,
    texts: LineIndex | None,
    probes: ProbeScores,
    people: PeopleShots,
    sound: SoundShots,
) -> Selection:
    """Return the selection without shots that a filter on labels, people, sound, spoken or written words leaves out.

    Raises ``NotFoundError`` for an unknown label or person, and for written words or sound if none is known.
    """
    filters = [*selection.filters]
    for label in understanding.labels:
        shots = probes.find_labelled(label.condition)
        filters.append(exclude(shots) if label.is_negated else keep_only(shots))
    for each in understanding.people:
        shots_with_person = people.find_shots(each.person)
        filters.append(exclude(shots_with_person) if each.is_negated else keep_only(shots_with_person))
    for wanted in understanding.sound:
        shots_with_sound = sound.find_shots(wanted.kind)
        filters.append(exclude(shots_with_sound) if wanted.is_negated else keep_only(shots_with_sound))
    for words in understanding.not_said if lines else ():
        assert lines is not None
        filters.append(exclude(find_spoken_shots(words, lines, understanding.scope)))
    for words in understanding.not_written:
        filters.append(exclude(find_written_shots(words, texts, understanding.scope)))
    return replace(selection, filters=tuple(filters))


def describe_scope(understanding: Understanding) -> tuple[str, ...]:
    """Return a note if the filters together leave no video."""
    if not understanding.scope.is_empty:
        return ()
    labels = [each.label for each in understanding.parts if each.is_applied and each.kind != "without"]
    shows = [f"show {' or '.join(understanding.query.shows)}"] if understanding.query.shows else []
    videos = [f"video {' or '.join(understanding.query.videos)}"] if understanding.query.videos else []
    return (f"no video fulfils all filters: {', '.join([*shows, *videos, *labels])}",)
