"""One encoder with the index of its vectors: they are opened together, and replaced together.

A query embedded by one encoder must never meet the vectors of another, so each query uses one retriever from its
beginning to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import cached_property
from threading import Lock
from typing import Generic, Protocol, TypeVar

import numpy as np

from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.embeddings.encoder import Encoder
from ops.index.index import VectorIndex, open_index
from ops.search.baselines import ScoreBaselines, load_baselines
from ops.search.calibration import Calibration, background
from ops.search.probe_filters import ProbeScores
from ops.search.query_encoding import Pictures, QueryEncoder

# Two shots show the same pictures if the distance of their vectors (1 - cosine) is at most this share of
# that of two shots taken at random: an encoder that sees all pictures alike needs a stricter bound. Measured on
# Big Buck Bunny (starter encoder, 22 November 2026), 40 of the 61 pairs with a cosine above 0.85 looked at:
# down to 0.92, which is this share, each is one camera set-up cut into; below, other set-ups begin.
SAME_SHARE = 0.1
NAMED_SHOWS = 5
"""Shows that a message names."""


class Version(Protocol):
    """One immutable published version of something."""

    version: str

    def is_current(self) -> bool:
        """Whether no newer one was published."""
        ...


V = TypeVar("V", bound=Version)


class PublishedVersions(Generic[V]):
    """Opens the newest version when it is asked for, and keeps the one before it open; safe for threads.

    ``opened`` opens the newest, or gives ``None`` where there is none. ``switched`` is called when another
    one is opened. ``name`` is what people call it.
    """

    def __init__(self, name: str, opened: Callable[[], V | None], switched: Callable[[], None] | None = None) -> None:
        self._name = name
        self._opened = opened
        self._switched = switched
        self._lock = Lock()
        self._kept: list[V] = []

    def get(self, version: str | None = None) -> V | None:
        """The newest, or the one called ``version``.

        Raises ``NotFoundError`` where that is neither the newest nor the one before, and what ``opened`` raises.
        """
        with self._lock:
            if not self._kept or not self._kept[0].is_current():
                fresh = self._opened()
                # The oldest is not closed: another thread may be asking it. It closes when nobody holds it.
                self._kept = [] if fresh is None else [fresh, *self._kept[:1]]
                if self._switched:
                    self._switched()
            if version is None:
                return self._kept[0] if self._kept else None
            for each in self._kept:
                if each.version == version:
                    return each
        raise NotFoundError(f"{self._name} version {version} is gone: start the search again")


class IndexSnapshot:
    """One published version of the index, with what is computed of it once: title cards, backgrounds of scores.

    Safe to use from several threads. ``baselines`` are computed when they are first needed.
    """

    def __init__(self, index: VectorIndex, baselines: Callable[[], ScoreBaselines]) -> None:
        self.index = index
        self.version = index.version
        self._baselines = baselines
        self._lock = Lock()
        self._calibrations: dict[tuple[bool, int, int], Calibration] = {}

    def is_current(self) -> bool:
        """Whether no newer version was published."""
        return self.index.is_current()

    @cached_property
    def titles(self) -> frozenset[str]:
        """Ids of the shots that are title cards."""
        return self._titles or frozenset()

    @cached_property
    def tells_titles(self) -> bool:
        """Whether title cards can be told from the other shots; if not, there are none in :attr:`titles`."""
        return self._titles is not None

    @cached_property
    def _titles(self) -> frozenset[str] | None:
        direction = self._baselines().titles
        if not self.index.count():
            return frozenset()
        return direction.titles_of(self.index) if direction else None

    @cached_property
    def shows(self) -> tuple[str, ...]:
        """Names of the shows that have shots in this version."""
        return tuple(sorted(self.index.counts("show")))

    @cached_property
    def same_pictures(self) -> float:
        """Least cosine of two shots with the same pictures; see ``SAME_SHARE``."""
        return 1 - SAME_SHARE * (1 - self.calibration(False, 1).centre)

    def require_shows(self, shows: Sequence[str]) -> None:
        """Raise ``NotFoundError``, with names that are close, for a show that has no shots in this version."""
        known = self.shows if shows else ()
        for show in shows:
            if show in known:
                continue
            folded = {name.casefold(): name for name in known}
            parts = [name for name in folded if show.casefold() in name] if show.strip() else []
            close = get_close_matches(show.casefold(), list(folded), n=3, cutoff=0.5)
            near = [folded[name] for name in dict.fromkeys([*parts, *close])][:3]
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else _some(known)
            raise NotFoundError(f"no show {show!r} in the catalogue: {hint}")

    def calibration(self, has_text: bool, likes: int = 0, unlikes: int = 0) -> Calibration:
        """The scale for questions with or without a text, and with so many examples."""
        kind = (has_text, likes, unlikes)
        with self._lock:
            if kind not in self._calibrations:
                texts = self._baselines().texts if has_text else None
                sample = self.index.sample
                scores = background(sample, texts, likes, unlikes) if len(sample) else np.zeros(0, np.float32)
                self._calibrations[kind] = Calibration.of(scores, self.index.count())
            return self._calibrations[kind]


class Retriever:
    """An encoder, the index of its vectors, and its probes; safe to use from several threads.

    The encoder is the one that is live when the retriever is first used, or ``given``; it stays. ``switched`` is called
    when a newer version of its index is opened. ``pictures`` as of ``Searcher``.
    """

    def __init__(
        self, settings: Settings, given: Encoder | None, pictures: Pictures, switched: Callable[[], None]
    ) -> None:
        self._home = settings.home
        self._switched = switched
        self._lock = Lock()
        self._baselines: ScoreBaselines | None = None
        self.encoder = QueryEncoder(settings, given, pictures)
        self.probes = ProbeScores(settings, lambda: self.encoder_id)
        self._snapshots: PublishedVersions[IndexSnapshot] = PublishedVersions(
            "index", lambda: IndexSnapshot(open_index(settings, self.encoder_id), self._measured), self._forget
        )

    @property
    def encoder_id(self) -> str:
        """Id of the encoder whose vectors are searched."""
        return self.encoder.encoder_id

    def snapshot(self, version: str | None = None) -> IndexSnapshot:
        """The newest version of the index, or the one called ``version``, which may be the newest but one.

        Raises ``VectorIndexError`` where nothing was indexed yet, ``NotFoundError`` where that version is gone.
        """
        snapshot = self._snapshots.get(version)
        assert snapshot is not None, "open_index raises where there is none"
        return snapshot

    def index(self) -> VectorIndex:
        """The newest index of the encoder; errors as :meth:`snapshot`."""
        return self.snapshot().index

    def warm(self) -> None:
        """Load text encoder, index and what is computed of them once; errors as :meth:`snapshot`."""
        self.encoder.texts(["warm"])
        self._measured()
        snapshot = self.snapshot()
        snapshot.calibration(True)
        snapshot.calibration(False, 1)
        _ = snapshot.titles

    def _measured(self) -> ScoreBaselines:
        with self._lock:
            if self._baselines is None:
                self._baselines = load_baselines(self._home, self.encoder)
            return self._baselines

    def _forget(self) -> None:
        self.probes.forget()
        self._switched()


def _some(shows: Sequence[str]) -> str:
    more = f" and {len(shows) - NAMED_SHOWS} more" if len(shows) > NAMED_SHOWS else ""
    return f"it has {', '.join(map(repr, shows[:NAMED_SHOWS]))}{more}" if shows else "it has none yet"
