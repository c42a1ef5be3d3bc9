"""Feature views over the lake.

A version of a model belongs in the *name* of its view (``shot_embedding__<encoder id>``): readers of the feature would
not see a tag. Schemas are explicit, so that applying them reads no data. Features never expire: a video does not
change.
"""

from __future__ import annotations

from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource
from feast.types import Array, Bool, Float32, Float64, Int32, Int64, PrimitiveFeastType, String, UnixTimestamp

from feature_repo.entities import shot_entity, video_entity
from feature_repo.names import embedding_view, probe_view
from feature_repo.sources import table_source

FOREVER = timedelta(0)

VIDEO_FIELDS = {
    "path": String,
    "show": String,
    "title": String,
    "season": Int32,
    "episode": Int32,
    "content_hash": String,
    "bytes": Int64,
    "fps_num": Int64,
    "fps_den": Int64,
    "frames": Int64,
    "width": Int32,
    "height": Int32,
    "codec": String,
    "has_audio": Bool,
    "start_timecode": String,
    "state": String,
    "reason": String,
    "available_at": UnixTimestamp,
}
SHOT_FIELDS = {
    "video_id": String,
    "show": String,
    "index": Int32,
    "start_frame": Int64,
    "end_frame": Int64,
    "start_s": Float64,
    "end_s": Float64,
    "transition": String,
    "proxy_uri": String,
    "poster_uri": String,
    "mean_luma": Float32,
    "is_blank": Bool,
    "detector": String,
}
SHOT_DIALOGUE_FIELDS = {
    "video_id": String,
    "show": String,
    "index": Int32,
    "lines": Int32,
    "text": String,
    "language": String,
    "source": String,
}
PROBE_SCORE_FIELDS = {
    "video_id": String,
    "score": Float32,
    "probe_version": String,
}


def video_metadata(lake: str) -> FeatureView:
    """Facts about a media file, from the file and from the library; online and offline."""
    about = "a media file: show, title, exact frame rate, size, state"
    return _online("video_metadata", about, video_entity(), VIDEO_FIELDS, table_source(lake, "videos"))


def shot_metadata(lake: str) -> FeatureView:
    """Start, end, show and brightness of a shot; online and offline."""
    about = "a shot: show, exact frames, brightness, proxy and poster"
    return _online("shot_metadata", about, shot_entity(), SHOT_FIELDS, table_source(lake, "shots"))


def shot_dialogue(lake: str) -> FeatureView:
    """Spoken lines in a shot: their number, their joined text, languages, sources; online and offline."""
    about = "what is said in a shot; languages and sources are separated by commas"
    return _online("shot_dialogue", about, shot_entity(), SHOT_DIALOGUE_FIELDS, table_source(lake, "shot_dialogue"))


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
            Field(name="shot_id", dtype=String),
            Field(name="embedding", dtype=Array(Float32), description=f"unit vector, {dim} long"),
            Field(name="vector_hash", dtype=String),
            Field(name="frames_used", dtype=Int32),
        ],
        source=table_source(lake, f"shot_embeddings/{encoder_id}"),
        online=False,
        tags={"encoder_id": encoder_id, "dim": str(dim)},
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
    fields: dict[str, PrimitiveFeastType],
    source: FileSource,
    tags: dict[str, str] | None = None,
) -> FeatureView:
    """Build a view of scalars, online and offline, keyed by the entity's id."""
    return FeatureView(
        name=name,
        description=description,
        entities=[entity],
        ttl=FOREVER,
        schema=[Field(name=entity.join_key, dtype=String), *_fields(fields)],
        source=source,
        online=True,
        tags=tags,
    )


def _fields(types: dict[str, PrimitiveFeastType]) -> list[Field]:
    return [Field(name=name, dtype=dtype) for name, dtype in types.items()]
