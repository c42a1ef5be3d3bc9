"""The tables of a catalogue for analysts, as Arrow: the lake's tables, restricted to videos that can be searched.

Columns that are null for some rows are declared nullable. The schemas are the documented column types of the
DataFrames as well (``docs/python.md``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ops.core.columns import TIMESTAMP
from ops.core.errors import NotFoundError
from ops.core.rows import LakeVideo
from ops.core.schemas import SCORES
from ops.core.settings import Settings

STRING, FLOAT32, FLOAT64 = pa.string(), pa.float32(), pa.float64()
INT32, INT64, BOOL = pa.int32(), pa.int64(), pa.bool_()


def _schema(*fields: tuple[str, pa.DataType], nullable: Iterable[str] = ()) -> pa.Schema:
    optional = set(nullable)
    return pa.schema([pa.field(name, kind, nullable=name in optional) for name, kind in fields])


VIDEOS = _schema(
    ("video_id", STRING),
    ("path", STRING),
    ("show", STRING),
    ("title", STRING),
    ("season", INT32),
    ("episode", INT32),
    ("state", STRING),
    ("reason", STRING),
    ("seconds", FLOAT64),
    ("frames", INT64),
    ("fps", STRING),
    ("width", INT32),
    ("height", INT32),
    ("codec", STRING),
    ("has_audio", BOOL),
    ("start_timecode", STRING),
    ("available_at", TIMESTAMP),
    nullable=(
        *("season", "episode", "reason", "seconds", "frames", "fps", "width", "height", "codec", "has_audio"),
        "start_timecode",
    ),
)
SHOTS = _schema(
    ("shot_id", STRING),
    ("video_id", STRING),
    ("show", STRING),
    ("title", STRING),
    ("path", STRING),
    ("index", INT32),
    ("start_frame", INT64),
    ("end_frame", INT64),
    ("fps", STRING),
    ("start_s", FLOAT64),
    ("end_s", FLOAT64),
    ("start_timecode", STRING),
    ("transition", STRING),
    ("mean_luma", FLOAT32),
    ("is_blank", BOOL),
    ("poster", STRING),
    ("proxy", STRING),
    ("event_timestamp", TIMESTAMP),
    ("created_timestamp", TIMESTAMP),
    nullable=("transition", "mean_luma"),
)
VECTORS = _schema(
    ("shot_id", STRING),
    ("embedding", pa.list_(FLOAT32)),
    ("frames_used", INT32),
    ("vector_hash", STRING),
    nullable=("frames_used",),
)
DIALOGUE = _schema(
    ("line_id", STRING),
    ("video_id", STRING),
    ("show", STRING),
    ("index", INT32),
    ("shot_ids", pa.list_(STRING)),
    ("start_frame", INT64),
    ("end_frame", INT64),
    ("start_s", FLOAT64),
    ("end_s", FLOAT64),
    ("text", STRING),
    ("language", STRING),
    ("language_tag", STRING),
    ("source", STRING),
    nullable=("index", "language_tag", "source"),
)
LABELS = _schema(
    ("label", STRING),
    ("shot_id", STRING),
    ("value", BOOL),
    ("annotator", STRING),
    ("created_at", TIMESTAMP),
    ("origin", STRING),
    ("in_conflict", BOOL),
    ("missing_reason", STRING),
)
ANNOTATIONS = _schema(
    ("label", STRING),
    ("shot_id", STRING),
    ("value", BOOL),
    ("annotator", STRING),
    ("created_at", TIMESTAMP),
    ("origin", STRING),
    nullable=("value",),
)
PROBE_SCORES = _schema(("shot_id", STRING), ("probe", STRING), ("score", FLOAT32), ("probe_version", STRING))


class ArrowTables:
    """The tables of a catalogue as :class:`pyarrow.Table`, for polars (``polars.from_arrow``), duckdb and others.

    Each call reads the lake again. A damaged file is reported as a warning in the log, and its rows are missing.
    ``encoder_id`` replaces the live encoder.
    """

    def __init__(self, settings: Settings, encoder_id: str | None = None) -> None:
        self._settings = settings
        self._encoder_id = encoder_id

    def videos(self) -> pa.Table:
        """Return every registered video, searchable or not; ``state`` and ``reason`` tell why."""
        rows = [
            {**row, "seconds": _measure_seconds(row), "fps": f"{row['fps_num']}/{row['fps_den']}"}
            if row["frames"] and row["fps_num"]
            else {**row, "seconds": None, "fps": None}
            for row in self._read_register()
        ]
        return _build(rows, VIDEOS)

    def shots(self) -> pa.Table:
        """Return the shots of every searchable video, in the order of the videos' paths."""
        from ops.search.shot_details import start_timecode
        from ops.shots.segment import make_poster_key, make_proxy_key

        videos, store = self._read_searchable(), self._settings.store
        rows: list[dict[str, Any]] = []
        for row in self._settings.lake.read("shots").to_pylist():
            if (video := videos.get(row["video_id"])) is None:
                continue
            span = row["video_id"], row["start_frame"], row["end_frame"]
            rate = video["fps_num"], video["fps_den"], video["start_timecode"]
            computed_fields = {
                "title": video["title"],
                "path": video["path"],
                "fps": f"{video['fps_num']}/{video['fps_den']}",
                "start_timecode": start_timecode(row["start_frame"], row["start_s"], *rate),
                "poster": store.uri(make_poster_key(*span)),
                "proxy": store.uri(make_proxy_key(*span)),
            }
            rows.append({**row, **computed_fields})
        rows.sort(key=lambda row: (row["path"], row["video_id"], row["index"]))
        return _build(rows, SHOTS)

    def vectors(self, encoder_id: str | None = None) -> pa.Table:
        """Return the unit vectors of the shots, of the live encoder or of the one with this id.

        Shots without a vector have no row. Raises ``NotFoundError`` if nothing was embedded, or not by this encoder.
        """
        from ops.embeddings.build import name_table
        from ops.embeddings.encoder import resolve_encoder

        tables = self._settings.lake.list_tables_below("shot_embeddings")
        if not tables:
            raise NotFoundError(f"{self._settings.home} has no vectors yet: `needle ingest PATH` computes them")
        encoder_id = encoder_id or self._encoder_id or resolve_encoder(self._settings).encoder_id
        if encoder_id not in tables:
            raise NotFoundError(f"no vectors of the encoder {encoder_id!r}: there are those of {', '.join(tables)}")
        columns = ["shot_id", "video_id", "embedding", "frames_used", "vector_hash"]
        return self._keep_searchable(self._settings.lake.read(name_table(encoder_id), columns=columns), VECTORS)

    def dialogue(self) -> pa.Table:
        """Return every spoken line, with the ids of the shots in which it is spoken."""
        return self._keep_searchable(self._settings.lake.read("dialogue"), DIALOGUE)

    def labels(self, labels: str | Sequence[str] | None = None) -> pa.Table:
        """Return the valid answer for each labelled shot: the latest one.

        ``in_conflict``: annotators disagree. ``missing_reason`` is not empty if the shot no longer exists. Raises
        ``NotFoundError`` for a label that was never used.
        """
        from ops.probes.labels import resolve_labels

        rows = [
            {
                "label": each.latest.label,
                "shot_id": each.latest.shot_id,
                "value": each.value,
                "annotator": each.latest.annotator,
                "created_at": each.latest.created_at,
                "origin": each.latest.origin,
                "in_conflict": each.in_conflict,
                "missing_reason": each.missing_reason,
            }
            for each in resolve_labels(self._settings, list_names(labels))
        ]
        return _build(rows, LABELS)

    def annotations(self, labels: str | Sequence[str] | None = None) -> pa.Table:
        """Return every answer that was ever given, in order; ``value`` is null if it withdraws an earlier one."""
        from ops.probes.labels import read_annotations

        names = ANNOTATIONS.names
        rows = [
            {name: getattr(each, name) for name in names}
            for each in read_annotations(self._settings, list_names(labels))
        ]
        return _build(rows, ANNOTATIONS)

    def scores(self, probes: str | Sequence[str] | None = None) -> pa.Table:
        """Return the probability of each probe for each shot; one row a probe and shot.

        Raises ``NotFoundError`` for a probe without scores.
        """
        tables = self._settings.lake.list_tables_below(SCORES)
        requested_names = list_names(probes)
        names = tables if requested_names is None else requested_names
        if missing := [name for name in names if name not in tables]:
            choices = f"there are {', '.join(tables)}" if tables else "no probe is fitted yet"
            raise NotFoundError(f"no scores of the probe {missing[0]!r}: {choices}; `needle probe fit LABEL` fits one")
        parts = []
        for name in names:
            rows = self._settings.lake.read(f"{SCORES}/{name}")
            rows = rows.append_column("probe", pa.array([name] * len(rows), STRING))
            parts.append(self._keep_searchable(rows, PROBE_SCORES))
        return pa.concat_tables(parts) if parts else PROBE_SCORES.empty_table()

    def _read_register(self) -> list[LakeVideo]:
        from ops.videos import catalogue

        return sorted(catalogue.read_videos(self._settings.lake), key=lambda row: (row["path"], row["video_id"]))

    def _read_searchable(self) -> dict[str, LakeVideo]:
        """Return the videos whose shots are in the index, by id: opened ones that are ready, or were only moved."""
        return {
            row["video_id"]: row
            for row in self._read_register()
            if row["frames"] and row["state"] in ("ready", "pending")
        }

    def _keep_searchable(self, rows: pa.Table, schema: pa.Schema) -> pa.Table:
        searchable_ids = pa.array(list(self._read_searchable()), STRING)
        kept_rows = rows.filter(pc.is_in(rows["video_id"], value_set=searchable_ids))
        return kept_rows.select(schema.names).cast(schema)


def list_names(names: str | Sequence[str] | None) -> list[str] | None:
    """Return names as a list; one name may be a plain text. ``None`` stays ``None``."""
    return [names] if isinstance(names, str) else None if names is None else list(names)


def _measure_seconds(row: LakeVideo) -> float:
    from ops.videos.catalogue import read_footage_seconds

    return read_footage_seconds(row)


def _build(rows: Sequence[Any], schema: pa.Schema) -> pa.Table:
    """Build the table of these columns; further keys of the rows are left out."""
    return pa.Table.from_pylist(list(rows), schema)
