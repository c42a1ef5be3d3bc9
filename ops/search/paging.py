"""Take one page from a ranking: without what was not asked for, and folded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ops.search.candidates import Candidate, Ranking
from ops.search.schema import is_strong

Filter = Callable[[list[Candidate]], list[Candidate]]


@dataclass(frozen=True, kw_only=True)
class Page:
    """The candidates of one page, and the best cosine of the whole ranking (``None`` where there is none).

    ``is_last``: no candidate comes after these.
    """

    candidates: list[Candidate]
    best_score: float | None
    is_last: bool


def page_of(
    ranking: Ranking,
    filters: Sequence[Filter],
    *,
    offset: int,
    limit: int,
    least_relevance: float | None = None,
    folded: Filter | None = None,
    are_said: bool = False,
) -> Page:
    """The candidates ``offset`` to ``offset + limit`` of those that pass every filter and are relevant enough.

    ``are_said``: lines speak for some of the candidates, which are kept whatever their relevance. More is
    asked of the ranking until the page is full. ``folded`` puts near-duplicates under the best of them, over
    all pages, so that these stay full and never overlap.
    """
    needed = asked = offset + limit
    while True:
        found, is_all = ranking.best(asked)
        kept = found
        for each in filters:
            kept = each(kept)
        best = max((each.score for each in kept if not math.isnan(each.score)), default=None)
        if least_relevance is not None:
            # Where relevance falls with the rank, nothing that comes later can be relevant enough.
            is_all = is_all or (ranking.falls and not are_said and found[-1].relevance < least_relevance)
            # As hits show it: a bound that was read off a hit keeps that hit.
            kept = [each for each in kept if is_strong(round(each.relevance, 6), each.matched, least_relevance)]
        if folded is not None:
            kept = folded(kept)
        if len(kept) >= needed or is_all:
            return Page(candidates=kept[offset:needed], best_score=best, is_last=is_all and len(kept) <= needed)
        asked = max(2 * asked, len(found) + 1)


def without(shot_ids: frozenset[str] | set[str]) -> Filter:
    """A filter that drops these shots."""
    return lambda found: [each for each in found if each.shot_id not in shot_ids]


def among(shot_ids: frozenset[str] | set[str]) -> Filter:
    """A filter that keeps only these shots."""
    return lambda found: [each for each in found if each.shot_id in shot_ids]


class Filtered:
    """A ranking without what filters drop."""

    def __init__(self, ranking: Ranking, filters: Sequence[Filter]) -> None:
        self._ranking = ranking
        self._filters = filters
        self.falls = ranking.falls

    def best(self, count: int) -> tuple[list[Candidate], bool]:
        """See :class:`Ranking`; may be fewer than ``count``."""
        found, is_all = self._ranking.best(count)
        for each in self._filters:
            found = each(found)
        return found, is_all
