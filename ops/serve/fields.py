"""Fields of requests, with their valid values and limits."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

VIDEO_ID = r"^[0-9a-f]{16}$"
SHOT_ID = r"^[0-9a-f]{16}:[0-9]{1,15}$"
EXAMPLE = (
    r"^(?:[0-9a-f]{16}:[0-9]{1,15}|image:[0-9a-f]{32}"
    r"|data:image/(?:jpeg|png|webp|gif|bmp|tiff);base64,[A-Za-z0-9+/]+={0,2})$"
)
PERSON_ID = r"^p[0-9a-f]{12}$"
FACE_ID = r"^[0-9a-f]{16}:[0-9]{1,15}:face[0-9]{1,4}(-[0-9a-f]{6})?$"
LABEL = r"^[a-z][a-z0-9_]{0,62}$"
EXPORT_KEY = r"^[A-Za-z0-9_-]{8,64}$"
MAX_PAGE = 500
MAX_PICKS = 5_000
MAX_LABELLED = 1_000
LAST_FRAME = 10**12
# A definition is a line of a YAML file for people.
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
# One line that is not blank.
WORDS = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*[^\x00-\x1f\x7f-\x9f\u2028\u2029\s][^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"

VideoId = Annotated[str, Field(pattern=VIDEO_ID, description="16 hexadecimal digits")]
ShotId = Annotated[str, Field(pattern=SHOT_ID)]
ExportKey = Annotated[str, Field(pattern=EXPORT_KEY)]
Label = Annotated[str, Field(pattern=LABEL, description="small letters, digits and _", examples=["closeup"])]
Example = Annotated[
    str,
    Field(
        pattern=EXAMPLE,
        max_length=12_000_000,
        description="a shot id, `image:<hash>` of `POST /api/images`, or a `data:image/...;base64,` URI",
    ),
]
# Neither a shot id, nor an image of this service, nor the path of a file.
PLAIN_WORDS = r"^[^/\\:.\x00-\x1f\x7f-\x9f]*[^/\\:.\x00-\x1f\x7f-\x9f\s][^/\\:.\x00-\x1f\x7f-\x9f]*$"
UnwantedWords = Annotated[
    str, Field(pattern=PLAIN_WORDS, max_length=500, description="words for what must not be seen, without / \\ : .")
]
ShowName = Annotated[str, Field(min_length=1, max_length=500)]
ProbeText = Annotated[str, Field(min_length=1, max_length=500, pattern=ONE_LINE)]
Frame = Annotated[int, Field(ge=-LAST_FRAME, le=LAST_FRAME)]
Score = Annotated[float, Field(ge=-1_000_000, le=1_000_000)]
VersionName = Annotated[str, Field(max_length=200)]
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE)]
CursorText = Annotated[str, Field(max_length=400, description="`next_cursor` of the page before")]


class Body(BaseModel):
    """A JSON body: unknown fields are refused, no value is converted silently."""

    # strict: "50" is not a number and 1 is not a boolean, as in the OpenAPI document
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
