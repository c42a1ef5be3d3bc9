"""A retriever is one encoder with the index of its vectors: they are opened together, and replaced together.

A query embedded by one encoder must never be compared with the vectors of another. So each query uses one retriever
from beginning to end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from threading import Lock
from typing import Generic, Protocol, TypeVar

import numpy as np

from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.embeddings.encoder import Encoder
from ops.index.index import VectorIndex, open_index
from ops.search.baselines import ScoreBaselines, load_baselines
from ops.search.calibration import Calibration, score_background
from ops.search.probe_filters import ProbeScores
from ops.search.query_encoding import Pictures, QueryEncoder
from ops.search.searched_catalogue import Scope, SearchedCatalogue, read_catalogue, unknown_show

# Two shots show the same images if the distance of their vectors (1 - cosine) is at most this share of the distance of
# two random shots: an encoder that maps all images close together needs a stricter bound. Measured on Big Buck Bunny
# (starter encoder, 22 November 2026), 40 of the 61 pairs with a cosine above 0.85 inspected: down to 0.92, which is
# this share, each is one camera set-up interrupted by a cut; below, other set-ups begin.
SAME_SHARE = 0.1


class Version(Protocol):
    """One immutable published version of an index."""

    version: str

    def is_current(self) -> bool:
        """Return True if no newer version was published."""
        ...


V = TypeVar("V", bound=Version)


class PublishedVersions(Generic[V]):
    """Opens the newest version on demand, and keeps the previous one open; safe for threads.

    ``opened`` opens the newest, or returns ``None`` if there is none. ``switched`` is called when another version is
    opened. ``name`` is the user-visible name.
    """

    def __init__(self, name: str, opened: Callable[[], V | None], switched: Callable[[], None] | None = None) -> None:
        self._name = name
        self._opened = opened
        self._switched = switched
        self._lock = Lock()
        self._versions: list[V] = []

    def get(self, version: str | None = None) -> V | None:
        """Return the newest version, ``None`` if none was published, or the one called ``version``.

        Raises ``NotFoundError`` if that is neither the newest nor the one before, and the errors of ``opened``.
        """
        with self._lock:
            if not self._versions or not self._versions[0].is_current():
                fresh = self._opened()
                # The oldest version is not closed: another thread may be reading it. It closes with its last reference.
                self._versions = [] if fresh is None else [fresh, *self._versions[:1]]
                if self._switched:
                    self._switched()
            if version is None:
                return self._versions[0] if self._versions else None
            for each in self._versions:
                if each.version == version:
                    return each
        raise NotFoundError(f"{self._name} version {version} is gone: start the search again")


class IndexSnapshot:
    """One published version of the index, with values computed from it once: title cards, backgrounds of scores.

    Safe to use from several threads. ``baselines`` are computed when they are first needed.
    """

    def __init__(self, index: VectorIndex, baselines: Callable[[], ScoreBaselines]) -> None:
        self.index = index
        self.version = index.version
        self._baselines = baselines
        self._lock = Lock()
        self._catalogue: SearchedCatalogue | None = None
        self._calibrations: dict[tuple[bool, int, int, int, int], Calibration] = {}

    def is_current(self) -> bool:
        """Return True if no newer version was published."""
        return self.index.is_current()

    @cached_property
    def titles(self) -> frozenset[str]:
        """Return the ids of the shots that are title cards."""
        return self._titles or frozenset()

    @cached_property
    def tells_titles(self) -> bool:
        """Return True if title cards can be distinguished from other shots; if not, :attr:`titles` is empty."""
        return self._titles is not None

    @cached_property
    def _titles(self) -> frozenset[str] | None:
        direction = self._baselines().titles
        if not self.index.count():
            return frozenset()
        return direction.find_titles(self.index) if direction else None

    @cached_property
    def shows(self) -> tuple[str, ...]:
        """Return the names of the shows that have shots in this version."""
        return tuple(sorted(self._shots_by_show))

    @cached_property
    def same_pictures(self) -> float:
        """Return the minimum cosine of two shots with the same images; see ``SAME_SHARE``."""
        return 1 - SAME_SHARE * (1 - self.calibration(False, 1).centre)

    def require_shows(self, shows: Sequence[str]) -> None:
        """Raise ``NotFoundError``, with similar names, for a show that has no shots in this version."""
        for show in shows:
            if show not in self.shows:
                raise unknown_show(show, self.shows)

    def require_videos(self, video_ids: Sequence[str]) -> None:
        """Raise ``NotFoundError`` for a video that has no shots in this version."""
        for video_id in video_ids:
            if video_id not in self.shots_by_video:
                raise NotFoundError(
                    f"no video {video_id!r} is indexed: `needle status` lists the videos with their ids"
                )

    def catalogue(self, settings: Settings) -> SearchedCatalogue:
        """Return the names and dates of the videos in this version."""
        with self._lock:
            if self._catalogue is None:
                index = self.index  # not self: an old snapshot must go with its last reference, not in a cycle
                self._catalogue = SearchedCatalogue(self.shows, lambda: read_catalogue(settings, index.shots_by_video))
            return self._catalogue

    @property
    def shots_by_video(self) -> Mapping[str, int]:
        """Return the number of shots of each video in this version."""
        return self.index.shots_by_video

    @cached_property
    def _shots_by_show(self) -> Mapping[str, int]:
        return self.index.counts("show")

    def count_shots(self, scope: Scope) -> int:
        """Return the number of shots in a scope."""
        if scope.videos is not None:
            return sum(self.shots_by_video.get(video, 0) for video in scope.videos)
        if scope.shows:
            return sum(self._shots_by_show.get(show, 0) for show in scope.shows)
        return self.index.count()

    def calibration(
        self, has_text: bool, likes: int = 0, unlikes: int = 0, unlike_words: int = 0, *, shots: int | None = None
    ) -> Calibration:
        """Return the scale for queries with or without a text, and with these numbers of examples and unwanted words.

        ``shots`` are searched: those of the scope (default: all).
        """
        shots = self.index.count() if shots is None else shots
        kind = (has_text, likes, unlikes, unlike_words, shots)
        with self._lock:
            if kind not in self._calibrations:
                texts = self._baselines().texts if has_text or unlike_words else None
                sample = self.index.sample
                scores = np.zeros(0, np.float32)
                if len(sample):
                    scores = score_background(
                        sample, texts, likes, unlikes, has_text=has_text, unlike_words=unlike_words
                    )
                scale = self._baselines().scale if has_text and not likes and not unlikes else None
                self._calibrations[kind] = Calibration.fit(scores, self.index.count(), scale, shots)
            return self._calibrations[kind]


class Retriever:
    """An encoder, the index of its vectors, and its probes; safe to use from several threads.

    The encoder is ``given``, or the one that is live when the retriever is first used; it does not change. ``switched``
    is called when a newer version of its index is opened. ``pictures`` as in ``Searcher``.
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
            "index", lambda: IndexSnapshot(open_index(settings, self.encoder_id), self._measure_baselines), self._forget
        )

    @property
    def encoder_id(self) -> str:
        """Return the id of the encoder of the searched vectors."""
        return self.encoder.encoder_id

    def snapshot(self, version: str | None = None) -> IndexSnapshot:
        """Return the newest version of the index, or the one called ``version``: the newest or the one before.

        Raises ``VectorIndexError`` if nothing was indexed yet, ``NotFoundError`` if that version is deleted.
        """
        snapshot = self._snapshots.get(version)
        assert snapshot is not None, "open_index raises if there is none"
        return snapshot

    def index(self) -> VectorIndex:
        """Return the newest index of the encoder; errors as :meth:`snapshot`."""
        return self.snapshot().index

    def warm(self) -> None:
        """Load text encoder, index and the values computed from them once; errors as :meth:`snapshot`."""
        self.encoder.encode_texts(["warm"])
        self._measure_baselines()
        snapshot = self.snapshot()
        snapshot.calibration(True)
        snapshot.calibration(False, 1)
        _ = snapshot.titles

    def _measure_baselines(self) -> ScoreBaselines:
        with self._lock:
            if self._baselines is None:
                self._baselines = load_baselines(self._home, self.encoder)
            return self._baselines

    def _forget(self) -> None:
        self.probes.forget()
        self._switched()
