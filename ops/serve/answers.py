"""What clients get, as OpenAPI says it. Answers are built as plain documents; these describe them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

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
    score: float = Field(description="cosine of query and pictures, also where only dialogue found the shot")
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
    said_in: int = Field(
        description="lines, up to 20, that have the words although only pictures were searched: quotes find them"
    )
    notes: list[str] = Field(description="what the search could not do, in sentences")


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


class DialogueSource(_Answer):
    """A subtitle file, a track of the film, or what was heard; usable, or with the ``reason`` why not."""

    path: str
    source: str = Field(description="sidecar, embedded or asr")
    language: str
    content_hash: str = Field(description="of the file; for a track, of the film; for speech, the model")
    lines: int
    reason: str | None


class Dialogue(_Answer):
    """Where what is said in the shot came from."""

    dialogue_version: str | None = Field(description="version of the index of lines")
    read_at: str | None
    sources: list[DialogueSource] = Field(description="of the whole film")


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
    dialogue: Dialogue
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


class LabelCounts(_Answer):
    """How one label stands: shots by their latest judgement, those of which people differ, and those that are gone."""

    label: str
    yes: int
    no: int
    conflicts: int
    gone: int


class LabelsAnswer(_Answer):
    """Every label that anybody gave."""

    labels: list[LabelCounts]


class Vote(_Answer):
    """The latest that one person said of a shot."""

    annotator: str
    value: bool
    created_at: str
    origin: str


class Judged(_Answer):
    """How one shot stands under a label."""

    shot_id: str
    value: bool | None = Field(description="the latest judgement; null where nobody said anything")
    conflict: bool
    gone: str = Field(description="why the shot is not in the catalogue any more; else empty")
    votes: list[Vote] = Field(description="the latest of each person, the newest last")


class Refused(_Answer):
    """A shot whose label was not taken."""

    shot_id: str
    reason: str


class LabelAnswer(LabelCounts):
    """What was written, and how the label stands now."""

    written: int
    unchanged: int
    set_aside: list[Refused]
    shots: list[Judged] = Field(description="those that were named and taken")


class JudgedShot(Judged):
    shot: Shot | None = Field(description="null where it is gone")


class JudgedAnswer(LabelCounts):
    """A page of the shots that were judged, the newest judgement first; or the shots that were asked for."""

    total: int
    shots: list[JudgedShot]


class Person(_Answer):
    """What one person said, as it stands."""

    annotator: str
    yes: int
    no: int


class Labelled(LabelCounts):
    since: int = Field(description="shots whose label the version that scores has not learnt as it is now")
    since_fit: int = Field(description="the same for the last fit, whether its version scores or was refused")
    people: list[Person]


class Figure(_Answer):
    """With its 95 % interval."""

    value: float
    low: float
    high: float


class FitState(_Answer):
    """A fit that was started here: `off` (this service starts none), `idle`, `running`, or `failed`."""

    state: Literal["off", "idle", "running", "failed"]
    since: str | None
    told: str = Field(description="what a failed fit said; else empty")


class ProbeAnswer(_Answer):
    """A label, the probe that was made of it, and how good that is."""

    label: str
    description: str
    queries: list[str]
    policy: str = Field(description="`f1`, `precision>=0.9` or a number; empty where the probe is not defined")
    promoted: str = Field(description="the version that scores the catalogue; empty where there is none")
    latest: str = Field(description="the last fit")
    kind: str = Field(description="`logistic`, `zero_shot` (the words alone), or empty")
    fitted_at: str | None
    yes: int = Field(description="labels that the version learnt from")
    no: int
    threshold: float | None = Field(description="the score from which on it says yes")
    metrics: dict[str, Figure]
    notes: list[str]
    refused: str = Field(description="why the last fit does not score the catalogue; else empty")
    labels: Labelled
    scored: int = Field(description="shots that have a score: more than none can be searched by it")
    scored_by: str = Field(description="the version of all these scores; empty while they are being made anew")
    at_least: list[int] = Field(description="shots that score at least 0.00, 0.01, and so on to 1.00; or nothing")
    fit: FitState


class ProbesAnswer(_Answer):
    """Every label that is defined, given by anybody, or fitted."""

    probes: list[ProbeAnswer]


class OfferedShot(Shot):
    score: float | None = Field(description="0 to 1; null where nothing scores yet")


class FeedsAnswer(_Answer):
    """What to label next; without a version there are random shots only."""

    label: str
    version: str
    threshold: float | None
    feeds: dict[str, list[OfferedShot]]
