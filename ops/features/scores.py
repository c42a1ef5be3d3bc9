"""Bring a probe's scores into the feature store."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from ops.core.schemas import SCORES
from ops.core.settings import Settings
from ops.features.build import dimensions_of
from ops.features.online import computed_online, write_online
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
    """Whether the lake's scores of a probe are online, told by when they were computed. Needs no Feast.

    Asked before every ingest, of every probe: no row is looked at by itself.
    """
    from feature_repo.names import probe_view

    table = f"{SCORES}/{probe}"
    computed: Counter[int] = Counter()
    for partition in settings.lake.partitions(table):
        stamps = settings.lake.read(table, [partition], ["created_timestamp"])["created_timestamp"]
        for found in pc.value_counts(stamps.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())).to_pylist():
            computed[found["values"]] += found["counts"]
    online = computed_online(settings, probe_view(probe)) if computed else {}
    return all(online.get(stamp, 0) >= count for stamp, count in computed.items())
