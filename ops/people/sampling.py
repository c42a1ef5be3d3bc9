"""Choose the frames of a shot in which faces are looked for, and read them from its proxy."""

from __future__ import annotations

from ops.core.rows import LakeShot
from ops.core.settings import Settings
from ops.people.face_model import FaceModel, SeenFace
from ops.shots.looking import read_pictures

EVERY_S, LEAST_LOOKS, MOST_LOOKS = 1.0, 3, 24
"""A look each second of a shot: at least three, because a face turns away, at most 24 (0.1 s of CPU each)."""


def choose_looks(frames: int, seconds: float) -> list[int]:
    """Return positions in a shot with these numbers of frames and seconds: the centres of equal parts, ascending."""
    count = min(max(round(seconds / EVERY_S), LEAST_LOOKS), MOST_LOOKS)
    if frames <= count:
        return list(range(frames))
    return [(2 * part + 1) * frames // (2 * count) for part in range(count)]


def list_looks(shot: LakeShot) -> list[int]:
    """Return the positions of the looks at a shot."""
    return choose_looks(shot["end_frame"] - shot["start_frame"], shot["end_s"] - shot["start_s"])


def count_looks(shot: LakeShot) -> int:
    """Return the number of looks at a shot."""
    return len(list_looks(shot))


def look_for_faces(settings: Settings, shot: LakeShot, model: FaceModel) -> list[tuple[int, list[SeenFace]]]:
    """Return ``(source frame, faces)`` of each look at a shot; a blank shot has none.

    Raises ``MediaError`` if the proxy is unreadable.
    """
    if shot["is_blank"]:
        return []
    positions = list_looks(shot)
    return [
        (shot["start_frame"] + position, model.find_faces(picture))
        for position, picture in zip(positions, read_pictures(settings, shot, positions), strict=True)
    ]
