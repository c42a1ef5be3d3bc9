"""Columns of the lake's tables of words, people and what users save; ``schemas.py`` has the others."""

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
# One row per face and sampled frame. `box` as above. `cluster_id` is the group found by vectors, `person_id` the person
# after the changes that people made; both null below the least quality, and `cluster_id` empty for a face that a person
# took away. `vector_hash` stands for the vector when rows are compared.
FACES = build_schema(
    ("face_id", pa.string()),
    ("video_id", pa.string()),
    ("show", pa.string()),
    ("shot_id", pa.string()),
    ("index", pa.int32()),
    ("frame", pa.int64()),
    ("box", pa.list_(pa.int32())),
    ("quality", pa.float32()),
    ("model", pa.string()),
    ("embedding", pa.list_(pa.float32())),
    ("vector_hash", pa.string()),
    ("cluster_id", pa.string()),
    ("person_id", pa.string()),
    ("input_hash", pa.string()),
)
# `people`, `shares` and `sizes` have one entry a person, separated by commas, the largest share first.
SHOT_PEOPLE = build_schema(
    ("shot_id", pa.string()),
    ("video_id", pa.string()),
    ("show", pa.string()),
    ("index", pa.int32()),
    ("faces", pa.int32()),
    ("people", pa.string()),
    ("shares", pa.string()),
    ("sizes", pa.string()),
    ("largest_face", pa.float32()),
    ("reason", pa.string()),
    ("input_hash", pa.string()),
)
# The people of the catalogue, in one file: counts, the name that a person gave, and the best face of each.
PEOPLE = build_schema(
    ("person_id", pa.string()),
    ("name", pa.string()),
    ("faces", pa.int32()),
    ("shots", pa.int32()),
    ("videos", pa.int32()),
    ("face_id", pa.string()),
)
# Append-only, but for what is forgotten: names, merges and splits by people. `action` is named, merged (`other_id` into
# `person_id`), split (`face_ids` of `person_id` become `other_id`) or rejected (`face_ids` are not `person_id`).
PEOPLE_CHANGES = build_schema(
    *((name, pa.string()) for name in ("change_id", "action", "person_id", "other_id", "name", "author")),
    ("face_ids", pa.list_(pa.string())),
    ("created_at", TIMESTAMP),
)
# One file per collection, one row per change, which is never altered but for this: only the latest row has the entries,
# as JSON of `ops.collections.entries.CollectionEntry`. `action` is created, saved, renamed, forgotten or deleted.
COLLECTIONS = build_schema(
    *((name, pa.string()) for name in ("change_id", "collection_id", "action", "name", "author", "note", "entries")),
    ("created_at", TIMESTAMP),
    ("shots", pa.int32()),
)
# One file per saved search, one row per change: `action` is saved or deleted, `query` JSON of the search.
SAVED_SEARCHES = build_schema(
    *((name, pa.string()) for name in ("change_id", "search_id", "action", "name", "query", "author")),
    ("created_at", TIMESTAMP),
)
