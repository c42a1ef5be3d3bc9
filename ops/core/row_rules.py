"""Rules that the rows of one file of the lake keep, whichever table they are of.

Stands alone because a file is judged twice by them: before it is written, and when it is read, for a disk or a person
may have changed it since.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ops.core.schemas import CREATED, key_of

LENGTH_TOLERANCE = 1e-2
"""How far from 1 the length of a stored vector may be; a damaged one is off by far more."""

_VIDEO_ID = re.compile(r"[0-9a-f]{16}")


def find_fault(rows: pa.Table, table: str) -> str:
    """The first rule that ``rows`` break, in words; empty if they keep all. Columns that are missing are not judged.

    The rules: no null or repeated key, no missing timestamp, no NaN or infinity, because Feast accepts NaN and ties
    in silence, and both ruin point-in-time joins.
    """
    key = key_of(table)
    for name in (key, "event_timestamp", CREATED):
        if name in rows.column_names and rows[name].null_count:
            return f"{rows[name].null_count} rows have no {name}"
    if key in rows.column_names and len(set(rows[key].to_pylist())) != len(rows):
        return f"{key} is not unique"
    for name in _float_columns(rows.schema):
        values = rows[name]
        values = pc.list_flatten(values) if pa.types.is_list(values.type) else values
        if not np.isfinite(values.drop_null().to_numpy()).all():
            return f"{name} holds NaN or infinity"
    return ""


@lru_cache(maxsize=64)
def _float_columns(schema: pa.Schema) -> list[str]:
    kinds = ((field.name, field.type.value_type if pa.types.is_list(field.type) else field.type) for field in schema)
    return [name for name, kind in kinds if pa.types.is_floating(kind)]


def find_stored_fault(rows: pa.Table, table: str, partition: str) -> str:
    """As :func:`find_fault`, and what no writer of ours could have stored: another video's rows, spans that end before
    they begin, a frame rate or a count of frames that is none, vectors of several sizes or not of unit length."""
    if fault := find_fault(rows, table):
        return fault
    names = rows.column_names
    if _VIDEO_ID.fullmatch(partition) and "video_id" in names:
        others = set(rows["video_id"].unique().to_pylist()) - {partition, None}
        if others:
            return f"it holds rows of another video ({min(others)})"
    if {"start_frame", "end_frame"} <= set(names) and not (
        pc.all(pc.less(rows["start_frame"], rows["end_frame"])).as_py() is not False
        and (_least(rows["start_frame"]) or 0) >= 0
    ):
        return "a span of frames ends before it begins"
    for name, allowed in (("fps_num", 1), ("fps_den", 1), ("frames", 0)):
        if name in names and (least := _least(rows[name])) is not None and least < allowed:
            return f"{name} is {least}"
    return _find_vector_fault(rows["embedding"]) if "embedding" in names and len(rows) else ""


def _find_vector_fault(vectors: pa.ChunkedArray) -> str:
    if vectors.null_count or pc.count_distinct(pc.list_value_length(vectors)).as_py() != 1:
        return "its vectors are of several sizes"
    matrix = pc.list_flatten(vectors).to_numpy().reshape(len(vectors), -1)
    off = np.abs(np.linalg.norm(matrix, axis=1) - 1).max()
    return "" if off <= LENGTH_TOLERANCE else "a vector is not of unit length"


def _least(numbers: pa.ChunkedArray) -> int | None:
    least: int | None = pc.min(numbers).as_py()
    return least
