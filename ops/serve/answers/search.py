"""Answers of a search, and of a picture to search by."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ops.serve.answers.shots import Answer, Line, ProbeScore, Shot, Span


class HitLine(Line):
    """A spoken line that was found, or a sentence over several of them: then its text and times are those of all."""

    line_ids: list[str] = Field(description="the lines of the sentence; `line_id` is the first")


class Hit(Shot):
    rank: int
    score: float = Field(description="cosine of query and pictures, also where only dialogue found the shot")
    relevance: float = Field(ge=0, le=1, description="calibrated per query; comparable between queries")
    matched: list[str]
    lines: list[HitLine]
    probes: list[ProbeScore]
    folded: list[str] = Field(description="near-duplicates of this shot that were found, too")
    is_blank: bool
    is_title: bool
    match: Span
    spoken: Span | None = Field(
        description="frames from the first to the last of `lines` with 0.3 s on both sides, in whatever shots; null if "
        "no line was found, or other conditions decide which frames count"
    )
    then: dict[str, Any] | None


class Reading(Answer):
    """How the query was understood."""

    visual: bool
    dialogue: bool
    why: str
    said_in: int = Field(
        description="lines, up to 20, that have the words although only pictures were searched: quotes find them"
    )
    notes: list[str] = Field(description="what the search could not do, and what may have been meant, in sentences")


class SearchAnswer(Answer):
    query: dict[str, Any]
    encoder_id: str
    index_version: str
    dialogue_version: str | None
    took_ms: float
    cutoff: float = Field(description="relevance under which, for this query, hits are most likely not meant")
    reading: Reading
    hits: list[Hit]
    next_cursor: str | None


class ExportFormatEntry(Answer):
    format: str = Field(description="as `format` of `POST /api/export`")
    label: str
    suffix: str
    media_type: str
    handles_note: str = Field(description="what handles do in its files, in a sentence")


class ExportFormatsAnswer(Answer):
    formats: list[ExportFormatEntry]


class ExportProgressAnswer(Answer):
    running: bool = Field(description="false where none has this key, or not any more")
    done: int = Field(description="clips, or posters of a sheet, that it is done with, in it or missing")
    total: int = Field(description="of how many; 0 while it waits for its turn, and for formats that take no time")


class ImageAnswer(Answer):
    image: str = Field(pattern=r"^image:[0-9a-f]{32}$")
