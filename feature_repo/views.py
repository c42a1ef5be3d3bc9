"""Feature views over the lake.

A version of a model belongs in the *name* of its view (``shot_embedding__<encoder id>``): readers of the feature would
not see a tag. Schemas are explicit, so that applying them reads no data. Features never expire: a video does not
change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource
from feast.types import (
    Array,
    Bool,
    FeastType,
    Float32,
    Float64,
    Int32,
    Int64,
    PrimitiveFeastType,
    String,
    UnixTimestamp,
)

from feature_repo.entities import shot_entity, video_entity
from feature_repo.names import OWNER, ServedColumn, ServedTable, embedding_view, probe_view
from feature_repo.sources import table_source

FOREVER = timedelta(0)

TYPES: dict[str, PrimitiveFeastType] = {
    "string": String,
    "bool": Bool,
    "int32": Int32,
    "int64": Int64,
    "float": Float32,
    "double": Float64,
    "timestamp[us, tz=UTC]": UnixTimestamp,
}
"""Feast's type of a column of the lake, by its Arrow type."""

VIDEO_ID = "id of the video of the shot: 16 hex digits"

PROBE_SCORE_FIELDS = (
    Field(name="video_id", dtype=String, description=VIDEO_ID),
    Field(name="score", dtype=Float32, description="probability that the label applies to the shot, 0 to 1"),
    Field(name="probe_version", dtype=String, description="version of the probe that computed the score"),
)

FRESHNESS = "written by the run that computes the row; unchanged until footage, cut, encoder or labels change"
"""Tag of every view. Feast's ttl says how long a value may be used: here, without limit."""


def table_view(lake: str, view: ServedTable) -> FeatureView:
    """Rows of a table of the lake, with a row for each shot or video; online and offline.

    Raises ``ValueError`` for a column whose type Feast cannot store online.
    """
    if unknown := [f"{column.name} ({column.kind})" for column in view.columns if column.kind not in TYPES]:
        raise ValueError(f"{view.view} cannot serve {', '.join(unknown)}: leave it out of the view of {view.table}")
    entity = {"shot_id": shot_entity, "video_id": video_entity}[view.key]()
    fields = [
        Field(name=column.name, dtype=TYPES[column.kind], description=column.description) for column in view.columns
    ]
    return _online(view.view, view.description, entity, fields, table_source(lake, view.table))


def read_served(view: FeatureView) -> ServedTable:
    """The inverse of :func:`table_view`, for a registered view."""
    names: dict[FeastType, str] = {dtype: name for name, dtype in TYPES.items()}
    assert isinstance(view.batch_source, FileSource)
    return ServedTable(
        view=view.name,
        table=view.batch_source.name,
        key=view.entity_columns[0].name,
        description=view.description,
        columns=tuple(
            ServedColumn(name=field.name, kind=names[field.dtype], description=field.description)
            for field in view.features
        ),
    )


def shot_embedding(lake: str, encoder_id: str, dim: int) -> FeatureView:
    """Unit vectors (float32, ``dim``) of one encoder; offline only.

    Not online: the vector index serves vectors, and Feast's sqlite store reads 1,000 vectors of
    512 twenty times slower than a plain read.
    """
    return FeatureView(
        name=embedding_view(encoder_id),
        description=f"shot embeddings of {encoder_id}: float32, {dim} long, unit length",
        entities=[shot_entity()],
        ttl=FOREVER,
        schema=[
            _key_field(shot_entity()),
            Field(
                name="embedding",
                dtype=Array(Float32),
                description=f"vector of the shot, shape ({dim},), float32, length 1: the dot product is the cosine",
            ),
            Field(name="vector_hash", dtype=String, description="hash of the vector: changes with it"),
            Field(name="frames_used", dtype=Int32, description="number of frames that the encoder saw, at least 1"),
        ],
        source=table_source(lake, f"shot_embeddings/{encoder_id}"),
        online=False,
        tags={"encoder_id": encoder_id, "dim": str(dim), "freshness": FRESHNESS},
        owner=OWNER,
    )


def probe_score(lake: str, probe: str) -> FeatureView:
    """The probability that a probe's label applies to a shot, 0 to 1, and the probe's version; online and offline."""
    about = f"how likely a shot is {probe}: a probability, and the version of the probe that says so"
    source = table_source(lake, f"probe_scores/{probe}")
    return _online(probe_view(probe), about, shot_entity(), PROBE_SCORE_FIELDS, source, {"probe": probe})


def _online(
    name: str,
    description: str,
    entity: Entity,
    fields: Sequence[Field],
    source: FileSource,
    tags: dict[str, str] | None = None,
) -> FeatureView:
    """Build a view of scalars, online and offline, keyed by the entity's id."""
    return FeatureView(
        name=name,
        description=description,
        entities=[entity],
        ttl=FOREVER,
        schema=[_key_field(entity), *fields],
        source=source,
        online=True,
        tags={**(tags or {}), "freshness": FRESHNESS},
        owner=OWNER,
    )


def _key_field(entity: Entity) -> Field:
    return Field(name=entity.join_key, dtype=String, description=f"id of the {entity.name}: the key")
