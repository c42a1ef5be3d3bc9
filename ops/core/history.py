"""Earlier versions of rows, for features as they were known at a given time.

A table of the lake has current rows only. If a row is replaced or removed, it goes to ``history/<table>/`` in the
object store, next to ``lake/``. A removed row is written twice: as it was, and with ``is_removed`` at the time of its
removal. ``feature_repo/history.py`` joins both. Files are written before the lake's, so a kill in between loses
nothing: a version that is not older than the current row does not count.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ops.core.columns import COMPUTED_AT, TIMESTAMP
from ops.core.errors import LakeError, take_first_sentence
from ops.core.schemas import SCORES, TABLES, find_key_column, find_schema
from ops.core.storage import ObjectStore

logger = logging.getLogger(__name__)

HISTORY = "history"
"""Folder of the store; ``feature_repo/history.py`` has the same names."""
REMOVAL = "is_removed"
_WITH_VIEWS = ("shot_embeddings", SCORES)
"""Families of tables of which Feast serves each by a view of its own."""
_TICK = timedelta(microseconds=1)


def has_history(table: str) -> bool:
    """Whether earlier versions of rows are kept: for all tables that Feast serves."""
    family = TABLES[table.split("/")[0]]
    return family.feature_view is not None or family.name in _WITH_VIEWS


def match_rows(old: pa.Table, new: pa.Table, key: str) -> tuple[pa.Array, pa.Array]:
    """Return, for each row of ``new``, its position in ``old`` (null if it is missing) and whether it is the same.

    Rows are the same if all columns but ``created_timestamp`` are equal. Vectors are compared by their hash column.
    """
    positions = pc.index_in(_flatten(new[key]), value_set=_flatten(old[key]))
    same = pc.is_valid(positions)
    for field in new.schema:
        if pa.types.is_list(field.type) or field.name in (key, COMPUTED_AT):
            continue
        before, after = _flatten(old[field.name]).take(positions), _flatten(new[field.name])
        equal = pc.fill_null(pc.equal(before, after), False)
        same = pc.and_(same, pc.or_(equal, pc.and_(pc.is_null(before), pc.is_null(after))))
    return positions, same


def keep_stamps(old: pa.Table, new: pa.Table, key: str) -> pa.Table:
    """Return ``new`` with the stored ``created_timestamp`` of each row that is the same."""
    positions, same = match_rows(old, new, key)
    return _set_created(new, pc.if_else(same, _flatten(old[COMPUTED_AT]).take(positions), _flatten(new[COMPUTED_AT])))


def advance_stamps(old: pa.Table, new: pa.Table, key: str, now: datetime) -> pa.Table:
    """Return ``new`` with a ``created_timestamp`` later than the stored one in each row that replaces another version.

    Versions of a row are ordered by this time. It does not advance if only a fact of the row changed, or if the clock
    of the machine is behind that of an earlier one.
    """
    positions, same = match_rows(old, new, key)
    before, after = _flatten(old[COMPUTED_AT]).take(positions), _flatten(new[COMPUTED_AT])
    is_unchanged = pc.and_(same, pc.fill_null(pc.equal(before, after), False))
    is_behind = pc.and_(pc.fill_null(pc.less_equal(after, before), False), pc.invert(is_unchanged))
    if not pc.any(is_behind).as_py():
        return new
    next_tick = pc.add(before, pa.scalar(_TICK, pa.duration("us")))
    later = take_later(next_tick, now)
    return _set_created(new, pc.if_else(is_behind, later, after))


def write_versions(store: ObjectStore, table: str, partition: str, old: pa.Table, new: pa.Table, now: datetime) -> None:
    """Append the rows of ``old`` that ``new`` replaces or lacks; do nothing if there are none."""
    key = find_key_column(table)
    positions, same = match_rows(old, new, key)
    is_same_time = pc.and_(
        same, pc.fill_null(pc.equal(_flatten(old[COMPUTED_AT]).take(positions), _flatten(new[COMPUTED_AT])), False)
    )
    is_kept = pc.is_in(_flatten(old[key]), value_set=_flatten(new[key]).filter(is_same_time))
    is_missing = pc.invert(pc.is_in(_flatten(old[key]), value_set=_flatten(new[key])))
    versions = old.filter(pc.invert(is_kept))
    if not len(versions):
        return
    removed_rows = old.filter(is_missing)
    times = _find_removal_times(removed_rows, new.filter(pc.invert(is_same_time)), now)
    parts = [_mark(versions, False), _mark(_set_created(removed_rows, times), True)]
    _write(store, table, partition, pa.concat_tables(parts))


def forget_versions(store: ObjectStore, partitions: Mapping[str, str], table: str | None = None) -> int:
    """Delete every earlier version of rows of videos, given with their partitions; return the number of rows.

    ``table``: only the rows of this table. A damaged file of one of these partitions is deleted whole, because it may
    have rows of the video.
    """
    count, ids = 0, pa.array(list(partitions), pa.string())
    for key in list_history_files(store):
        if _find_partition(key) not in partitions.values() or table not in (None, _find_table(key)):
            continue
        count += _drop_rows(store, key, lambda rows: pc.is_in(rows["video_id"], value_set=ids))
    return count


def compact_history(store: ObjectStore) -> tuple[int, int]:
    """Merge the history of each partition into one file; return the number of files before and after.

    Keeps every version of every row. The caller must exclude all writers. A kill leaves rows twice at most, which
    readers do not notice.
    """
    files: dict[tuple[str, str], list[str]] = {}
    for key in list_history_files(store):
        files.setdefault((_find_table(key), _find_partition(key)), []).append(key)
    for (table, partition), keys in files.items():
        if len(keys) > 1:
            merged_file = _write(store, table, partition, _drop_repeated(table, [_read(store, key) for key in keys]))
            for key in set(keys) - {merged_file}:
                store.delete(key)
    return sum(map(len, files.values())), len(files)


def divide_history(store: ObjectStore, resolve: Callable[[str], str]) -> None:
    """Move each version to the partition that ``resolve`` returns for its video.

    The caller must exclude all writers. A kill leaves rows twice at most, which readers do not notice.
    """
    for key in list_history_files(store):
        rows, written_keys = _read(store, key), set[str]()
        partitions = pa.array([resolve(each) for each in rows["video_id"].to_pylist()], pa.string())
        for partition in pc.unique(partitions).to_pylist():
            some = rows.filter(pc.equal(partitions, partition))
            written_keys.add(_write(store, _find_table(key), partition, some))
        if key not in written_keys:
            store.delete(key)


def find_history_damage(store: ObjectStore) -> Iterator[LakeError]:
    """Yield each damaged file of the history, as the error that reading it raises. Reads every file."""
    for key in list_history_files(store):
        try:
            _read(store, key)
        except LakeError as error:
            yield error


def require_intact_history(store: ObjectStore) -> None:
    """Raise ``LakeError`` if a file of the history is damaged. Reads every file."""
    for error in find_history_damage(store):
        raise error


def forget_rows(store: ObjectStore, table: str, is_lost: Callable[[pa.Table], pa.Array]) -> int:
    """Delete earlier versions of the rows of ``table`` that ``is_lost`` marks; return their number.

    A damaged file of the table is deleted whole, because it may have such rows.
    """
    return sum(_drop_rows(store, key, is_lost) for key in list_history_files(store) if _find_table(key) == table)


def _drop_rows(store: ObjectStore, key: str, is_lost: Callable[[pa.Table], pa.Array]) -> int:
    """Delete rows of a file, or a damaged file as a whole; return the number of rows."""
    try:
        rows = _read(store, key)
    except LakeError as error:
        logger.warning("%s; it is deleted", error)
        store.delete(key)
        return 0
    remaining = rows.filter(pc.invert(is_lost(rows)))
    if not len(remaining):
        store.delete(key)
    elif len(remaining) < len(rows):
        store.write_bytes(key, _encode(remaining))
    return len(rows) - len(remaining)


def list_history_files(store: ObjectStore) -> list[str]:
    """Return the keys of all files of the history."""
    return [key for key in store.list(HISTORY) if key.endswith(".parquet")]


def take_later(stamps: pa.Array, moment: datetime) -> pa.Array:
    """Return each of the stamps, or ``moment`` if that is later."""
    scalar = pa.scalar(moment, TIMESTAMP)
    return pc.if_else(pc.greater(stamps, scalar), stamps, scalar)


def _find_removal_times(removed_rows: pa.Table, changed_rows: pa.Table, now: datetime) -> pa.Array:
    """Return when each row was removed: when the changed rows of its video were computed, or now if there are none."""
    created_by_video: dict[str, datetime] = {}
    for video_id, at in zip(changed_rows["video_id"].to_pylist(), changed_rows[COMPUTED_AT].to_pylist(), strict=True):
        created_by_video[video_id] = max(at, created_by_video.get(video_id, at))
    times = []
    for video_id, at in zip(removed_rows["video_id"].to_pylist(), removed_rows[COMPUTED_AT].to_pylist(), strict=True):
        replaced_at = created_by_video.get(video_id, now)
        times.append(replaced_at if replaced_at > at else max(now, at + _TICK))
    return pa.array(times, TIMESTAMP)


def _drop_repeated(table: str, parts: Iterable[pa.Table]) -> pa.Table:
    rows = pa.concat_tables(parts).combine_chunks()
    names = [find_key_column(table), COMPUTED_AT, REMOVAL]
    numbered_rows = rows.select(names).append_column("position", pa.array(range(len(rows)), pa.int64()))
    first = numbered_rows.group_by(names, use_threads=False).aggregate([("position", "min")])
    return rows.take(first["position_min"].sort())


def _write(store: ObjectStore, table: str, partition: str, rows: pa.Table) -> str:
    """Write rows to a file with a name from their content, so that a run after a kill writes the same file."""
    data = _encode(rows)
    name = hashlib.blake2b(data, digest_size=8).hexdigest()
    key = f"{HISTORY}/{table}/{partition}.{name}.parquet"
    store.write_bytes(key, data)
    return key


def _encode(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(rows.combine_chunks(), sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def _find_table(key: str) -> str:
    return key.removeprefix(f"{HISTORY}/").rpartition("/")[0]


def _find_partition(key: str) -> str:
    return key.rpartition("/")[2].partition(".")[0]


def _read(store: ObjectStore, key: str) -> pa.Table:
    schema = find_schema(_find_table(key))
    try:
        file = pq.ParquetFile(pa.BufferReader(store.read_bytes(key)), page_checksum_verification=True)
        rows = file.read(use_threads=False)
        for field in schema:
            if field.name not in rows.column_names:  # written by an earlier version of the program
                rows = rows.append_column(field, pa.nulls(len(rows), field.type))
        return rows.select([*schema.names, REMOVAL])
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise LakeError(
            f"{store.path(key)} is damaged ({take_first_sentence(error)}): earlier versions of rows cannot be computed "
            "again; restore the file from a backup, or delete it"
        ) from error


def _mark(rows: pa.Table, is_removed: bool) -> pa.Table:
    return rows.append_column(REMOVAL, pa.array([is_removed] * len(rows), pa.bool_()))


def _set_created(rows: pa.Table, stamps: pa.Array) -> pa.Table:
    position = rows.schema.get_field_index(COMPUTED_AT)
    return rows.set_column(position, rows.schema.field(position), stamps)


def _flatten(column: pa.ChunkedArray) -> pa.Array:
    flat = column.combine_chunks()
    return flat if isinstance(flat, pa.Array) else pa.concat_arrays(flat.chunks)
