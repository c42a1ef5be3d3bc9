"""Rows of whole tables, of which only the files are read that changed since the home last read them.

A table has a file for each partition. Reading all of them takes about a millisecond each, even if only one has changed.
The home therefore keeps their content in a cache file, each with the stamp of its file. One listing of the table shows
which stamps are still right, so a file that another process or home replaced, or that was changed by hand, is read
again. The cache may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ops.core.errors import DamagedTableError
from ops.core.schemas import find_schema
from ops.core.tables import Lake

logger = logging.getLogger(__name__)

LEAST_KEPT = 32
"""Files that must have changed before a command that only reads writes the cache: fewer are read again in no time."""


def read_rows(
    lake: Lake,
    table: str,
    partitions: Iterable[str] | None = None,
    *,
    damage: list[DamagedTableError] | None = None,
    least: int = LEAST_KEPT,
) -> list[dict[str, Any]]:
    """Return the rows of a table, or of the named partitions, as :meth:`Lake.read` would, as dicts in their order.

    For tables with few rows a video and without vectors. Raises ``DamagedTableError`` if a named partition is damaged.
    """
    names = None if partitions is None else list(partitions)
    if names is not None and len(names) < LEAST_KEPT:
        rows: list[dict[str, Any]] = lake.read(table, names).to_pylist()
        return rows
    schema = find_schema(table)
    stamps = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    # Another version of the project may have other columns.
    kind = f"rows {hashlib.blake2b(str(schema).encode(), digest_size=8).hexdigest()}"
    faults: list[DamagedTableError] | None = damage if names is None else []
    contents = _read_contents(lake, kind, table, None, _dump_rows, faults, least)
    if names is not None and (damaged_partitions := [error for error in faults or () if error.partition in set(names)]):
        raise damaged_partitions[0]
    rows = []
    for name in contents if names is None else names:
        for row in json.loads(contents.get(name, "[]")):
            for stamp in stamps:
                if row[stamp] is not None:
                    row[stamp] = datetime.fromisoformat(row[stamp])
            rows.append(row)
    return rows


def count_rows(
    lake: Lake,
    table: str,
    *,
    column: str = "video_id",
    damage: list[DamagedTableError] | None = None,
    least: int = LEAST_KEPT,
) -> Counter[str]:
    """Count the rows of each video in a whole table; only those with a value in ``column``."""
    kind = "counts" if column == "video_id" else f"counts of {column}"

    def dump(rows: pa.Table) -> str:
        return json.dumps(Counter(rows.filter(pc.is_valid(rows[column]))["video_id"].to_pylist()))

    counts = Counter[str]()
    for content in _read_contents(lake, kind, table, sorted({"video_id", column}), dump, damage, least).values():
        counts.update(json.loads(content))
    return counts


def _dump_rows(rows: pa.Table) -> str:
    return json.dumps(rows.to_pylist(), default=_dump_value)


def _dump_value(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be kept")


def _read_contents(
    lake: Lake,
    kind: str,
    table: str,
    columns: Sequence[str] | None,
    dump: Callable[[pa.Table], str],
    damage: list[DamagedTableError] | None,
    least: int,
) -> dict[str, str]:
    """Return the content of each intact file by partition, in their order; of changed ones from the file."""
    # The listing comes first: a file that is replaced after it has a new stamp in the next one, and is read again.
    files = lake.stat_partitions(table)
    name = lake.path(table)
    known_contents = lake.memory.read_contents(kind, name) if lake.memory else {}
    contents, fresh = dict[str, str](), dict[str, tuple[str, str]]()
    for partition, stamp in sorted(files.items()):
        if known_contents.get(partition, ("", ""))[0] != stamp:
            try:
                fresh[partition] = stamp, dump(lake.read(table, [partition], columns))
            except DamagedTableError as error:
                if damage is None:
                    logger.warning("%s; its rows are left out", error)
                else:
                    damage.append(error)
                continue
        contents[partition] = (fresh.get(partition) or known_contents[partition])[1]
    if lake.memory and len(fresh) >= max(least, 1):
        lake.memory.put_contents(kind, name, fresh, sorted(known_contents.keys() - files.keys()))
    return contents
