"""The four feeds of a probe over the catalogue: what to label next, with pictures to look at."""

from __future__ import annotations

from typing import Any

from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.probes.feeds import feeds_of
from ops.probes.labels import labels_known, standing_of
from ops.probes.scores import table_of
from ops.probes.versions import promoted_version
from ops.shots.build import TABLE as SHOTS


def suggestions_of(settings: Settings, label: str, *, count: int, seed: int) -> dict[str, list[dict[str, Any]]]:
    """By feed, ``{"shot_id", "score", "poster"}`` of shots nobody labelled yet, best first; blank shots are left out.

    Raises ``NotFoundError`` where the probe has no scores yet.
    """
    version = promoted_version(settings, label)
    rows = settings.lake.read(table_of(label), columns=["shot_id", "score"])
    if version is None or not len(rows):
        raise NotFoundError(f"probe {label!r} has no scores yet: run `needle probe fit {label}`")
    scores = dict(zip(rows["shot_id"].to_pylist(), rows["score"].to_pylist(), strict=True))
    shots = settings.lake.read(SHOTS, columns=["shot_id", "poster_uri", "is_blank"])
    columns = (shots[name].to_pylist() for name in ("shot_id", "poster_uri", "is_blank"))
    posters = {shot: poster for shot, poster, blank in zip(*columns, strict=True) if not blank}
    known = standing_of(settings, [label]) if label in labels_known(settings) else []
    labelled = {each.latest.shot_id for each in known}
    offered = {shot: score for shot, score in scores.items() if shot in posters}
    feeds = feeds_of(offered, labelled, count=count, threshold=version.threshold, seed=seed)
    return {
        feed: [{"shot_id": shot, "score": scores[shot], "poster": posters[shot]} for shot in found]
        for feed, found in feeds.items()
    }
