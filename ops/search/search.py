"""Ask the catalogue: by words, by shots, by pictures, or by all of them at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from difflib import get_close_matches
from threading import Lock
from typing import Any

from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.embeddings.encoder import Encoder
from ops.index.index import VectorIndex, open_index
from ops.index.lines import LineIndex, open_lines
from ops.search.answer import HitWriter, fill_scores
from ops.search.catalogue import Catalogue
from ops.search.encoding import Pictures, QueryEncoder, picture_file
from ops.search.hits import ShotDetails
from ops.search.paging import page_of
from ops.search.planning import Plan, Planner
from ops.search.probes import ProbeScores
from ops.search.query import Condition, Query, Then
from ops.search.versions import Versions
from ops.search.yardsticks import Yardsticks, load_yardsticks

__all__ = ["Condition", "Query", "Searcher", "Then"]

# Shows that a message names.
TOLD = 5


class Searcher:
    """Answers queries over the home of ``settings``; safe to use from several threads.

    It opens the indexes at the first query and again when a newer version is published. ``encoder`` replaces
    the one that the settings name. ``pictures`` turns an example that is no shot id into RGB uint8
    (H, W, 3); by default it reads a local file.
    """

    def __init__(
        self, settings: Settings, encoder: Encoder | None = None, *, pictures: Pictures = picture_file
    ) -> None:
        self._home = settings.home
        self._encoder = QueryEncoder(settings, encoder, pictures)
        self._lock = Lock()
        self._yardsticks: Yardsticks | None = None
        self.details = ShotDetails(settings)
        self.probes = ProbeScores(settings)
        self._catalogues = Versions(
            "index",
            lambda: Catalogue(open_index(settings, self.encoder_id), self._measured),
            self._forget,
        )
        self._lines: Versions[LineIndex] = Versions("dialogue", lambda: open_lines(settings))

    @property
    def encoder_id(self) -> str:
        """Id of the encoder whose vectors are searched."""
        return self._encoder.encoder_id

    def warm(self) -> None:
        """Load text encoder, indexes and what is computed of them once, so that the first query is fast.

        Raises ``VectorIndexError`` where nothing was indexed yet; what needs no index is done then too.
        """
        self._encoder.texts(["warm"])
        self._measured()
        catalogue = self._catalogue()
        catalogue.calibration(True)
        catalogue.calibration(False, 1)
        _ = catalogue.titles
        self._lines.get()

    def similar(
        self, shot: str, *, shows: Sequence[str] = (), limit: int = 20, offset: int = 0, exact: bool = False
    ) -> dict[str, Any]:
        """The shots that look like ``shot``, a shot id or a picture: the answer of :meth:`search`."""
        return self.search(Query(like=(shot,), shows=tuple(shows), limit=limit, offset=offset, exact=exact))

    def index(self, version: str | None = None) -> VectorIndex:
        """The newest index, or the one called ``version``, which may be the newest but one.

        Raises ``VectorIndexError`` where nothing was indexed yet, ``NotFoundError`` where that version is gone.
        """
        return self._catalogue(version).index

    def lines(self, version: str | None = None) -> LineIndex | None:
        """The newest index of lines, or the one called ``version``; ``None`` where no dialogue is indexed."""
        return self._lines.get(version)

    def is_title(self, shot_id: str) -> bool:
        """Whether a shot is a title card."""
        return shot_id in self._catalogue().titles

    def search(self, query: Query, version: str | None = None, dialogue_version: str | None = None) -> dict[str, Any]:
        """The document of ``needle search --json`` (CONTRACT), of the versions named or of the newest.

        Raises as :meth:`page`.
        """
        return self.page(query, version, dialogue_version)[0]

    def page(
        self, query: Query, version: str | None = None, dialogue_version: str | None = None
    ) -> tuple[dict[str, Any], bool]:
        """The document of :meth:`search`, and whether nothing comes after its hits.

        Hits may be fewer than the limit although more follow: shots that were forgotten since the version was
        published are left out. Raises ``NotFoundError`` for a shot, picture, show, probe or version that is not
        there, ``UsageError`` for a query that makes no sense, ``VectorIndexError`` where nothing was indexed yet.
        """
        started = time.perf_counter()
        catalogue = self._catalogue(version)
        index, lines = catalogue.index, self._lines.get(dialogue_version)
        _require_shows(index, query.shows)
        plan = Planner(catalogue, lines, self._encoder, self.details, self.probes).plan(query)
        page = page_of(
            plan.ranking,
            plan.filters,
            offset=query.offset,
            limit=query.limit,
            least_relevance=query.min_relevance,
            folded=catalogue.folded if query.fold else None,
            are_said=bool(plan.lines),
        )
        # Lines were searched with words, but a score is a cosine wherever there is one.
        vector = self._encoder.text(query.text) if plan.vector is None else plan.vector
        fill_scores(index, page.candidates, vector)
        writer = HitWriter(self.details, self.probes, catalogue.titles, plan.lines)
        hits = writer.hits(page.candidates, query.offset)
        document = {
            "query": query.document(),
            "encoder_id": self.encoder_id,
            "index_version": index.version,
            "dialogue_version": lines.version if lines else None,
            "took_ms": round(1e3 * (time.perf_counter() - started), 3),
            "cutoff": _cutoff(plan, page.best_score),
            "reading": {"visual": plan.reading.visual, "dialogue": plan.reading.dialogue, "why": plan.reading.why},
            "hits": hits,
        }
        return document, page.is_last

    def _catalogue(self, version: str | None = None) -> Catalogue:
        catalogue = self._catalogues.get(version)
        assert catalogue is not None, "open_index raises where there is none"
        return catalogue

    def _measured(self) -> Yardsticks:
        with self._lock:
            if self._yardsticks is None:
                self._yardsticks = load_yardsticks(self._home, self._encoder)
            return self._yardsticks

    def _forget(self) -> None:
        self.details.forget()
        self.probes.forget()


def _cutoff(plan: Plan, best_score: float | None) -> float:
    return round(plan.calibration.cutoff(best_score), 6) if plan.calibration else 0.5


def _require_shows(index: VectorIndex, shows: Sequence[str]) -> None:
    if not shows:
        return
    known = index.counts("show")
    for show in shows:
        if show in known:
            continue
        folded = {name.casefold(): name for name in sorted(known)}
        parts = [name for name in folded if show.casefold() in name] if show.strip() else []
        close = get_close_matches(show.casefold(), list(folded), n=3, cutoff=0.5)
        near = [folded[name] for name in dict.fromkeys([*parts, *close])][:3]
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else _some(sorted(known))
        raise NotFoundError(f"no show {show!r} in the catalogue: {hint}")


def _some(shows: Sequence[str]) -> str:
    more = f" and {len(shows) - TOLD} more" if len(shows) > TOLD else ""
    return f"it has {', '.join(map(repr, shows[:TOLD]))}{more}" if shows else "it has none yet"
