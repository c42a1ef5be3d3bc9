"""Ask the catalogue: by words, by shots, by pictures, or by all of them at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from threading import Lock

from ops.core.errors import NotFoundError, VectorIndexError
from ops.core.settings import Settings
from ops.embeddings.encoder import Encoder, resolve_encoder
from ops.index.index import VectorIndex
from ops.index.lines import LineIndex, open_lines
from ops.search.catalogue import Catalogue
from ops.search.encoding import Pictures, picture_file
from ops.search.hits import HitWriter, fill_scores
from ops.search.lens import Lens
from ops.search.paging import page_of
from ops.search.planning import Plan, Planner
from ops.search.probe_filters import ProbeScores
from ops.search.schema import DEFAULT_CUTOFF, Query, SearchResult
from ops.search.shot_details import Addresses, ShotDetails
from ops.search.versions import Versions

# Shows that a message names.
TOLD = 5


class Searcher:
    """Answers queries over the home of ``settings``; safe to use from several threads.

    It opens the indexes at the first query and again when a newer version is published. It searches with the encoder
    that is live at its first query until :meth:`follow` finds another one; ``encoder`` replaces the one of the home.
    ``pictures`` turns an example that is no shot id into RGB uint8 (H, W, 3); by default it reads a local file.
    ``addresses`` as of :class:`ShotDetails`.
    """

    def __init__(
        self,
        settings: Settings,
        encoder: Encoder | None = None,
        *,
        pictures: Pictures = picture_file,
        addresses: Addresses | None = None,
    ) -> None:
        self._settings = settings
        self._given = encoder
        self._pictures = pictures
        self._following = Lock()
        self.details = ShotDetails(settings, addresses)
        # The lens that answers, and the one before it for those who are paging through its index.
        self._lenses: tuple[Lens, ...] = (self._new_lens(),)
        self._lines: Versions[LineIndex] = Versions("dialogue", lambda: open_lines(settings))

    @property
    def lens(self) -> Lens:
        """The encoder that answers now, with its index."""
        return self._lenses[0]

    @property
    def encoder_id(self) -> str:
        """Id of the encoder whose vectors are searched."""
        return self.lens.encoder_id

    @property
    def probes(self) -> ProbeScores:
        """What the probes of that encoder say."""
        return self.lens.probes

    def live_encoder_id(self) -> str:
        """Id of the encoder that is live now, whether or not it answers already; costs the reading of a small file."""
        return self._given.encoder_id if self._given else resolve_encoder(self._settings).encoder_id

    def follow(self) -> bool:
        """Answer with the live encoder from now on, where it is another one; true where it is.

        It is loaded before it answers: until then the one before does, from its own index. Raises ``EncoderError``
        or ``VectorIndexError`` where it cannot be used; the one before goes on answering.
        """
        with self._following:
            live = self.live_encoder_id()
            if live == self.encoder_id:
                return False
            kept = [lens for lens in self._lenses[1:] if lens.encoder_id == live]
            lens = kept[0] if kept else self._new_lens()
            lens.warm()
            self._lenses = (lens, self._lenses[0])
            return True

    def warm(self) -> None:
        """Load text encoder, indexes and what is computed of them once, so that the first query is fast.

        Raises ``VectorIndexError`` where nothing was indexed yet; what needs no index is done then too.
        """
        self.lens.warm()
        self._lines.get()

    def index(self, version: str | None = None) -> VectorIndex:
        """The newest index, or the one called ``version``, which may be the newest but one.

        Raises ``VectorIndexError`` where nothing was indexed yet, ``NotFoundError`` where that version is gone.
        """
        return self._seen_through(version)[1].index

    def lines(self, version: str | None = None) -> LineIndex | None:
        """The newest index of lines, or the one called ``version``; ``None`` where no dialogue is indexed."""
        return self._lines.get(version)

    def is_title(self, shot_id: str) -> bool:
        """Whether a shot is a title card."""
        return shot_id in self.lens.catalogue().titles

    def search(self, query: Query, version: str | None = None, dialogue_version: str | None = None) -> SearchResult:
        """The answer from the versions named or from the newest. Raises as :meth:`page`."""
        return self.page(query, version, dialogue_version)[0]

    def page(
        self, query: Query, version: str | None = None, dialogue_version: str | None = None
    ) -> tuple[SearchResult, bool]:
        """The answer of :meth:`search`, and whether nothing comes after its hits.

        Hits may be fewer than the limit although more follow: shots that were forgotten since the version was
        published are left out. Raises ``NotFoundError`` for a shot, picture, show, probe or version that is not
        there, ``UsageError`` for a query that makes no sense, ``VectorIndexError`` if nothing was indexed yet.
        """
        started = time.perf_counter()
        lens, catalogue = self._seen_through(version)
        index, lines = catalogue.index, self._lines.get(dialogue_version)
        _require_shows(index, query.shows)
        plan = Planner(catalogue, lines, lens.encoder, self.details, lens.probes).plan(query)
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
        vector = lens.encoder.text(query.text) if plan.vector is None else plan.vector
        fill_scores(index, page.candidates, vector)
        writer = HitWriter(self.details, lens.probes, catalogue.titles, plan.lines)
        hits = writer.hits(page.candidates, query.offset)
        result = SearchResult(
            query=query,
            encoder_id=lens.encoder_id,
            index_version=index.version,
            dialogue_version=lines.version if lines else None,
            took_ms=round(1e3 * (time.perf_counter() - started), 3),
            cutoff=_cutoff(plan, page.best_score),
            reading=plan.reading.reading(),
            hits=hits,
        )
        return result, page.is_last

    def _new_lens(self) -> Lens:
        return Lens(self._settings, self._given, self._pictures, self.details.forget)

    def _seen_through(self, version: str | None) -> tuple[Lens, Catalogue]:
        """The lens that has the version of the index that is called so (default: the one that answers), and it."""
        lenses = self._lenses
        for lens in lenses[1:] if version is not None else ():
            with suppress(NotFoundError, VectorIndexError):
                return lens, lens.catalogue(version)
        return lenses[0], lenses[0].catalogue(version)


def _cutoff(plan: Plan, best_score: float | None) -> float:
    return round(plan.calibration.cutoff(best_score), 6) if plan.calibration else DEFAULT_CUTOFF


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
