"""Check whether a file ends at the place that its own structure gives. Reads headers only, decodes nothing.

Decoders read to the last whole packet and call it the end, so half a download looks like a shorter video. The
containers know better: mp4 boxes, Matroska elements, RIFF chunks and packets all carry their lengths. A finding here is
evidence for the reader and a reason for a file that cannot be opened. It is never a verdict on a file that decodes.
Formats: ISO/IEC 14496-12 (boxes), Microsoft RIFF (AVI). Matroska: ``matroska.py``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ops.videos.boxes import read_boxes
from ops.videos.matroska import CUT_SHORT, MAGIC, Elements, cut_short

FIRST_BOXES = {b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"uuid", b"sidx", b"styp", b"pnot"}
"""Types of the first box by which an mp4 or QuickTime file is known; later boxes may be of any type."""
MEDIA_BOXES = {b"mdat", b"moof", b"imda"}
ASF_HEADER, ASF_PROPERTIES = bytes.fromhex("3026b275"), bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
MXF_KEY, MXF_PARTITION = bytes.fromhex("060e2b34"), bytes.fromhex("060e2b34020501010d010201010204")
TAIL = 1 << 16
Y4M = b"YUV4MPEG2 "
Y4M_CHROMA = {"420": (2, 2, 2), "422": (2, 1, 2), "411": (4, 1, 2), "444": (1, 1, 2), "mono": (1, 1, 0)}
"""Columns and rows that share one sample of chroma, and the number of planes of it, by the begin of the layout."""
SYNC = 0x47
PACKET_SIZES = (188, 192, 204)
"""Of transport streams: plain, with a time stamp in front (camcorders, Blu-ray), with error correction behind."""
MIN_MISSING = 16
"""Bytes that must be missing at the end of an AVI; writers are a byte or a header off."""

NO_INDEX = (
    "it has no index (moov): the recording or the copy was interrupted before its end. Copy it again; if the original "
    "is like this too, put the card back into the camera, which may finish the file, or rebuild the index with a "
    "recovery tool and a whole film of the same camera"
)
CUT_MIDDLE = f"{CUT_SHORT}: it ends in the middle of a packet; copy it again for the rest"
CUT_FRAGMENT = "the file ends in the middle of a fragment: it is cut short; copy it again for the rest"
CUT_INDEX = "the file is cut short within its index; copy it again"


def explain_broken_structure(path: Path) -> str:
    """Return why the structure of the file is cut or broken, in plain words; empty if no fault is known."""
    size = os.path.getsize(path)
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(0)
        if _is_box_file(file, head, size):
            return _check_boxes(file, size)
        if head[:4] == MAGIC:
            return Elements(file, size).check()
        if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            return _check_riff(head, size)
        if needs := _read_announced_size(head, file):
            return cut_short(size, needs) if needs > size else ""
        file.seek(max(size - TAIL, 0))
        return CUT_MIDDLE if _is_cut_off(head, file.read(TAIL), size) else ""


def _read_announced_size(head: bytes, file: BinaryIO) -> int:
    """Return the least size in bytes that an ASF, an MXF or a Y4M announces in its header; 0 if it does not.

    ASF 3.2 (file properties object); SMPTE ST 377-1, 7.1 (a partition pack names the offset of the footer).
    """
    file.seek(0)
    data = file.read(8192)
    if head[:4] == ASF_HEADER and (at := data.find(ASF_PROPERTIES)) >= 0:
        return int.from_bytes(data[at + 40 : at + 48], "little")
    if head[:4] == MXF_KEY and (at := data.find(MXF_PARTITION)) >= 0:
        length = data[at + 16] & 0x7F if data[at + 16] & 0x80 else 0
        return int.from_bytes(data[at + 17 + length + 24 : at + 17 + length + 32], "big")
    return _measure_whole_frames(data, os.fstat(file.fileno()).st_size) if data.startswith(Y4M) else 0


def _measure_whole_frames(data: bytes, size: int) -> int:
    """Return the size of a Y4M with its last frame whole; 0 if frames have parameters of their own (yuv4mpeg(5))."""
    header, _, rest = data.partition(b"\n")
    words = {word[:1]: word[1:].decode("latin-1") for word in header.split()[1:]}
    width, height, layout = words.get(b"W", ""), words.get(b"H", ""), words.get(b"C", "420")
    part = next((part for name, part in Y4M_CHROMA.items() if layout.startswith(name)), None)
    if part is None or not (width.isdecimal() and height.isdecimal()) or not rest.startswith(b"FRAME\n"):
        return 0
    across, down, planes = part
    samples = int(width) * int(height) * (1 + layout.endswith("alpha"))
    samples += planes * -(-int(width) // across) * -(-int(height) // down)
    depth = re.search(r"(?:p|mono)(\d+)$", layout)
    frame = samples * (2 if depth and int(depth[1]) > 8 else 1) + len(b"FRAME\n")
    first = len(header) + 1
    return first + -(-(size - first) // frame) * frame


def _is_cut_off(head: bytes, tail: bytes, size: int) -> bool:
    """Return whether the last packet of an FLV, an Ogg or a transport stream is not whole."""
    if head[:3] == b"FLV":
        length = int.from_bytes(tail[-4:], "big")  # of the tag before, which begins with its type and its length
        tag = tail[-4 - length :][:4] if 11 <= length <= len(tail) - 4 else b""
        return size > len(tail) < length or int.from_bytes(tag[1:4], "big") + 11 != length
    if head[:4] == b"OggS":
        page = tail[tail.rfind(b"OggS") :]
        return len(page) < 27 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])
    packet, at = find_packet_grid(tail)
    return bool(packet) and (len(tail) - at) % packet not in (0, 188)


def find_packet_grid(data: bytes) -> tuple[int, int]:
    """Return ``(packet size, offset of the first packet)`` of a transport stream; size 0 if these are not packets."""
    for at in range(min(len(data), 20 * 204)):
        if data[at] == SYNC:
            for size in PACKET_SIZES:
                if data[at : at + 6 * size : size].count(SYNC) >= 5:
                    return size, at
    return 0, 0


def _is_box_file(file: BinaryIO, head: bytes, size: int) -> bool:
    """Return whether the file begins with a known box, or with one of any type that a known one follows."""
    if head[4:8] in FIRST_BOXES:
        return True
    return any(kind in FIRST_BOXES for _, (kind, _) in zip(range(3), _read_boxes(file, size), strict=False))


def _check_boxes(file: BinaryIO, size: int) -> str:
    kinds, end = set(), 0
    for kind, end in _read_boxes(file, size):
        kinds.add(kind)
        if end > size and kind == b"moov":
            return CUT_INDEX
        if end > size and b"moof" in kinds:
            return CUT_FRAGMENT
        if end > size and kind in MEDIA_BOXES and b"moov" in kinds:
            return cut_short(size, end)
    if b"moov" in kinds and b"moof" in kinds and _has_fragment(file, end):
        return f"the file is damaged at byte {end:,} of {size:,}: the rest is not read; copy it again"
    return "" if b"moov" in kinds else NO_INDEX


def _has_fragment(file: BinaryIO, start: int) -> bool:
    """Return whether more fragments are in the file behind bytes that are not a box."""
    file.seek(start)
    before = b""
    while piece := file.read(1 << 20):
        if b"moof" in before + piece:
            return True
        before = piece[-3:]
    return False


def _read_boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield ``(type, end)`` of the top-level boxes; ends at the first bytes that are not a box (padding, trailing
    bytes).

    A reader passes over types that it does not know (ISO/IEC 14496-12, 4.2), so any four printable bytes are a type.
    """
    for box in read_boxes(file, 0, size):
        if not all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in box.kind):
            return
        yield box.kind, box.end


def _check_riff(head: bytes, size: int) -> str:
    """Check that the first RIFF chunk of an AVI fits. A length of zero means that the writer never reached the end."""
    needs = int.from_bytes(head[4:8], "little") + 8
    return cut_short(size, needs) if needs > 8 and needs > size + MIN_MISSING else ""
