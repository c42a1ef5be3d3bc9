"""Proxy frames between scaler, detector and encoder: reduce them, measure them, and write them as posters."""

from __future__ import annotations

from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from ops.shots.detector import SMALL, DetectorFrame, TinyImage
from ops.shots.thumbnails import QUALITY, SMALL_PX, add_thumbnail

TINY_SIDE = 256
"""Longer side of the image for detection: PySceneDetect's own automatic downscale aims at this width."""
POSTER_QUALITY = 85
ONE_COLOUR_RANGE = 20

Plane = npt.NDArray[np.uint8]


def split_planes(frame: av.VideoFrame) -> list[Plane]:
    """Y, U and V of a yuv420p frame as views, uint8 (H, W) and twice (H/2, W/2)."""
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    ]


def make_detector_frame(frame: av.VideoFrame) -> DetectorFrame:
    """The detector's view of a yuv420p frame, straight from its planes.

    In two steps, because one average over 400 pixels per cell takes half as long again and finds the same cuts.
    """
    width, height = SMALL
    return DetectorFrame(_pack_bgr(frame, width, height, steps=True), lambda: make_tiny_image(frame))


def make_tiny_image(frame: av.VideoFrame) -> TinyImage:
    """The BGR image for detection, longer side at most 256, of a yuv420p frame."""
    scale = min(1.0, TINY_SIDE / max(frame.width, frame.height))
    width, height = (max(round(side * scale / 4) * 4, 4) for side in (frame.width, frame.height))
    return _pack_bgr(frame, width, height)


def _pack_bgr(frame: av.VideoFrame, width: int, height: int, *, steps: bool = False) -> TinyImage:
    """The frame as BGR of another, even size: planes are scaled first, colours are converted last."""
    yuv = np.empty((height * 3 // 2, width), np.uint8)
    luma, *chroma = split_planes(frame)
    yuv[:height] = _scale_plane(luma, width, height, steps)
    colours = yuv[height:].reshape(2, -1)
    for row, plane in zip(colours, chroma, strict=True):
        row[:] = _scale_plane(plane, width // 2, height // 2, steps).ravel()
    return np.asarray(cv2.cvtColor(yuv, cv2.COLOR_YUV2BGR_I420), np.uint8)


def _scale_plane(plane: Plane, width: int, height: int, steps: bool) -> Plane:
    if not steps:
        return np.asarray(cv2.resize(plane, (width, height)), np.uint8)
    quarter = max(plane.shape[1] // 4, width), max(plane.shape[0] // 4, height)
    return np.asarray(cv2.resize(cv2.resize(plane, quarter), (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def measure_sharpness(frame: av.VideoFrame) -> float:
    """Variance of the Laplacian of the luma at half size (Pech-Pacheco et al. 2000); 0 for one colour."""
    half = cv2.resize(split_planes(frame)[0], (max(frame.width // 2, 1), max(frame.height // 2, 1)))
    return float(cv2.meanStdDev(cv2.Laplacian(half, cv2.CV_16S))[1][0, 0]) ** 2


def encode_poster(frame: av.VideoFrame) -> bytes:
    """The frame as a JPEG file, with a small version in it if the frame is larger."""
    image: Any = frame.to_ndarray(format="bgr24")
    scale = SMALL_PX / max(image.shape[:2])
    poster = _encode_jpeg(image, POSTER_QUALITY)
    if scale >= 1:
        return poster
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    return add_thumbnail(poster, _encode_jpeg(cv2.resize(image, size, interpolation=cv2.INTER_AREA), QUALITY))


def _encode_jpeg(image: Any, quality: int) -> bytes:
    is_encoded, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not is_encoded:
        raise RuntimeError("OpenCV cannot write JPEG files")
    return bytes(data)


def look_at(detector_frame: DetectorFrame) -> tuple[float, bool]:
    """``(mean luma 0-255, whether the frame has only one colour)``.

    One colour: averaged over cells, no channel varies by more than 20 of 255. Coding noise and dither disappear, but
    the thinnest line of text does not.
    """
    blue, green, red, _ = cv2.mean(detector_frame.small)
    luma = 0.114 * blue + 0.587 * green + 0.299 * red
    # A standard deviation is at most half of the range, and is computed already.
    if detector_frame.deviation > ONE_COLOUR_RANGE / 2:
        return luma, False
    cells = detector_frame.small.reshape(-1, 3)
    return luma, bool((cells.max(axis=0).astype(int) - cells.min(axis=0) <= ONE_COLOUR_RANGE).all())
