"""Rules for the rows of one file of the lake, for every table.

Stands alone because a file is checked twice: before it is written, and when it is read. A disk or a person may have
changed it since.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ops.core.schemas import CREATED, key_of

LENGTH_TOLERANCE = 1e-2
"""Maximum deviation of a stored vector's length from 1; a damaged vector deviates far more."""

_VIDEO_ID = re.compile(r"[0-9a-f]{16}")


def find_fault(rows: pa.Table, table: str) -> str:
    """A sentence about the first rule that ``rows`` break; empty if they keep all. Missing columns are not checked.

    The rules: no null or repeated key, no missing timestamp, no NaN or infinity. Feast accepts NaN and ties without an
    error, and both corrupt point-in-time joins.
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
    """As :func:`find_fault`, with rules for stored rows that Needle itself never breaks.

    They find rows of another video, spans that end before they begin, and an invalid frame rate or frame count. They
    also find vectors of several sizes or not of unit length.
    """
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
