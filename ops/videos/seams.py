"""Find, from the packets, the seams of transport and program streams that were put together from several.

A decoder does not know that another recording begins. It would decode frames of an open GOP from frames of the
recording before. H.264 decoders drop frames with a lower number than those already shown. So the decoder is emptied and
starts again at a keyframe that does not continue the packets before it. Stands alone because the rule is about packets,
and the reader's about frames.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal

import av

from ops.videos.clock import MAX_BACK_S, MAX_PAUSE_S

NEAR_BREAK = 32
"""Packets after one with missing data within which a step of the clock means that frames are missing."""
MIN_GAP_S = Fraction(1, 2)
"""A longer step at a keyframe empties the decoder in any case: no frame is near enough to be a reference."""
MAX_ORPHANS = 300
"""Most packets that are left out until a keyframe comes; some streams mark none."""

Verdict = Literal["", "gap", "join", "orphan"]
"""``join``: another recording begins. ``gap``: the same one goes on after a loss. ``orphan``: the reference of the
packet is missing, or the packet is out of order. Empty: the stream simply goes on."""


class Seams:
    """Judges the packets of one track in the order of the file. ``step`` is the usual time between two, in seconds."""

    def __init__(self, step: Fraction) -> None:
        self._step = step
        self._decoded_at: int | None = None
        self._position = 0
        self._since_break = NEAR_BREAK
        self._orphans = 0

    def judge(self, packet: av.Packet[Any]) -> Verdict:
        """Return how ``packet`` follows those before it."""
        self._since_break = 0 if packet.is_corrupt else self._since_break + 1
        if packet.pos is not None and 0 <= packet.pos < self._position:
            return "orphan"  # the demultiplexer held it back until the end of the file
        step_s = self._measure_step(packet)
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

    def _measure_step(self, packet: av.Packet[Any]) -> Fraction:
        if packet.dts is None or self._decoded_at is None or not packet.time_base:
            return Fraction(0)
        return (packet.dts - self._decoded_at) * Fraction(packet.time_base)
