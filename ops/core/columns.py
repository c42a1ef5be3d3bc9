"""Columns of the lake's tables of words: spoken lines, and writing in the picture; ``schemas.py`` has the others."""

from __future__ import annotations

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")
CREATED = "created_timestamp"
_STAMPS = [pa.field("event_timestamp", TIMESTAMP), pa.field(CREATED, TIMESTAMP)]


def build_schema(*fields: tuple[str, pa.DataType]) -> pa.Schema:
    """Return the schema of a table with these columns and the two timestamps of every table."""
    return pa.schema([pa.field(name, kind) for name, kind in fields] + _STAMPS)


DIALOGUE = build_schema(
    ("line_id", pa.string()),
    ("video_id", pa.string()),
    ("show", pa.string()),
    ("index", pa.int32()),
    ("shot_ids", pa.list_(pa.string())),
    ("start_frame", pa.int64()),
    ("end_frame", pa.int64()),
    ("start_s", pa.float64()),
    ("end_s", pa.float64()),
    ("text", pa.string()),
    ("language", pa.string()),
    ("language_tag", pa.string()),
    ("source", pa.string()),
    # 0 to 1 for recognised speech, null for subtitles
    ("certainty", pa.float32()),
)
SHOT_DIALOGUE = build_schema(
    ("shot_id", pa.string()),
    ("video_id", pa.string()),
    ("show", pa.string()),
    ("index", pa.int32()),
    ("lines", pa.int32()),
    ("text", pa.string()),
    ("language", pa.string()),
    ("source", pa.string()),
    ("input_hash", pa.string()),
)
SUBTITLES = build_schema(
    ("subtitle_id", pa.string()),
    ("video_id", pa.string()),
    ("path", pa.string()),
    ("source", pa.string()),
    ("language", pa.string()),
    ("language_tag", pa.string()),
    ("content_hash", pa.string()),
    ("lines", pa.int32()),
    ("reason", pa.string()),
    ("notes", pa.list_(pa.string())),
)
SUBTITLE_TIMINGS = build_schema(
    ("video_id", pa.string()),
    ("shift_s", pa.float64()),
    ("stretch", pa.float64()),
)
# One row per text and place. `box`: left, top, right and bottom, in thousandths of the picture. `script` is an ISO
# 15924 code; `language` is empty if its script has several. `kind` is `text`, `timecode` (or a counter), or `constant`
# (a logo). `input_hash` is that of the shot's row in `shot_screen_text`.
SCREEN_TEXT = build_schema(
    ("text_id", pa.string()),
    ("video_id", pa.string()),
    ("show", pa.string()),
    ("shot_id", pa.string()),
    ("index", pa.int32()),
    ("start_frame", pa.int64()),
    ("end_frame", pa.int64()),
    ("start_s", pa.float64()),
    ("end_s", pa.float64()),
    ("box", pa.list_(pa.int32())),
    ("text", pa.string()),
    ("script", pa.string()),
    ("language", pa.string()),
    ("confidence", pa.float32()),
    ("kind", pa.string()),
    ("input_hash", pa.string()),
)
# One row per shot. `texts`, `text` and `confidence` are null if the shot was not read: the setting is off, or there is
# a `reason`.
SHOT_SCREEN_TEXT = build_schema(
    ("shot_id", pa.string()),
    ("video_id", pa.string()),
    ("show", pa.string()),
    ("index", pa.int32()),
    ("texts", pa.int32()),
    ("text", pa.string()),
    ("script", pa.string()),
    ("confidence", pa.float32()),
    ("reason", pa.string()),
    ("input_hash", pa.string()),
)
