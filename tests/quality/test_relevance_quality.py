"""What relevance and the cutoff are worth on real footage, and that title cards are told from other shots.

The figures are those of the docstrings in ``ops.search.calibration`` and ``ops.search.titles``, with room for
another machine's rounding. Thresholds were chosen after looking at both films and at Flickr8k photographs, so
neither film is a clean hold-out: these tests guard the figures, they do not prove them on footage unseen.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ops.embeddings.encoders.starter import StarterEncoder
from ops.search.baselines import GENERIC_TEXTS
from ops.search.calibration import Calibration, background
from ops.search.titles import TitleDirection, draw_cards
from tests.quality.conftest import Watched

pytestmark = [pytest.mark.shared, pytest.mark.slow]

BUNNY, SINTEL = "bbb_full_360p.mp4", "sintel_trailer_204p.mp4"
ABSENT = (
    "a subway train arriving at a station", "a chef cooking pasta in a restaurant kitchen",
    "two men playing basketball in a gym", "a woman typing on a laptop in an office", "a crowded supermarket aisle",
    "a motorcycle race on a track", "a baby sleeping in a crib", "a wedding couple cutting a cake",
    "a football stadium full of fans", "a dentist examining teeth", "a helicopter landing on a roof",
    "people skiing down a slope", "a piano concert in a hall", "an airport terminal with travellers",
    "a man giving a speech at a podium", "a swimming pool with divers", "surfers riding a wave",
    "a bus in heavy traffic", "a boy riding a skateboard", "a scientist with a microscope",
    "teenagers dancing in a nightclub", "a construction worker with a hard hat", "a camel in the desert",
    "asdf qwer zxcv", "xyzzy plugh frobnicate", "quarterly tax report spreadsheet", "the square root of minus one",
    "lorem ipsum dolor sit amet", "justice and the separation of powers", "http 404 not found",
    "monetary policy of the central bank",
)  # fmt: skip


@dataclass(frozen=True)
class Film:
    """One annotated film: unit vectors (S, D) of its shots, which are titles or empty, graded queries (Q, S)."""

    shots: NDArray[np.float32]
    titles: NDArray[np.bool_]
    empty: NDArray[np.bool_]
    queries: list[str]
    grades: NDArray[np.int64]


def annotation(path: Path, ending: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in path.with_name(path.name + ending).read_text().splitlines()]


@pytest.fixture(scope="module")
def films(footage: Path, watched: Callable[[str], Watched]) -> dict[str, Film]:
    return {name: annotated(footage / name, watched(name)) for name in (BUNNY, SINTEL)}


def annotated(path: Path, watched: Watched) -> Film:
    rows, queries = annotation(path, ".captions.jsonl"), annotation(path, ".queries.jsonl")
    assert len(watched.shots) == len(rows)
    return Film(
        shots=watched.shots,
        titles=np.array([row["labels"]["title_or_credits"] for row in rows]),
        empty=np.array(
            [row["labels"]["shot_size"] == "none" and not row["labels"]["title_or_credits"] for row in rows]
        ),
        queries=[row["query"] for row in queries],
        grades=np.array([[row["relevant"].get(str(shot["shot"]), 0) for shot in rows] for row in queries]),
    )


def shown(film: Film, encoder: StarterEncoder, queries: list[str]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which shots (Q, S) lie above each query's cutoff, and the best relevance (Q,)."""
    calibration = Calibration.of(background(film.shots, encoder.encode_text(GENERIC_TEXTS), 0, 0), len(film.shots))
    scores = encoder.encode_text(queries) @ film.shots.T
    relevance = np.vectorize(calibration.relevance)(scores)
    cutoffs = np.array([calibration.cutoff(float(best)) for best in scores.max(axis=1)])
    return relevance >= cutoffs[:, None], relevance.max(axis=1)


def better(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Chance that one of ``left`` exceeds one of ``right`` (the area under the ROC curve)."""
    return float((left[:, None] > right[None, :]).mean() + 0.5 * (left[:, None] == right[None, :]).mean())


@pytest.mark.parametrize(("name", "least"), [(BUNNY, 0.9), (SINTEL, 0.55)])
def test_what_is_there_is_more_relevant_than_what_is_not(
    films: dict[str, Film], encoder: StarterEncoder, name: str, least: float
) -> None:
    film = films[name]
    present, absent = shown(film, encoder, film.queries)[1], shown(film, encoder, list(ABSENT))[1]
    assert better(present, absent) >= least


@pytest.mark.parametrize(
    ("name", "recall", "precision", "hidden"), [(BUNNY, 0.25, 0.05, 0.5), (SINTEL, 0.3, 0.25, 0.3)]
)
def test_the_cutoff_keeps_and_hides(
    films: dict[str, Film], encoder: StarterEncoder, name: str, recall: float, precision: float, hidden: float
) -> None:
    """At least so much of what matches is shown; so much of what is shown matches; absent queries show nothing."""
    film = films[name]
    above, _ = shown(film, encoder, film.queries)
    matches = film.grades > 0
    assert (above & matches).sum() / matches.sum() >= recall
    assert (above & matches).sum() / above.sum() >= precision
    assert precision > matches.mean(), "better than showing everything"
    absent, _ = shown(film, encoder, list(ABSENT))
    assert (~absent.any(axis=1)).mean() >= hidden, "share of absent queries that show nothing at all"
    assert absent.sum(axis=1).mean() <= 4, "shots shown for what is not there: about those that chance allows"


@pytest.mark.parametrize("name", [BUNNY, SINTEL])
def test_title_cards_are_told_from_other_shots(films: dict[str, Film], encoder: StarterEncoder, name: str) -> None:
    """Most titles, and no picture; empty black shots are as near to the cards, and are blank anyway."""
    film = films[name]
    direction = TitleDirection.of(encoder.encode_frames(draw_cards()))
    everything = np.concatenate([each.shots for each in films.values()])
    threshold = direction.threshold(everything @ direction.vector)
    assert threshold is not None
    found = film.shots @ direction.vector >= threshold
    assert not (found & ~film.titles & ~film.empty).any(), "no picture is hidden as a title"
    assert (found & film.titles).sum() / film.titles.sum() >= 0.6
