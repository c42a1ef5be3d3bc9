"""The boxes that an mp4 or QuickTime file consists of, found by their own lengths (ISO/IEC 14496-12, 4.2)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAX_BOXES = 1_000_000
HEADER = 8
"""Bytes of a length and a type; a length of 1 means that eight more hold it."""


class Box(NamedTuple):
    """One box: its type, and the offsets at which its content starts and ends.

    ``end`` is the end that the box claims: beyond its surroundings if those are cut short.
    """

    kind: bytes
    start: int
    end: int


def read_boxes(file: BinaryIO, at: int, end: int) -> Iterator[Box]:
    """Yield the boxes within ``[at, end)``, without inner ones; ends at the first bytes that are not a box."""
    for _ in range(MAX_BOXES):
        if at + HEADER > end:
            return
        file.seek(at)
        head = file.read(2 * HEADER)
        if len(head) < HEADER:
            return
        length, header = int.from_bytes(head[:4], "big"), HEADER
        if length == 1 and len(head) == 2 * HEADER:
            length, header = int.from_bytes(head[HEADER:], "big"), 2 * HEADER
        elif length == 0:
            length = end - at
        if length < header:
            return
        yield Box(head[4:8], at + header, at + length)
        at += length


def find_boxes(file: BinaryIO, at: int, end: int, *path: bytes) -> Iterator[Box]:
    """Yield the boxes at a path of types, each box within ``[at, end)``."""
    for box in read_boxes(file, at, end):
        if box.kind == path[0]:
            box = box._replace(end=min(box.end, end))
            if len(path) == 1:
                yield box
            else:
                yield from find_boxes(file, box.start, box.end, *path[1:])


def is_encrypted(path: Path) -> bool:
    """Return whether a video track of an mp4 is encrypted (ISO/IEC 23001-7: its samples are of the type ``encv``)."""
    with path.open("rb") as file:
        tables = find_boxes(file, 0, os.path.getsize(path), b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
        # Version, flags and the number of entries come before the entries, which are boxes.
        return any(entry.kind == b"encv" for table in tables for entry in read_boxes(file, table.start + 8, table.end))
