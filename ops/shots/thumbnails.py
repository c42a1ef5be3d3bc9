"""Small versions of posters, inside the poster files, as cameras store them (Exif 2.32, section 4.5.5).

A page of results shows thirty posters at a third of their width. A small version inside the file needs no further
object for each shot, is replaced and deleted with its poster, and is read without decoding anything.
"""

from __future__ import annotations

import io
import struct

SMALL_PX = 320
"""Width and height of a small version, at most."""
QUALITY = 80
MOST_BYTES = 60_000
"""A segment of a JPEG file has at most 65,533 bytes."""
_START, _SEGMENT, _NAME = b"\xff\xd8", b"\xff\xe1", b"Exif\0\0"
_TIFF_AT = len(_START) + len(_SEGMENT) + 2 + len(_NAME)
_THUMBNAIL_AT = 68
"""Counted from the TIFF header: after the header (8), the poster's directory (18) and the thumbnail's (42)."""


def add_thumbnail(poster: bytes, thumbnail: bytes) -> bytes:
    """Return the JPEG file ``poster`` with the JPEG file ``thumbnail`` in it; unchanged if that is too large."""
    if len(thumbnail) > MOST_BYTES:
        return poster
    content = _NAME + _build_directories(len(thumbnail)) + thumbnail
    return _START + _SEGMENT + struct.pack(">H", len(content) + 2) + content + poster[len(_START) :]


def read_thumbnail(poster: bytes) -> bytes | None:
    """Return the small version in a poster; ``None`` for posters of earlier versions, and for ones that need none."""
    at = _TIFF_AT + _THUMBNAIL_AT
    if len(poster) < at or not poster.startswith(_START + _SEGMENT):
        return None
    (length,) = struct.unpack_from(">I", poster, at - 8)
    if poster[_TIFF_AT - len(_NAME) : at] != _NAME + _build_directories(length):
        return None
    thumbnail = poster[at : at + length]
    return thumbnail if len(thumbnail) == length else None


def shrink_poster(poster: bytes, longest_px: int = SMALL_PX) -> bytes:
    """Return a poster as a JPEG file of at most ``longest_px`` on both sides; unchanged if it is as small already.

    Raises ``OSError`` if it is not a picture.
    """
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(poster)) as picture:
        if max(picture.size) <= longest_px and picture.format == "JPEG":
            return poster
        picture.draft("RGB", (longest_px, longest_px))  # decodes a large JPEG at half its size, in half the time
        picture.thumbnail((longest_px, longest_px))
        picture.convert("RGB").save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _build_directories(length: int) -> bytes:
    """Return the TIFF structure before a thumbnail of ``length`` bytes: the poster's directory and the thumbnail's."""
    return b"".join(
        (
            struct.pack(">4sI", b"MM\0*", 8),
            struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 1, 0, 26),  # orientation: as it is stored
            struct.pack(">HHHIHH", 3, 0x0103, 3, 1, 6, 0),  # compression: JPEG
            struct.pack(">HHII", 0x0201, 4, 1, _THUMBNAIL_AT),
            struct.pack(">HHIII", 0x0202, 4, 1, length, 0),
        )
    )
