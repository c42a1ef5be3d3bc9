"""Ask the catalogue: by words, by shots, by pictures, or by all of them at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import NotFoundError, UsageError
from ops.core.settings import Settings
from ops.core.types import parse_shot_id
from ops.embeddings.encoder import Encoder, load_encoder, resolve_encoder
from ops.index.index import IndexHit, VectorIndex, open_index
from ops.search.hits import ShotDetails
from ops.search.images import read_image
from ops.search.ranking import Calibration, combine, duplicates

log = logging.getLogger(__name__)

MAX_LIMIT = 10_000
MAX_TEXT = 2_000
MAX_EXAMPLES = 100
Vector = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Query:
    """What to look for; ``text`` or ``like`` is needed.

    ``like`` and ``unlike`` hold shot ids and paths of pictures. ``shows`` limits the search to shows by
    name. ``limit`` (1 to 10,000) hits after the first ``offset``. ``exact`` compares with every shot. Blank
    shots (black, one colour) are left out of a search by words unless ``include_blank``. Raises
    ``UsageError`` on values that make no sense.
    """

    text: str = ""
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    limit: int = 20
    offset: int = 0
    exact: bool = False
    include_blank: bool = False

    def __post_init__(self) -> None:
        if not self.text.strip() and not self.like:
            raise UsageError("the query is empty: describe what to look for, or give --like a shot id or a picture")
        if len(self.text) > MAX_TEXT or (not self.text.isascii() and _is_broken(self.text)):
            raise UsageError(f"a query is readable text of at most {MAX_TEXT} characters")
        if not 1 <= self.limit <= MAX_LIMIT:
            raise UsageError(f"limit = {self.limit}: give 1 to {MAX_LIMIT}")
        if self.offset < 0:
            raise UsageError(f"offset = {self.offset}: give 0 or more")
        if len(self.like) + len(self.unlike) > MAX_EXAMPLES:
            raise UsageError(f"a query takes at most {MAX_EXAMPLES} examples")
        if both := sorted(set(self.like) & set(self.unlike)):
            raise UsageError(f"{both[0]!r} is wanted and unwanted at once: take it out of one of them")


class Searcher:
    """Answers queries over the home of ``settings``; safe to use from several threads.

    It opens the index at the first query and again when a newer version is published. The encoder is
    loaded when it is first needed: its text half for words, all of it for pictures, none for shots alone.
    ``encoder`` replaces the one that the settings name.
    """

    def __init__(self, settings: Settings, encoder: Encoder | None = None) -> None:
        self._settings = settings
        self._given = encoder
        self._lock = Lock()
        self._index: VectorIndex | None = None
        self._details = ShotDetails(settings)

    @cached_property
    def encoder_id(self) -> str:
        """Id of the encoder whose vectors are searched."""
        return self._given.encoder_id if self._given else resolve_encoder(self._settings).encoder_id

    def search(self, query: Query) -> dict[str, Any]:
        """The document of ``needle search --json`` (CONTRACT).

        Raises ``NotFoundError`` for a shot, picture or show that is not there, ``UsageError`` for a query
        that makes no sense, ``VectorIndexError`` where nothing was indexed yet.
        """
        started = time.perf_counter()
        index = self._current_index()
        _require_shows(index, query.shows)
        examples = self._shot_vectors(index, [*query.like, *query.unlike])
        vector = combine(
            self._text_vector(query.text),
            [self._example_vector(example, examples) for example in query.like],
            [self._example_vector(example, examples) for example in query.unlike],
        )
        found = _ranked(index, vector, query, examples)
        calibration = Calibration.of(index.sample_scores(vector)) if found else Calibration.of(np.zeros(0, np.float32))
        hits = self._described(found, calibration)
        return {
            "query": {
                name: list(value) if isinstance(value, tuple) else value for name, value in asdict(query).items()
            },
            "encoder_id": self.encoder_id,
            "index_version": index.version,
            "took_ms": round(1e3 * (time.perf_counter() - started), 3),
            "hits": [{"rank": query.offset + at, **hit} for at, hit in enumerate(hits, start=1)],
        }

    def _current_index(self) -> VectorIndex:
        with self._lock:
            if self._index is None or not self._index.is_current():
                # The old one is not closed: another thread may be asking it. It closes when nobody holds it.
                self._index = open_index(self._settings, self.encoder_id)
                self._details.forget()
            return self._index

    @cached_property
    def _text_encoder(self) -> Encoder:
        return self._given or load_encoder(self.encoder_id, self._settings.home, part="text")

    @cached_property
    def _whole_encoder(self) -> Encoder:
        return self._given or load_encoder(self.encoder_id, self._settings.home, part="both")

    def _text_vector(self, text: str) -> Vector | None:
        if not text.strip():
            return None
        with self._lock:  # loads once, however many ask at first
            encoder = self._text_encoder
        vectors_BD = encoder.encode_text([text.strip()])
        return np.asarray(vectors_BD[0], np.float32)

    def _example_vector(self, example: str, shots: dict[str, Vector]) -> Vector:
        if example in shots:
            return shots[example]
        picture = read_image(Path(example).expanduser())
        with self._lock:
            encoder = self._whole_encoder
        vectors_ND = encoder.encode_frames(picture[np.newaxis])
        return np.asarray(vectors_ND[0], np.float32)

    def _shot_vectors(self, index: VectorIndex, examples: Sequence[str]) -> dict[str, Vector]:
        """Vectors of those examples that are shot ids."""
        shot_ids = [example for example in examples if parse_shot_id(example)]
        vectors = index.vectors(shot_ids)
        for shot_id in shot_ids:
            if shot_id not in vectors:
                raise self._unknown_shot(shot_id)
        return vectors

    def _unknown_shot(self, shot_id: str) -> NotFoundError:
        video_id, frame = parse_shot_id(shot_id) or ("", 0)
        starts = self._details.starts_of(video_id)
        if not starts:
            return NotFoundError(
                f"no shot {shot_id!r}: the catalogue has no video {video_id}; `needle status` lists them"
            )
        nearest = sorted(sorted(starts, key=lambda start: abs(start - frame))[:3])
        known = ", ".join(f"{video_id}:{start}" for start in nearest)
        return NotFoundError(f"no shot {shot_id!r} is indexed; shots near that frame: {known}")

    def _described(self, found: list[IndexHit], calibration: Calibration) -> list[dict[str, Any]]:
        details = self._details.of([hit.shot_id for hit in found])
        for hit in found:
            if hit.shot_id not in details:
                log.warning("shot %s is indexed but not in the lake: left out; run `needle ingest`", hit.shot_id)
        return [
            {
                "score": round(hit.score, 6),
                "relevance": round(calibration.relevance(hit.score), 6),
                **details[hit.shot_id],
            }
            for hit in found
            if hit.shot_id in details
        ]


def _ranked(index: VectorIndex, vector: Vector, query: Query, examples: dict[str, Vector]) -> list[IndexHit]:
    """The hits of the page. Shots given as examples, and copies of the wanted ones, are not among them.

    Copies can be many (a trailer cut from the film), so more is asked for until the page is full.
    """
    needed = query.offset + query.limit
    wanted = [examples[example] for example in query.like if example in examples]
    asked = needed + len(examples)
    blank_matters = bool(query.text.strip()) and not query.include_blank
    while True:
        found = index.search(
            vector,
            limit=asked,
            shows=query.shows,
            exclude_blank=blank_matters,
            exact=query.exact,
            with_payload=False,
        )
        kept = [hit for hit in found if hit.shot_id not in examples]
        if wanted:
            vectors = index.vectors([hit.shot_id for hit in kept])
            same = duplicates(np.asarray([vectors[hit.shot_id] for hit in kept], np.float32), wanted)
            kept = [hit for hit, is_copy in zip(kept, same, strict=True) if not is_copy]
        if len(kept) >= needed or len(found) < asked:
            return kept[query.offset : needed]
        asked *= 2


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
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "`needle status` lists the shows"
        raise NotFoundError(f"no show {show!r} in the catalogue: {hint}")


def _is_broken(text: str) -> bool:
    """Whether the text has lone surrogates, as bytes of another encoding on the command line become."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
