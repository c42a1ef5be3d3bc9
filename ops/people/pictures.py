"""Pictures of faces, cut from proxies when somebody looks at them. They are never stored."""

from __future__ import annotations

import io

from ops.core.errors import MediaError, NotFoundError
from ops.core.rows import LakeShot
from ops.core.settings import Settings
from ops.people.rows import read_box
from ops.shots.looking import read_pictures

SIDE = 128
"""Pixels of the sides of a picture."""
MARGIN = 0.35
"""Share of a face's size that is shown around it."""
QUALITY = 85


def cut_face(settings: Settings, face_id: str) -> bytes:
    """Return a face as a square JPEG. Raises ``NotFoundError`` if the face or the picture of its shot is gone."""
    from PIL import Image

    partition = settings.resolve_partition(face_id.split(":")[0])
    rows = settings.lake.read("faces", [partition], ("face_id", "shot_id", "frame", "box")).to_pylist()
    face = next((row for row in rows if row["face_id"] == face_id), None)
    shots: list[LakeShot] = settings.lake.read("shots", [partition]).to_pylist()
    shot = next((row for row in shots if face and row["shot_id"] == face["shot_id"]), None)
    if face is None or shot is None:
        raise NotFoundError(f"no face {face_id!r}")
    try:
        (frame_HWC,) = read_pictures(settings, shot, [face["frame"] - shot["start_frame"]])
    except MediaError as error:
        raise NotFoundError(f"the proxy of {shot['shot_id']} cannot be read: run `needle ingest` again") from error
    height, width = frame_HWC.shape[:2]
    left, top, right, bottom = read_box(face["box"])
    half = (0.5 + MARGIN) * max((right - left) * width, (bottom - top) * height)
    across, down = (left + right) / 2 * width, (top + bottom) / 2 * height
    square = (round(across - half), round(down - half), round(across + half), round(down + half))
    buffer = io.BytesIO()
    Image.fromarray(frame_HWC).crop(square).resize((SIDE, SIDE)).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
