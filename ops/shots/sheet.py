"""A contact sheet: posters of a video in a grid, for a quick visual check of the cuts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ops.core.rows import LakeShot
from ops.core.settings import Settings
from ops.core.storage import ObjectStore
from ops.shots.segment import make_poster_key

logger = logging.getLogger(__name__)

FOLDER = "sheets"
COLUMNS, ROWS = 6, 4
TILE = (240, 136)
"""Width and height of one image, pixels."""


def make_sheet_key(video_id: str) -> str:
    """Object key of a video's contact sheet."""
    return f"{FOLDER}/{video_id}.jpg"


def find_without_sheet(settings: Settings) -> list[str]:
    """Return the ids of videos that have shots and no contact sheet, sorted."""
    cut = set(settings.lake.read("shots", None, ["video_id"])["video_id"].to_pylist())
    sheets = set(settings.store.list(FOLDER))
    return sorted(video_id for video_id in cut if make_sheet_key(video_id) not in sheets)


def spread_evenly(shots: Sequence[LakeShot]) -> list[LakeShot]:
    """Return at most 24 of a video's shots, spread evenly."""
    return [shots[at] for at in np.unique(np.linspace(0, len(shots) - 1, COLUMNS * ROWS).round().astype(int))]


def write_sheet(store: ObjectStore, shots: Sequence[LakeShot]) -> str:
    """Write the sheet of one video's ``shots`` (rows of the table), at most 24 spread evenly; return its URI.

    A missing or damaged poster leaves its tile empty and is logged; the next ingest writes a missing one.
    """
    columns = spread_evenly(shots)
    rows = -(-len(columns) // COLUMNS)
    sheet_HWC = np.full((rows * TILE[1], COLUMNS * TILE[0], 3), 32, np.uint8)
    for at, shot in enumerate(columns):
        poster = _read_poster(store, shot)
        if poster is None:
            logger.warning("the poster of %s is missing or is not a picture: left out", shot["shot_id"])
            continue
        scale = min(TILE[0] / poster.shape[1], TILE[1] / poster.shape[0])
        size = max(1, round(poster.shape[1] * scale)), max(1, round(poster.shape[0] * scale))
        small = cv2.resize(poster, size, interpolation=cv2.INTER_AREA)
        top, left = at // COLUMNS * TILE[1], at % COLUMNS * TILE[0]
        sheet_HWC[top : top + small.shape[0], left : left + small.shape[1]] = small
    key = make_sheet_key(shots[0]["video_id"])
    store.write_bytes(key, cv2.imencode(".jpg", sheet_HWC, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())
    return store.uri(key)


def _read_poster(store: ObjectStore, shot: LakeShot) -> NDArray[np.uint8] | None:
    try:
        data = store.read_bytes(make_poster_key(shot["video_id"], shot["start_frame"], shot["end_frame"]))
    except FileNotFoundError:
        return None
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    return None if picture is None else np.asarray(picture, np.uint8)
