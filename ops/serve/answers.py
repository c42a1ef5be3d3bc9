"""What clients get, as OpenAPI says it. Answers are built as plain documents; these describe them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[str, Field(pattern=r"^[0-9]+/[0-9]+$", description="frames a second", examples=["24000/1001"])]
Url = Annotated[str, Field(description="an address of this service")]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class Span(_Answer):
    """Source frames, half-open."""

    start_frame: int
    end_frame: int


class Line(Span):
    """Something that is said in the shot."""

    line_id: str
    text: str
    start_s: float
    end_s: float
    start_timecode: str
    language: str | None
    source: str


class ProbeScore(_Answer):
    probe: str
    score: float


class Shot(Span):
    """A run of frames between two cuts, half-open, in source frame numbers."""

    shot_id: str
    video_id: str
    show: str
    title: str
    path: str
    fps: Rate
    start_s: float
    end_s: float
    start_timecode: str
    poster: Url
    proxy: Url


class Hit(Shot):
    rank: int
    score: float = Field(description="cosine")
    relevance: float = Field(ge=0, le=1, description="calibrated per query; comparable between queries")
    matched: list[str]
    lines: list[Line]
    probes: list[ProbeScore]
    folded: list[str] = Field(description="near-duplicates of this shot that were found, too")
    is_blank: bool
    is_title: bool
    match: Span
    then: dict[str, Any] | None


class Reading(_Answer):
    """How the query was understood."""

    visual: bool
    dialogue: bool
    why: str


class SearchAnswer(_Answer):
    query: dict[str, Any]
    encoder_id: str
    index_version: str
    dialogue_version: str | None
    took_ms: float
    cutoff: float = Field(description="relevance under which, for this query, hits are most likely not meant")
    reading: Reading
    hits: list[Hit]
    next_cursor: str | None


class Counts(_Answer):
    """How much there is, of a show or of all; ``footage_s`` in seconds."""

    videos: int
    ready: int
    pending: int
    set_aside: int
    shots: int
    footage_s: float


class Show(Counts):
    show: str
    searchable_since: str | None = Field(description="when the last of the show's videos became searchable")


class Totals(Counts):
    shows: int


class ShowsAnswer(_Answer):
    shows: list[Show]
    totals: Totals
    encoder_id: str | None
    index_version: str | None
    dialogue_version: str | None
    lines: int
    probes: list[str]
    hint: str = Field(description="what to do where there is nothing to search yet; else empty")


class VideoFacts(_Answer):
    frames: int | None
    width: int | None
    height: int | None
    codec: str | None
    has_audio: bool | None
    start_timecode: str | None
    bytes: int
    season: int | None
    episode: int | None


class Source(_Answer):
    path: str
    content_hash: str
    bytes: int


class Run(_Answer):
    """The Dagster run that made a partition of an asset what it is."""

    asset: str
    partition: str | None
    run_id: str
    at: str


class Provenance(_Answer):
    """Where a shot came from."""

    source: Source
    detector: str
    shot_computed_at: str | None
    encoder_id: str | None
    embedding_computed_at: str | None
    vector_hash: str | None
    frames_used: int | None
    index_version: str | None
    indexed_at: str | None
    feature_views: list[str]
    searchable_since: str | None = Field(description="when the index was first published with the video")
    runs: list[Run]


class ShotAnswer(Shot):
    previous: str | None
    next: str | None
    frame_times: list[float] | None = Field(
        description="seconds from the shot's start at which each frame begins, where the rate is not constant"
    )
    lines: list[Line]
    probes: list[ProbeScore]
    is_blank: bool
    is_title: bool
    video: VideoFacts
    provenance: Provenance


class ImageAnswer(_Answer):
    image: str = Field(pattern=r"^image:[0-9a-f]{32}$")


class SessionAnswer(_Answer):
    signed_in: bool


class Health(_Answer):
    status: str = Field(description="ok, empty (nothing was ingested yet), warming, or failed")
    encoder_id: str | None
    index_version: str | None
    shots: int
