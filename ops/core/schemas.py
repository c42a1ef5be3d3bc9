"""Columns and keys of every table of the lake; ARCHITECTURE.md describes the purpose of each table."""

from __future__ import annotations

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")
CREATED = "created_timestamp"
_STAMPS = [pa.field("event_timestamp", TIMESTAMP), pa.field(CREATED, TIMESTAMP)]


def _schema(*fields: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in fields] + _STAMPS)


VIDEOS = _schema(
    ("video_id", pa.string()),
    ("path", pa.string()),
    ("show", pa.string()),
    ("title", pa.string()),
    ("season", pa.int32()),
    ("episode", pa.int32()),
    ("content_hash", pa.string()),
    ("bytes", pa.int64()),
    ("fps_num", pa.int64()),
    ("fps_den", pa.int64()),
    ("frames", pa.int64()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("codec", pa.string()),
    ("has_audio", pa.bool_()),
    ("start_timecode", pa.string()),
    ("state", pa.string()),
    ("reason", pa.string()),
    ("available_at", TIMESTAMP),
    # the whole record of `ops.core.media.MediaInfo` as JSON, and its notes for the user
    ("facts", pa.string()),
    ("notes", pa.list_(pa.string())),
)
SHOTS = _schema(
    ("shot_id", pa.string()),
    ("video_id", pa.string()),
    ("show", pa.string()),
    ("index", pa.int32()),
    ("start_frame", pa.int64()),
    ("end_frame", pa.int64()),
    ("start_s", pa.float64()),
    ("end_s", pa.float64()),
    ("transition", pa.string()),
    ("proxy_uri", pa.string()),
    ("poster_uri", pa.string()),
    ("mean_luma", pa.float32()),
    ("is_blank", pa.bool_()),
    ("detector", pa.string()),
)
# Append-only: one row per correction of a frame by a person. The latest row of a (video_id, frame) counts. `action` is
# `cut`, `no_cut`, or `withdrawn`, which cancels the earlier correction.
SHOT_CORRECTIONS = _schema(
    ("correction_id", pa.string()),
    ("video_id", pa.string()),
    ("frame", pa.int64()),
    ("action", pa.string()),
    ("author", pa.string()),
    ("created_at", TIMESTAMP),
    ("note", pa.string()),
    ("content_hash", pa.string()),
)
# First frames of shots as detected, including frame 0, of videos with corrected shots.
DETECTED_CUTS = _schema(
    ("cut_id", pa.string()),
    ("video_id", pa.string()),
    ("frame", pa.int64()),
    ("transition", pa.string()),
    ("detector", pa.string()),
)
SHOT_EMBEDDINGS = _schema(
    ("shot_id", pa.string()),
    ("video_id", pa.string()),
    ("show", pa.string()),
    ("embedding", pa.list_(pa.float32())),
    ("vector_hash", pa.string()),
    ("frames_used", pa.int32()),
    ("input_hash", pa.string()),
)
# One row per shot without a vector. `cause` is `proxy` or `encoder`; `input_hash` names the inputs and proxy of the
# failed attempt.
SHOTS_SET_ASIDE = _schema(
    ("shot_id", pa.string()),
    ("video_id", pa.string()),
    ("cause", pa.string()),
    ("reason", pa.string()),
    ("input_hash", pa.string()),
)
DIALOGUE = _schema(
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
)
SHOT_DIALOGUE = _schema(
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
SUBTITLES = _schema(
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
SUBTITLE_TIMINGS = _schema(
    ("video_id", pa.string()),
    ("shift_s", pa.float64()),
    ("stretch", pa.float64()),
)
# Append-only: one row per annotation. A (label, shot_id) may have several; the latest counts.
LABELS = _schema(
    ("label_id", pa.string()),
    ("label", pa.string()),
    ("shot_id", pa.string()),
    ("value", pa.bool_()),
    ("annotator", pa.string()),
    ("created_at", TIMESTAMP),
    ("origin", pa.string()),
)
PROBE_SCORES = _schema(
    ("shot_id", pa.string()),
    ("video_id", pa.string()),
    ("score", pa.float32()),
    ("probe_version", pa.string()),
)
CAPTION_PAIRS = _schema(
    ("pair_id", pa.string()),
    ("kind", pa.string()),
    ("video_id", pa.string()),
    ("shot_id", pa.string()),
    ("show", pa.string()),
    ("index", pa.int32()),
    ("captions", pa.list_(pa.string())),
    ("source", pa.string()),
    ("member", pa.string()),
    ("input_hash", pa.string()),
)

SCORES = "probe_scores"
"""Family of the tables of probe scores, one table per probe."""
KEPT_SCORES = "kept_scores"
"""Family of the scores of encoders that are not live, ``kept_scores/<encoder_id>/<probe>``: the next and the last."""

_KEYS = {
    "videos": "video_id",
    "shots": "shot_id",
    "shot_corrections": "correction_id",
    "detected_cuts": "cut_id",
    "shot_embeddings": "shot_id",
    "shots_set_aside": "shot_id",
    "dialogue": "line_id",
    "shot_dialogue": "shot_id",
    "subtitles": "subtitle_id",
    "subtitle_timings": "video_id",
    "labels": "label_id",
    "probe_scores": "shot_id",
    "kept_scores": "shot_id",
    "caption_pairs": "pair_id",
}
_SCHEMAS = {
    "videos": VIDEOS,
    "shots": SHOTS,
    "shot_corrections": SHOT_CORRECTIONS,
    "detected_cuts": DETECTED_CUTS,
    "shot_embeddings": SHOT_EMBEDDINGS,
    "shots_set_aside": SHOTS_SET_ASIDE,
    "dialogue": DIALOGUE,
    "shot_dialogue": SHOT_DIALOGUE,
    "subtitles": SUBTITLES,
    "subtitle_timings": SUBTITLE_TIMINGS,
    "labels": LABELS,
    "probe_scores": PROBE_SCORES,
    "kept_scores": PROBE_SCORES,
    "caption_pairs": CAPTION_PAIRS,
}


TABLES = frozenset(_SCHEMAS)
"""Families of tables of the lake."""

ADDED = {"videos": ("facts", "notes"), "dialogue": ("language_tag",), "subtitles": ("language_tag",)}
"""Columns that files of earlier versions lack; they are read as null until the rows are written again."""


def schema_of(table: str) -> pa.Schema:
    """Schema of a table such as ``shots`` or ``shot_embeddings/<encoder>``."""
    return _SCHEMAS[table.split("/")[0]]


def key_of(table: str) -> str:
    """Name of the column that identifies a row."""
    return _KEYS[table.split("/")[0]]
