"""What an exclusion by words is worth on annotated films: better than ignoring it, and than giving it to the encoder.

A query excludes a thing that some of its shots show: another query of the film, or a label of its captions. The right
shots are those of the query without the thing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ops.embeddings.encoders.starter import StarterEncoder
from ops.search.query_encoding import combine
from tests.quality.conftest import Watched

pytestmark = [pytest.mark.shared, pytest.mark.slow]

FILMS = (
    "bbb_full_360p.mp4", "sintel_trailer_204p.mp4", "chrome_icon_270p.mp4", "google_paris_180p.mp4",
    "nasa_hotfire_360p.webm",
)  # fmt: skip
THINGS = {
    "person": ("a person", "people"), "animals": ("an animal", "animals"), "title_or_credits": ("text", "a title"),
    "sky": ("the sky",), "explosion_or_fire": ("fire", "smoke"), "night_or_dark": ("darkness",),
    "robot_or_machine": ("a machine",),
}  # fmt: skip
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """``query`` without ``thing``: shots of it that are ``right``, and those that show the thing."""

    shots: NDArray[np.float32]
    query: str
    thing: str
    right: Bools
    excluded: Bools


def rows_of(path: Path, ending: str) -> list[dict[str, object]]:
    return [json.loads(row) for row in path.with_name(path.name + ending).read_text().splitlines()]


def cases_of(path: Path, watched: Watched) -> Iterator[tuple[str, Case]]:
    captions = rows_of(path, ".captions.jsonl")
    found: dict[str, Bools] = {}
    for row in rows_of(path, ".queries.jsonl"):
        relevant = row["relevant"]
        assert isinstance(relevant, dict)
        found[str(row["query"])] = np.array([relevant.get(str(shot["shot"]), 0) > 0 for shot in captions])
    labels = [shot["labels"] for shot in captions]
    pairs = [("queries", query, other, found[other]) for query, other in permutations(found, 2)]
    for label, things in THINGS.items():
        shown = np.array([isinstance(each, dict) and bool(each.get(label)) for each in labels])
        pairs += [("labels", query, thing, shown) for query in found for thing in things]
    for kind, query, thing, shown in pairs:
        if (found[query] & shown).any() and (found[query] & ~shown).any():
            yield kind, Case(watched.shots, query, thing, found[query] & ~shown, found[query] & shown)


def average_precision(scores: NDArray[np.float32], right: Bools) -> float:
    ranked = right[np.argsort(-scores)]
    return float((np.cumsum(ranked)[ranked] / (np.flatnonzero(ranked) + 1)).mean())


def share_above(scores: NDArray[np.float32], case: Case) -> float:
    """Chance that a right shot ranks above one with the thing."""
    return float((scores[case.right][:, None] > scores[case.excluded][None, :]).mean())


def test_excluded_words_are_better_than_ignored_and_than_literal_ones(
    footage: Path, watched: Callable[[str], Watched], encoder: StarterEncoder
) -> None:
    cases = [each for name in FILMS for each in cases_of(footage / name, watched(name))]
    texts = {text for _, case in cases for text in (case.query, case.thing, f"{case.query} without {case.thing}")}
    vectors = dict(zip(texts, encoder.encode_text(list(texts)), strict=True))
    figures: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for kind, case in cases:
        ways = {
            "ignored": vectors[case.query],
            "literal": vectors[f"{case.query} without {case.thing}"],
            "excluded": combine(vectors[case.query], [], [], [vectors[case.thing]]),
        }
        for way, vector in ways.items():
            scores = case.shots @ vector
            pair = average_precision(scores, case.right), share_above(scores, case)
            figures.setdefault((kind, way), []).append(pair)
    means = {key: np.mean(values, axis=0) for key, values in figures.items()}
    for key, values in figures.items():
        print(*key, len(values), means[key].round(3))
    for kind, gain in (("queries", 0.0), ("labels", 0.02)):
        assert (means[kind, "excluded"] > means[kind, "ignored"] + gain).all()
        assert (means[kind, "excluded"] > means[kind, "literal"] + gain).all()
