"""How long a transport or program stream is, from its own clock, read at places all over the file.

The first and the last time stamp prove nothing if the stream was joined from several or its clock was set: the clock
may be an hour ahead or back behind a seam. So the clock is read in many places. If a step does not fit the bytes in
between, it is replaced by the time that these bytes take nearby. Formats: ISO/IEC 13818-1, 2.4.3.5 (program clock
reference) and 2.5.3.3 (system clock reference of a pack header).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from ops.videos.integrity import SYNC, find_packet_grid

CLOCK_HZ = 90_000
CLOCK_RANGE = 1 << 33
WINDOW = 1 << 19
WINDOWS = 64
MAX_STEP_S = 1.0
"""References within one window are at most 0.1 s apart in a sound stream."""
MAX_FACTOR = 4
"""How much faster or slower than nearby a stretch may run before its clock is taken to have jumped."""
Reading = tuple[int, int, int]
"""Offset in the file, packet identifier of the clock, ticks of 90 kHz."""

_PACK = re.compile(rb"\x00\x00\x01\xba([\x40-\x7f\x20-\x2f][\x00-\xff]{5})")


def measure_clocked_seconds(path: Path, container_format: str) -> float | None:
    """Return seconds of footage in a file of ``mpegts`` or ``mpeg``, or ``None`` if its clock cannot be read."""
    read = _read_program_clock if container_format == "mpegts" else _read_system_clock
    size = path.stat().st_size
    windows = []
    with path.open("rb") as file:
        for start in _choose_starts(size):
            file.seek(start)
            readings = [(start + at, pid, ticks) for at, pid, ticks in read(file.read(WINDOW))]
            if len(readings) > 1:
                windows.append(readings)
    return _sum_seconds(windows, size)


def _choose_starts(size: int) -> list[int]:
    if size <= WINDOW * WINDOWS:
        return list(range(0, size, WINDOW))
    return [round(n * (size - WINDOW) / (WINDOWS - 1)) for n in range(WINDOWS)]


def _read_program_clock(data: bytes) -> Iterator[Reading]:
    size, at = find_packet_grid(data)
    while size and at + 188 <= len(data):
        if data[at] != SYNC:  # damage, or another stream is joined on in the middle of a packet
            size, ahead = find_packet_grid(data[at : at + 20 * 204])
            at += ahead if size else 20 * 204 - 204
            size = size or 188
            continue
        has_field, length, flags = data[at + 3] & 0x20, data[at + 4], data[at + 5]
        if has_field and length >= 7 and flags & 0x10:
            yield at, (data[at + 1] & 0x1F) << 8 | data[at + 2], int.from_bytes(data[at + 6 : at + 11], "big") >> 7
        at += size


def _read_system_clock(data: bytes) -> Iterator[Reading]:
    for match in _PACK.finditer(data):
        b = match[1]
        if b[0] & 0xC0 == 0x40:  # MPEG-2
            high, low = (b[0] & 0x38) << 27 | (b[0] & 3) << 28 | b[1] << 20, (b[2] & 0xF8) << 12 | (b[2] & 3) << 13
            yield match.start(), 0, high | low | b[3] << 5 | b[4] >> 3
        else:
            yield match.start(), 0, (b[0] & 0x0E) << 29 | b[1] << 22 | (b[2] & 0xFE) << 14 | b[3] << 7 | b[4] >> 1


def _sum_seconds(windows: list[list[Reading]], size: int) -> float | None:
    """Return the time from the first reading to the last; each step is compared with the bytes that it spans."""
    spans = [_measure_span(readings) for readings in windows]
    total_s, total_bytes = sum(span[0] for span in spans), sum(span[1] for span in spans)
    if not total_s or not total_bytes:
        return None
    rates = [length / seconds if seconds else total_bytes / total_s for seconds, length in spans]
    for (before, after), pair in zip(itertools.pairwise(windows), itertools.pairwise(rates), strict=True):
        length = after[0][0] - before[-1][0]
        due_s = 2 * length / sum(pair)
        step_s = _measure_step(before[-1], after[0])
        total_s += step_s if step_s is not None and due_s / MAX_FACTOR <= step_s <= due_s * MAX_FACTOR else due_s
    ends = windows[0][0][0] + size - windows[-1][-1][0]
    return total_s + ends * total_s / max(size - ends, 1)


def _measure_span(readings: list[Reading]) -> tuple[float, int]:
    """Return seconds and bytes over which the clock of one window runs steadily."""
    seconds, length = 0.0, 0
    for one, other in itertools.pairwise(readings):
        step_s = _measure_step(one, other)
        if step_s is not None and step_s <= MAX_STEP_S:
            seconds, length = seconds + step_s, length + other[0] - one[0]
    return seconds, length


def _measure_step(one: Reading, other: Reading) -> float | None:
    """Return seconds between two readings, or ``None`` if they are of different clocks."""
    return (other[2] - one[2]) % CLOCK_RANGE / CLOCK_HZ if one[1] == other[1] else None
