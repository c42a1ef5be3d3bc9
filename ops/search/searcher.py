"""Search the catalogue: by words, by shots, by images, or by all of them at once.

A query passes six steps, each in a module: interpret → retrieve → rank → compose (conditions, next shot, probes) → page
→ write.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from ops.core.errors import NotFoundError, VectorIndexError
from ops.core.settings import Settings
from ops.embeddings.encoder import Encoder, resolve_encoder
from ops.index.index import VectorIndex
from ops.index.lines import LineIndex, open_lines
from ops.index.screen_text import open_texts
from ops.search.composition import compose
from ops.search.corrections import find_correction, find_meant_in_conditions
from ops.search.ends import ShotEndsIndex
from ops.search.hints import collect_notes, find_meant_words
from ops.search.hits import HitWriter, fill_scores
from ops.search.interpretation import QueryInterpretation, interpret
from ops.search.people import PeopleShots
from ops.search.probe_filters import ProbeScores
from ops.search.query_encoding import Pictures
from ops.search.query_parts import QueryPart
from ops.search.ranking import Page, Selection, fold, rank, take_page
from ops.search.restrictions import describe_scope, list_shots, restrict
from ops.search.retrieval import Retrieval, VisualPart
from ops.search.retriever import IndexSnapshot, PublishedVersions, Retriever
from ops.search.saved_pictures import make_picture_reader
from ops.search.schema import Query, SearchResult
from ops.search.shot_details import Addresses, ShotDetails
from ops.search.sound import SoundShots
from ops.search.understanding import Understanding, understand
from ops.search.writing import find_matching_texts
from ops.videos.catalogue import require_known_version, require_same_division

_WARM_TEXT = "a shot of nothing in particular"


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """A query and the page of its candidates; ``corrections`` are the probable words, by the misspelt ones."""

    understanding: Understanding
    meaning: QueryInterpretation
    selection: Selection
    page: Page
    notes: tuple[str, ...]
    corrections: Mapping[str, str]

    @property
    def found_nothing(self) -> bool:
        """Return True if no candidate clearly matches."""
        return not self.page.candidates or not self.page.stands_out


class Searcher:
    """Answers queries over the home of ``settings``; safe to use from several threads.

    It opens the indexes at the first query, and again when a newer version is published. It searches with the encoder
    that is live at its first query until :meth:`follow` finds another one; ``encoder`` replaces the encoder of the
    home. ``pictures`` converts an example that is not a shot id into RGB uint8 (H, W, 3); by default it reads a local
    file, or a picture of a saved search. ``addresses`` as in :class:`ShotDetails`.
    """

    def __init__(
        self,
        settings: Settings,
        encoder: Encoder | None = None,
        *,
        pictures: Pictures | None = None,
        addresses: Addresses | None = None,
    ) -> None:
        require_known_version(settings)
        require_same_division(settings)
        self._settings = settings
        self._given_encoder = encoder
        self._pictures = pictures or make_picture_reader(settings.store)
        self._following = Lock()
        self.details = ShotDetails(settings, addresses)
        # The retriever that answers, and the previous one for clients that page through its index.
        self._retrievers: tuple[Retriever, ...] = (self._build_retriever(),)
        self._lines = self._build_lines()
        self._texts = self._build_texts()
        self._ends = ShotEndsIndex(settings)
        self.people = PeopleShots(settings)
        self.sound = SoundShots(settings)

    @property
    def retriever(self) -> Retriever:
        """Return the retriever that answers now."""
        return self._retrievers[0]

    @property
    def encoder_id(self) -> str:
        """Return the id of the encoder of the searched vectors."""
        return self.retriever.encoder_id

    @property
    def probes(self) -> ProbeScores:
        """Return the probe scores of that encoder."""
        return self.retriever.probes

    def live_encoder_id(self) -> str:
        """Return the id of the live encoder, even if it does not answer yet; reads a small file."""
        return self._given_encoder.encoder_id if self._given_encoder else resolve_encoder(self._settings).encoder_id

    def follow(self) -> bool:
        """Switch to the live encoder if it changed; return True if it did.

        The new encoder is loaded before it answers. Until then the previous one answers, from its own index.
        Raises ``EncoderError`` or ``VectorIndexError`` if the new one cannot be used; the previous one keeps answering.
        """
        with self._following:
            live = self.live_encoder_id()
            if live == self.encoder_id:
                return False
            earlier = [each for each in self._retrievers[1:] if each.encoder_id == live]
            retriever = earlier[0] if earlier else self._build_retriever()
            retriever.warm()
            self._retrievers = (retriever, self._retrievers[0])
            return True

    def close(self) -> None:
        """Let go of the encoder and the opened indexes; running queries keep theirs, and a new one opens them."""
        self._retrievers = (self._build_retriever(),)
        self._lines = self._build_lines()
        self._texts = self._build_texts()

    def warm(self) -> None:
        """Load text encoder, indexes and the values computed from them once, so that the first query is fast.

        Raises ``VectorIndexError`` if nothing was indexed yet; everything that needs no index is loaded nevertheless.
        """
        self.retriever.warm()
        self._lines.get()
        self._texts.get()
        self.retriever.snapshot().catalogue(self._settings).words.find(_WARM_TEXT)

    def index(self, version: str | None = None) -> VectorIndex:
        """Return the newest index, or the one called ``version``: the newest or the one before.

        Raises ``VectorIndexError`` if nothing was indexed yet, ``NotFoundError`` if that version is deleted.
        """
        return self._find_retriever(version)[1].index

    def open_lines(self, version: str | None = None) -> LineIndex | None:
        """Return the newest index of lines, or the one called ``version``; ``None`` if no dialogue is indexed."""
        return self._lines.get(version)

    def open_texts(self) -> LineIndex | None:
        """Return the newest index of writing in the picture; ``None`` if none is indexed."""
        return self._texts.get()

    def is_title(self, shot_id: str) -> bool:
        """Return True if a shot is a title card."""
        return shot_id in self.retriever.snapshot().titles

    def search(self, query: Query, version: str | None = None, dialogue_version: str | None = None) -> SearchResult:
        """Return the answer from the given versions or from the newest. Raises as :meth:`page`."""
        return self.page(query, version, dialogue_version)[0]

    def page(
        self, query_as_sent: Query, version: str | None = None, dialogue_version: str | None = None
    ) -> tuple[SearchResult, bool]:
        """Return the answer of :meth:`search`, and True if no hits follow.

        There may be fewer hits than the limit although more follow: shots that were forgotten after the version was
        published are left out.
        Raises ``NotFoundError`` for an unknown shot, image, show, probe or version, ``UsageError`` for a contradictory
        query, ``VectorIndexError`` if nothing was indexed yet.
        """
        start = time.perf_counter()
        retriever, snapshot = self._find_retriever(version)
        lines = self._lines.get(dialogue_version)
        snapshot.require_shows(query_as_sent.shows)
        snapshot.require_videos(query_as_sent.videos)
        attempt = self._attempt(query_as_sent, retriever, snapshot, lines)
        spelling: list[QueryPart] = []
        if correction := find_correction(query_as_sent, attempt.corrections):
            spelling.append(correction.report(is_applied=attempt.found_nothing))
            if attempt.found_nothing:
                attempt = self._attempt(correction.query, retriever, snapshot, lines)
        understanding, selection, page = attempt.understanding, attempt.selection, attempt.page
        # The words searched the lines, but a score is a cosine if there is a vector.
        vector = selection.vector
        fill_scores(
            snapshot.index,
            page.candidates,
            retriever.encoder.encode_text(understanding.query.text) if vector is None else vector,
        )
        writer = HitWriter(self.details, retriever.probes, snapshot.titles, selection.lines, selection.texts)
        result = SearchResult(
            query=query_as_sent,
            encoder_id=retriever.encoder.encoder_id,
            index_version=snapshot.version,
            dialogue_version=lines.version if lines else None,
            hits=writer.write(page.candidates, query_as_sent.offset),
            took_ms=round(1e3 * (time.perf_counter() - start), 3),
            cutoff=page.cutoff,
            stands_out=page.stands_out,
            reading=attempt.meaning.report(
                (
                    *describe_scope(understanding),
                    *understanding.notes,
                    *(each.label for each in spelling),
                    *attempt.notes,
                ),
                (*understanding.parts, *spelling),
                understanding.query.text,
                found_lines=bool(selection.lines),
            ),
        )
        return result, page.is_last

    def _attempt(
        self, query_as_sent: Query, retriever: Retriever, snapshot: IndexSnapshot, lines: LineIndex | None
    ) -> _Attempt:
        """Search for the text as it is written; errors as :meth:`page`."""
        texts = self._texts.get()
        details, encoder, catalogue = self.details, retriever.encoder, snapshot.catalogue(self._settings)
        understanding = understand(query_as_sent, catalogue, datetime.now(UTC).date())
        query, scope = understanding.query, understanding.scope
        meaning = interpret(query, scope, lines)
        written_hits = find_matching_texts(query.text, texts, scope) if query.dialogue != "only" else []
        retrieval = Retrieval(query, scope, snapshot, encoder, details.list_starts)
        is_seen = meaning.visual and query.is_described
        part: VisualPart | None = None
        if is_seen and query.by == "look":
            part = retrieval.look_like(meaning.seen_text, query.like, query.unlike)
        elif is_seen:
            part = self._ends.find_matches(query, scope, retriever.encoder_id, snapshot, details.list_starts)
        if query.unlike and not query.is_described:
            selection = Selection(ranking=retrieval.look_unlike(query.unlike))
        elif understanding.is_listing:
            selection = list_shots(catalogue.videos, scope, details)
        else:
            selection = rank(part, meaning.lines, written_hits)
        selection = compose(query, scope, selection, retrieval, details, lines, texts, retriever.probes, self.sound)
        selection = restrict(selection, understanding, lines, texts, retriever.probes, self.people, self.sound)

        def is_spoken(word: str) -> bool:
            return lines is not None and bool(lines.search(word, limit=1))

        seen_text = "" if meaning.lines else meaning.seen_text
        hints = collect_notes(query, seen_text, encoder, catalogue, is_spoken)
        seen_meant = find_meant_words(seen_text, encoder, catalogue, is_spoken) if is_seen and seen_text else {}
        page = take_page(
            selection, query, lambda candidates: fold(candidates, snapshot.index.vectors, snapshot.same_pictures)
        )
        typed_conditions = [] if page.candidates else query.all[len(query_as_sent.all) :]
        typed_meant = find_meant_in_conditions(typed_conditions, lines, texts, scope)
        return _Attempt(
            understanding=understanding,
            meaning=meaning,
            selection=selection,
            page=page,
            notes=(*(part.notes if part else ()), *hints),
            corrections={**seen_meant, **meaning.corrections, **typed_meant},
        )

    def _build_retriever(self) -> Retriever:
        return Retriever(self._settings, self._given_encoder, self._pictures, self.details.forget)

    def _build_lines(self) -> PublishedVersions[LineIndex]:
        return PublishedVersions("dialogue", lambda: open_lines(self._settings))

    def _build_texts(self) -> PublishedVersions[LineIndex]:
        return PublishedVersions("screen_text", lambda: open_texts(self._settings))

    def _find_retriever(self, version: str | None) -> tuple[Retriever, IndexSnapshot]:
        """Return the retriever and the snapshot of the version (default: the newest of the answering retriever)."""
        retrievers = self._retrievers
        for each in retrievers[1:] if version is not None else ():
            with suppress(NotFoundError, VectorIndexError):
                return each, each.snapshot(version)
        return retrievers[0], retrievers[0].snapshot(version)
