"""Bring the feature store up to date with the lake's rows of some partitions, and with the scores of probes.

Stands alone because it decides which rows are online: every video that is not removed, and all of its shots in the
lake. Shots of an earlier cut are deleted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.names import probe_view
from ops.core.errors import FeatureStoreError
from ops.core.schemas import SCORES, list_served_tables
from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.core.types import Progress, StepReport
from ops.embeddings.build import name_table as vectors_table
from ops.features.online import count_online, is_online, list_online_shots, remove_online, write_online
from ops.features.store import apply_features, is_about_rows
from ops.videos import catalogue

REFUSAL = "its features cannot be written: "
"""Begin of the reason of a video that was set aside because the feature store refuses its rows."""


def build_features(
    settings: Settings, encoder_id: str, partitions: Sequence[str], progress: Progress, *, now: datetime | None = None
) -> StepReport:
    """Register the features of the encoder, and write the partitions' changed rows online.

    Vectors need no writing: offline features are the lake's files. A video whose rows are refused, while those of
    others are accepted, is set aside. ``now`` defaults to the clock. Raises ``FeatureStoreError``.
    """
    with settings.hold_work_lock():
        return _build(settings, encoder_id, partitions, progress, now or datetime.now(UTC))


def _build(
    settings: Settings, encoder_id: str, partitions: Sequence[str], progress: Progress, now: datetime
) -> StepReport:
    tables = _read_served(settings, partitions)
    progress.start("features", sum(map(len, tables.values())), "rows")
    apply_features(settings, encoder_id, read_dimension(settings, encoder_id, partitions))
    rows_written, refusals = 0, dict[str, str]()
    for view, rows in tables.items():
        rows_written += _write(settings, view, rows, refusals)
        progress.advance("features", len(rows))
    for video_id, reason in refusals.items():
        _set_aside(settings, video_id, reason, now, progress)
    if refusals:
        tables = _read_served(settings, partitions)
    videos, shots = tables["video_metadata"], tables["shot_metadata"]
    stale = _find_stale_shots(settings, videos, shots)
    if stale:
        remove_online(settings, (), stale)
    progress.finish("features")
    return StepReport(
        changed=int(bool(rows_written or stale or refusals)),
        data_version=_digest(tables),
        details={"videos": len(videos), "shots": len(shots), "rows_written_online": rows_written},
    )


def _read_served(settings: Settings, partitions: Sequence[str]) -> dict[str, pa.Table]:
    """Read the rows that Feast serves, by the name of their view.

    Rows of videos that were set aside because the store refuses them are left out.
    """
    tables = {view: settings.lake.read(table.name, partitions) for view, table in list_served_tables().items()}
    skipped_ids = [
        row["video_id"]
        for row in tables["video_metadata"].select(["video_id", "state", "reason"]).to_pylist()
        if row["state"] == "set_aside" and (row["reason"] or "").startswith(REFUSAL)
    ]
    return {view: _exclude_videos(rows, skipped_ids) for view, rows in tables.items()} if skipped_ids else tables


def _write(settings: Settings, view: str, rows: pa.Table, refusals: dict[str, str]) -> int:
    """Write rows online, and return how many; add the videos with refused rows to ``refusals``, with the reason."""
    rows = _exclude_videos(rows, refusals)
    try:
        return write_online(settings, view, rows)
    except FeatureStoreError as error:
        if not is_about_rows(error):
            raise
        return _write_each_video(settings, view, rows, refusals, error)


def _write_each_video(
    settings: Settings, view: str, rows: pa.Table, refusals: dict[str, str], error: FeatureStoreError
) -> int:
    """Write the rows of one video after another. Raises ``error`` if no video is accepted: the store is at fault."""
    rows_written = accepted_videos = 0
    for video_id in rows["video_id"].unique().to_pylist():
        try:
            rows_written += write_online(settings, view, rows.filter(pc.equal(rows["video_id"], video_id)))
            accepted_videos += 1
        except FeatureStoreError as video_error:
            if not is_about_rows(video_error):
                raise
            refusals[video_id] = f"{REFUSAL}{video_error}"
    if not accepted_videos and not count_online(settings, view):
        raise error
    return rows_written


def _set_aside(settings: Settings, video_id: str, reason: str, now: datetime, progress: Progress) -> None:
    remove_online(settings, [video_id])
    for row in catalogue.read_videos(settings.lake, [settings.resolve_partition(video_id)]):
        if row["video_id"] == video_id and row["state"] != "removed":
            catalogue.set_aside(settings, row, reason, now)
            progress.set_aside("features", row["path"], reason)


def _exclude_videos(rows: pa.Table, video_ids: Iterable[str]) -> pa.Table:
    left_out = pc.is_in(rows["video_id"], value_set=pa.array(list(video_ids), pa.string()))
    return rows.filter(pc.invert(left_out))


def has_current_features(settings: Settings, partitions: Sequence[str]) -> bool:
    """Whether the online store has exactly the lake's rows of these partitions."""
    tables = _read_served(settings, partitions)
    rows_are = all(not len(rows) or is_online(settings, view, rows) for view, rows in tables.items())
    return rows_are and not _find_stale_shots(settings, tables["video_metadata"], tables["shot_metadata"])


def read_dimension(settings: Settings, encoder_id: str, partitions: Sequence[str]) -> int:
    """Return the length of the encoder's vectors, from the first one found; 0 if there is none yet."""
    table = vectors_table(encoder_id)
    for partition in [*partitions, *settings.lake.list_partitions(table)]:
        vectors = settings.lake.read(table, [partition], ["embedding"])["embedding"]
        if len(vectors):
            return len(vectors[0])
    return 0


def _find_stale_shots(settings: Settings, videos: pa.Table, shots: pa.Table) -> list[str]:
    """Return online shots that are no longer in the lake, because the video was cut again."""
    known_ids = set(shots["shot_id"].to_pylist())
    return [
        shot_id for shot_id in list_online_shots(settings, videos["video_id"].to_pylist()) if shot_id not in known_ids
    ]


def _digest(tables: dict[str, pa.Table]) -> str:
    """Return a digest of the rows' content, without the time of their computation."""
    pairs = []
    for table in tables.values():
        rows = table.drop_columns("created_timestamp").to_pylist()
        pairs += [(str(row.get("shot_id", row["video_id"])), repr(row)) for row in rows]
    return compute_digest(pairs)


def publish_scores(settings: Settings, encoder_id: str, probe: str) -> int:
    """Register ``probe_score__<probe>`` and write its changed rows online; return the number written.

    Offline it needs no writing: it is the lake's table. A probe without scores is skipped. Raises
    ``FeatureStoreError``.
    """
    with settings.hold_work_lock():
        table = f"{SCORES}/{probe}"
        partitions = settings.lake.list_partitions(table)
        if not partitions:
            return 0
        apply_features(settings, encoder_id, read_dimension(settings, encoder_id, ()))
        view = probe_view(probe)
        return sum(write_online(settings, view, settings.lake.read(table, [part])) for part in partitions)


def has_published_scores(settings: Settings, probe: str) -> bool:
    """Whether the lake's scores of a probe are online, compared by the time of computation. Needs no Feast.

    Runs before every ingest, for every probe: compares counts, not rows.
    """
    table = f"{SCORES}/{probe}"
    counts: Counter[int] = Counter()
    for partition in settings.lake.list_partitions(table):
        stamps = settings.lake.read(table, [partition], ["created_timestamp"])["created_timestamp"]
        for entry in pc.value_counts(stamps.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())).to_pylist():
            counts[entry["values"]] += entry["counts"]
    online = count_online(settings, probe_view(probe)) if counts else {}
    return all(online.get(stamp, 0) >= count for stamp, count in counts.items())
