"""The columns of each table of the lake; ``schemas.py`` declares the tables."""

from __future__ import annotations

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")
COMPUTED_AT = "created_timestamp"
_STAMPS = [pa.field("event_timestamp", TIMESTAMP), pa.field(COMPUTED_AT, TIMESTAMP)]


def build_schema(*fields: tuple[str, pa.DataType]) -> pa.Schema:
    """Return the schema of a table with these columns and the two timestamps of every table."""
    return pa.schema([pa.field(name, kind) for name, kind in fields] + _STAMPS)


VIDEOS = build_schema(
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
SHOTS = build_schema(
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
SHOT_CORRECTIONS = build_schema(
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
DETECTED_CUTS = build_schema(
    ("cut_id", pa.string()),
    ("video_id", pa.string()),
    ("frame", pa.int64()),
    ("transition", pa.string()),
    ("detector", pa.string()),
)
SHOT_EMBEDDINGS = build_schema(
    ("shot_id", pa.string()),
    ("video_id", pa.string()),
    ("show", pa.string()),
    ("embedding", pa.list_(pa.float32())),
    ("vector_hash", pa.string()),
    ("frames_used", pa.int32()),
    ("input_hash", pa.string()),
)
# The vectors of a shot's first and last sampled frame; both null, with the `reason`, if the frames cannot be embedded.
SHOT_ENDS = build_schema(
    ("shot_id", pa.string()),
    ("video_id", pa.string()),
    ("show", pa.string()),
    ("first", pa.list_(pa.float32())),
    ("last", pa.list_(pa.float32())),
    ("reason", pa.string()),
    ("input_hash", pa.string()),
)
# Motion of a shot's picture, see `ops/embeddings/motion.py`; null if the shot is too short or could not be read.
SHOT_MOTION = build_schema(
    ("shot_id", pa.string()),
    ("video_id", pa.string()),
    ("show", pa.string()),
    ("pan", pa.float32()),
    ("tilt", pa.float32()),
    ("zoom", pa.float32()),
    ("roll", pa.float32()),
    ("activity", pa.float32()),
    ("input_hash", pa.string()),
)
# One row per shot without a vector. `cause` is `proxy` or `encoder`; `input_hash` names the inputs and proxy of the
# failed attempt.
SHOTS_SET_ASIDE = build_schema(
    ("shot_id", pa.string()),
    ("video_id", pa.string()),
    ("cause", pa.string()),
    ("reason", pa.string()),
    ("input_hash", pa.string()),
)
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
# One row per shot. `loudness` in LUFS, `relative_loudness` in LU against that of the video, `silence` and `speech` as
# shares of the shot, all null if unknown. `kinds` has `quiet`, `loud`, `silent` and `speech`, separated by commas.
# `silence_ms` and `speech_ms` are start and end of each stretch, one after the other, in milliseconds of the video.
SHOT_SOUND = build_schema(
    ("shot_id", pa.string()),
    ("video_id", pa.string()),
    ("show", pa.string()),
    ("index", pa.int32()),
    ("loudness", pa.float32()),
    ("relative_loudness", pa.float32()),
    ("silence", pa.float32()),
    ("speech", pa.float32()),
    ("kinds", pa.string()),
    ("silence_ms", pa.list_(pa.int64())),
    ("speech_ms", pa.list_(pa.int64())),
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
# `person_id`), split (`face_ids` of `person_id` become `other_id`), rejected (`face_ids` are not `person_id`) or
# assigned (`face_ids` of `other_id`, or of no person if it is empty, become `person_id`).
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
# Append-only: one row per annotation. A (label, shot_id) may have several; the latest counts.
LABELS = build_schema(
    ("label_id", pa.string()),
    ("label", pa.string()),
    ("shot_id", pa.string()),
    ("value", pa.bool_()),
    ("annotator", pa.string()),
    ("created_at", TIMESTAMP),
    ("origin", pa.string()),
)
PROBE_SCORES = build_schema(
    ("shot_id", pa.string()),
    ("video_id", pa.string()),
    ("score", pa.float32()),
    ("probe_version", pa.string()),
)
CAPTION_PAIRS = build_schema(
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
