"""The structure of Matroska and WebM files: do the elements fit together, and how many frames do they announce?

A demultiplexer that meets damage between two blocks searches for the next cluster and does not report it. Frames are
gone, and every number after them is wrong. So the elements are followed here by their own lengths. Format: RFC 8794
(EBML) and RFC 9559 (Matroska).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAGIC = bytes.fromhex("1a45dfa3")
SEGMENT, CLUSTER, BLOCK_GROUP, BLOCK, SIMPLE_BLOCK = 0x18538067, 0x1F43B675, 0xA0, 0xA1, 0xA3
TRACKS, TRACK, TRACK_NUMBER, TRACK_TYPE, VIDEO = 0x1654AE6B, 0xAE, 0xD7, 0x83, 1

SEGMENT_CHILDREN = {CLUSTER, TRACKS, 0x1C53BB6B, 0x114D9B74, 0x1549A966, 0x1043A770, 0x1941A469, 0x1254C367}
CLUSTER_CHILDREN = {0xE7, SIMPLE_BLOCK, BLOCK_GROUP, 0xAB, 0xA7, 0x5854, 0xAF}
ANYWHERE = {0xEC, 0xBF}
"""Padding and checksums."""

LACED = 0x06


class Element(NamedTuple):
    """One EBML element: its id, the start and end of its content; ``end`` is ``None`` for unknown length."""

    id: int
    start: int
    end: int | None


def read_announced_frames(path: Path, number: int = 0) -> tuple[int, str]:
    """Return ``(number of frames, fault)`` of a video track of a Matroska file; ``number`` 0 is the first track.

    Reads a few bytes a block. ``(0, "")`` for any other file; 0 if the elements do not fit together, or blocks belong
    to a track that the file does not have.
    """
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            return 0, ""
        elements = Elements(file, path.stat().st_size)
        if reason := elements.check(deep=True):
            return 0, reason
    if elements.tracks and not elements.frames.keys() <= elements.tracks.keys():
        return 0, "the file is damaged: it holds data of tracks that it does not name; copy it again"
    videos = [number for number, kind in elements.tracks.items() if kind == VIDEO]
    return (elements.frames.get(videos[number], 0) if number < len(videos) else 0), ""


class Elements:
    """A walk over the elements of one open file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self.frames: dict[int, int] = {}
        self.tracks: dict[int, int] = {}

    def check(self, *, deep: bool = False) -> str:
        """Return why the file is cut or broken, or nothing; ``deep`` follows and counts the blocks of clusters too."""
        header = self.read_element(0)
        segment = self.read_element(header.end) if header and header.end else None
        if segment is None or segment.id != SEGMENT:
            return "its beginning is damaged: copy it again"
        if segment.end is not None and segment.end > self.size:
            return cut_short(self.size, segment.end)
        at = segment.start
        while at < (segment.end or self.size):
            child = self.read_element(at)
            if segment.end is None and (child is None or child.end is None or child.end > self.size):
                return ""  # a live recording of unknown length may end anywhere
            if child is None or child.id not in SEGMENT_CHILDREN | ANYWHERE:
                return self._describe_damage(at)
            if child.end is None:
                return ""
            if child.id == TRACKS:
                self._read_tracks(child.start, child.end)
            reason = self._walk_cluster(child.start, child.end) if deep and child.id == CLUSTER else None
            if reason is not None:
                return self._describe_damage(reason)
            at = child.end
        return ""

    def read_element(self, at: int) -> Element | None:
        """Return the element at offset ``at``, or ``None`` if there is none."""
        self.file.seek(at)
        head = self.file.read(12)
        if not head or not head[0]:
            return None
        id_length = 9 - head[0].bit_length()
        if id_length > 4 or len(head) <= id_length or not head[id_length]:
            return None
        length = 9 - head[id_length].bit_length()
        if len(head) < id_length + length:
            return None
        ones = (1 << 7 * length) - 1
        value = int.from_bytes(head[id_length : id_length + length], "big") & ones
        start = at + id_length + length
        return Element(int.from_bytes(head[:id_length], "big"), start, None if value == ones else start + value)

    def _read_tracks(self, at: int, end: int) -> None:
        """Note the number and the type of each track, in their order."""
        for track in self.read_children(at, end):
            if track.id == TRACK and track.end is not None:
                values = {part.id: self.read_integer(part) for part in self.read_children(track.start, track.end)}
                self.tracks[values.get(TRACK_NUMBER, 0)] = values.get(TRACK_TYPE, 0)

    def read_children(self, at: int, end: int) -> Iterator[Element]:
        while at < end and (child := self.read_element(at)) and child.end is not None:
            yield child
            at = child.end

    def read_integer(self, element: Element) -> int:
        self.file.seek(element.start)
        return int.from_bytes(self.file.read(min((element.end or 0) - element.start, 8)), "big")

    def _walk_cluster(self, at: int, end: int) -> int | None:
        """Count the frames of a cluster; return the offset of the first bytes that are not part of one, or ``None``."""
        while at < end:
            child = self.read_element(at)
            if child is None or child.end is None or child.end > end or child.id not in CLUSTER_CHILDREN | ANYWHERE:
                return at
            if child.id == SIMPLE_BLOCK:
                self._count(child.start)
            elif child.id == BLOCK_GROUP and (inner := self.read_element(child.start)) and inner.id == BLOCK:
                self._count(inner.start)
            at = child.end
        return None

    def _count(self, at: int) -> None:
        """A block starts with its track number, two bytes of time, flags, and the number of laced frames less one."""
        self.file.seek(at)
        head = self.file.read(12)
        length = 9 - head[0].bit_length() if head and head[0] else 8
        track = int.from_bytes(head[:length], "big") & ((1 << 7 * length) - 1)
        rest = head[length + 2 :]
        lacing = rest[1] if len(rest) > 1 and rest[0] & LACED else 0
        self.frames[track] = self.frames.get(track, 0) + lacing + 1

    def _describe_damage(self, at: int) -> str:
        return f"the file is damaged at byte {at:,} of {self.size:,} ({100 * at / self.size:.0f} %): copy it again"


CUT_SHORT = "the file is cut short"


def cut_short(has: int, needs: int) -> str:
    """Return the reason for a file that ends too early, in bytes."""
    return f"{CUT_SHORT}: it has {has:,} of {needs:,} bytes; copy it again"
