"""What clients may send: every field with its limits, unknown ones refused, nothing converted in silence."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ops.exports.picks import MAX_TOLD
from ops.search.query import MAX_TEXT

SHOT_ID = r"^[0-9a-f]{16}:[0-9]{1,15}$"
EXAMPLE = (
    r"^(?:[0-9a-f]{16}:[0-9]{1,15}|image:[0-9a-f]{32}"
    r"|data:image/(?:jpeg|png|webp|gif|bmp|tiff);base64,[A-Za-z0-9+/]+={0,2})$"
)
LABEL = r"^[a-z][a-z0-9_]{0,62}$"
MAX_PAGE = 500
MAX_PICKS = 5_000
MAX_LABELLED = 1_000
LAST_FRAME = 10**12
# A definition is a line of a YAML file that people read.
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"

Text = Annotated[str, Field(max_length=MAX_TEXT)]
ShotId = Annotated[str, Field(pattern=SHOT_ID)]
Label = Annotated[str, Field(pattern=LABEL, description="small letters, digits and _", examples=["closeup"])]
Example = Annotated[
    str,
    Field(
        pattern=EXAMPLE,
        max_length=12_000_000,
        description="a shot id, `image:<hash>` of `POST /api/images`, or a `data:image/...;base64,` URI",
    ),
]
ShowName = Annotated[str, Field(min_length=1, max_length=500)]
ProbeFilter = Annotated[str, Field(min_length=3, max_length=200, description="such as `closeup>=0.5`")]
ProbeText = Annotated[str, Field(min_length=1, max_length=500, pattern=ONE_LINE)]
Share = Annotated[float, Field(ge=0, le=1)]
Frame = Annotated[int, Field(ge=-LAST_FRAME, le=LAST_FRAME)]
Score = Annotated[float, Field(ge=-1_000_000, le=1_000_000)]
VersionName = Annotated[str, Field(max_length=200)]
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE)]
CursorText = Annotated[str, Field(max_length=400, description="`next_cursor` of the page before")]


class _Body(BaseModel):
    # strict: "50" is no number and 1 is no truth, as the OpenAPI document says
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TextCondition(_Body):
    """Shots that look like this."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    relevance: Share = 0.5


class DialogueCondition(_Body):
    """Frames in which this is said; quotes mean exact words."""

    dialogue: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class ProbeCondition(_Body):
    """Shots that a probe scores so."""

    probe: ProbeFilter


Condition = TextCondition | DialogueCondition | ProbeCondition


class ThenBody(_Body):
    """What must follow within a few shots of the same video."""

    text: Text = ""
    like: list[Example] = Field(default=[], max_length=20)
    unlike: list[Example] = Field(default=[], max_length=20)
    within: int = Field(default=3, ge=1, le=100, description="shots")


class SearchBody(_Body):
    """A search; one of `text`, `like`, `all` and `any` is needed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "a rabbit in a meadow", "limit": 20, "shows": []}]}
    )

    text: Text = Field(default="", description="what to look for; quotes mean words that are said")
    like: list[Example] = Field(default=[], max_length=50)
    unlike: list[Example] = Field(default=[], max_length=50)
    shows: list[ShowName] = Field(default=[], max_length=1_000, description="only in these shows")
    where: list[ProbeFilter] = Field(default=[], max_length=20)
    limit: Limit = 50
    cursor: CursorText | None = None
    exact: bool = Field(default=False, description="compare with every shot instead of walking the index's graph")
    dialogue: Literal["auto", "off", "only"] = "auto"
    fold: bool = Field(default=False, description="near-duplicates under the best of them")
    include_blank: bool = False
    include_titles: bool = False
    min_relevance: Share | None = None
    then: ThenBody | None = None
    all: list[Condition] = Field(default=[], max_length=20)
    any: list[Condition] = Field(default=[], max_length=20)

    def document(self) -> dict[str, Any]:
        """What ``Query.from_document`` takes."""
        return self.model_dump(exclude={"cursor"})


class PickBody(_Body):
    """A shot, or a run of source frames ``[in_frame, out_frame)`` that may reach beyond it, and what found it."""

    shot_id: ShotId
    in_frame: Frame | None = None
    out_frame: Frame | None = None
    query: Annotated[str, Field(max_length=MAX_TOLD)] | SearchBody | None = Field(
        default=None, description="what found it: in words, or the search itself, which is told and not run"
    )
    score: Score | None = None
    relevance: Share | None = None
    encoder_id: VersionName | None = None
    index_version: VersionName | None = None
    matched: list[Literal["visual", "dialogue"]] = Field(
        default=[], max_length=2, description="`matched` of the hit; one that only dialogue found has no score"
    )
    dialogue_version: VersionName | None = None
    line_ids: list[Annotated[str, Field(max_length=200)]] = Field(
        default=[], max_length=50, description="`line_id` of the hit's `lines`, which are told with their timecodes"
    )


class ExportBody(_Body):
    """What to export: `picks`, each with where it came from; or, without picks, the hits of `search`.

    Of a search, hits under the answer's `cutoff` are left out unless `min_relevance` is given or they are said.
    Picks that are not there any more, or whose marks hold no frame of their film, are named in the answer's header
    `needle-export`, and the rest is exported; the answer is an error only where nothing is left.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"format": "edl", "title": "Rabbits", "picks": [{"shot_id": "91028f9d6c72cc81:0"}]}]
        }
    )

    format: Literal["edl", "otio", "fcpxml", "xmeml", "csv", "json", "zip", "sheet"] = Field(
        description="`zip` holds clips cut from the source, `sheet` is a picture of posters"
    )
    title: str = Field(default="Needle selection", min_length=1, max_length=200)
    handles: int = Field(
        default=0,
        ge=0,
        le=1_000,
        description="frames before and after each clip: a zip's clips are longer by them; a timeline keeps its ranges, "
        "notes them, and refers to the whole film, so that an editing system has any handles anyway",
    )
    picks: list[PickBody] = Field(default=[], max_length=MAX_PICKS)
    search: SearchBody | None = Field(default=None, description="not run where there are picks")


class LabelBody(_Body):
    """One person's yes (true) or no of some shots; null takes back what they said."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"label": "closeup", "shots": ["0123456789abcdef:489"], "value": True}}
    )

    label: Label
    shots: Annotated[list[ShotId], Field(min_length=1, max_length=MAX_LABELLED)]
    value: bool | None
    annotator: Annotated[str, Field(min_length=1, max_length=100)] = "page"
    origin: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            description="where it was asked, such as `borderline`; `settled` ends a conflict, whatever others said",
        ),
    ] = "page"


class FitBody(_Body):
    """For a label that has no probe yet: what it means, and the words to start from."""

    model_config = ConfigDict(json_schema_extra={"example": {"queries": ["a close-up of a face"]}})

    queries: list[ProbeText] = Field(default=[], max_length=20, description="without any, the label's own words")
    description: Annotated[str, Field(max_length=500, pattern=ONE_LINE)] = ""


class SessionBody(_Body):
    """A token, in exchange for a session cookie."""

    token: str = Field(min_length=1, max_length=1_000)
