"""The annotated films as the shipped encoder sees them: each is decoded and embedded once for all tests of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ops.embeddings.encoders.starter import StarterEncoder
from ops.training.evaluate import evaluate_footage

BUNNY, SINTEL = "bbb_full_360p.mp4", "sintel_trailer_204p.mp4"
FILMS = (BUNNY, SINTEL, "chrome_icon_270p.mp4", "google_paris_180p.mp4", "nasa_hotfire_360p.webm")
"""The clips with captions and graded queries."""


class Noting(StarterEncoder):
    """The shipped encoder; it keeps the vectors (D,) of the shots that it pooled, in their order."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, threads=2)
        self.pooled: list[NDArray[np.float32]] = []

    def pool(self, frame_vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
        self.pooled.append(super().pool(frame_vectors_ND))
        return self.pooled[-1]


@dataclass(frozen=True)
class Watched:
    """What ``evaluate_footage`` says of one film, and the unit vectors (S, D) of its annotated shots."""

    figures: dict[str, Any]
    shots: NDArray[np.float32]


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Noting:
    return Noting(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def watched(footage: Path, encoder: Noting) -> Callable[[str], Watched]:
    """Watches a film of ``../shared/footage`` when it is first asked for."""

    return cache(lambda name: watch_film(footage, name, encoder))


def watch_film(footage: Path, name: str, encoder: Noting) -> Watched:
    """Decode and embed the annotated shots of one film."""
    with tempfile.TemporaryDirectory() as folder:
        for file in footage.glob(f"{name}*"):
            if not file.name.endswith(".shots.json"):  # detection has its own quality test
                Path(folder, file.name).symlink_to(file.absolute())
        encoder.pooled.clear()
        figures = evaluate_footage(Path(folder), encoder)
    return Watched(figures, np.stack(encoder.pooled))
