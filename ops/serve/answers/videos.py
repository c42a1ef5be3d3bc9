"""Lists of videos with their posters, and the transcript of one."""

from __future__ import annotations

from pydantic import Field

from ops.serve.answers.shots import Answer, Rate, SpokenLine, Url


class Poster(Answer):
    """The still of one shot of a video."""

    shot_id: str
    start_frame: int = Field(description="the first source frame of the shot")
    start_s: float
    poster: Url


class VideoEntry(Answer):
    """A video with its facts; those of the picture are null if the file could not be opened."""

    video_id: str
    show: str
    title: str
    path: str
    season: int | None
    episode: int | None
    state: str = Field(description="`ready` (a search finds all of its shots), `pending` or `set_aside`")
    reason: str = Field(description="why the video is set aside; else empty")
    shots: int = Field(description="searchable shots")
    seconds: float = Field(description="length; 0 if it is not known")
    fps: Rate | None
    width: int | None
    height: int | None
    codec: str | None
    has_audio: bool | None
    start_timecode: str | None
    bytes: int | None = Field(description="null if the file could not be read")
    searchable_since: str | None = Field(description="null: not searchable as a whole yet")
    posters: list[Poster] = Field(description="of shots spread over the video, without blank ones")


class VideosAnswer(Answer):
    """A page of a list of videos."""

    videos: list[VideoEntry]
    total: int = Field(description="videos in the whole list")


class ShowPosters(Answer):
    """Posters spread over the videos of a show."""

    show: str
    posters: list[Poster]


class ShowPostersAnswer(Answer):
    """Posters of the requested shows; unknown shows are left out."""

    shows: list[ShowPosters]


class TranscriptAnswer(Answer):
    """Every line of dialogue of a video, in the order of time."""

    video_id: str
    lines: list[SpokenLine]
