"""Earlier versions of the lake's rows: ``history/<table>/``, next to the lake.

The pipeline writes them (``ops/core/history.py``) when a row is replaced or removed. A removed row is there twice: as
it was, and with ``is_removed`` from the time of its removal on, which is read as a row whose features are null.
"""

from __future__ import annotations

from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

HISTORY = "history"
REMOVAL = "is_removed"
_TRIES = 3


def add_history(current: ibis.Table, filesystem: Any, folder: str, schema: pa.Schema, key: str) -> ibis.Table:
    """Return the current rows of a table and all earlier versions of them, with the columns of ``schema``.

    ``folder`` is the folder of the table in the lake. The last two columns of ``schema`` are the time of the footage
    and that of the computation. If there is no history, ``current`` is returned as it is.
    """
    versions = _read_versions(filesystem, _locate_history(folder), schema)
    if versions is None:
        return current
    current = current.select(*schema.names)
    footage, computed_at = schema.names[-2:]
    ids = ibis.memtable(versions.select([key]))
    stamps = current.semi_join(ids, key).select(key, footage, computed_at).to_pyarrow()
    choice = _choose_versions(versions, stamps, key, footage, computed_at)
    rows = versions.take(pa.array(choice.index.to_numpy()))
    is_removed = rows[REMOVAL]
    columns = {
        field.name: rows[field.name]
        if field.name in (key, computed_at)
        else pc.if_else(is_removed, pa.scalar(None, field.type), rows[field.name])
        for field in schema
    } | {footage: pa.array(choice[footage].to_numpy()).cast(schema.field(footage).type)}
    # duckdb and ibis name the types of some columns otherwise than Arrow
    earlier = ibis.memtable(pa.table(columns, schema=schema)).cast(dict(current.schema().items()))
    return current.union(earlier)


def _locate_history(folder: str) -> str:
    store, _, table = folder.rpartition("/lake/")
    return f"{store}/{HISTORY}/{table}"


def _choose_versions(versions: pa.Table, current: pa.Table, key: str, footage: str, computed_at: str) -> pd.DataFrame:
    """Return positions of the versions that count, with the time of their footage in microseconds.

    - A version that is not older than the current row does not count: a run was killed between the two writes, or a
      row came back from a machine whose clock was behind.
    - The time of the footage is not later than that of any later version. Feast orders rows by it first, and would
      otherwise prefer an older version after a correction.
    """
    names = [key, footage, computed_at]
    earlier = _read_stamps(versions, names).assign(removed=versions[REMOVAL].to_numpy())
    now = _read_stamps(current, names)
    newest = earlier[key].map(now.set_index(key)[computed_at])
    earlier = earlier[newest.isna() | (earlier[computed_at] < newest)]
    earlier = earlier.sort_values("removed", kind="stable").drop_duplicates([key, computed_at])
    every = pd.concat([earlier, now.assign(removed=False).set_axis(-1 - now.index)])
    every = every.sort_values(computed_at, ascending=False, kind="stable")
    every[footage] = every.groupby(key)[footage].cummin()
    return every[every.index >= 0]


def _read_stamps(rows: pa.Table, names: list[str]) -> pd.DataFrame:
    """Return the key as it is and the times in microseconds, UTC."""
    key, *times = names
    kind = pa.timestamp("us", tz="UTC")
    return pd.DataFrame(
        {key: rows[key].to_pandas(), **{name: rows[name].cast(kind).cast(pa.int64()).to_numpy() for name in times}}
    )


def _read_versions(filesystem: Any, folder: str, schema: pa.Schema) -> pa.Table | None:
    """Read all files of a folder; ``None`` if there are none. Compaction replaces files: then the folder is read again.

    Raises ``FileNotFoundError`` if files disappear each time.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            files = [name for name in filesystem.ls(folder, detail=False) if str(name).endswith(".parquet")]
        except FileNotFoundError:
            return None
        try:
            parts = [_read_file(filesystem, name, schema) for name in sorted(files)]
        except FileNotFoundError:
            if not tries_left:
                raise
            continue
        return pa.concat_tables(parts).combine_chunks() if parts else None
    return None


def _read_file(filesystem: Any, path: str, schema: pa.Schema) -> pa.Table:
    with filesystem.open(path, "rb") as handle:
        file = pq.ParquetFile(handle)
        file_columns = set(file.schema_arrow.names)
        rows = file.read(columns=[name for name in [*schema.names, REMOVAL] if name in file_columns], use_threads=False)
    for field in schema:
        if field.name not in file_columns:  # written by an earlier version of the program
            rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    return rows.select([*schema.names, REMOVAL]).cast(pa.schema([*schema, pa.field(REMOVAL, pa.bool_())]))
