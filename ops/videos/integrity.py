"""Does a file end where its own structure says it ends? Reads headers only, decodes nothing.

Decoders read to the last whole packet and call it the end, so half a download looks like a shorter film. The
containers know better: mp4 boxes, Matroska elements and RIFF chunks all carry their lengths.
Formats: ISO/IEC 14496-12 (boxes), Microsoft RIFF (AVI); Matroska is next door.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ops.core.errors import MediaError
from ops.videos.matroska import MAGIC, Elements, cut_short

BOXES = {b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"free", b"skip", b"wide", b"uuid", b"sidx"}
BOXES |= {b"styp", b"meta", b"udta", b"pdin", b"emsg", b"prft", b"ssix", b"pnot", b"imda"}
MAX_BOXES = 1_000_000


def require_complete(path: Path) -> None:
    """Raise ``MediaError`` where the structure of an mp4, mov, Matroska, WebM or AVI file is cut or broken.

    Other formats pass: they have no such lengths.
    """
    if reason := reason_of_broken_structure(path):
        raise MediaError(reason)


def reason_of_broken_structure(path: Path) -> str:
    """Why the structure of the file is cut or broken, in plain words; empty where nothing is known against it."""
    size = os.path.getsize(path)
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(0)
        if head[4:8] in BOXES:
            return _reason_boxes(file, size)
        if head[:4] == MAGIC:
            return Elements(file, size).check()
        if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            return _reason_riff(head, size)
    return ""


def _reason_boxes(file: BinaryIO, size: int) -> str:
    seen = set()
    for kind, end in _boxes(file, size):
        seen.add(kind)
        if end > size and kind != b"moov":
            return cut_short(size, end)
        if end > size:
            return "the file is cut short within its index; copy it again"
    if b"moov" not in seen:
        return "it has no index (moov): the recording or the copy was interrupted before its end"
    return ""


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """``(type, end)`` of the top-level boxes; ends at the first thing that is none (padding, trailing bytes)."""
    at = 0
    for _ in range(MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head[:8])
        if kind not in BOXES:
            return
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:])[0]
        elif length == 0:
            length = size - at
        if length < 8:
            return
        at += length
        yield kind, at


def _reason_riff(head: bytes, size: int) -> str:
    """AVI: the first RIFF chunk must fit. A length of zero means that the writer never came to the end."""
    needs = int.from_bytes(head[4:8], "little") + 8
    return cut_short(size, needs) if needs > 8 and needs > size else ""
