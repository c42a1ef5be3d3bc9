"""Bring the feature store up to date with the lake's rows of some partitions.

Stands alone because it decides what belongs online: every video that is not removed, and every shot of it that
the lake has; what was cut otherwise before goes.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ops.core.settings import Settings
from ops.core.tables import digest_of
from ops.core.types import Progress, StepReport
from ops.embeddings.build import table_of as vectors_of
from ops.features.online import forget_features, is_online, online_shots, write_online
from ops.features.store import apply_features

VIEWS = {"videos": "video_metadata", "shots": "shot_metadata", "shot_dialogue": "shot_dialogue"}


def build_features(settings: Settings, encoder_id: str, partitions: Sequence[str], progress: Progress) -> StepReport:
    """Register the features of the encoder, and write the partitions' rows online where they changed.

    Vectors need no writing: offline features are the lake's files. Raises ``FeatureStoreError``.
    """
    with settings.working():
        return _build(settings, encoder_id, partitions, progress)


def _build(settings: Settings, encoder_id: str, partitions: Sequence[str], progress: Progress) -> StepReport:
    tables = {table: settings.lake.read(table, partitions) for table in VIEWS}
    progress.start("features", sum(map(len, tables.values())), "rows")
    apply_features(settings, encoder_id, dimensions_of(settings, encoder_id, partitions))
    written = 0
    for table, view in VIEWS.items():
        written += write_online(settings, view, tables[table])
        progress.advance("features", len(tables[table]))
    stale = _stale_shots(settings, tables["videos"], tables["shots"])
    if stale:
        forget_features(settings, None, stale)
    progress.finish("features")
    return StepReport(
        changed=int(bool(written or stale)),
        data_version=_digest(tables),
        details={"videos": len(tables["videos"]), "shots": len(tables["shots"]), "rows_written_online": written},
    )


def features_are_current(settings: Settings, partitions: Sequence[str]) -> bool:
    """Whether the online store has exactly the lake's rows of these partitions."""
    tables = {table: settings.lake.read(table, partitions) for table in VIEWS}
    rows_are = all(not len(tables[table]) or is_online(settings, view, tables[table]) for table, view in VIEWS.items())
    return rows_are and not _stale_shots(settings, tables["videos"], tables["shots"])


def dimensions_of(settings: Settings, encoder_id: str, partitions: Sequence[str]) -> int:
    """Length of the encoder's vectors, from the first one found; 0 where there is none yet."""
    table = vectors_of(encoder_id)
    for partition in [*partitions, *settings.lake.partitions(table)]:
        vectors = settings.lake.read(table, [partition], ["embedding"])["embedding"]
        if len(vectors):
            return len(vectors[0])
    return 0


def _stale_shots(settings: Settings, videos: pa.Table, shots: pa.Table) -> list[str]:
    """Shots online that the lake no longer has, because the video was cut otherwise."""
    known = set(shots["shot_id"].to_pylist())
    return [shot_id for shot_id in online_shots(settings, videos["video_id"].to_pylist()) if shot_id not in known]


def _digest(tables: dict[str, pa.Table]) -> str:
    """Digest of the rows' content, without the time at which they were computed."""
    pairs = []
    for table in tables.values():
        rows = table.drop_columns("created_timestamp").to_pylist()
        pairs += [(str(row.get("shot_id", row["video_id"])), repr(row)) for row in rows]
    return digest_of(pairs)
