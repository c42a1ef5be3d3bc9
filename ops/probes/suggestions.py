"""The four feeds of a probe over the catalogue: shots to label next, with posters."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.probes.annotations import resolve_annotations
from ops.probes.feeds import FEEDS, Feed, VectorReader, build_feeds
from ops.probes.labels import list_labels, read_annotations
from ops.probes.scores import scores_table
from ops.probes.state import read_promoted_version
from ops.probes.versions import ProbeVersion
from ops.shots.build import TABLE as SHOTS


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A shot that a feed offers; ``score`` is ``None`` if no version scores yet."""

    shot_id: str
    score: float | None
    poster: str


@dataclass(frozen=True, kw_only=True)
class Suggestions:
    """The feeds, best first, and the version of their scores."""

    version: ProbeVersion | None
    feeds: dict[Feed, list[Offer]]


def suggest(
    settings: Settings,
    label: str,
    *,
    count: int,
    seed: int,
    skipped_ids: Collection[str] = (),
    read_vectors: VectorReader | None = None,
) -> Suggestions:
    """Return ``count`` shots for each feed, without labelled, ``skipped_ids`` and blank shots.

    ``read_vectors`` as of ``build_feeds``. A label without scores has only the random feed.
    """
    version = read_promoted_version(settings, label)
    rows = settings.lake.read(scores_table(label), columns=["shot_id", "score"]) if version else None
    shots = settings.lake.read(SHOTS, columns=["shot_id", "poster_uri", "is_blank"])
    columns = (shots[name].to_pylist() for name in ("shot_id", "poster_uri", "is_blank"))
    posters = {shot: settings.store.locate(poster) for shot, poster, blank in zip(*columns, strict=True) if not blank}
    excluded_ids = find_annotated_shots(settings, label) | set(skipped_ids)
    if version is None or rows is None or not len(rows):
        left = sorted(posters.keys() - excluded_ids)
        selection = [left[at] for at in np.random.default_rng(seed).permutation(len(left))[:count]]
        offers = [Offer(shot_id=shot, score=None, poster=posters[shot]) for shot in selection]
        return Suggestions(version=None, feeds={feed: offers if feed == "random" else [] for feed in FEEDS})
    scores = dict(zip(rows["shot_id"].to_pylist(), rows["score"].to_pylist(), strict=True))
    candidates = {shot: score for shot, score in scores.items() if shot in posters}
    feeds = build_feeds(
        candidates, excluded_ids, count=count, threshold=version.threshold, seed=seed, read_vectors=read_vectors
    )
    return Suggestions(
        version=version,
        feeds={
            feed: [Offer(shot_id=shot, score=scores[shot], poster=posters[shot]) for shot in shot_ids]
            for feed, shot_ids in feeds.items()
        },
    )


def list_suggestions(
    settings: Settings, label: str, *, count: int, seed: int, read_vectors: VectorReader | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Return ``{"shot_id", "score", "poster"}`` of unlabelled shots by feed, best first.

    Raises ``NotFoundError`` if the probe has no scores yet.
    """
    suggestions = suggest(settings, label, count=count, seed=seed, read_vectors=read_vectors)
    if suggestions.version is None:
        raise NotFoundError(f"probe {label!r} has no scores yet: run `needle probe fit {label}`")
    return {
        feed: [{"shot_id": each.shot_id, "score": each.score, "poster": each.poster} for each in offers]
        for feed, offers in suggestions.feeds.items()
    }


def find_annotated_shots(settings: Settings, label: str) -> set[str]:
    """Return shots with an annotation that was not withdrawn; empty for a label that was never used."""
    annotations = read_annotations(settings, [label]) if label in list_labels(settings) else []
    return {shot_id for _, shot_id in resolve_annotations(annotations)}
