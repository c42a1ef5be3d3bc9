"""From a query to a ranking and its filters: what is looked for, where, and what must not be among the hits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ops.core.types import parse_shot_id
from ops.index.lines import LineHit, LineIndex
from ops.search.candidates import Candidate, FixedRanking, FusedRanking, Ranking, VisualRanking, spoken_candidates
from ops.search.catalogue import Catalogue
from ops.search.conditions import ConditionReader, matching_shots
from ops.search.encoding import QueryEncoder
from ops.search.hints import hints_for
from ops.search.names import CatalogueNames
from ops.search.paging import Filter, Filtered, among, without
from ops.search.probe_filters import ProbeScores
from ops.search.ranking import combine, duplicates
from ops.search.relevance import Calibration
from ops.search.schema import DialogueCondition, Query, TextCondition, parse_filter
from ops.search.sequences import sequences
from ops.search.shot_details import ShotDetails
from ops.search.spoken import QueryInterpretation, read_query
from ops.search.titles import asks_for_titles

Vector = NDArray[np.float32]

NO_TITLES = "title cards are not hidden: among these shots they cannot be told from the others"


@dataclass(kw_only=True)
class Plan:
    """How a query is answered. ``vector``, unit (D,), and ``calibration`` where pictures are compared with it."""

    reading: QueryInterpretation
    ranking: Ranking
    filters: list[Filter] = field(default_factory=list)
    vector: Vector | None = None
    calibration: Calibration | None = None
    lines: dict[str, LineHit] = field(default_factory=dict)


class Planner:
    """Plans queries over one version of everything."""

    def __init__(
        self,
        catalogue: Catalogue,
        lines: LineIndex | None,
        encoder: QueryEncoder,
        details: ShotDetails,
        probes: ProbeScores,
    ) -> None:
        self._catalogue = catalogue
        self._lines = lines
        self._encoder = encoder
        self._details = details
        self._probes = probes
        self._names = CatalogueNames(catalogue, details)

    def plan(self, query: Query) -> Plan:
        """The plan of a query whose shows exist. Raises ``NotFoundError`` and ``UsageError`` as ``Searcher.search``."""
        plan = self._base(query) if query.text.strip() or query.like else None
        if plan and query.then:
            plan = self._followed(plan, query)
        if query.conditions:
            plan = self._conditioned(plan, query)
        assert plan is not None, "a query has a text, an example or a condition"
        if query.where:
            plan.filters.append(among(self._probes.fulfilling([parse_filter(each) for each in query.where])))
        notes = (*plan.reading.notes, *self._hints(plan.reading, query))
        return replace(plan, reading=replace(plan.reading, notes=notes))

    def _hints(self, reading: QueryInterpretation, query: Query) -> list[str]:
        """What people should know of the texts that pictures are searched with; nothing of one that is spoken so."""
        texts = [reading.seen_text] if reading.seen_text and not reading.lines else []
        texts += [query.then.text] if query.then and query.then.text.strip() else []
        texts += [each.text for each in query.conditions if isinstance(each, TextCondition)]
        hints = [
            hint
            for text in texts
            for hint in hints_for(text, self._encoder, self._names, self._is_spoken, knows_show=bool(query.shows))
        ]
        return list(dict.fromkeys(hints))

    def _is_spoken(self, word: str) -> bool:
        return self._lines is not None and bool(self._lines.search(word, limit=1))

    def _base(self, query: Query) -> Plan:
        reading = QueryInterpretation(visual=True, dialogue=False, why="what looks like the examples was searched")
        if query.text.strip():
            reading = read_query(
                query.text, query.dialogue, self._lines, query.shows, has_examples=bool(query.like or query.unlike)
            )
        lines = {line.line_id: line for line, _ in reading.lines}
        spoken = spoken_candidates(reading.lines)
        if not reading.visual:
            return Plan(reading=reading, ranking=FixedRanking([each for _, each in spoken]), lines=lines)
        if self._hides_titles(reading.seen_text, query) and not self._catalogue.tells_titles:
            reading = replace(reading, notes=(*reading.notes, NO_TITLES))
        vector, calibration, filters = self._aimed(reading.seen_text, query.like, query.unlike, query)
        seen = self._seen(vector, calibration, query, has_text=bool(reading.seen_text))
        return Plan(
            reading=reading,
            ranking=FusedRanking(seen, spoken) if spoken else seen,
            filters=filters,
            vector=vector,
            calibration=calibration,
            lines=lines,
        )

    def _aimed(
        self, text: str, like: Sequence[str], unlike: Sequence[str], query: Query
    ) -> tuple[Vector, Calibration, list[Filter]]:
        """The vector of a text and examples, its scale, and what must not be among its hits.

        That is shots given as examples, copies of the wanted ones, and, for a text that does not ask for
        them, title cards.
        """
        index = self._catalogue.index
        examples = self._encoder.examples(index, [*like, *unlike], self._details.starts_of)
        vector = combine(
            self._encoder.text(text), [examples[name] for name in like], [examples[name] for name in unlike]
        )
        calibration = self._catalogue.calibration(bool(text.strip()), len(like), len(unlike))
        filters: list[Filter] = []
        if shots := {name for name in examples if parse_shot_id(name)}:
            filters.append(without(shots))
            if wanted := [examples[name] for name in like if name in shots]:
                filters.append(lambda found: _without_copies(self._catalogue, found, wanted))
        if self._hides_titles(text, query):
            filters.append(self._no_titles)
        return vector, calibration, filters

    def _hides_titles(self, text: str, query: Query) -> bool:
        return bool(text.strip()) and not query.include_titles and not asks_for_titles(text)

    def _no_titles(self, found: list[Candidate]) -> list[Candidate]:
        """Without title cards, but for those in which something is said that was asked for."""
        titles = self._catalogue.titles
        return [each for each in found if each.shot_id not in titles or "dialogue" in each.matched]

    def _seen(self, vector: Vector, calibration: Calibration, query: Query, *, has_text: bool) -> VisualRanking:
        return VisualRanking(
            self._catalogue.index,
            vector,
            calibration,
            shows=query.shows,
            exclude_blank=has_text and not query.include_blank,
            exact=query.exact,
        )

    def _followed(self, plan: Plan, query: Query) -> Plan:
        """The plan for "A then B", of the plan for A."""
        then = query.then
        assert then is not None
        vector, calibration, filters = self._aimed(then.text.strip(), then.like, then.unlike, query)
        second = Filtered(self._seen(vector, calibration, query, has_text=bool(then.text.strip())), filters)
        pairs = sequences(Filtered(plan.ranking, plan.filters), second, self._details.starts_of, then.within)
        shots = "the next shot" if then.within == 1 else f"one of the next {then.within} shots"
        why = f"{plan.reading.why}; {shots} must match what follows, and relevance is the mean of both"
        return replace(
            plan,
            reading=replace(plan.reading, why=why),
            ranking=FixedRanking(pairs),
            filters=[],
            calibration=None,
        )

    def _conditioned(self, plan: Plan | None, query: Query) -> Plan:
        """The plan of only those shots that fulfil the conditions; ranked by these where there is no other plan."""
        reader = ConditionReader(
            ranking_of=lambda text: self._text_ranking(text, query),
            details_of=self._details.of,
            lines=self._lines,
            probes=self._probes,
            shows=query.shows,
        )
        all_of = [reader.read(each) for each in query.all]
        any_of = [reader.read(each) for each in query.any]
        found = matching_shots(all_of, any_of, self._details.starts_of, self._details.of)
        if plan is None:
            reading = QueryInterpretation(
                visual=not all(isinstance(each, DialogueCondition) for each in query.conditions),
                dialogue=any(isinstance(each, DialogueCondition) for each in query.conditions),
                why="frames that fulfil the conditions were searched; relevance is that of the weakest",
            )
            return Plan(reading=reading, ranking=FixedRanking(found), vector=self._middle(query), lines=reader.lines)
        why = f"{plan.reading.why}; only frames that fulfil the conditions count"
        matching = {each.shot_id: each for each in found}
        return replace(
            plan,
            reading=replace(plan.reading, why=why, dialogue=plan.reading.dialogue or bool(reader.lines)),
            filters=[*plan.filters, lambda shots: _matched(shots, matching)],
            lines=plan.lines | reader.lines,
        )

    def _middle(self, query: Query) -> Vector | None:
        """The direction between the texts of the conditions, unit (D,), for scores where nothing else is asked."""
        texts = [each.text for each in query.conditions if isinstance(each, TextCondition)]
        return combine(None, list(self._encoder.texts(texts)), []) if texts else None

    def _text_ranking(self, text: str, query: Query) -> Ranking:
        vector, calibration, filters = self._aimed(text.strip(), (), (), query)
        return Filtered(self._seen(vector, calibration, query, has_text=True), filters)


def _matched(shots: list[Candidate], matching: dict[str, Candidate]) -> list[Candidate]:
    """Those of the shots that fulfil the conditions, with the frames and the lines in which they do."""
    kept = [each for each in shots if each.shot_id in matching]
    for each in kept:
        known = matching[each.shot_id]
        each.match = known.match
        each.line_ids = tuple(dict.fromkeys(each.line_ids + known.line_ids))
        if known.line_ids and "dialogue" not in each.matched:
            each.matched = (*each.matched, "dialogue")
    return kept


def _without_copies(catalogue: Catalogue, found: list[Candidate], wanted: Sequence[Vector]) -> list[Candidate]:
    vectors = catalogue.index.vectors([each.shot_id for each in found])
    known = [each for each in found if each.shot_id in vectors]
    same = duplicates(np.asarray([vectors[each.shot_id] for each in known], np.float32), wanted)
    return [each for each, is_copy in zip(known, same, strict=True) if not is_copy]
