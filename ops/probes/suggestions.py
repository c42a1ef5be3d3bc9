"""The four feeds of a probe over the catalogue: what to label next, with pictures to look at."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.probes.feeds import FEEDS, Feed, VectorsOf, feeds_of
from ops.probes.judgements import standing_among
from ops.probes.labels import labels_known, read_judgements
from ops.probes.scores import table_of
from ops.probes.state import promoted_version
from ops.probes.versions import ProbeVersion
from ops.shots.build import TABLE as SHOTS


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A shot that a feed offers; ``score`` is ``None`` where no version scores yet."""

    shot_id: str
    score: float | None
    poster: str


@dataclass(frozen=True, kw_only=True)
class Suggestions:
    """The feeds, best first, and the version whose scores made them."""

    version: ProbeVersion | None
    feeds: dict[Feed, list[Offer]]


def suggest(
    settings: Settings,
    label: str,
    *,
    count: int,
    seed: int,
    skipped: Collection[str] = (),
    vectors_of: VectorsOf | None = None,
) -> Suggestions:
    """``count`` shots a feed that nobody labelled yet and that are not ``skipped``; blank shots are left out.

    ``vectors_of`` as of ``feeds_of``. A label that has no scores yet has the random feed only.
    """
    version = promoted_version(settings, label)
    rows = settings.lake.read(table_of(label), columns=["shot_id", "score"]) if version else None
    shots = settings.lake.read(SHOTS, columns=["shot_id", "poster_uri", "is_blank"])
    columns = (shots[name].to_pylist() for name in ("shot_id", "poster_uri", "is_blank"))
    posters = {shot: poster for shot, poster, blank in zip(*columns, strict=True) if not blank}
    done = judged_shots(settings, label) | set(skipped)
    if version is None or rows is None or not len(rows):
        left = sorted(posters.keys() - done)
        drawn = [left[at] for at in np.random.default_rng(seed).permutation(len(left))[:count]]
        offers = [Offer(shot_id=shot, score=None, poster=posters[shot]) for shot in drawn]
        return Suggestions(version=None, feeds={feed: offers if feed == "random" else [] for feed in FEEDS})
    scores = dict(zip(rows["shot_id"].to_pylist(), rows["score"].to_pylist(), strict=True))
    offered = {shot: score for shot, score in scores.items() if shot in posters}
    feeds = feeds_of(offered, done, count=count, threshold=version.threshold, seed=seed, vectors_of=vectors_of)
    return Suggestions(
        version=version,
        feeds={
            feed: [Offer(shot_id=shot, score=scores[shot], poster=posters[shot]) for shot in some]
            for feed, some in feeds.items()
        },
    )


def suggestions_of(
    settings: Settings, label: str, *, count: int, seed: int, vectors_of: VectorsOf | None = None
) -> dict[str, list[dict[str, Any]]]:
    """By feed, ``{"shot_id", "score", "poster"}`` of shots nobody labelled yet, best first.

    Raises ``NotFoundError`` where the probe has no scores yet.
    """
    found = suggest(settings, label, count=count, seed=seed, vectors_of=vectors_of)
    if found.version is None:
        raise NotFoundError(f"probe {label!r} has no scores yet: run `needle probe fit {label}`")
    return {
        feed: [{"shot_id": each.shot_id, "score": each.score, "poster": each.poster} for each in offers]
        for feed, offers in found.feeds.items()
    }


def judged_shots(settings: Settings, label: str) -> set[str]:
    """Shots of which somebody said something that was not taken back; empty for a label that nobody gave."""
    known = read_judgements(settings, [label]) if label in labels_known(settings) else []
    return {shot_id for _, shot_id in standing_among(known)}
