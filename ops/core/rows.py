"""Typed rows of the lake: the dicts that :meth:`ops.core.tables.Lake.read` gives, with the types of their columns.

A class has the columns of its table in ``ops/core/schemas.py``; a test compares them. They are dicts and not objects,
because a changed row is ``row | {...}`` and goes back to the lake as it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from ops.core.types import Transition


class LakeRow(TypedDict):
    """The columns of every table."""

    event_timestamp: datetime
    created_timestamp: datetime


class LakeVideo(LakeRow):
    """A row of ``videos``.

    ``content_hash`` and ``bytes`` are null for a file whose bytes cannot be read. From ``fps_num`` to ``has_audio``,
    columns are null until the file was opened; their types are those of an opened one.
    """

    video_id: str
    path: str
    show: str
    title: str
    season: int | None
    episode: int | None
    content_hash: str | None
    bytes: int | None
    fps_num: int
    fps_den: int
    frames: int
    width: int
    height: int
    codec: str
    has_audio: bool
    start_timecode: str | None
    state: str
    reason: str | None
    available_at: datetime
    facts: str | None
    notes: list[str] | None


def build_video_row(columns: dict[str, object]) -> LakeVideo:
    """A row of ``videos`` with these columns; the others are null."""
    return cast(LakeVideo, {**dict.fromkeys(LakeVideo.__annotations__), **columns})


class LakeShot(LakeRow):
    """A row of ``shots``."""

    shot_id: str
    video_id: str
    show: str
    index: int
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    transition: Transition
    proxy_uri: str
    poster_uri: str
    mean_luma: float
    is_blank: bool
    detector: str


class LakeCut(LakeRow):
    """A row of ``detected_cuts``."""

    cut_id: str
    video_id: str
    frame: int
    transition: Transition
    detector: str


class LakeLine(LakeRow):
    """A row of ``dialogue``. ``language_tag`` is null in rows of earlier versions, ``certainty`` for subtitles."""

    line_id: str
    video_id: str
    show: str
    index: int
    shot_ids: list[str]
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    text: str
    language: str
    language_tag: str | None
    source: str
    certainty: float | None


class LakeShotDialogue(LakeRow):
    """A row of ``shot_dialogue``."""

    shot_id: str
    video_id: str
    show: str
    index: int
    lines: int
    text: str
    language: str
    source: str
    input_hash: str


class LakeSubtitle(LakeRow):
    """A row of ``subtitles``. ``language_tag`` is null in rows of earlier versions."""

    subtitle_id: str
    video_id: str
    path: str
    source: str
    language: str
    language_tag: str | None
    content_hash: str
    lines: int
    reason: str | None
    notes: list[str]


class LakeScreenText(LakeRow):
    """A row of ``screen_text``. ``box``: left, top, right and bottom, in thousandths of the picture."""

    text_id: str
    video_id: str
    show: str
    shot_id: str
    index: int
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    box: list[int]
    text: str
    script: str
    language: str
    confidence: float
    kind: str
    input_hash: str


class LakeShotScreenText(LakeRow):
    """A row of ``shot_screen_text``; the texts are null if the shot was not read."""

    shot_id: str
    video_id: str
    show: str
    index: int
    texts: int | None
    text: str | None
    script: str | None
    confidence: float | None
    reason: str | None
    input_hash: str


class LakeShotSound(LakeRow):
    """A row of ``shot_sound``; all measures are null if the shot was not measured, those of speech if it could not be.

    ``silence_ms`` and ``speech_ms`` have start and end of each stretch, one after the other, in the video's time.
    """

    shot_id: str
    video_id: str
    show: str
    index: int
    loudness: float | None
    relative_loudness: float | None
    silence: float | None
    speech: float | None
    kinds: str | None
    silence_ms: list[int] | None
    speech_ms: list[int] | None
    reason: str | None
    input_hash: str


class LakeFace(LakeRow):
    """A row of ``faces``. ``box``: left, top, right and bottom, in thousandths of the picture."""

    face_id: str
    video_id: str
    show: str
    shot_id: str
    index: int
    frame: int
    box: list[int]
    quality: float
    model: str
    embedding: list[float]
    vector_hash: str
    cluster_id: str | None
    person_id: str | None
    input_hash: str


class LakeShotPeople(LakeRow):
    """A row of ``shot_people``; the columns from ``faces`` to ``largest_face`` are null if the shot was not read."""

    shot_id: str
    video_id: str
    show: str
    index: int
    faces: int | None
    people: str | None
    shares: str | None
    sizes: str | None
    largest_face: float | None
    reason: str | None
    input_hash: str


class LakePerson(LakeRow):
    """A row of ``people``; ``face_id`` is the best face of the person."""

    person_id: str
    name: str | None
    faces: int
    shots: int
    videos: int
    face_id: str


class LakeVector(LakeRow):
    """A row of ``shot_embeddings/<encoder_id>``."""

    shot_id: str
    video_id: str
    show: str
    embedding: list[float] | NDArray[np.float32]
    vector_hash: str
    frames_used: int
    input_hash: str


class LakeShotEnds(LakeRow):
    """A row of ``shot_ends/<encoder_id>``; both vectors are null if there is a ``reason``."""

    shot_id: str
    video_id: str
    show: str
    first: list[float] | NDArray[np.float32] | None
    last: list[float] | NDArray[np.float32] | None
    reason: str | None
    input_hash: str


class LakeShotMotion(LakeRow):
    """A row of ``shot_motion``; all measures are null, or none."""

    shot_id: str
    video_id: str
    show: str
    pan: float | None
    tilt: float | None
    zoom: float | None
    roll: float | None
    activity: float | None
    input_hash: str


class LakeSkippedShot(LakeRow):
    """A row of ``shots_set_aside/<encoder_id>``."""

    shot_id: str
    video_id: str
    cause: str
    reason: str
    input_hash: str
