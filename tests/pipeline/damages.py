"""Damage to one file of the lake, as a disk, a copy or a person does it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

Damage = Callable[[Path], None]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_text(path: Path) -> None:
    path.write_bytes(b"no parquet, but a text")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def set_first(column: str, value: object) -> Damage:
    """Change a value of the first row, in a file that is well otherwise."""

    def change(path: Path) -> None:
        table = pq.read_table(path)
        rows = table.to_pylist()
        rows[0][column] = value
        pq.write_table(pa.Table.from_pylist(rows, table.schema), path)

    return change


def set_bytes(column: str, value: bytes) -> Damage:
    """Put bytes that are not UTF-8 into a text of the first row."""

    def change(path: Path) -> None:
        table = pq.read_table(path)
        texts = [text.encode() for text in table[column].to_pylist()]
        binary = pa.array([value, *texts[1:]], pa.binary())
        broken = pa.Array.from_buffers(pa.string(), len(binary), binary.buffers())
        pq.write_table(table.set_column(table.schema.get_field_index(column), column, broken), path)

    return change


def drop_column(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(table.column_names[0]), path)


def shorten_vectors(path: Path) -> None:
    """Vectors of unit length, but of four dimensions: those of another encoder."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    for row in rows:
        first = row["embedding"][:4]
        row["embedding"] = [value / math.hypot(*first) for value in first]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
