"""What a home holds, as digests that two homes with the same history share."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from pathlib import Path

import pyarrow.parquet as pq

from tests.builders.homes import Home

_OWN = ("event_timestamp", "created_timestamp", "created_at", "available_at", "label_id")
"""Columns that differ between two homes with the same history: times, and ids that are made from them."""
_RUN = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


def digest_home(home: Home) -> dict[str, str]:
    """A digest for each part of a home: tables of the lake, other files of the store, Feast's rows, and the indexes.

    Times of computation do not count: two runs have other ones.
    """
    store = home.path / "media"
    parts = {}
    for path in sorted(store.rglob("*")):
        key = path.relative_to(store).as_posix()
        if not path.is_file() or path.name.startswith(".tmp-") or key.startswith(("history/", "lake/_")):
            continue
        parts[key] = _digest_rows(path) if key.startswith("lake/") and path.suffix == ".parquet" else _digest_size(path)
    parts["online"] = _digest_online(home.path / "feast" / "online.db")
    # Not in this process, which would keep its connection to a store that is gone.
    status = json.loads(home.fork("status", "--json").stdout)
    parts["status"] = repr([status["index_version"], status["totals"]])
    return parts


def digest_undisturbed(folder: Path, library: Path) -> dict[str, str]:
    """The digests of a home that ingested the library undisturbed; it is made in ``folder``."""
    calm = Home(folder / "calm")
    calm.fork("ingest", str(library), expect=3)
    return digest_home(calm)


def list_leftovers(home: Home) -> list[str]:
    """Markers, scratch files and temporary files that no running process holds."""
    found = [*(home.path / "ingests").glob("*"), *(home.path / "scratch").glob("*")]
    found += [path for path in home.path.rglob("*") if path.name.startswith((".tmp", "tmp")) and path.is_file()]
    return sorted(str(path.relative_to(home.path)) for path in found)


def compare(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """The parts that differ, each with what is wrong."""
    wrong = [f"{key} is missing" for key in sorted(expected.keys() - found.keys())]
    wrong += [f"{key} is too much" for key in sorted(found.keys() - expected.keys())]
    return wrong + [f"{key} differs" for key in sorted(expected.keys() & found.keys()) if expected[key] != found[key]]


def _digest_rows(path: Path) -> str:
    table = pq.read_table(path)
    table = table.drop_columns([name for name in _OWN if name in table.column_names])
    rows = sorted(repr(row) for row in table.to_pylist())
    return hashlib.blake2b("\n".join(rows).encode(), digest_size=8).hexdigest()


def _digest_size(path: Path) -> str:
    return str(path.stat().st_size)


def _digest_online(path: Path) -> str:
    if not path.exists():
        return "none"
    rows = []
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in sorted(name for name in tables if name.startswith("needle_")):
            query = f'SELECT entity_key, feature_name, value FROM "{table}"'
            rows += [repr((table, *row)) for row in connection.execute(query) if row[1] not in _OWN]
    connection.close()
    return hashlib.blake2b("\n".join(sorted(rows)).encode(), digest_size=8).hexdigest()
