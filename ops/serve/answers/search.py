"""Answers of a search, and of an uploaded image to search by."""

from __future__ import annotations

from pydantic import Field

from ops.search.schema import SearchResult
from ops.serve.answers.shots import Answer


class SearchAnswer(SearchResult):
    """One page of a ranking."""

    next_cursor: str | None
    posters: dict[str, str] = Field(
        default_factory=dict,
        description="small posters of the first hits as `data:` URIs, by shot id; as many as `posters` asked for",
    )


class ExportFormatEntry(Answer):
    format: str = Field(description="as `format` of `POST /api/export`")
    label: str
    suffix: str
    media_type: str
    handles_note: str = Field(description="the effect of handles in its files, in a sentence")
    has_one_rate: bool = Field(description="whether it refuses videos of several frame rates")


class ExportFormatsAnswer(Answer):
    formats: list[ExportFormatEntry]


class ExportProgressAnswer(Answer):
    running: bool = Field(description="false if no export has this key, or it has ended")
    done: int = Field(description="clips, or posters of a sheet, that it is done with, in it or missing")
    total: int = Field(description="of how many; 0 while it waits for its turn, and for formats that take no time")


class ImageAnswer(Answer):
    image: str = Field(pattern=r"^image:[0-9a-f]{32}$")
