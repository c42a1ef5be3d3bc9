"""Ask the catalogue: by words, by shots, by images, or by all of them at once.

A query goes through six steps, a module each: interpret → retrieve → rank → compose (what must follow, conditions,
probes) → page → write.
"""

from __future__ import annotations

import time
from contextlib import suppress
from threading import Lock

from ops.core.errors import NotFoundError, VectorIndexError
from ops.core.settings import Settings
from ops.embeddings.encoder import Encoder, resolve_encoder
from ops.index.index import VectorIndex
from ops.index.lines import LineIndex, open_lines
from ops.search.composition import compose
from ops.search.hints import CatalogueNames, notes_on
from ops.search.hits import HitWriter, fill_scores
from ops.search.interpretation import interpret
from ops.search.probe_filters import ProbeScores
from ops.search.query_encoding import Pictures, picture_file
from ops.search.ranking import fold, rank, take_page
from ops.search.retrieval import Retrieval
from ops.search.retriever import IndexSnapshot, PublishedVersions, Retriever
from ops.search.schema import Query, SearchResult
from ops.search.shot_details import Addresses, ShotDetails


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
        # The retriever that answers, and the one before it for those who are paging through its index.
        self._retrievers: tuple[Retriever, ...] = (self._new_retriever(),)
        self._lines: PublishedVersions[LineIndex] = PublishedVersions("dialogue", lambda: open_lines(settings))

    @property
    def retriever(self) -> Retriever:
        """The encoder that answers now, with its index."""
        return self._retrievers[0]

    @property
    def encoder_id(self) -> str:
        """Id of the encoder whose vectors are searched."""
        return self.retriever.encoder_id

    @property
    def probes(self) -> ProbeScores:
        """What the probes of that encoder say."""
        return self.retriever.probes

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
            kept = [each for each in self._retrievers[1:] if each.encoder_id == live]
            retriever = kept[0] if kept else self._new_retriever()
            retriever.warm()
            self._retrievers = (retriever, self._retrievers[0])
            return True

    def warm(self) -> None:
        """Load text encoder, indexes and what is computed of them once, so that the first query is fast.

        Raises ``VectorIndexError`` where nothing was indexed yet; what needs no index is done then too.
        """
        self.retriever.warm()
        self._lines.get()

    def index(self, version: str | None = None) -> VectorIndex:
        """The newest index, or the one called ``version``, which may be the newest but one.

        Raises ``VectorIndexError`` where nothing was indexed yet, ``NotFoundError`` where that version is gone.
        """
        return self._retriever_of(version)[1].index

    def lines(self, version: str | None = None) -> LineIndex | None:
        """The newest index of lines, or the one called ``version``; ``None`` where no dialogue is indexed."""
        return self._lines.get(version)

    def is_title(self, shot_id: str) -> bool:
        """Whether a shot is a title card."""
        return shot_id in self.retriever.snapshot().titles

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
        retriever, snapshot = self._retriever_of(version)
        lines, details = self._lines.get(dialogue_version), self.details
        snapshot.require_shows(query.shows)
        meaning = interpret(query, lines)
        retrieval = Retrieval(query, snapshot, retriever.encoder, details.starts_of)
        is_seen = meaning.visual and query.is_described
        part = retrieval.look_like(meaning.seen_text, query.like, query.unlike) if is_seen else None
        selection = rank(part, meaning.lines)
        selection = compose(query, selection, retrieval, details, lines, retriever.probes)
        hints = notes_on(
            query,
            "" if meaning.lines else meaning.seen_text,
            retriever.encoder,
            CatalogueNames(snapshot.shows, details),
            lambda word: lines is not None and bool(lines.search(word, limit=1)),
        )
        page = take_page(selection, query, lambda found: fold(found, snapshot.index.vectors, snapshot.same_pictures))
        # Lines were searched with words, but a score is a cosine wherever there is one.
        vector = retriever.encoder.text(query.text) if selection.vector is None else selection.vector
        fill_scores(snapshot.index, page.candidates, vector)
        hits = HitWriter(details, retriever.probes, snapshot.titles, selection.lines).hits(
            page.candidates, query.offset
        )
        result = SearchResult(
            query=query,
            encoder_id=retriever.encoder.encoder_id,
            index_version=snapshot.version,
            dialogue_version=lines.version if lines else None,
            took_ms=round(1e3 * (time.perf_counter() - started), 3),
            cutoff=page.cutoff,
            reading=meaning.reading((*part.notes, *hints) if part else hints, found_lines=bool(selection.lines)),
            hits=hits,
        )
        return result, page.is_last

    def _new_retriever(self) -> Retriever:
        return Retriever(self._settings, self._given, self._pictures, self.details.forget)

    def _retriever_of(self, version: str | None) -> tuple[Retriever, IndexSnapshot]:
        """The retriever that has the version of the index (default: the newest of the one that answers), and it."""
        retrievers = self._retrievers
        for each in retrievers[1:] if version is not None else ():
            with suppress(NotFoundError, VectorIndexError):
                return each, each.snapshot(version)
        return retrievers[0], retrievers[0].snapshot(version)
