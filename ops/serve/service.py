"""State that all routes share: the searcher, details of shots, uploads, and the progress of the warm-up."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import UnidentifiedImageError

from ops.core.errors import NO_ROOM, StorageError, VectorIndexError, make_home_error
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.core.storage import ObjectStore
from ops.embeddings.encoder import Encoder
from ops.index.index import VectorIndex, read_current_version
from ops.search.searcher import Searcher
from ops.search.shot_details import ShotDetails
from ops.serve.documents import build_addresses
from ops.serve.export_files import ExportFolder, ExportTally
from ops.serve.fitting import FitJobs
from ops.serve.memory import return_free_memory
from ops.serve.metrics import Metrics
from ops.serve.problems import ProblemError
from ops.serve.searchable_since import Runs, SearchableSince
from ops.serve.uploads import Uploads
from ops.serve.warmup import Warmup
from ops.serve.work import WorkQueue
from ops.shots.thumbnails import read_thumbnail, shrink_poster

KEPT_POSTERS = 512
READERS = 8
log = logging.getLogger(__name__)

GONE = "the index of this home is gone: whoever runs the service has to run `needle ingest`, which builds it again"
UNREADABLE = "the footage of this home cannot be read now: the log of the service has the reason"
HINT = "nothing was ingested yet: run `needle ingest PATH` with a folder of footage, and it appears here by itself"
UNINDEXED = "no shot is searchable yet: a running ingest builds the index at its end; if none runs, run `needle ingest`"
WARM_UP_S = 120.0


@dataclass(frozen=True, kw_only=True)
class WorkQueues:
    """The work queues, one for each kind of limited work."""

    search: WorkQueue
    lookup: WorkQueue
    pictures: WorkQueue
    export: WorkQueue
    heavy_export: WorkQueue


class Service:
    """The service of one home. Nothing is opened before :meth:`start`; safe to use from several threads."""

    def __init__(
        self,
        settings: Settings,
        encoder: Encoder | None,
        runs: Runs | None,
        queues: WorkQueues,
        fit: Sequence[str] | None = None,
    ) -> None:
        self.settings = settings
        self.runs = runs
        self.queues = queues
        self.uploads = Uploads(settings.home / "serve" / "images", settings.store)
        self.small_posters = SmallPosters(settings.store)
        self.tallies: dict[str, ExportTally] = {}
        self.exports = ExportFolder(settings.home / "serve" / "exports", settings.home / "locks" / "exports.lock")
        self.metrics = Metrics()
        self.searcher = Searcher(settings, encoder, pictures=self.uploads.read_picture, addresses=build_addresses)
        self.since = SearchableSince(settings, runs)
        self.fits = FitJobs(fit, lambda _: self.searcher.probes.forget())
        self._warmth = Warmup(self._read_published, self._warm_up, self._refresh)
        self._are_runs_loaded = self._are_details_read = self._had_index = self._has_lost_shots = False
        self._stored_shots = 0

    @property
    def details(self) -> ShotDetails:
        return self.searcher.details

    def start(self) -> None:
        """Start to warm up in a separate thread, and delete leftovers of a killed service.

        A disk without room, or one that may only be read, is logged: searches need no room.
        """
        try:
            self.exports.clear()
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            log.warning("%s", make_home_error(self.settings.home, error))
        self._warmth.start()

    def stop(self) -> None:
        """Stop to check for new versions, terminate a running fit, close the indexes.

        FastAPI's caches of endpoints keep every service of the process alive (FastAPI 0.165).
        """
        self.fits.stop()
        self._warmth.stop()
        self.searcher.close()

    def _read_published(self) -> str | None:
        """Return the published state to answer from: the live encoder, and the version of its index."""
        encoder_id = self.searcher.live_encoder_id()
        version = read_current_version(self.settings, encoder_id)
        return None if version is None else f"{encoder_id} {version}"

    def _warm_up(self) -> None:
        """Load the live encoder and encode once, open the index, read the details of shots.

        At the start the details are left to :meth:`_refresh`: among a million shots they take longer than all of this,
        and a search reads those of its hits itself. Later there are few new ones.
        """
        try:
            self.searcher.follow()
            self.searcher.warm()
            self._had_index = True
        except VectorIndexError:
            # An empty home is not a failure; a home that lost its index is one.
            if self.index_version() is not None or self._has_lost_index():
                raise
        if self._are_details_read:
            self.details.warm()

    def _has_lost_index(self) -> bool:
        """Return whether an index that was searched is gone although not all footage was forgotten."""
        store = self.settings.store
        is_store_gone = store.is_local and not Path(store.path("lake")).is_dir()
        return self._had_index and (is_store_gone or self.details.warm() > 0)

    def _refresh(self) -> None:
        """Read changes that come without a new index: titles, and videos in processing; tidy up memory.

        Raises ``StorageError`` if the store has no shots and the index has some.
        """
        self._stored_shots = self.details.warm()
        self._are_details_read = True
        has_index = self.index_version() is not None
        indexed = self.searcher.index().count() if has_index and not self._stored_shots else 0
        self._has_lost_shots = indexed > 0
        if indexed:
            raise StorageError(
                f"{plural(indexed, 'shot is', 'shots are')} indexed, and {self.settings.store.root} has none: it was "
                "moved, or is not mounted"
            )
        return_free_memory()
        if self.runs and not self._are_runs_loaded:
            self._are_runs_loaded = True
            try:
                self.runs([])  # Dagster takes a second to load, which should not delay the first request for a shot
            except (StorageError, OSError) as error:  # searches do not need them
                log.warning("the runs of this home cannot be read: %s", error)

    @property
    def status(self) -> str:
        """Return ``warming``, ``failed``, ``empty`` (nothing to search) or ``ok``."""
        if not self._warmth.wait():
            return "warming"
        if self._warmth.has_failed:
            return "failed"
        return "ok" if self.index_version() is not None else "empty"

    def index_version(self) -> str | None:
        """Return the version that is published now; opens nothing."""
        return read_current_version(self.settings, self.searcher.encoder_id)

    def index(self) -> VectorIndex:
        """Return the current index. Raises as :meth:`require_footage`."""
        self.require_footage()
        return self.searcher.index()

    def require_footage(self) -> None:
        """Wait until the service is warm.

        Raises ``ProblemError`` 409 if there is nothing to search, 503 if the index or all shots of the lake were lost.
        """
        self._warmth.wait(WARM_UP_S)
        if self.index_version() is None:
            if self._warmth.has_failed:
                raise ProblemError(503, GONE if self._had_index else UNREADABLE)
            raise ProblemError(409, UNINDEXED if self._stored_shots else HINT)
        if self._has_lost_shots:
            raise ProblemError(503, UNREADABLE)

    def count_shots(self) -> int:
        """Return the number of searchable shots."""
        return self.searcher.index().count() if self.status == "ok" else 0

    def list_probes(self) -> list[str]:
        """Return the names of the probes that have scored shots."""
        return self.searcher.probes.list_names()


class SmallPosters:
    """Small versions of posters; safe to use from several threads.

    Posters of earlier versions have none in their files. They are scaled when they are requested, and the last ones
    are kept in memory.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._shrink = lru_cache(KEPT_POSTERS)(shrink_poster)

    def find(self, key: str) -> bytes | None:
        """Return the small version of the poster ``key`` as a JPEG file; ``None`` if it is missing or unreadable."""
        try:
            poster = self._store.read_bytes(key)
            return read_thumbnail(poster) or self._shrink(poster)
        except (FileNotFoundError, UnidentifiedImageError):
            return None

    def build_uris(self, keys: Mapping[str, str]) -> dict[str, str]:
        """Return the small version of each poster as a ``data:`` URI by the name of its key; without missing ones."""
        if self._store.is_local:
            posters = [self.find(key) for key in keys.values()]
        else:
            with ThreadPoolExecutor(READERS) as pool:
                posters = list(pool.map(self.find, keys.values()))
        return {
            name: f"data:image/jpeg;base64,{b64encode(poster).decode()}"
            for name, poster in zip(keys, posters, strict=True)
            if poster is not None
        }
