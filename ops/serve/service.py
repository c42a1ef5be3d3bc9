"""What all routes share: the searcher, what is known of the shots, uploads, and how far warming up is."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from ops.core.errors import NeedleError, VectorIndexError
from ops.core.settings import Settings
from ops.embeddings.encoder import Encoder
from ops.index.index import VectorIndex, current_version
from ops.search.hits import ShotDetails
from ops.search.search import Searcher
from ops.serve.metrics import Metrics
from ops.serve.problems import ProblemError
from ops.serve.uploads import Uploads
from ops.serve.work import Lane

log = logging.getLogger(__name__)

HINT = "nothing was ingested yet: run `needle ingest PATH` with a folder of footage, and it appears here by itself"
WARM_UP_S = 120.0
LEFT_OVER_S = 24 * 3600

Runs = Callable[[Sequence[tuple[str, str, float]]], list[dict[str, Any]]]
"""Dagster runs of ``(asset, partition, Unix time at which the rows were computed)``; see ``ops/cli/runs.py``."""


@dataclass(frozen=True, kw_only=True)
class Lanes:
    """The kinds of work that are limited."""

    search: Lane
    lookup: Lane
    pictures: Lane
    export: Lane


class Service:
    """One home, served. Nothing is opened before :meth:`start`; safe to use from several threads."""

    def __init__(self, settings: Settings, encoder: Encoder | None, runs: Runs | None, lanes: Lanes) -> None:
        self.settings = settings
        self.runs = runs
        self.lanes = lanes
        self.uploads = Uploads(settings.home / "serve" / "images")
        self.exports = settings.home / "serve" / "exports"
        self.metrics = Metrics()
        self.searcher = Searcher(settings, encoder, pictures=self.uploads.picture)
        self._warm = Event()
        self._failure = ""

    @property
    def details(self) -> ShotDetails:
        return self.searcher.details

    def start(self) -> None:
        """Begin to warm up, in a thread of its own, and clear away what a killed service left."""
        for folder in self.exports.glob("*"):
            if time.time() - folder.stat().st_mtime > LEFT_OVER_S:
                shutil.rmtree(folder, ignore_errors=True)
        Thread(target=self.warm_up, name="warm-up", daemon=True).start()

    def warm_up(self) -> None:
        """Load the encoder and encode once, open the index, read what hits show."""
        try:
            self.searcher.warm()
            self.details.warm()
            self._failure = ""
        except NeedleError as error:
            if isinstance(error, VectorIndexError) and self.index_version() is None:
                return  # an empty home is no failure
            self._failure = str(error)
            log.warning("warming up failed: %s", error)
        finally:
            self._warm.set()
        if self.runs:
            self.runs([])  # Dagster takes a second to load, which the first look at a shot should not

    @property
    def status(self) -> str:
        """``warming``, ``failed``, ``empty`` (nothing to search) or ``ok``."""
        if not self._warm.is_set():
            return "warming"
        if self._failure:
            return "failed"
        return "ok" if self.index_version() is not None else "empty"

    @property
    def failure(self) -> str:
        """Why warming up failed; empty where it did not."""
        return self._failure

    def index_version(self) -> str | None:
        """The version that is published now; opens nothing."""
        return current_version(self.settings, self.searcher.encoder_id)

    def index(self) -> VectorIndex:
        """The current index. Raises ``ProblemError`` 409 where nothing was ingested yet."""
        self.require_footage()
        return self.searcher.index()

    def require_footage(self) -> None:
        """Wait until the service is warm. Raises ``ProblemError`` 409 where there is nothing to search."""
        self._warm.wait(WARM_UP_S)
        if self.index_version() is None:
            raise ProblemError(409, HINT)

    def shots_indexed(self) -> int:
        """How many shots can be found now."""
        return self.searcher.index().count() if self.status == "ok" else 0

    def probes(self) -> list[str]:
        """Names of the probes that have scored shots."""
        return self.searcher.probes.names()
