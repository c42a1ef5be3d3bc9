"""Read footage: every frame in presentation order, numbered from 0, in one sequential pass.

Sequential decoding is the only way of reading that was exact on every codec and container tried. The number of a frame
is its position in that order, with edit lists applied.

A damaged file is read to the end of its decodable part, never with a silent gap. These are recorded with their place
(``damage.py``):

- a frame that the file announces and the decoder does not give;
- a frame repaired by error concealment;
- a file that ends before the end in its own index.
"""

from __future__ import annotations

import heapq
import logging
from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ops.core.process_limits import require_memory
from ops.videos.clock import Clock
from ops.videos.container import (
    demux,
    is_usable_sound,
    open_container,
    prepare_decoder,
    require_file,
    require_size,
)
from ops.videos.damage import SEAM, Damage, Place
from ops.videos.decode_times import DecodeTimes, find_usual_step, has_no_clock
from ops.videos.integrity import explain_broken_structure
from ops.videos.matroska import CUT_SHORT, read_announced_frames
from ops.videos.seams import Seams
from ops.videos.tracks import choose_video_track

logger = logging.getLogger(__name__)

ONE_FRAME_A_PACKET = frozenset({"h264", "hevc", "av1", "libdav1d", "vp9", "prores", "dnxhd", "ffv1"})
"""Decoders that give one frame for each shown packet of an mp4 or Matroska file. VP8 hides some, and MPEG-4 leaves out
frames that equal the last one. Interlaced video may come as two fields (seen on its first frame)."""

MPEG2 = frozenset({"mpeg1video", "mpeg2video"})
"""The same, but sought in packets without times: counted here only."""

MAX_SOUNDS_BEFORE_FRAME = 20_000
MAX_HELD_SOUNDS = 400
"""Pieces of sound that wait for the frame that shows their clock, about 8 s."""
MAX_FAILURES = 1_000
"""Attempts in a row to find another packet."""


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """One decoded frame: ``index`` counts from 0 in presentation order, ``time_s`` from the first frame.

    ``frame`` is as stored: not rotated, pixels not square if the file declares that, its own pixel format. Its size may
    change within a broadcast recording.
    """

    index: int
    time_s: Fraction
    frame: VideoFrame


@dataclass(frozen=True, slots=True)
class Sound:
    """One decoded piece of sound; ``time_s`` counts from the first frame, so it may be negative.

    ``stream`` is the index of its track in the container.
    """

    time_s: Fraction
    frame: AudioFrame
    stream: int


HELD_PER_THREAD = 2
"""Frames that wait while several threads decode: those just before the first damage may already differ."""


class _DecoderError(Exception):
    """Damage while several threads decode: their output varies from here on."""


def read_media(
    path: Path,
    *,
    threads: int = 1,
    audio: bool | Collection[int] = False,
    start: int | None = None,
    damage: Damage | None = None,
) -> Iterator[DecodedFrame | Sound]:
    """Decode a file once, from its first frame to its last.

    ``threads`` is the number of decoder threads (more cost 20-40 % more CPU for the same frames). ``audio`` selects the
    sound tracks that are yielded too, in the order of the file: their indexes, or true for the first usable. Damaged
    and missing parts are recorded in ``damage``. Raises ``MediaError`` at the end if nothing useful was decoded, and
    for a file that is not a video. With ``start``, a time in ticks of the video track, reading begins at a keyframe
    before it and counts from there. Only the time of that frame identifies it (``seeking.py``).
    """
    require_file(path)
    damage = Damage() if damage is None else damage
    counts = Counter[type[DecodedFrame | Sound]]()
    if threads > 1:
        held_back, frame_count = deque[DecodedFrame | Sound](), 0
        try:
            for item in _read(path, threads, audio, start, damage):
                held_back.append(item)
                frame_count += isinstance(item, DecodedFrame)
                while frame_count > HELD_PER_THREAD * threads:
                    oldest = held_back.popleft()
                    frame_count -= isinstance(oldest, DecodedFrame)
                    yield oldest
                    counts[type(oldest)] += 1
            yield from held_back
            return
        except _DecoderError:
            # With one thread the same file always gives the same frames.
            damage.reset()
    for item in _read(path, 1, audio, start, damage):
        if counts[type(item)]:
            counts[type(item)] -= 1
        else:
            yield item


def _read(
    path: Path, threads: int, audio: bool | Collection[int], start: int | None, damage: Damage
) -> Iterator[DecodedFrame | Sound]:
    reason = explain_broken_structure(path)
    threads = 1 if reason else threads
    with open_container(path) as container:
        video = choose_video_track(container)
        number = [stream.index for stream in container.streams.video].index(video.index)
        announced_count, structure_fault = (
            (0, "") if start is not None or reason else read_announced_frames(path, number)
        )
        pass_ = _Pass(video, _select_sound_streams(container, audio), container, damage)
        pass_.packets_due = announced_count or pass_.packets_due
        pass_.broken = reason or structure_fault
        threads = 1 if structure_fault else threads
        pass_.is_threaded = threads > 1
        pass_.decoder = prepare_decoder(video, threads)
        if start is not None:
            container.seek(start, stream=video)
            pass_.packets_due, pass_.broken = 0, ""
        yield from pass_.run()
        if start is None:
            damage.require_useful()


def _select_sound_streams(container: InputContainer, audio: bool | Collection[int]) -> list[AudioStream]:
    if isinstance(audio, bool):
        return [stream for stream in container.streams.audio if is_usable_sound(stream)][:1] if audio else []
    return [stream for stream in container.streams.audio if stream.index in audio]


class _Pass:
    """The state of one pass: the announced frames, the decoded frames, the current clock."""

    def __init__(
        self, video: VideoStream, sounds: list[AudioStream], container: InputContainer, damage: Damage
    ) -> None:
        self.video, self.sounds, self.container, self.damage = video, sounds, container, damage
        names = container.format.name.split(",")
        self.is_broadcast = not {"mpegts", "mpeg"}.isdisjoint(names)
        # If each packet carries the presentation time of its frame, which AVI and others do not.
        has_exact_times = not {"mov", "matroska", "mpegts"}.isdisjoint(names)
        self.counts_frames = has_exact_times and video.codec_context.name in ONE_FRAME_A_PACKET | MPEG2
        # AVI has a table of its chunks at the end; a demultiplexer that lost its position skips some.
        self.packets_due = sum(entry.size > 0 for entry in video.index_entries) if "avi" in names else 0
        self.has_table = "mov" in names  # each track's own: if one ends too early, another may go on
        self.broken = ""
        self.is_threaded = False
        self.packets = 0
        self.has_key = False
        self.announced: list[int] = []
        self.index = 0
        self.decoder = video.codec_context
        self.has_no_clock = has_no_clock(video)
        self.decode_times = DecodeTimes(video, container.format.name)
        self.clock = Clock(find_usual_step(video), may_jump=self.is_broadcast)
        self.orphans = 0
        self.seams = Seams(find_usual_step(video))
        self.is_other_clock = False
        self.broken_frames = set[int | None]()
        self.waiting: deque[tuple[int, AudioFrame]] = deque()

    def run(self) -> Iterator[DecodedFrame | Sound]:
        """Demultiplex and decode to the end."""
        for packet in self._read_packets():
            # packet.stream, not stream_index: the last, empty packet that flushes the decoder has no index.
            if packet is None:
                yield from self._decode_video(None)
                for stream in self.sounds:
                    yield from self._decode_audio(stream, None)
            elif packet.stream is self.video or packet.stream.index == self.video.index:
                yield from self._decode_video(packet)
            else:
                stream = next(stream for stream in self.sounds if stream.index == packet.stream.index)
                yield from self._decode_audio(stream, packet)
        yield from self._pass_sound(is_last=True)
        self.damage.frame_count = self.index
        self._note_missing(len(self.announced) + self.orphans)
        self._record_end()

    def _read_packets(self) -> Iterator[av.Packet[Any] | None]:
        """Yield all packets that can be found, and ``None`` last.

        A demultiplexer that meets the end of a truncated file may still find packets of another track.
        """
        failures = 0
        while failures < MAX_FAILURES:
            failures += 1
            try:
                for packet in demux(self.container, [self.video, *self.sounds], self._note_new_track):
                    if packet.size:
                        failures = 0
                        yield packet
                    elif packet.dts is None and packet.pts is None:
                        break
                if not (self.has_table and self.broken):
                    break
            except (av.FFmpegError, OSError) as error:
                require_memory(error)
                logger.info("packets cannot be read after frame %d: %s", self.index - 1, error)
        yield None

    def _note_new_track(self) -> None:
        self.damage.add_new_track(self.index, self.clock.time_s)

    def _decode_video(self, packet: av.Packet[Any] | None) -> Iterator[DecodedFrame | Sound]:
        if packet is not None:
            verdict = self.seams.judge(packet) if self.is_broadcast else ""
            if verdict == "orphan":
                self.orphans += 1
                return
            if verdict and self.packets:
                yield from self._cross_seam(is_join=verdict == "join")
            self._announce(packet)
        try:
            frames = self.decoder.decode(packet)
        except av.FFmpegError as error:
            require_memory(error)
            self._require_one_thread()
            # A recording that starts between two keyframes begins with some packets that cannot be decoded.
            if not self.counts_frames and (self.index or self.has_key):
                self._note_missing(1)
            self.decode_times.drop_latest()
            return
        for frame in frames:
            yield from self._yield_frame(frame)

    def _cross_seam(self, *, is_join: bool) -> Iterator[DecodedFrame | Sound]:
        """At the seam of joined streams, take the remaining frames out of the decoder, and reset it."""
        yield from self._decode_video(None)
        self._note_missing(len(self.announced) + self.orphans)
        self.orphans = 0
        self.announced.clear()
        self.decoder.flush_buffers()
        self.is_other_clock = is_join

    def _announce(self, packet: av.Packet[Any]) -> None:
        """Note that a packet was found."""
        if packet.is_corrupt and self.index:
            self.broken_frames.add(packet.pts)
        self.decode_times.note(packet)
        self.packets += 1
        self.has_key = self.has_key or packet.is_keyframe
        if self.counts_frames and packet.pts is not None and not packet.is_discard:
            heapq.heappush(self.announced, packet.pts)

    def _yield_frame(self, frame: VideoFrame) -> Iterator[DecodedFrame | Sound]:
        require_size(frame.width, frame.height)
        if frame.interlaced_frame:
            self.counts_frames = False
            self.announced.clear()
        self.decode_times.settle(frame)
        self._remove_announced(frame.pts)
        self._set_clock(frame)
        if frame.pts in self.broken_frames:
            self.broken_frames.discard(frame.pts)
            self.damage.breaks.append(Place(self.index, self.clock.time_s))
        if frame.is_corrupt:
            self._require_one_thread()
            self.damage.add_damaged(self.index, self.clock.time_s)
        yield DecodedFrame(self.index, self.clock.time_s, frame)
        self.index += 1
        yield from self._pass_sound()

    def _remove_announced(self, pts: int | None) -> None:
        """Remove the frame from those announced; one with an earlier time that never came out is missing.

        Before the first frame this is not damage: a video that was cut without a keyframe begins with frames whose
        references are gone, and no player shows them.
        """
        if not self.counts_frames or pts is None:
            return
        count = 0
        while self.announced and self.announced[0] < pts:
            heapq.heappop(self.announced)
            count += 1
        self._note_missing(count)
        if self.announced and self.announced[0] == pts:
            heapq.heappop(self.announced)

    def _note_missing(self, count: int) -> None:
        if count:
            self._require_one_thread()
            self.damage.add_missing(self.index - 1, self.clock.time_s, count)

    def _require_one_thread(self) -> None:
        """Restart with one thread at the first damage: the output of several, and of the stream's end, varies."""
        if self.is_threaded:
            raise _DecoderError

    def _set_clock(self, frame: VideoFrame) -> None:
        """Set the clock to ``frame``."""
        before_s = self.clock.time_s
        tick = frame.time_base or self.video.time_base
        at = None if frame.pts is None or tick is None or self.has_no_clock else frame.pts * Fraction(tick)
        step = self.clock.show(at, is_other=self.is_other_clock)
        self.is_other_clock = False
        if step == "join":
            self.damage.add_join(self.index, self.clock.time_s)
        elif step == "gap" and (self.is_broadcast or self.broken):
            # A stream may pause. A lost packet looks the same.
            self.damage.gaps.append(Place(self.index - 1, before_s, length_s=self.clock.time_s - before_s))

    def _record_end(self) -> None:
        """Compare the decoded frames with those that the file announces."""
        if self.packets < self.packets_due:
            self.damage.remarks.append(
                f"only {self.packets:,} of {self.packets_due:,} pictures are found in the file; copy it again"
            )
        if not self.broken:
            return
        end_s = self.clock.time_s + self.clock.step
        due_s = self.video.frames * self.clock.step
        if self.video.duration and self.video.time_base:
            due_s = max(due_s, self.video.duration * Fraction(self.video.time_base))
        elif self.container.duration:
            due_s = max(due_s, Fraction(self.container.duration, av.time_base))
        if self.broken.startswith(CUT_SHORT) and end_s + self.clock.step < due_s:
            self.damage.remarks.append(
                f"{CUT_SHORT}: {float(end_s):.1f} of about {float(due_s):.1f} s are there; copy it again for the rest"
            )
            # The announced frames behind the end are that rest.
            self.damage.missing = [place for place in self.damage.missing if place.frame < self.index - 1]
            self.damage.sound = [place for place in self.damage.sound if place.frame < self.index - SEAM]
        else:
            self.damage.remarks.append(self.broken)

    def _decode_audio(self, stream: AudioStream, packet: av.Packet[Any] | None) -> Iterator[Sound]:
        try:
            frames = stream.codec_context.decode(packet)
        except av.FFmpegError as error:
            require_memory(error)
            logger.info("sound near %.2f s cannot be decoded and is left out: %s", float(self.clock.time_s), error)
            at = None if packet is None or packet.pts is None or not packet.time_base else packet.pts * packet.time_base
            self.damage.add_silence(*self.clock.locate(at))
            return
        self.waiting.extend((stream.index, frame) for frame in frames)
        while not self.index and len(self.waiting) > MAX_SOUNDS_BEFORE_FRAME:
            self.waiting.popleft()
        yield from self._pass_sound()

    def _pass_sound(self, *, is_last: bool = False) -> Iterator[Sound]:
        """Yield the sound whose time is certain; later sound of the same track waits with the uncertain piece."""
        if not self.index or not self.waiting:
            return
        is_certain = is_last or len(self.waiting) > MAX_HELD_SOUNDS * len(self.sounds)
        queue: deque[tuple[int, AudioFrame]] = deque()
        while self.waiting:
            stream, frame = self.waiting.popleft()
            at = None if frame.pts is None or frame.time_base is None else frame.pts * Fraction(frame.time_base)
            length_s = Fraction(frame.samples, frame.sample_rate or 1)
            is_behind = any(stream == other for other, _ in queue)
            time_s = None if is_behind else self.clock.place_sound(stream, at, length_s, is_certain=is_certain)
            if time_s is None:
                queue.append((stream, frame))
            else:
                yield Sound(time_s, frame, stream)
        self.waiting = queue
