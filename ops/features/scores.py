"""Bring a probe's scores into the feature store."""

from __future__ import annotations

from ops.core.settings import Settings
from ops.core.tables import SCORES
from ops.features.build import dimensions_of
from ops.features.online import is_online, write_online
from ops.features.store import apply_features


def publish_scores(settings: Settings, encoder_id: str, probe: str) -> int:
    """Register ``probe_score__<probe>`` and write its rows online where they changed; how many were written.

    Offline it needs no writing: it is the lake's table. A probe without scores is left out. Raises
    ``FeatureStoreError``.
    """
    from feature_repo.names import probe_view

    with settings.working():
        table = f"{SCORES}/{probe}"
        partitions = settings.lake.partitions(table)
        if not partitions:
            return 0
        apply_features(settings, encoder_id, dimensions_of(settings, encoder_id, ()))
        view = probe_view(probe)
        return sum(write_online(settings, view, settings.lake.read(table, [part])) for part in partitions)


def scores_are_published(settings: Settings, probe: str) -> bool:
    """Whether exactly the lake's scores of a probe were written online last. Needs no Feast."""
    from feature_repo.names import probe_view

    table = f"{SCORES}/{probe}"
    parts = (settings.lake.read(table, [part]) for part in settings.lake.partitions(table))
    return all(not len(rows) or is_online(settings, probe_view(probe), rows) for rows in parts)
