"""Request bodies other than a search: every field with its limits; unknown fields are rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field

from ops.core.names import MAX_NAME
from ops.core.time import MAX_PADDING_S, SPOKEN_PADDING_S
from ops.exports.picks import MAX_TOLD
from ops.exports.registry import export_formats
from ops.search.conditions import Share
from ops.serve.fields import (
    FACE_ID,
    LAST_FRAME,
    MAX_LABELLED,
    MAX_PICKS,
    ONE_LINE,
    PERSON_ID,
    VIDEO_ID,
    WORDS,
    Body,
    ExportKey,
    Frame,
    Label,
    ProbeText,
    Score,
    ShotId,
    VersionName,
)
from ops.serve.search_body import SearchBody
from ops.shots.correcting import MAX_AUTHOR, MAX_NOTE

if TYPE_CHECKING:
    FormatName = str
else:  # the OpenAPI document lists the names
    FormatName = Literal[tuple(export_formats())]


AUTHOR = "not used with a named token: its name is stored"


class PickBody(Body):
    """A shot, or a run of source frames ``[in_frame, out_frame)`` that may reach beyond it, and its search."""

    shot_id: ShotId
    in_frame: Frame | None = None
    out_frame: Frame | None = None
    query: Annotated[str, Field(max_length=MAX_TOLD)] | SearchBody | None = Field(
        default=None,
        description="the search that found it: in words, or the search itself, which is reported and not run",
    )
    score: Score | None = None
    relevance: Share | None = None
    encoder_id: VersionName | None = None
    index_version: VersionName | None = None
    note: str = Field(default="", max_length=MAX_NOTE, description="the editor's note, for the clip's marker")
    matched: list[Literal["visual", "dialogue", "written"]] = Field(
        default=[], max_length=3, description="`matched` of the hit; one that only words found has no score"
    )
    dialogue_version: VersionName | None = None
    line_ids: list[Annotated[str, Field(max_length=200)]] = Field(
        default=[], max_length=50, description="`line_id` of the hit's `lines`, which are reported with their timecodes"
    )


class ExportBody(Body):
    """Shots to export: `picks`, each with its search; or, without picks, those of a collection or the hits of `search`.

    Of a search, hits under the answer's `cutoff`, and all if none `stands_out`, are left out unless `min_relevance` is
    given or they are said.
    Picks that are not there any more, or whose marks hold no frame of their film, are named in the answer's header
    `needle-export`, and the rest is exported; the answer is an error only where nothing is left.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"format": "edl", "title": "Rabbits", "picks": [{"shot_id": "91028f9d6c72cc81:0"}]}]
        }
    )

    format: FormatName = Field(
        description=", ".join(f"`{name}` {each.summary}" for name, each in export_formats().items() if each.summary)
    )
    title: str = Field(default="Needle selection", min_length=1, max_length=200)
    handles: int = Field(
        default=0,
        ge=0,
        le=1_000,
        description="frames before and after each clip: a zip's clips are longer by them; a timeline keeps its ranges, "
        "notes them, and refers to the whole film, so that an editing system has any handles anyway",
    )
    padding: float = Field(
        default=SPOKEN_PADDING_S,
        ge=0,
        le=MAX_PADDING_S,
        description="seconds before and after the lines that `search` finds in dialogue, of which the spoken range is "
        "exported and not whole shots; picks have their own marks",
    )
    picks: list[PickBody] = Field(default=[], max_length=MAX_PICKS)
    search: SearchBody | None = Field(default=None, description="not run if there are picks")
    collection: Annotated[str, Field(pattern=VIDEO_ID)] | None = Field(
        default=None, description="id of a collection, whose shots are exported if there are no picks"
    )
    key: ExportKey | None = Field(
        default=None,
        description="any that no other export has: `GET /api/exports/{key}` reports the progress of this one",
    )


class LabelBody(Body):
    """One person's yes (true) or no for some shots; null takes the answer back."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"label": "closeup", "shots": ["0123456789abcdef:489"], "value": True}}
    )

    label: Label
    shots: Annotated[list[ShotId], Field(min_length=1, max_length=MAX_LABELLED)]
    value: bool | None
    annotator: Annotated[str, Field(min_length=1, max_length=100, description=AUTHOR)] = "page"
    origin: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            description="where it was asked, such as `borderline`; `settled` ends a conflict, whatever others answered",
        ),
    ] = "page"


CollectionName = Annotated[
    str, Field(min_length=1, max_length=MAX_NAME, pattern=WORDS, description="unique, whatever the case of its letters")
]
Author = Annotated[str, Field(min_length=1, max_length=MAX_AUTHOR, pattern=WORDS, description=AUTHOR)]


class NewCollectionBody(Body):
    """A name, and the shots in the editor's order."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "Rabbits", "entries": [{"shot_id": "91028f9d6c72cc81:0"}]}}
    )

    name: CollectionName
    entries: list[PickBody] = Field(default=[], max_length=MAX_PICKS)
    author: Author = "page"


class CollectionChangeBody(Body):
    """Another name, other shots, or both; what is null stays."""

    model_config = ConfigDict(json_schema_extra={"example": {"version": "0" * 32, "name": "Hares"}})

    version: VersionName = Field(description="`version` of the collection that was opened: 409 if it has changed since")
    name: CollectionName | None = None
    entries: list[PickBody] | None = Field(default=None, max_length=MAX_PICKS, description="all shots, in their order")
    author: Author = "page"


class SavedSearchBody(Body):
    """A name, and the search."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "Rabbits", "search": {"text": "a rabbit in a meadow"}}}
    )

    name: CollectionName
    search: SearchBody = Field(description="its limit and cursor do not count; its pictures are stored, at most 8")
    author: Author = "page"


FaceIds = Annotated[list[Annotated[str, Field(pattern=FACE_ID)]], Field(min_length=1, max_length=1_000)]


class PersonChangeBody(Body):
    """One change of a person: `name` needs `name` (empty: none), `merge` and `unmerge` `other_id`, all others `faces`.

    `assign` gives faces to the person, whoever has them now, and undoes `reject` and `split`. `split` and `reject`
    concern faces of the person. `unmerge` makes an id that was merged into this person a person again.
    """

    model_config = ConfigDict(json_schema_extra={"example": {"action": "name", "name": "Thom"}})

    action: Literal["name", "merge", "unmerge", "split", "reject", "assign"]
    name: Annotated[str, Field(max_length=MAX_NAME, pattern=ONE_LINE)] | None = None
    other_id: (
        Annotated[str, Field(pattern=PERSON_ID, description="who becomes this person, or does not any more")] | None
    ) = None
    faces: FaceIds | None = None
    author: Author = "page"


class NewPersonBody(Body):
    """A person made of faces that have none."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "Thom", "faces": ["0123456789abcdef:12:face0-0a1b2c"]}}
    )

    name: Annotated[str, Field(max_length=MAX_NAME, pattern=WORDS)]
    faces: FaceIds
    author: Author = "page"


class CorrectionBody(Body):
    """One person's correction of a frame: a shot begins there (`cut`), none does (`no_cut`), or `withdrawn`."""

    model_config = ConfigDict(json_schema_extra={"example": {"action": "no_cut", "frame": 489, "author": "ann"}})

    action: Literal["cut", "no_cut", "withdrawn"]
    frame: Annotated[int, Field(ge=0, le=LAST_FRAME, description="source frame number")]
    author: Annotated[str, Field(min_length=1, max_length=MAX_AUTHOR, pattern=WORDS, description=AUTHOR)] = "page"
    note: Annotated[str, Field(max_length=MAX_NOTE, pattern=ONE_LINE, description="why")] = ""


class FitBody(Body):
    """For a label that has no probe yet: its meaning, and the words to start from."""

    model_config = ConfigDict(json_schema_extra={"example": {"queries": ["a close-up of a face"]}})

    queries: list[ProbeText] = Field(default=[], max_length=20, description="without any, the label's own words")
    description: Annotated[str, Field(max_length=500, pattern=ONE_LINE)] = ""


class SessionBody(Body):
    """A token, in exchange for a session cookie."""

    token: str = Field(min_length=1, max_length=1_000)
