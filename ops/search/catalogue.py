"""One published version of the index, with what is computed of it once: title cards, backgrounds of scores."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ops.index.index import VectorIndex
from ops.search.candidates import Candidate
from ops.search.folding import fold, same_pictures
from ops.search.relevance import Calibration, background
from ops.search.yardsticks import Yardsticks

Vector = NDArray[np.float32]


class Catalogue:
    """Safe to use from several threads. ``yardsticks`` are asked for when they are first needed."""

    def __init__(self, index: VectorIndex, yardsticks: Callable[[], Yardsticks]) -> None:
        self.index = index
        self.version = index.version
        self._yardsticks = yardsticks
        self._lock = Lock()
        self._calibrations: dict[tuple[bool, int, int], Calibration] = {}

    def is_current(self) -> bool:
        """Whether no newer version was published."""
        return self.index.is_current()

    @property
    def titles(self) -> frozenset[str]:
        """Ids of the shots that are title cards."""
        return self._titles or frozenset()

    @property
    def tells_titles(self) -> bool:
        """Whether title cards can be told from the other shots; where not, there are none in :attr:`titles`."""
        return self._titles is not None

    @cached_property
    def _titles(self) -> frozenset[str] | None:
        direction = self._yardsticks().titles
        if not self.index.count():
            return frozenset()
        return direction.titles_of(self.index) if direction else None

    @cached_property
    def shows(self) -> tuple[str, ...]:
        """Names of the shows that have shots in this version."""
        return tuple(sorted(self.index.counts("show")))

    def folded(self, candidates: list[Candidate]) -> list[Candidate]:
        """The candidates with near-duplicates under the best of them; see :func:`fold`."""
        return fold(candidates, self.index.vectors, same_pictures(self.calibration(False, 1).centre))

    def calibration(self, has_text: bool, likes: int = 0, unlikes: int = 0) -> Calibration:
        """The scale for questions with or without a text, and with so many examples."""
        kind = (has_text, likes, unlikes)
        with self._lock:
            if kind not in self._calibrations:
                texts = self._yardsticks().texts if has_text else None
                sample = self.index.sample
                scores = background(sample, texts, likes, unlikes) if len(sample) else np.zeros(0, np.float32)
                self._calibrations[kind] = Calibration.of(scores, self.index.count())
            return self._calibrations[kind]
