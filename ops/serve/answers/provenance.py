"""Provenance of a shot."""

from __future__ import annotations

from pydantic import Field

from ops.serve.answers.shots import Answer


class Source(Answer):
    path: str
    content_hash: str
    bytes: int


class Run(Answer):
    """The Dagster run that wrote the current partition of an asset."""

    asset: str
    partition: str | None
    run_id: str
    at: str


class DialogueSource(Answer):
    """A subtitle file, a track of the film, or recognised speech; usable, or with the ``reason`` why not."""

    path: str
    source: str = Field(description="sidecar, embedded or asr")
    language: str
    language_tag: str | None = Field(description="language with script and region; null until it is read again")
    content_hash: str = Field(description="of the file; for a track, of the film; for speech, the model")
    lines: int
    reason: str | None


class Dialogue(Answer):
    """The sources of the shot's dialogue."""

    dialogue_version: str | None = Field(description="version of the index of lines")
    read_at: str | None
    sources: list[DialogueSource] = Field(description="of the whole film")


class Provenance(Answer):
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
