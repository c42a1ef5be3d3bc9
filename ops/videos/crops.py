"""Cropping that a container requests: the clean aperture of mp4 and mov, and the PixelCrop elements of Matroska.

FFmpeg reads both and leaves the cropping to the player. PyAV 18 does not expose these values, so the boxes and elements
are read here. Formats: ISO/IEC 14496-12 (``clap``), RFC 9559 (PixelCrop). May go when PyAV exposes the side data of
streams.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ops.core.media import Crop
from ops.videos.boxes import Box, find_boxes
from ops.videos.matroska import MAGIC, TRACK, TRACKS, Element, Elements

VISUAL_ENTRY = 86
"""Bytes of a video sample description before its boxes, with its own header."""
VIDEO_SETTINGS = 0xE0
BOTTOM, TOP, LEFT, RIGHT = 0x54AA, 0x54BB, 0x54CC, 0x54DD


class Aperture(NamedTuple):
    """The cropping that a container requests, and its source. ``reason`` is empty if it can be used."""

    crop: Crop
    source: str
    reason: str = ""


def read_aperture(path: Path, track_id: int, number: int) -> Aperture | None:
    """Return the cropping of a video track, or ``None`` if the container requests none.

    ``track_id`` finds the track of an mp4 or mov, ``number`` (0 for the first video track) that of a Matroska file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) == MAGIC:
            return _read_matroska_aperture(file, size, number)
        return _read_mp4_aperture(file, size, track_id)


def _read_mp4_aperture(file: BinaryIO, size: int, track_id: int) -> Aperture | None:
    for trak in find_boxes(file, 0, size, b"moov", b"trak"):
        if _track_id(file, trak) == track_id:
            for stsd in find_boxes(file, trak.start, trak.end, b"mdia", b"minf", b"stbl", b"stsd"):
                return _read_entry_aperture(file, stsd)
    return None


def _track_id(file: BinaryIO, trak: Box) -> int:
    for header in find_boxes(file, trak.start, trak.end, b"tkhd"):
        file.seek(header.start)
        head = file.read(24)
        return int.from_bytes(head[20:24] if head[0] else head[12:16], "big") if len(head) == 24 else 0
    return 0


def _read_entry_aperture(file: BinaryIO, stsd: Box) -> Aperture | None:
    """Return the aperture in the first sample description."""
    start = stsd.start + 8
    file.seek(start)
    entry = file.read(VISUAL_ENTRY)
    if len(entry) < VISUAL_ENTRY:
        return None
    width, height = struct.unpack(">HH", entry[32:36])
    last = min(start + int.from_bytes(entry[:4], "big"), stsd.end)
    for clap in find_boxes(file, start + VISUAL_ENTRY, last, b"clap"):
        file.seek(clap.start)
        data = file.read(32)
        if len(data) == 32:
            return _clean_aperture(width, height, struct.unpack(">8i", data))
    return None


def _clean_aperture(width: int, height: int, values: tuple[int, ...]) -> Aperture:
    """Convert width, height and the distance of the centres, each a fraction (ISO/IEC 14496-12, 12.1.4), to a crop."""
    source = "clean aperture (clap) of the container"
    if any(denominator <= 0 for denominator in values[1::2]):
        return Aperture(Crop(), source, "it divides by zero")
    shown_w, shown_h, right, down = (Fraction(*values[at : at + 2]) for at in (0, 2, 4, 6))
    left, top = (width - shown_w) / 2 + right, (height - shown_h) / 2 + down
    sides = [round(side) for side in (left, top, width - shown_w - left, height - shown_h - top)]
    if min(sides) < 0 or shown_w < 1 or shown_h < 1:
        return Aperture(Crop(), source, f"{float(shown_w):g}x{float(shown_h):g} does not fit into {width}x{height}")
    return Aperture(Crop(left=sides[0], top=sides[1], right=sides[2], bottom=sides[3]), source)


def _read_matroska_aperture(file: BinaryIO, size: int, number: int) -> Aperture | None:
    elements = Elements(file, size)
    tracks = [track for track in _read_matroska_tracks(elements, size) if track]
    if number >= len(tracks):
        return None
    sides = tracks[number]
    crop = Crop(left=sides[LEFT], top=sides[TOP], right=sides[RIGHT], bottom=sides[BOTTOM])
    return Aperture(crop, "PixelCrop of the container") if crop != Crop() else None


def _read_matroska_tracks(elements: Elements, size: int) -> Iterator[dict[int, int]]:
    """Yield pixels cropped on each side, of each video track."""
    header = elements.read_element(0)
    segment = elements.read_element(header.end) if header and header.end else None
    at, end = (segment.start, segment.end or size) if segment else (0, 0)
    while at < end and (child := elements.read_element(at)) and child.end is not None:
        if child.id == TRACKS:
            for track in elements.read_children(child.start, child.end):
                if track.id == TRACK and track.end is not None:
                    yield from (
                        _read_sides(elements, video) for video in elements.read_children(track.start, track.end)
                    )
            return
        at = child.end


def _read_sides(elements: Elements, video: Element) -> dict[int, int]:
    if video.id != VIDEO_SETTINGS or video.end is None:
        return {}
    values = {part.id: elements.read_integer(part) for part in elements.read_children(video.start, video.end)}
    return {side: values.get(side, 0) for side in (LEFT, TOP, RIGHT, BOTTOM)}
