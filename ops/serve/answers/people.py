"""People of the catalogue."""

from __future__ import annotations

from pydantic import Field

from ops.serve.answers.shots import Answer


class PersonShots(Answer):
    show: str
    shots: int


class PersonEntry(Answer):
    """A person; `face_id` is the clearest face, whose picture is at `/media/faces/{face_id}.jpg`."""

    person_id: str
    name: str = Field(description="empty until a name is given")
    faces: int
    shots: int
    videos: int
    face_id: str
    shows: list[PersonShots] = Field(description="shots of each show, the most first")


class PeopleAnswer(Answer):
    """The people of the catalogue, those with most shots first; none if NEEDLE_PEOPLE is off."""

    people: list[PersonEntry]


class PersonFace(Answer):
    face_id: str
    shot_id: str
    show: str
    frame: int = Field(description="source frame number")
    quality: float = Field(description="0 to 1")


class PersonAnswer(Answer):
    """The faces of a person, at most 200, the clearest first."""

    person_id: str
    faces: list[PersonFace]


class FaceLike(Answer):
    face_id: str
    shot_id: str
    show: str
    frame: int = Field(description="source frame number")
    person_id: str | None = Field(description="null for a face without a person")
    distance: float = Field(description="Euclidean distance of unit vectors, 0 to 2: the same person is nearer")
    is_near: bool = Field(description="near enough to be the same person")


class ComparedPicture(Answer):
    """The faces of a picture are numbered from 1, from left to right."""

    faces: int = Field(description="faces in the picture")
    used: int = Field(description="the face that was compared: the clearest, if none was chosen")
    usable: list[int] = Field(description="the faces that are clear enough to be compared")


class FacesLikeAnswer(Answer):
    """The clear faces nearest to a face, or to one of a picture, the nearest first."""

    faces: list[FaceLike]
    picture: ComparedPicture | None = Field(default=None, description="null if a stored face was compared")
