"""Every table of the lake: columns, key, Feast view and more; ARCHITECTURE.md describes the purpose of each table.

``needle status``, ``needle forget``, the feature store and the rule for damaged files follow from the declarations.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import pyarrow as pa

from ops.core import columns
from ops.core.columns import COMPUTED_AT

SCORES = "probe_scores"
"""Family of the tables of probe scores, one table per probe."""
KEPT_SCORES = "kept_scores"
"""Family of the scores of encoders that are not live, ``kept_scores/<encoder_id>/<probe>``: the next and the last."""

IfDamaged = Literal["set_aside", "set_aside_dialogue", "compute_again", "refuse"]
"""The consequence of a damaged file of a table: its videos, or only their dialogue, are set aside; its rows are
computed again at once; or the run ends, because people wrote it. See ``ops/videos/damaged_tables.py``."""


@dataclass(frozen=True, kw_only=True)
class View:
    """The Feast view of a table, online and offline. It has all columns of the table except those ``left_out``."""

    name: str
    description: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of the lake, or a family of tables with the same columns (``shot_embeddings/<encoder_id>``).

    ``key`` is the column that identifies a row. A ``per_video`` table has a ``video_id`` column and the partitions of
    the videos, and ``needle forget`` deletes a video's rows from it. A table with a ``feature_view`` is keyed by
    ``shot_id`` or ``video_id``, and Feast serves it. ``per_encoder`` families have a table for each encoder.
    ``counted_as`` is the field of ``needle status --json`` with the number of a video's rows; if ``listed``, it is also
    a column of ``needle status``. Files of earlier versions lack the columns ``added``, which are read as null.

    The rest are rules for stored rows (``ops/core/row_rules.py``). Later steps rely on the columns ``never_null``,
    besides key and timestamps. ``key_names_video``: the key begins with the video's id, and the rows meet those of all
    other files in an index or in the feature store.
    """

    name: str
    key: str
    schema: pa.Schema
    feature_view: View | None = None
    per_video: bool = True
    per_encoder: bool = False
    counted_as: str = ""
    listed: bool = False
    if_damaged: IfDamaged = "set_aside"
    added: tuple[str, ...] = ()
    never_null: tuple[str, ...] = ()
    key_names_video: bool = False

    def __post_init__(self) -> None:
        if self.feature_view and self.key not in ("shot_id", "video_id"):
            raise ValueError(f"the table {self.name} is keyed by {self.key}: Feast serves rows of shots and videos")
        if self.per_video and "video_id" not in self.schema.names:
            raise ValueError(f"the table {self.name} has no video_id: add the column, or set per_video=False")

    def name_for_encoder(self, encoder_id: str) -> str:
        """The name of the table, or of the family's table of this encoder."""
        return f"{self.name}/{encoder_id}" if self.per_encoder else self.name

    @property
    def served_columns(self) -> dict[str, str]:
        """The features of the view, each with its Arrow type; empty without a view."""
        if self.feature_view is None:
            return {}
        hidden_columns = {self.key, "event_timestamp", COMPUTED_AT, *self.feature_view.left_out}
        return {field.name: str(field.type) for field in self.schema if field.name not in hidden_columns}


_DECLARATIONS = (
    Table(
        name="videos",
        key="video_id",
        schema=columns.VIDEOS,
        # a record for programs and people, no feature
        feature_view=View(
            name="video_metadata",
            description="a media file: show, title, exact frame rate, size, state",
            left_out=("facts", "notes"),
        ),
        added=("facts", "notes"),
        never_null=("path", "show", "title", "state", "available_at"),
    ),
    Table(
        name="shots",
        key="shot_id",
        schema=columns.SHOTS,
        feature_view=View(name="shot_metadata", description="a shot: show, exact frames, brightness, proxy and poster"),
        counted_as="shots",
        never_null=(
            "video_id",
            "show",
            "index",
            "start_frame",
            "end_frame",
            "start_s",
            "end_s",
            "is_blank",
            "detector",
        ),
        key_names_video=True,
    ),
    Table(
        name="shot_corrections",
        key="correction_id",
        schema=columns.SHOT_CORRECTIONS,
        never_null=("video_id", "frame", "action"),
    ),
    Table(name="detected_cuts", key="cut_id", schema=columns.DETECTED_CUTS, if_damaged="compute_again"),
    Table(
        name="shot_embeddings",
        key="shot_id",
        schema=columns.SHOT_EMBEDDINGS,
        per_encoder=True,
        counted_as="embedded",
        never_null=("video_id", "show", "embedding", "vector_hash", "input_hash"),
        key_names_video=True,
    ),
    Table(
        name="shot_ends",
        key="shot_id",
        schema=columns.SHOT_ENDS,
        per_encoder=True,
        if_damaged="compute_again",
        never_null=("video_id", "show", "input_hash"),
        key_names_video=True,
    ),
    Table(
        name="shot_motion",
        key="shot_id",
        schema=columns.SHOT_MOTION,
        feature_view=View(
            name="shot_motion",
            description="how the picture of a shot moves: pan, tilt, zoom and roll of the camera, and activity",
            left_out=("input_hash",),
        ),
        if_damaged="compute_again",
        never_null=("video_id", "show", "input_hash"),
        key_names_video=True,
    ),
    Table(
        name="shots_set_aside",
        key="shot_id",
        schema=columns.SHOTS_SET_ASIDE,
        per_encoder=True,
        never_null=("video_id", "reason", "input_hash"),
    ),
    Table(
        name="dialogue",
        key="line_id",
        schema=columns.DIALOGUE,
        counted_as="lines",
        if_damaged="set_aside_dialogue",
        added=("language_tag", "certainty"),
        never_null=("video_id", "show", "shot_ids", "start_frame", "end_frame", "start_s", "end_s", "text", "language"),
        key_names_video=True,
    ),
    Table(
        name="shot_dialogue",
        key="shot_id",
        schema=columns.SHOT_DIALOGUE,
        feature_view=View(
            name="shot_dialogue",
            description="the lines spoken in a shot; languages and sources are separated by commas",
            left_out=("input_hash",),
        ),
        if_damaged="set_aside_dialogue",
        never_null=("video_id", "show", "index", "text"),
        key_names_video=True,
    ),
    Table(
        name="subtitles",
        key="subtitle_id",
        schema=columns.SUBTITLES,
        if_damaged="set_aside_dialogue",
        added=("language_tag",),
        never_null=("video_id", "path", "source", "language"),
    ),
    Table(name="subtitle_timings", key="video_id", schema=columns.SUBTITLE_TIMINGS, if_damaged="set_aside_dialogue"),
    Table(
        name="screen_text",
        key="text_id",
        schema=columns.SCREEN_TEXT,
        counted_as="texts",
        if_damaged="compute_again",
        never_null=("video_id", "show", "shot_id", "start_frame", "end_frame", "box", "text", "kind"),
        key_names_video=True,
    ),
    Table(
        name="shot_screen_text",
        key="shot_id",
        schema=columns.SHOT_SCREEN_TEXT,
        feature_view=View(
            name="shot_screen_text",
            description="the writing in the picture of a shot, without timecodes and logos that are always there",
            left_out=("input_hash",),
        ),
        if_damaged="compute_again",
        never_null=("video_id", "show", "index", "input_hash"),
        key_names_video=True,
    ),
    Table(
        name="shot_sound",
        key="shot_id",
        schema=columns.SHOT_SOUND,
        feature_view=View(
            name="shot_sound",
            description="the sound of a shot: its loudness, also against the video's, and shares of silence and speech",
            left_out=("silence_ms", "speech_ms", "input_hash"),
        ),
        if_damaged="compute_again",
        never_null=("video_id", "show", "index", "input_hash"),
        key_names_video=True,
    ),
    Table(
        name="faces",
        key="face_id",
        schema=columns.FACES,
        counted_as="faces",
        if_damaged="compute_again",
        never_null=("video_id", "show", "shot_id", "frame", "box", "quality", "model", "embedding"),
        key_names_video=True,
    ),
    Table(
        name="shot_people",
        key="shot_id",
        schema=columns.SHOT_PEOPLE,
        feature_view=View(
            name="shot_people",
            description="the people in a shot by their ids, with their share of the shot and the size of their faces",
            left_out=("input_hash",),
        ),
        if_damaged="compute_again",
        never_null=("video_id", "show", "index", "input_hash"),
        key_names_video=True,
    ),
    Table(name="people", key="person_id", schema=columns.PEOPLE, per_video=False, if_damaged="compute_again"),
    Table(name="people_changes", key="change_id", schema=columns.PEOPLE_CHANGES, per_video=False, if_damaged="refuse"),
    Table(name="labels", key="label_id", schema=columns.LABELS, per_video=False, if_damaged="refuse"),
    Table(
        name="collections",
        key="change_id",
        schema=columns.COLLECTIONS,
        per_video=False,
        if_damaged="refuse",
        never_null=("collection_id", "action", "name", "author", "created_at"),
    ),
    Table(name="saved_searches", key="change_id", schema=columns.SAVED_SEARCHES, per_video=False, if_damaged="refuse"),
    Table(name=SCORES, key="shot_id", schema=columns.PROBE_SCORES, if_damaged="compute_again"),
    Table(name=KEPT_SCORES, key="shot_id", schema=columns.PROBE_SCORES, if_damaged="compute_again"),
    Table(name="caption_pairs", key="pair_id", schema=columns.CAPTION_PAIRS, if_damaged="compute_again"),
)

TABLES = MappingProxyType({table.name: table for table in _DECLARATIONS})
"""Every table of the lake by its name, or by the name of its family. A new table is one entry of ``_DECLARATIONS``."""


def list_served_tables() -> dict[str, Table]:
    """The tables that Feast serves, by the name of their view."""
    return {table.feature_view.name: table for table in TABLES.values() if table.feature_view}


def find_family(table: str) -> Table | None:
    """The declaration of a table such as ``shots`` or ``shot_embeddings/<encoder>``; ``None`` if it is unknown."""
    return TABLES.get(table.split("/")[0])


def find_schema(table: str) -> pa.Schema:
    """Schema of a table such as ``shots`` or ``shot_embeddings/<encoder>``."""
    return TABLES[table.split("/")[0]].schema


def find_key_column(table: str) -> str:
    """Name of the column that identifies a row."""
    return TABLES[table.split("/")[0]].key
