"""Typed rows have the columns of their tables, with their types."""

from __future__ import annotations

from datetime import datetime
from typing import get_args, get_type_hints

import pyarrow as pa
import pytest

from ops.core import rows
from ops.core.schemas import find_schema
from ops.core.types import Transition

ROWS = {
    "videos": rows.LakeVideo,
    "shots": rows.LakeShot,
    "detected_cuts": rows.LakeCut,
    "dialogue": rows.LakeLine,
    "shot_dialogue": rows.LakeShotDialogue,
    "subtitles": rows.LakeSubtitle,
    "screen_text": rows.LakeScreenText,
    "shot_screen_text": rows.LakeShotScreenText,
    "shot_sound": rows.LakeShotSound,
    "faces": rows.LakeFace,
    "shot_people": rows.LakeShotPeople,
    "people": rows.LakePerson,
    "shot_embeddings": rows.LakeVector,
    "shot_ends": rows.LakeShotEnds,
    "shot_motion": rows.LakeShotMotion,
    "shots_set_aside": rows.LakeSkippedShot,
}
PYTHON = {
    "string": str,
    "bool": bool,
    "int32": int,
    "int64": int,
    "float": float,
    "double": float,
    "timestamp[us, tz=UTC]": datetime,
}


def python_type(kind: pa.DataType) -> object:
    return list[python_type(kind.value_type)] if pa.types.is_list(kind) else PYTHON[str(kind)]  # type: ignore[misc]


@pytest.mark.parametrize("table", ROWS)
def test_a_row_has_the_columns_of_its_table(table: str) -> None:
    hints = get_type_hints(ROWS[table])
    schema = find_schema(table)
    assert set(hints) == set(schema.names)
    for field in schema:
        hint = hints[field.name]
        accepted = str if hint is Transition else hint
        assert python_type(field.type) in (accepted, *get_args(accepted)), field.name


def test_a_new_video_has_every_column() -> None:
    row = rows.build_video_row({"video_id": "a", "state": "set_aside"})
    assert set(row) == set(find_schema("videos").names)
    assert row["frames"] is None
