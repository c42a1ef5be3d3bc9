"""Frames of a file whose duration is known only when the next frame comes."""

from __future__ import annotations

import av
from av.container import OutputContainer


class HeldPackets:
    """Writes the packets of one video track to ``container``, one behind, so that each gets its duration.

    Packets come in the order in which they are shown (no B-frames), with a time, in ticks of the track.
    """

    def __init__(self, container: OutputContainer) -> None:
        self._container = container
        self._held_packet: av.Packet[av.VideoStream] | None = None

    def write(self, packets: list[av.Packet[av.VideoStream]]) -> None:
        """Write the packet before each, and hold the last."""
        for packet in packets:
            assert packet.pts is not None
            self._release(packet.pts)
            self._held_packet = packet

    def close(self, end: int) -> None:
        """Write the last packet, which is shown until tick ``end``, and for at least one tick."""
        if self._held_packet is not None:
            assert self._held_packet.pts is not None
            self._release(max(end, self._held_packet.pts + 1))
            self._held_packet = None

    def _release(self, end: int) -> None:
        if self._held_packet is not None:
            assert self._held_packet.pts is not None
            self._held_packet.duration = end - self._held_packet.pts
            self._container.mux(self._held_packet)
