"""How the picture of a shot moves: pan, tilt, zoom, roll and the motion within it, from optical flow.

The flow between every second sampled frame and the one LAG frames later is split into the similarity transform that
most of the picture follows (the camera), and what remains of it (things that move). The medians are stored in the table
``shot_motion``, whatever the encoder. Frames are read for the vectors anyway, these pairs with them.

Dense inverse search: T. Kroeger, R. Timofte, D. Dai and L. Van Gool, "Fast optical flow using dense inverse search",
ECCV 2016. The fit is least trimmed squares: P. J. Rousseeuw, "Least median of squares regression", 1984.
Legend: P pairs, H x W pixels, N points of a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ops.core.rows import LakeShot, LakeShotMotion
from ops.core.settings import Settings

TABLE = "shot_motion"
EVERY = 2
"""Each second sampled frame begins a pair: four pairs of a shot cost half as much as eight."""
LAG = 3
"""Frames between the two of a pair: a slow pan is longer than the error of the flow, a fast one within its reach."""
LONG, SHORT = 160, 96
"""Sides of the pictures that are compared, whatever their shape: distances are shares of the width of the original."""
STEP = 4
INLIERS = 0.6
ROUNDS = 4
NAMES = ("pan", "tilt", "zoom", "roll", "activity")
# How much each measure counts in a comparison: the edge of a picture is half a width from its middle, so a zoom and a
# roll move it by half.
WEIGHTS = (1.0, 1.0, 0.5, 0.5, 0.5)
SLOW = 0.01
"""Motion per second below which distances are linear, and above which they are logarithmic."""

Floats = NDArray[np.float32]


def measure_motion(first_PHWC: NDArray[np.uint8], second_PHWC: NDArray[np.uint8]) -> Floats:
    """Motion (5,) between pairs of RGB frames in the order of ``NAMES``, per LAG frames; NaN without a pair.

    Shares of the picture's width: ``pan`` to the right and ``tilt`` upwards of the camera, ``activity`` as mean length.
    ``zoom`` is the growth of the picture, ``roll`` its turn clockwise in radians.
    """
    if not len(first_PHWC):
        return np.full(len(NAMES), np.nan, np.float32)
    fits = [_fit(_compute_flow(first, second)) for first, second in zip(first_PHWC, second_PHWC, strict=True)]
    return np.median(np.stack(fits), axis=0).astype(np.float32)


def _compute_flow(first_HWC: NDArray[np.uint8], second_HWC: NDArray[np.uint8]) -> Floats:
    """Rows of the grid (N, 4): place from the middle of the picture, and flow there, in shares of its width."""
    import cv2

    height, width = first_HWC.shape[:2]
    # One size for all: the search of OpenCV 5.0 ends the process by a segmentation fault on 160 x 16 pixels.
    size = (LONG, SHORT) if width >= height else (SHORT, LONG)
    greys = [
        cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        for frame in (first_HWC, second_HWC)
    ]
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    flow_HWC = search.calc(greys[0], greys[1], np.zeros((size[1], size[0], 2), np.float32))
    rows, columns = np.mgrid[0 : size[1] : STEP, 0 : size[0] : STEP]
    places = np.stack([columns - (size[0] - 1) / 2, rows - (size[1] - 1) / 2], axis=-1)
    widths = np.array([1 / size[0], height / width / size[1]])
    return np.concatenate([places * widths, flow_HWC[::STEP, ::STEP] * widths], axis=-1).reshape(-1, 4)


def _fit(flow_N4: Floats) -> Floats:
    """The similarity transform that INLIERS of the grid follow best, and the mean length of what it leaves."""
    x_N, y_N, u_N, v_N = flow_N4.T
    is_kept = np.ones(len(x_N), np.bool_)
    for _ in range(ROUNDS):
        x, y, u, v = x_N[is_kept], y_N[is_kept], u_N[is_kept], v_N[is_kept]
        centred_x, centred_y, centred_u, centred_v = (each - each.mean() for each in (x, y, u, v))
        sum_of_squares = float((centred_x**2 + centred_y**2).sum()) + 1e-9
        zoom = float((centred_x * centred_u + centred_y * centred_v).sum()) / sum_of_squares
        roll = float((centred_x * centred_v - centred_y * centred_u).sum()) / sum_of_squares
        right = float(u.mean() - zoom * x.mean() + roll * y.mean())
        down = float(v.mean() - zoom * y.mean() - roll * x.mean())
        error_N = np.hypot(u_N - (right + zoom * x_N - roll * y_N), v_N - (down + zoom * y_N + roll * x_N))
        is_kept = error_N <= np.quantile(error_N, INLIERS)
    # The picture moves against the camera, and its y axis points down.
    return np.asarray([-right, down, zoom, roll, error_N.mean()], np.float32)


def describe_motion(motion_N5: NDArray[np.floating]) -> Floats:
    """Vectors (N, 5) of motion per second: their distance is how differently shots move, slow ones too."""
    weighted_N5 = motion_N5 * np.asarray(WEIGHTS)
    return np.asarray(np.sign(weighted_N5) * np.log1p(np.abs(weighted_N5) / SLOW), np.float32)


def build_motion_row(shot: LakeShot, motion: Floats | None, inputs: str, now: datetime) -> LakeShotMotion:
    """The row of a shot, per second; null if it is shorter than a pair of frames, or could not be read (``None``)."""
    values: list[float | None] = [None] * len(NAMES)
    if motion is not None and np.isfinite(motion).all():
        frames = shot["end_frame"] - shot["start_frame"]
        pairs_per_s = frames / max(shot["end_s"] - shot["start_s"], 1e-6) / LAG
        values = [float(value) * pairs_per_s for value in motion]
    pan, tilt, zoom, roll, activity = values
    return {
        "shot_id": shot["shot_id"],
        "video_id": shot["video_id"],
        "show": shot["show"],
        "pan": pan,
        "tilt": tilt,
        "zoom": zoom,
        "roll": roll,
        "activity": activity,
        "input_hash": inputs,
        "event_timestamp": shot["event_timestamp"],
        "created_timestamp": now,
    }


def read_motion(settings: Settings, video_id: str, columns: Sequence[str] | None = None) -> list[LakeShotMotion]:
    """Rows of one video, with these columns (default: all)."""
    rows: list[LakeShotMotion] = settings.lake.read(TABLE, [settings.resolve_partition(video_id)], columns).to_pylist()
    return [row for row in rows if row["video_id"] == video_id]
