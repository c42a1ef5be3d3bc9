"""Write one clip for an editing system: near-lossless video and PCM in a QuickTime file, with its timecode."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.stream import Disposition

from ops.core.media import MediaInfo, SoundTrack
from ops.videos.clip_frames import ClipFrames
from ops.videos.sound_line import Samples

DEPTHS = {"pcm_s32le": "s32", "pcm_s32be": "s32", "pcm_f32le": "flt", "pcm_f32be": "flt", "pcm_f64le": "flt"} | {
    "pcm_f64be": "flt"
}
"""Source codecs whose samples do not fit into 24 bits, and the samples that hold them."""

FINE = Fraction(1, 90_000)
"""Ticks for the times of a video of variable rate, in seconds."""


class ClipWriter:
    """Encodes one clip from its frames and samples in their order.

    The file is QuickTime (``.mov``), with these tracks:

    - video as in ``clip_frames.py``, in the source's own size and pixel shape;
    - every sound track, the heard ones first, with its own channels, rate, language and title, as 24-bit PCM (32 bits
      if the source has them). PCM has no encoder delay;
    - a timecode track with the source's reel that begins with ``timecode``, unless that is empty.

    At a constant rate each frame lasts one frame time, else it lasts as long as in the source.
    """

    def __init__(self, path: Path, info: MediaInfo, timecode: str) -> None:
        self._info = info
        self._timecode = timecode
        self._tick = FINE if info.variable_rate else 1 / info.fps
        self._container = av.open(str(path), "w", format="mov", options={"movflags": "+faststart"})
        self._pictures: ClipFrames | None = None
        self._sounds: list[av.AudioStream] = []
        self._last = -1
        self._samples = [0] * len(info.sound_tracks)
        self.frames = 0

    def begin(self, frame: av.VideoFrame, aspect: Fraction | None) -> None:
        """Set up the tracks for frames like ``frame`` with pixels of ``aspect``."""
        self._pictures = ClipFrames(self._container, self._info, frame, aspect, self._tick)
        if self._timecode:
            self._pictures.stream.metadata["timecode"] = self._timecode
            if self._info.reel:  # becomes the name in the timecode track
                self._pictures.stream.metadata["reel_name"] = self._info.reel
        self._sounds = [self._add_sound(track) for track in self._info.clip_tracks]

    def _add_sound(self, track: SoundTrack) -> av.AudioStream:
        codec = {"s32": "pcm_s32le", "flt": "pcm_f32le"}.get(DEPTHS.get(track.codec, ""), "pcm_s24le")
        stream = self._container.add_stream(codec, rate=track.sample_rate, layout=track.layout)
        assert isinstance(stream, av.AudioStream)
        if track.language:
            stream.metadata["language"] = track.language
        if track.title:
            stream.metadata["title"] = track.title
        # Players play the enabled tracks; editing systems see every track.
        stream.disposition = Disposition.default if track in self._info.heard_tracks else Disposition(0)
        return stream

    def add_frame(self, frame: av.VideoFrame, time_s: Fraction) -> None:
        """Encode the next frame, due ``time_s`` seconds after the first."""
        assert self._pictures is not None
        self._last = max(round(time_s / self._tick), self._last + 1)
        self._pictures.add(frame, self._last)
        self.frames += 1

    def add_samples(self, number: int, samples_CN: Samples) -> None:
        """Write the next samples of the clip's sound track ``number`` (from 0), in the form of :func:`sample_kind`."""
        if not samples_CN.shape[1]:
            return
        stream = self._sounds[number]
        interleaved_N = np.ascontiguousarray(samples_CN.T).reshape(1, -1)
        kind = sample_kind(self._info.clip_tracks[number])
        frame = av.AudioFrame.from_ndarray(interleaved_N, format=kind, layout=stream.layout.name)
        frame.sample_rate, frame.pts = stream.rate, self._samples[number]
        frame.time_base = Fraction(1, stream.rate)
        self._samples[number] += samples_CN.shape[1]
        self._container.mux(stream.encode(frame))

    def close(self, duration_s: Fraction) -> None:
        """Finish the file; the clip lasts ``duration_s``."""
        assert self._pictures is not None
        self._pictures.close(round(duration_s / self._tick))
        for stream in self._sounds:
            self._container.mux(stream.encode(None))
        self._container.close()

    def abandon(self) -> None:
        """Close the file of a clip that will not be finished."""
        self._container.close()


def sample_kind(track: SoundTrack) -> Literal["s32", "flt"]:
    """Return the sample form of a track in a clip: float if the source is, else whole numbers of full scale."""
    return "flt" if DEPTHS.get(track.codec) == "flt" else "s32"
