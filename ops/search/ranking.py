"""Rank and page: fuse lines with images, fold near-duplicates, and take one page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ops.core.types import parse_shot_id
from ops.index.fetching import Fetched, fetch_until
from ops.index.lines import LineHit
from ops.search.calibration import Calibration
from ops.search.retrieval import Candidate, Filter, Filtered, FixedRanking, Ranking, VisualPart, exclude
from ops.search.schema import Query, is_strong

Vector = NDArray[np.float32]

# The constant of reciprocal rank fusion, from its paper, and the number of shots of the visual list that take part, the
# depth of its experiments.
RRF_K = 60
FUSION_DEPTH = 1000


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The source of pages: a ranking, filters, and the matching lines and texts by id.

    ``vector``, unit (D,), and ``calibration`` are set if images are compared with it. ``titles`` are title cards that
    nobody asked for.
    """

    ranking: Ranking
    filters: tuple[Filter, ...] = ()
    vector: Vector | None = None
    calibration: Calibration | None = None
    titles: frozenset[str] = frozenset()
    lines: dict[str, LineHit] = field(default_factory=dict)
    texts: dict[str, LineHit] = field(default_factory=dict)

    @property
    def has_words(self) -> bool:
        """Return True if spoken lines or writing match."""
        return bool(self.lines or self.texts)

    def apply_filters(self) -> Ranking:
        """Return the ranking without the shots that the filters drop, and without ``titles``."""
        return Filtered(self.ranking, (*self.filters, exclude(self.titles)))


@dataclass(frozen=True, kw_only=True)
class Page:
    """The candidates of one page, and what the whole answer says of them.

    ``cutoff``: relevance of the divider between likely and weak hits, 0 if images are not compared. ``stands_out``: the
    best hit clearly matches, or lines do. ``is_last``: no candidate follows.
    """

    candidates: Sequence[Candidate]
    cutoff: float
    stands_out: bool
    is_last: bool


def rank(
    part: VisualPart | None, lines: Sequence[tuple[LineHit, float]], texts: Sequence[tuple[LineHit, float]] = ()
) -> Selection:
    """Rank the shots that look like a query, or in which its words are spoken or written, or all, fused."""
    by_dialogue = _unite(rank_spoken(lines), rank_written(texts))
    by_id = {line.line_id: line for line, _ in lines}
    by_text_id = {line.line_id: line for line, _ in texts}
    if part is None:
        return Selection(ranking=FixedRanking([each for _, each in by_dialogue]), lines=by_id, texts=by_text_id)
    return Selection(
        ranking=FusedRanking(part.ranking, by_dialogue) if by_dialogue else part.ranking,
        filters=part.filters,
        vector=part.vector,
        calibration=part.calibration,
        titles=part.titles,
        lines=by_id,
        texts=by_text_id,
    )


def take_page(selection: Selection, query: Query, fold_together: Filter) -> Page:
    """Return up to ``limit`` candidates from ``offset`` on that pass every filter and are relevant enough.

    Title cards that nobody asked for come last on their page: they are near to many queries, but nothing is hidden.
    Candidates with matching lines or texts are kept whatever their relevance. The ranking is read further until the
    page is full. ``fold_together`` folds near-duplicates into the best of them over all pages, so that pages stay full
    and never overlap.
    """
    ranking, least, count_needed = selection.ranking, query.min_relevance, query.offset + query.limit
    best: float | None = None

    def fetch(count: int) -> Fetched[Candidate]:
        nonlocal best
        nearest = ranking.best(count)
        items, is_all = nearest.items, nearest.is_all
        for each in selection.filters:
            items = each(items)
        best = max((each.score for each in items if not math.isnan(each.score)), default=None)
        if least is not None:
            # If relevance falls with the rank, no later candidate can be relevant enough.
            is_all = is_all or (ranking.falls and not selection.has_words and nearest.items[-1].relevance < least)
            # Rounded as in hits: a bound copied from a hit keeps that hit.
            items = [each for each in items if is_strong(round(each.relevance, 6), each.matched, least)]
        return Fetched(items=fold_together(items) if query.fold else items, is_all=is_all, looked_at=nearest.looked_at)

    candidates = fetch_until(fetch, count_needed, lambda items: len(items) >= count_needed)
    scale, page = selection.calibration, candidates.items[query.offset : count_needed]
    cutoff = round(scale.cutoff(best), 6) if scale else 0.0
    stands_out = selection.has_words or scale is None or (best is not None and scale.is_strong(best))
    for each in page:
        least = math.inf if each.shot_id in selection.titles else cutoff
        each.is_weak = not is_strong(round(each.relevance, 6), each.matched, least)
    return Page(
        candidates=sorted(page, key=lambda each: each.is_weak and each.shot_id in selection.titles),
        cutoff=cutoff,
        stands_out=stands_out,
        is_last=candidates.is_all and len(candidates.items) <= count_needed,
    )


class FusedRanking:
    """Shots that match visually and shots with matching lines, by reciprocal rank fusion.

    A shot has the sum of 1 / (RRF_K + its rank) of both lists (G. V. Cormack, C. L. A. Clarke, S. Buettcher,
    "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods", SIGIR 2009). The first
    FUSION_DEPTH of the visual list take part; those after them follow in their own order. ``by_dialogue`` comes from
    :func:`rank_spoken`.
    """

    falls = False

    def __init__(self, visual: Ranking, by_dialogue: Sequence[tuple[int, Candidate]]) -> None:
        self._visual = visual
        self._by_dialogue = {each.shot_id: (rank, each) for rank, each in by_dialogue}

    def best(self, count: int) -> Fetched[Candidate]:
        """See :class:`Ranking`."""
        nearest = self._visual.best(max(count, FUSION_DEPTH))
        visual = nearest.items
        candidates_by_id: dict[str, tuple[float, Candidate]] = {
            shot_id: (1 / (RRF_K + rank), each) for shot_id, (rank, each) in self._by_dialogue.items()
        }
        for rank, each in enumerate(visual[:FUSION_DEPTH], start=1):
            share = 1 / (RRF_K + rank)
            dialogue = candidates_by_id.get(each.shot_id)
            candidates_by_id[each.shot_id] = (
                (share + dialogue[0], _merge(each, dialogue[1])) if dialogue else (share, each)
            )
        # Sorting keeps the order of equal shares: that of the spoken shots, in which those of one line are ordered.
        order = sorted(candidates_by_id.values(), key=lambda pair: -pair[0])
        rest = [each for each in visual[FUSION_DEPTH:] if each.shot_id not in candidates_by_id]
        candidates = [each for _, each in order] + rest
        return Fetched(items=candidates, is_all=nearest.is_all, looked_at=len(candidates))


def rank_spoken(lines: Iterable[tuple[LineHit, float]]) -> list[tuple[int, Candidate]]:
    """Return shots in which the lines are spoken, with the rank (from 1) of the best of their lines.

    ``lines`` are best first, each with its relevance. A line that is spoken over a cut has several shots: the one with
    most of it comes first. Scores are NaN: no images were compared.
    """
    by_shot: dict[str, tuple[int, Candidate]] = {}
    for rank, (line, relevance) in enumerate(lines, start=1):
        shares = measure_shares(line)
        for shot_id in sorted(line.shot_ids, key=lambda each: -shares[each]):
            if shot_id in by_shot:
                earlier = by_shot[shot_id][1]
                earlier.line_ids += (line.line_id,)
                earlier.relevance = max(earlier.relevance, relevance)
            else:
                candidate = Candidate(
                    shot_id=shot_id,
                    score=math.nan,
                    relevance=relevance,
                    matched=("dialogue",),
                    line_ids=(line.line_id,),
                )
                by_shot[shot_id] = (rank, candidate)
    return list(by_shot.values())


def measure_shares(line: LineHit) -> dict[str, float]:
    """Return the share of the line's frames in each of its shots, 0 to 1; shots of a video follow each other."""
    starts = sorted((parts[1], shot_id) for shot_id in line.shot_ids if (parts := parse_shot_id(shot_id)))
    ends = [start for start, _ in starts[1:]] + [line.end_frame]
    frames = max(line.end_frame - line.start_frame, 1)
    return dict.fromkeys(line.shot_ids, 0.0) | {
        shot_id: max(min(end, line.end_frame) - max(start, line.start_frame), 0) / frames
        for (start, shot_id), end in zip(starts, ends, strict=True)
    }


def rank_written(texts: Iterable[tuple[LineHit, float]]) -> list[tuple[int, Candidate]]:
    """Return shots in which the texts are written, as :func:`rank_spoken` does for lines."""
    candidates = rank_spoken(texts)
    for _, each in candidates:
        each.matched, each.text_ids, each.line_ids = ("written",), each.line_ids, ()
    return candidates


def _unite(
    spoken: Sequence[tuple[int, Candidate]], written: Sequence[tuple[int, Candidate]]
) -> list[tuple[int, Candidate]]:
    """Return the shots of both lists, a shot of both once, at its better rank."""
    by_shot = {each.shot_id: (rank, each) for rank, each in spoken}
    for rank, each in written:
        if each.shot_id in by_shot:
            other_rank, other = by_shot[each.shot_id]
            other.matched, other.text_ids = ("dialogue", "written"), each.text_ids
            other.relevance = max(other.relevance, each.relevance)
            by_shot[each.shot_id] = (min(rank, other_rank), other)
        else:
            by_shot[each.shot_id] = (rank, each)
    return sorted(by_shot.values(), key=lambda pair: pair[0]) if written else list(by_shot.values())


def _merge(visual: Candidate, dialogue: Candidate) -> Candidate:
    return Candidate(
        shot_id=visual.shot_id,
        score=visual.score,
        relevance=max(visual.relevance, dialogue.relevance),
        matched=("visual", *dialogue.matched),
        line_ids=dialogue.line_ids,
        text_ids=dialogue.text_ids,
    )


def fold(
    candidates: Sequence[Candidate], vectors_of: Callable[[Sequence[str]], dict[str, Vector]], threshold: float
) -> Sequence[Candidate]:
    """Return the candidates, best first, with near-duplicates folded into the better candidate.

    ``vectors_of`` returns unit vectors (D,) by shot id; a shot without one is kept. ``threshold`` is the minimum cosine
    of near-duplicates. The result for the first n does not depend on later candidates.
    """
    if len(candidates) < 2:
        return candidates
    vectors = vectors_of([each.shot_id for each in candidates])
    first_hits: list[Candidate] = []
    leaders: list[Candidate] = []
    shown_vectors = np.zeros((0, 0), np.float32)
    for candidate in candidates:
        vector = vectors.get(candidate.shot_id)
        if vector is None:
            first_hits.append(candidate)
            continue
        if leaders:
            cosines = shown_vectors[: len(leaders)] @ vector
            same = np.flatnonzero(cosines >= threshold)
            if len(same):
                leader = leaders[int(same[0])]
                leader.folded += (candidate.shot_id,)
                continue
        shown_vectors = _write_row(shown_vectors, len(leaders), vector)
        candidate.folded = ()
        leaders.append(candidate)
        first_hits.append(candidate)
    return first_hits


def _write_row(rows: NDArray[np.float32], count: int, vector: Vector) -> NDArray[np.float32]:
    """Write ``vector`` into ``rows`` (N, D) at ``count``; the array grows by doubling."""
    if count >= len(rows):
        larger = np.zeros((max(64, 2 * len(rows)), len(vector)), np.float32)
        if count:
            larger[:count] = rows[:count]
        rows = larger
    rows[count] = vector
    return rows
