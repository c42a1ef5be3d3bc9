"""The lake: parquet tables under the object store's ``lake/``, one file per partition.

Each table is a flat folder of small files, because Feast's duckdb offline store reads that fastest. A partition is
written whole and atomically; writing the same rows again writes nothing.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ops.core.errors import DamagedTableError, LakeError, take_first_sentence
from ops.core.history import advance_stamps, has_history, keep_stamps, write_versions
from ops.core.lake_memory import LakeMemory
from ops.core.locks import lock_name
from ops.core.row_rules import find_fault, find_stored_fault
from ops.core.schemas import TABLES, find_family, find_key_column, find_schema
from ops.core.storage import ObjectStore
from ops.core.store_leases import hold_lease

logger = logging.getLogger(__name__)

Rows = Sequence[Mapping[str, object]]
"""Rows to be written, such as those of `ops.core.rows`; missing columns are null."""

DAMAGE_FOLDER = "damaged"
"""Folder of the store for damaged files of the lake, next to the lake; ``needle forget`` deletes them."""


READERS = 16
"""Requests at once to a remote store."""

T = TypeVar("T")

LOCK_FILE = "lake.lock"
"""The one lock file of a lake's tables and partitions, in the folder of locks."""


def resolve_partition(video_id: str, partitions: str) -> str:
    """The partition of a video: its id, or its hash bucket (``bucket:<count>``).

    The one key function of the lake's files and of Dagster's partitions.
    """
    if partitions == "video":
        return video_id
    return _name_bucket(int(video_id, 16) % int(partitions.split(":")[1]))


def list_bucket_keys(count: int) -> list[str]:
    """The names of ``count`` hash buckets, ``bucket-00000`` and so on."""
    return list(map(_name_bucket, range(count)))


def _name_bucket(number: int) -> str:
    return f"bucket-{number:05d}"


class Lake:
    """The tables of one object store.

    ``locks`` is a local folder for a lock file: with it, changes of rows are safe against other processes of this
    machine, and on S3 against other homes. Writes themselves are atomic with or without it. ``memory`` is what the home
    knows of the lake's files.
    """

    def __init__(self, store: ObjectStore, locks: Path | None = None, memory: LakeMemory | None = None) -> None:
        self.store = store
        self.locks = locks
        self.memory = memory

    def folder(self, table: str) -> str:
        return f"lake/{table}"

    def path(self, table: str) -> str:
        """The table's folder in the syntax of fsspec and pyarrow (absolute, with the scheme if the store is remote)."""
        return self.store.path(self.folder(table))

    def list_tables(self) -> list[str]:
        """Names of the existing tables, such as ``shots`` or ``shot_embeddings/<encoder>``."""
        keys = (key.removeprefix("lake/") for key in self.store.list("lake") if key.endswith(".parquet"))
        return sorted({key.rsplit("/", 1)[0] for key in keys})

    def list_tables_below(self, family: str) -> list[str]:
        """Last names of the tables of a family, such as the probes of ``probe_scores``; sorted."""
        prefix = f"{self.folder(family)}/"
        keys = (key.removeprefix(prefix) for key in self.store.list(self.folder(family)))
        return sorted({key.split("/")[0] for key in keys if key.endswith(".parquet") and "/" in key})

    def list_partitions(self, table: str) -> list[str]:
        """Names of the existing partitions, sorted."""
        prefix = f"{self.folder(table)}/"
        keys = (key.removeprefix(prefix) for key in self.store.list(self.folder(table)))
        return [key.removesuffix(".parquet") for key in keys if key.endswith(".parquet") and "/" not in key]

    def stat_partitions(self, table: str) -> dict[str, str]:
        """A stamp of the file of each partition, which changes whenever it is written; one listing of the table."""
        prefix = f"{self.folder(table)}/"
        names = ((key.removeprefix(prefix), stat.stamp) for key, stat in self.store.stats(self.folder(table)).items())
        return {
            name.removesuffix(".parquet"): stamp
            for name, stamp in names
            if name.endswith(".parquet") and "/" not in name
        }

    def read(
        self,
        table: str,
        partitions: Iterable[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        damage: list[DamagedTableError] | None = None,
    ) -> pa.Table:
        """Rows of the table, or of the named partitions (missing ones are empty), in partition order.

        Raises ``DamagedTableError`` if a named partition is damaged. If a whole table is read, damaged partitions are
        excluded and added to ``damage``, or logged as a warning if ``damage`` is ``None``.
        """
        schema = find_schema(table)
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        if partitions is None:
            parts = self._read_intact(table, self.list_partitions(table), columns, damage)
        else:
            named_parts = self._map(lambda name: self._read(table, name, columns), partitions)
            parts = [part for part in named_parts if part is not None]
        return pa.concat_tables(parts) if parts else schema.empty_table()

    def find_damage(self) -> list[DamagedTableError]:
        """Each damaged file of the lake, as the error that reading it raises. Reads every file."""
        errors = []
        for table in self.list_tables():
            for partition in self.list_partitions(table) if find_family(table) else ():
                try:
                    self._read(table, partition, None)
                except DamagedTableError as error:
                    errors.append(error)
        return errors

    def put_away(self, table: str, partition: str) -> str:
        """Move the file of a damaged partition out of the lake, so that the partition is missing.

        Returns the address of the moved file. Does nothing more if another process has moved it already.
        """
        key = f"{self.folder(table)}/{partition}.parquet"
        new_path = f"{DAMAGE_FOLDER}/{table}/{partition}.parquet"
        try:
            self.store.write_bytes(new_path, self.store.read_bytes(key))
        except FileNotFoundError:
            return self.store.path(new_path)
        self.store.delete(key)
        return self.store.path(new_path)

    def _read_intact(
        self,
        table: str,
        partitions: Iterable[str],
        columns: Sequence[str] | None,
        damage: list[DamagedTableError] | None,
    ) -> list[pa.Table]:
        def read_if_intact(name: str) -> pa.Table | DamagedTableError | None:
            try:
                return self._read(table, name, columns)
            except DamagedTableError as error:
                return error

        parts = []
        for part in self._map(read_if_intact, partitions):
            if not isinstance(part, DamagedTableError):
                parts += [part] if part is not None else []
            elif damage is None:
                logger.warning("%s; its rows are left out", part)
            else:
                damage.append(part)
        return parts

    def _map(self, read: Callable[[str], T], names: Iterable[str]) -> list[T]:
        """Results of a function that reads, in order; several requests at once to a remote store."""
        names = list(names)
        if self.store.is_local or len(names) < 2:
            return [read(name) for name in names]
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(read, names))

    def write(
        self,
        table: str,
        partition: str,
        rows: pa.Table | Rows,
        *,
        keep_created: bool = True,
        keep_versions: bool = True,
    ) -> bool:
        """Replace one partition atomically; return true if it changed.

        If rows differ from the stored ones only in ``created_timestamp``, they keep the stored stamp, so a re-run
        writes nothing; without ``keep_created`` they get the new one. Rows that are replaced or removed stay in the
        history of the table, if it has one (``ops/core/history.py``), unless ``keep_versions`` is false. An empty
        partition still writes a file with the full schema.

        Raises ``LakeError`` for another schema, a null or repeated key, or a NaN.
        """
        schema = find_schema(table)
        try:
            new = (
                rows.select(schema.names).cast(schema)
                if isinstance(rows, pa.Table)
                else pa.Table.from_pylist(list(rows), schema)
            )
        except (KeyError, ValueError, pa.ArrowException) as error:
            raise LakeError(f"{table}/{partition}: rows do not fit the table: {error}") from error
        return self._change(table, partition, lambda _: new, keep_created=keep_created, keep_versions=keep_versions)

    def update(
        self, table: str, partition: str, video_id: str, rows: Rows | pa.Table, *, keep_versions: bool = True
    ) -> bool:
        """Replace the rows of one video within a partition, which may hold other videos; return true if it changed."""
        schema = find_schema(table)
        new = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), schema)
        new = new.select(schema.names).cast(schema)
        order = [("video_id", "ascending")] + ([("index", "ascending")] if "index" in schema.names else [])

        def replace_video(old: pa.Table | None) -> pa.Table:
            others = old.filter(pc.not_equal(old["video_id"], video_id)) if old is not None else schema.empty_table()
            return pa.concat_tables([others, new]).sort_by(order) if len(others) else new

        with self._hold_local_lock(f"{table}-{partition}"):
            return self._change(table, partition, replace_video, keep_versions=keep_versions)

    def _change(
        self,
        table: str,
        partition: str,
        change: Callable[[pa.Table | None], pa.Table],
        *,
        keep_created: bool = True,
        keep_versions: bool = True,
    ) -> bool:
        """Replace the rows of a partition by those that ``change`` makes of them; return true if they changed.

        If another home has written the file meanwhile, its rows are read and changed instead.
        """
        key = f"{self.folder(table)}/{partition}.parquet"
        while True:
            old, version = self._read_version(table, partition, None)
            new = change(old).combine_chunks()
            validate_rows(new, table, partition)
            if old is not None:
                if keep_created:
                    new = keep_stamps(old, new, find_key_column(table))
                if old.equals(new):
                    return False
                if keep_versions and has_history(table):
                    now = datetime.now(UTC)
                    new = advance_stamps(old, new, find_key_column(table), now)
                    write_versions(self.store, table, partition, old, new, now)
            sink = io.BytesIO()
            pq.write_table(new, sink, compression="zstd", write_page_checksum=True)
            if self.store.write_if(key, sink.getvalue(), version):
                return True

    def exists(self, table: str, partition: str) -> bool:
        """Whether the partition has a file."""
        return self.store.exists(f"{self.folder(table)}/{partition}.parquet")

    def ensure(self, table: str, partition: str) -> bool:
        """Write an empty partition if it is missing; return true if it was. Feast reads folders of them."""
        with self._hold_local_lock(f"{table}-{partition}"):
            return not self.exists(table, partition) and self.write(table, partition, [])

    @contextmanager
    def hold_lock(self, name: str) -> Iterator[None]:
        """Hold the lock called ``name`` against all processes of this home, and on S3 against all homes.

        For a block that reads, changes and writes. It does nothing if this lake has no folder for locks.
        """
        if self.locks is None:
            yield
            return
        with self._hold_local_lock(name), nullcontext() if self.store.is_local else hold_lease(self.store, name):
            yield

    @contextmanager
    def _hold_local_lock(self, name: str) -> Iterator[None]:
        if self.locks is None:
            yield
            return
        with lock_name(self.locks / LOCK_FILE, name):
            yield

    def delete(self, table: str, partition: str, *, keep_versions: bool = True) -> None:
        """Delete one partition; do nothing if it is missing. Its rows stay in the history of the table, if it has one.

        Without ``keep_versions`` they do not.
        """
        if keep_versions and has_history(table) and (old := self._read(table, partition, None)) is not None:
            write_versions(self.store, table, partition, old, old.schema.empty_table(), datetime.now(UTC))
        self.store.delete(f"{self.folder(table)}/{partition}.parquet")

    def delete_table(self, table: str, *, keep_versions: bool = True) -> None:
        """Delete all partitions of a table, as :meth:`delete`; rows of damaged ones are lost, with a warning."""
        for partition in self.list_partitions(table):
            try:
                self.delete(table, partition, keep_versions=keep_versions)
            except DamagedTableError as error:
                logger.warning("%s; it is deleted with its table", error)
        self.store.delete_tree(self.folder(table))

    def _read(self, table: str, partition: str, columns: Sequence[str] | None) -> pa.Table | None:
        """Rows of one file with the table's schema, or ``None`` if the file does not exist."""
        return self._read_version(table, partition, columns)[0]

    def _read_version(
        self, table: str, partition: str, columns: Sequence[str] | None
    ) -> tuple[pa.Table | None, str | None]:
        """As :meth:`_read`, with the version of the file for a conditional write; both ``None`` if it is missing."""
        key = f"{self.folder(table)}/{partition}.parquet"
        try:
            data, version = self.store.read_version(key)
        except FileNotFoundError:
            return None, None
        schema = find_schema(table)
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        try:
            # Not pq.read_table: its dataset scanner leaves threads behind that occasionally abort the process at exit
            # (apache/arrow issue 34314). Files are small, so one thread loses nothing.
            file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
            columns_in_file = set(file.schema_arrow.names)  # read once: it is parsed again at each call
            there = [name for name in schema.names if name in columns_in_file]
            rows = _add_columns(file.read(columns=there, use_threads=False), table, schema)
            rows = rows.select(schema.names).cast(schema)
            fault = find_stored_fault(rows, table, partition)
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise DamagedTableError(self.store.path(key), table, partition, take_first_sentence(error)) from error
        if fault:
            raise DamagedTableError(self.store.path(key), table, partition, fault)
        return rows, version


def _add_columns(part: pa.Table, table: str, schema: pa.Schema) -> pa.Table:
    for name in TABLES[table.split("/")[0]].added:
        if name in schema.names and name not in part.schema.names:
            part = part.append_column(schema.field(name), pa.nulls(len(part), schema.field(name).type))
    return part


def validate_rows(rows: pa.Table, table: str, partition: str) -> None:
    """Raise ``LakeError`` if rows to be written break a rule of ``row_rules.py``."""
    if fault := find_fault(rows, table):
        raise LakeError(f"{table}/{partition}: {fault}")


def compute_digest(pairs: Iterable[tuple[str, str]]) -> str:
    """Order-free digest of rows given as (id, hash of the content): count and 128-bit sum, hex.

    Two sets of the same rows have the same digest, whatever their order. The sum modulo 2**128 of BLAKE2b hashes makes
    an accidental match as unlikely as a collision of the hash.
    """
    total = count = 0
    for identifier, content in pairs:
        row = f"{identifier}\x00{content}".encode()
        total += int.from_bytes(hashlib.blake2b(row, digest_size=16).digest(), "big")
        count += 1
    return f"{count}-{total % (1 << 128):032x}"


def add_digests(digests: Iterable[str]) -> str:
    """The digest of all rows of several digests of :func:`compute_digest`, of which no two have a row in common."""
    total = count = 0
    for digest in digests:
        rows, _, hashes = digest.partition("-")
        count, total = count + int(rows), total + int(hashes, 16)
    return f"{count}-{total % (1 << 128):032x}"


def count_digested(digest: str) -> int:
    """The number of rows of a digest."""
    return int(digest.partition("-")[0])


def find_key_ranges(selection: Iterable[str], keys: Sequence[str]) -> list[tuple[str, str]]:
    """The fewest ``(first, last)`` ranges of ``keys`` that cover exactly the ``selection`` keys.

    Stands alone because Dagster runs several partitions at once only as a range in its own order. Raises ``LakeError``
    if a wanted key is not in ``keys``.
    """
    position = {key: number for number, key in enumerate(keys)}
    missing = set(selection := set(selection)) - position.keys()
    if missing:
        raise LakeError(f"no such partition: {', '.join(sorted(missing)[:5])}")
    ranges: list[tuple[str, str]] = []
    for key in sorted(selection, key=position.__getitem__):
        if ranges and position[ranges[-1][1]] + 1 == position[key]:
            ranges[-1] = (ranges[-1][0], key)
        else:
            ranges.append((key, key))
    return ranges
