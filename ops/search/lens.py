"""One encoder with the index of its vectors: they are opened together, and replaced together.

Stands alone because a query embedded by one encoder must never meet the vectors of another: whoever answers takes
one lens at the beginning and looks through it to the end.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from ops.core.settings import Settings
from ops.embeddings.encoder import Encoder
from ops.index.index import VectorIndex, open_index
from ops.search.catalogue import Catalogue
from ops.search.encoding import Pictures, QueryEncoder
from ops.search.probe_filters import ProbeScores
from ops.search.versions import Versions
from ops.search.yardsticks import Yardsticks, load_yardsticks


class Lens:
    """What queries are asked with; safe to use from several threads.

    The encoder is the one that is live when the lens is first used, or ``given``; it stays. ``switched`` is called
    when a newer version of its index is opened. ``pictures`` as of ``Searcher``.
    """

    def __init__(
        self, settings: Settings, given: Encoder | None, pictures: Pictures, switched: Callable[[], None]
    ) -> None:
        self._home = settings.home
        self._switched = switched
        self._lock = Lock()
        self._yardsticks: Yardsticks | None = None
        self.encoder = QueryEncoder(settings, given, pictures)
        self.probes = ProbeScores(settings, lambda: self.encoder_id)
        self._catalogues: Versions[Catalogue] = Versions(
            "index", lambda: Catalogue(open_index(settings, self.encoder_id), self._measured), self._forget
        )

    @property
    def encoder_id(self) -> str:
        """Id of the encoder whose vectors are searched."""
        return self.encoder.encoder_id

    def catalogue(self, version: str | None = None) -> Catalogue:
        """The newest version of the index, or the one called ``version``, which may be the newest but one.

        Raises ``VectorIndexError`` where nothing was indexed yet, ``NotFoundError`` where that version is gone.
        """
        catalogue = self._catalogues.get(version)
        assert catalogue is not None, "open_index raises where there is none"
        return catalogue

    def index(self) -> VectorIndex:
        """The newest index of the encoder; errors as :meth:`catalogue`."""
        return self.catalogue().index

    def warm(self) -> None:
        """Load text encoder, index and what is computed of them once; errors as :meth:`catalogue`."""
        self.encoder.texts(["warm"])
        self._measured()
        catalogue = self.catalogue()
        catalogue.calibration(True)
        catalogue.calibration(False, 1)
        _ = catalogue.titles

    def _measured(self) -> Yardsticks:
        with self._lock:
            if self._yardsticks is None:
                self._yardsticks = load_yardsticks(self._home, self.encoder)
            return self._yardsticks

    def _forget(self) -> None:
        self.probes.forget()
        self._switched()
