"""What relevance and the divider are worth on real footage, and that title cards are told from other shots.

The scale is judged on films that did not choose it. The bounds of titles and of absent things were chosen after looking
at both films and at Flickr8k photographs: these tests guard the figures, they do not prove them on unseen footage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ops.embeddings.encoders.starter import StarterEncoder
from ops.search.baselines import GENERIC_TEXTS
from ops.search.calibration import SCALES, Calibration, score_background
from ops.search.titles import TitleDirection, draw_cards
from tests.quality.annotated_queries import Asked, Film, ask, calibration_error, fit_scale, kept_and_cut, relevances
from tests.quality.conftest import BUNNY, FILMS, SINTEL, Watched

pytestmark = [pytest.mark.shared, pytest.mark.slow]

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


def annotation(path: Path, ending: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in path.with_name(path.name + ending).read_text().splitlines()]


@pytest.fixture(scope="module")
def films(footage: Path, watched: Callable[[str], Watched]) -> dict[str, Film]:
    return {name: annotated(footage / name, watched(name)) for name in FILMS}


@pytest.fixture(scope="module")
def asked(films: dict[str, Film], encoder: StarterEncoder) -> list[Asked]:
    return ask(films, encoder.encode_text, GENERIC_TEXTS)


def annotated(path: Path, watched: Watched) -> Film:
    rows, queries = annotation(path, ".captions.jsonl"), annotation(path, ".queries.jsonl")
    assert len(watched.shots) == len(rows)
    return Film(
        shots=watched.shots,
        queries=[row["query"] for row in queries],
        grades=np.array([[row["relevant"].get(str(shot["shot"]), 0) for shot in rows] for row in queries]),
    )


def best_sigmas(film: Film, encoder: StarterEncoder, queries: Sequence[str]) -> tuple[NDArray[np.float64], float]:
    """The best score of each query (Q,) in sigmas of the film's background, and the one that clearly matches."""
    calibration = Calibration.fit(
        score_background(film.shots, encoder.encode_text(GENERIC_TEXTS), 0, 0), len(film.shots)
    )
    scores = (encoder.encode_text(list(queries)) @ film.shots.T).max(axis=1).astype(np.float64)
    return (scores - calibration.centre) / calibration.sigma, calibration.clear


def better(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Chance that one of ``left`` exceeds one of ``right`` (the area under the ROC curve)."""
    return float((left[:, None] > right[None, :]).mean() + 0.5 * (left[:, None] == right[None, :]).mean())


@pytest.mark.parametrize(("name", "least"), [(BUNNY, 0.9), (SINTEL, 0.55)])
def test_what_is_there_stands_out_more_than_what_is_not(
    films: dict[str, Film], encoder: StarterEncoder, name: str, least: float
) -> None:
    present, _ = best_sigmas(films[name], encoder, films[name].queries)
    absent, _ = best_sigmas(films[name], encoder, ABSENT)
    assert better(present, absent) >= least


@pytest.mark.parametrize(("name", "told"), [(BUNNY, 0.7), (SINTEL, 0.5)])
def test_a_search_for_what_is_absent_mostly_says_so(
    films: dict[str, Film], encoder: StarterEncoder, name: str, told: float
) -> None:
    absent, clear = best_sigmas(films[name], encoder, ABSENT)
    assert (absent < clear).mean() >= told


def test_the_scale_is_the_fitted_one(asked: list[Asked]) -> None:
    fitted, shipped = fit_scale(asked), SCALES["starter"]
    assert shipped.slope == pytest.approx(fitted.slope, abs=0.03)
    assert shipped.half == pytest.approx(fitted.half, abs=0.15)
    assert shipped.rise == pytest.approx(fitted.rise, abs=0.2)
    assert shipped.below_best == pytest.approx(fitted.below_best, abs=0.1)


def test_relevance_is_honest_and_the_divider_keeps_what_is_right_on_films_that_did_not_choose_them(
    asked: list[Asked],
) -> None:
    """Goals: calibration error 0.10 and 80 % kept."""
    errors, right, wrong = [], [], []
    for name in FILMS:
        own = [each for each in asked if each.film == name]
        scale = fit_scale([each for each in asked if each.film != name])
        errors.append(calibration_error(*relevances(own, scale)))
        kept, cut = kept_and_cut(own, scale.below_best)
        first = [each.first().right for each in own]
        right.append((kept, sum(int(each.sum()) for each in first)))
        wrong.append((cut, sum(int((~each).sum()) for each in first)))
    assert max(errors) <= 0.08
    assert np.average([kept for kept, _ in right], weights=[count for _, count in right]) >= 0.8
    assert np.average([cut for cut, _ in wrong], weights=[count for _, count in wrong]) >= 0.25


@pytest.mark.parametrize("name", [BUNNY, SINTEL])
def test_title_cards_are_told_from_other_shots(
    footage: Path, films: dict[str, Film], encoder: StarterEncoder, name: str
) -> None:
    """Most titles, and no picture; empty black shots are as near to the cards, and are blank anyway."""
    labels = [row["labels"] for row in annotation(footage / name, ".captions.jsonl")]
    titles = np.array([each["title_or_credits"] for each in labels])
    empty = np.array([each["shot_size"] == "none" and not each["title_or_credits"] for each in labels])
    direction = TitleDirection.fit(encoder.encode_frames(draw_cards()))
    everything = np.concatenate([films[each].shots for each in (BUNNY, SINTEL)])
    threshold = direction.compute_threshold(everything @ direction.vector)
    assert threshold is not None
    found = films[name].shots @ direction.vector >= threshold
    assert not (found & ~titles & ~empty).any(), "no picture is taken for a title"
    assert (found & titles).sum() / titles.sum() >= 0.6
