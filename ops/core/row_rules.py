"""Rules for the rows of one file of the lake, for every table.

Stands alone because a file is checked twice: before it is written, and when it is read. A disk or a person may have
changed it since.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ops.core.columns import COMPUTED_AT
from ops.core.schemas import TABLES, Table, find_key_column
from ops.core.types import VideoState, parse_shot_id

LENGTH_TOLERANCE = 1e-2
"""Maximum deviation of a stored vector's length from 1; a damaged vector deviates far more."""

_VIDEO_ID = re.compile(r"[0-9a-f]{16}")
_STATES = frozenset(get_args(VideoState))
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
"""pandas, which Feast uses, has no timestamps outside 1677 to 2262."""


def find_fault(rows: pa.Table, table: str) -> str:
    """A sentence about the first rule that ``rows`` break; empty if they keep all. Missing columns are not checked.

    The rules: no null or repeated key, no missing timestamp, no NaN or infinity. Feast accepts NaN and ties without an
    error, and both corrupt point-in-time joins.
    """
    key = find_key_column(table)
    for name in (key, "event_timestamp", COMPUTED_AT):
        if name in rows.column_names and rows[name].null_count:
            return f"{rows[name].null_count} rows have no {name}"
    if key in rows.column_names and len(set(rows[key].to_pylist())) != len(rows):
        return f"{key} is not unique"
    for name in _list_float_columns(rows.schema):
        values = rows[name]
        values = pc.list_flatten(values) if pa.types.is_list(values.type) else values
        if not np.isfinite(values.drop_null().to_numpy()).all():
            return f"{name} holds NaN or infinity"
    return ""


@lru_cache(maxsize=64)
def _list_float_columns(schema: pa.Schema) -> list[str]:
    kinds = ((field.name, field.type.value_type if pa.types.is_list(field.type) else field.type) for field in schema)
    return [name for name, kind in kinds if pa.types.is_floating(kind)]


def find_stored_fault(rows: pa.Table, table: str, partition: str) -> str:
    """As :func:`find_fault`, with rules for stored rows that Needle itself never breaks.

    They find text that is not UTF-8, missing values, keys and rows of another video, spans that end before they begin,
    timestamps of no footage, and an invalid state, frame rate or frame count. They also find vectors of several sizes
    or not of unit length. Raises ``pa.ArrowInvalid`` for invalid UTF-8.
    """
    if _has_text(rows.schema):
        rows.validate(full=True)  # reading a file does not check this
    if fault := find_fault(rows, table):
        return fault
    table_declaration = TABLES[table.split("/")[0]]
    return (
        _find_missing(rows, table_declaration.never_null)
        or _find_foreign_row(rows, partition)
        or _find_odd_value(rows)
        or _find_stray_key(rows, table_declaration)
        or next(filter(None, map(_find_vector_fault, _list_vector_columns(rows))), "")
    )


@lru_cache(maxsize=64)
def _has_text(schema: pa.Schema) -> bool:
    kinds = (field.type.value_type if pa.types.is_list(field.type) else field.type for field in schema)
    return any(map(pa.types.is_string, kinds))


def _find_missing(rows: pa.Table, never_null: tuple[str, ...]) -> str:
    for name in never_null:
        if name in rows.column_names and rows[name].null_count:
            return f"{rows[name].null_count} rows have no {name}"
    return ""


def _find_foreign_row(rows: pa.Table, partition: str) -> str:
    if _VIDEO_ID.fullmatch(partition) and "video_id" in rows.column_names:
        others = set(rows["video_id"].unique().to_pylist()) - {partition, None}
        if others:
            return f"it holds rows of another video ({min(others)})"
    return ""


def _find_stray_key(rows: pa.Table, table: Table) -> str:
    """Find a key that does not name the video of its row: the indexes hold the rows of all files, by key."""
    key = table.key
    if not table.key_names_video or not {key, "video_id"} <= set(rows.column_names):
        return ""
    pairs = list(zip(rows[key].to_pylist(), rows["video_id"].to_pylist(), strict=True))
    stray = [
        name
        for name, video_id in pairs
        if not name.startswith(f"{video_id}:") and (key == "shot_id" or _VIDEO_ID.fullmatch(name.partition(":")[0]))
    ]
    if not stray and key == "shot_id":
        stray = [name for name, _ in pairs if parse_shot_id(name) is None]
    return f"the {key} {stray[0]!r} is not one of its video" if stray else ""


def _find_odd_value(rows: pa.Table) -> str:
    names = rows.column_names
    if {"start_frame", "end_frame"} <= set(names) and not (
        pc.all(pc.less(rows["start_frame"], rows["end_frame"])).as_py() is not False
        and (_find_least(rows["start_frame"]) or 0) >= 0
    ):
        return "a span of frames ends before it begins"
    for name, minimum in (("fps_num", 1), ("fps_den", 1), ("frames", 0)):
        if name in names and (least := _find_least(rows[name])) is not None and least < minimum:
            return f"{name} is {least}"
    if "state" in names and (odd := set(rows["state"].unique().to_pylist()) - _STATES):
        return f"{min(odd)!r} is not a state of a video"
    if "path" in names and pc.any(pc.match_substring(rows["path"], "\0")).as_py():
        return "a path has a NUL character"
    for name in ("event_timestamp", COMPUTED_AT):
        if name in names and len(rows):
            years = pc.min_max(pc.year(rows[name])).as_py()
            if years["min"] < _FIRST_YEAR or years["max"] > _LAST_YEAR:
                return f"{name} is in the year {years['min'] if years['min'] < _FIRST_YEAR else years['max']}"
    return ""


def _list_vector_columns(rows: pa.Table) -> list[pa.ChunkedArray]:
    """The columns of vectors that have rows. Whether a vector may be missing is a rule of the table."""
    columns = [
        rows[name] for name in _list_float_columns(rows.schema) if pa.types.is_list(rows.schema.field(name).type)
    ]
    return [vectors for vectors in (column.drop_null() for column in columns) if len(vectors)]


def _find_vector_fault(vectors: pa.ChunkedArray) -> str:
    if pc.count_distinct(pc.list_value_length(vectors)).as_py() != 1:
        return "its vectors are of several sizes"
    matrix = pc.list_flatten(vectors).to_numpy().reshape(len(vectors), -1)
    off = np.abs(np.linalg.norm(matrix, axis=1) - 1).max()
    return "" if off <= LENGTH_TOLERANCE else "a vector is not of unit length"


def _find_least(numbers: pa.ChunkedArray) -> int | None:
    least: int | None = pc.min(numbers).as_py()
    return least
