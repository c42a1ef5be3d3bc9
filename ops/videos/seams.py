"""Seams of transport and program streams that were put together from several, seen from their packets.

A decoder does not know that another recording begins. Pictures of an open GOP would be decoded from pictures of the
recording before, and H.264 decoders drop whatever is numbered lower than what they have shown. So at a key picture
that does not go on from what came before, the decoder is emptied and starts again.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal

import av

from ops.videos.clock import MAX_BACK_S, MAX_PAUSE_S

NEAR_BREAK = 32
"""Packets after one with missing data within which a step of the clock means that pictures are missing."""
MIN_GAP_S = Fraction(1, 2)
"""A longer step at a key picture empties the decoder in any case: nothing near was there to refer to."""
MAX_ORPHANS = 300
"""Packets that are left out at most until a key picture comes; some streams mark none."""

Verdict = Literal["", "gap", "join", "orphan"]
"""``join``: another recording begins. ``gap``: the same goes on after a loss. ``orphan``: what the packet refers to is
not there, or it was found out of order. Otherwise it simply goes on."""


class Seams:
    """Judges the packets of one track in the order of the file. ``step`` is the usual time between two, in seconds."""

    def __init__(self, step: Fraction) -> None:
        self._step = step
        self._decoded_at: int | None = None
        self._position = 0
        self._since_break = NEAR_BREAK
        self._orphans = 0

    def judge(self, packet: av.Packet[Any]) -> Verdict:
        """What ``packet`` is to those before it."""
        self._since_break = 0 if packet.is_corrupt else self._since_break + 1
        if packet.pos is not None and 0 <= packet.pos < self._position:
            return "orphan"  # the demultiplexer held it back until the end of the file
        step_s = self._step_to(packet)
        is_other = step_s < (0 if packet.is_keyframe else -MAX_BACK_S) or step_s > MAX_PAUSE_S
        if is_other and not packet.is_keyframe and self._orphans < MAX_ORPHANS:
            self._orphans += 1
            return "orphan"
        self._orphans = 0
        self._decoded_at = packet.dts if packet.dts is not None else self._decoded_at
        self._position = packet.pos if packet.pos is not None else self._position
        if is_other:
            return "join"
        is_lost = step_s > 2 * self._step and (self._since_break < NEAR_BREAK or step_s > MIN_GAP_S)
        return "gap" if packet.is_keyframe and is_lost else ""

    def _step_to(self, packet: av.Packet[Any]) -> Fraction:
        if packet.dts is None or self._decoded_at is None or not packet.time_base:
            return Fraction(0)
        return (packet.dts - self._decoded_at) * Fraction(packet.time_base)
