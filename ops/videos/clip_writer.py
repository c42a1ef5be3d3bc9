"""Writing one clip for an editing system: near-lossless H.264 and PCM in a QuickTime file, with its timecode."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import PictureType
from av.video.reformatter import ColorRange

from ops.core.media import MediaInfo
from ops.videos.held_packets import HeldPackets

Samples = npt.NDArray[np.int32]
"""int32 (channels, samples), full scale."""

CRF, PRESET = 16, "veryfast"
"""x264 at CRF 16 is visually lossless; veryfast costs a third of medium for files a fifth larger."""
FINE = Fraction(1, 90_000)
"""Ticks in which a film of variable rate is timed, seconds."""
KEPT_FORMATS = {
    f"yuv{chroma}p{depth}": f"yuv{chroma}p{depth}" for chroma in (420, 422, 444) for depth in ("", "10le")
} | {f"yuvj{chroma}p": f"yuv{chroma}p" for chroma in (420, 422, 444)}
"""Pixel formats that x264 takes as they are; ``yuvj`` is full range by another name."""


class ClipWriter:
    """Encodes one clip as its pictures and samples come in.

    The file is QuickTime (``.mov``): H.264 with one closed GOP a second and no B-frames, pictures upright, in the
    film's own size, pixel shape, chroma and bit depth (8 or 10); sound as 24-bit PCM, which has no encoder delay;
    a timecode track that begins with ``timecode``, unless it is empty. At a constant rate each picture lasts one
    frame, else it lasts as long as in the film.
    """

    def __init__(self, path: Path, info: MediaInfo, timecode: str) -> None:
        self._info = info
        self._timecode = timecode
        self._tick = FINE if info.variable_rate else 1 / info.fps
        self._container = av.open(str(path), "w", format="mov", options={"movflags": "+faststart"})
        self._video: av.VideoStream | None = None
        self._sound: av.AudioStream | None = None
        self._turn: av.filter.Graph | None = None
        self._pictures = HeldPackets(self._container)
        self._last = -1
        self._samples = 0
        self.frames = 0

    def begin(self, frame: av.VideoFrame, aspect: Fraction | None, sound: tuple[str, int] | None) -> None:
        """Set up the tracks for pictures like ``frame`` with pixels of ``aspect``; ``sound`` is layout and rate."""
        if turns := self._info.orientation.quarter_turns:
            self._turn = _turning(frame, turns)
        upright = self._upright(frame)
        stream = self._container.add_stream("libx264", rate=self._info.fps)
        stream.width, stream.height = upright.width, upright.height
        stream.pix_fmt = _format_for(frame)
        stream.time_base = self._tick
        context = stream.codec_context
        context.time_base = self._tick
        context.gop_size = max(round(self._info.fps), 1)
        context.max_b_frames = 0
        context.thread_count = 2
        context.options = {"preset": PRESET, "crf": str(CRF), "x264-params": "open-gop=0:force-cfr=0"}
        if aspect and aspect != 1:
            context.sample_aspect_ratio = 1 / aspect if self._info.orientation.quarter_turns % 2 else aspect
        context.color_range = ColorRange.JPEG if _is_full_range(frame) else frame.color_range
        context.colorspace, context.color_primaries = frame.colorspace, frame.color_primaries
        context.color_trc = frame.color_trc
        if self._timecode:
            stream.metadata["timecode"] = self._timecode
        self._video = stream
        if sound:
            self._sound = self._container.add_stream("pcm_s24le", rate=sound[1], layout=sound[0])

    def add_frame(self, frame: av.VideoFrame, time_s: Fraction) -> None:
        """Encode the next picture, due ``time_s`` seconds after the first."""
        assert self._video is not None
        picture = self._upright(frame)
        full = ColorRange.JPEG if _is_full_range(frame) else None
        picture = picture.reformat(
            width=self._video.width,
            height=self._video.height,
            format=self._video.pix_fmt,
            src_color_range=full,
            dst_color_range=full,
        )
        self._last = max(round(time_s / self._tick), self._last + 1)
        picture.pts, picture.time_base = self._last, self._tick
        picture.pict_type = PictureType.NONE
        self._pictures.write(self._video.encode(picture))
        self.frames += 1

    def add_samples(self, samples_CN: Samples) -> None:
        """Write the next samples."""
        if self._sound is None or not samples_CN.shape[1]:
            return
        packed = np.ascontiguousarray(samples_CN.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="s32", layout=self._sound.layout.name)
        frame.sample_rate, frame.pts = self._sound.rate, self._samples
        frame.time_base = Fraction(1, self._sound.rate)
        self._samples += samples_CN.shape[1]
        self._container.mux(self._sound.encode(frame))

    def close(self, duration_s: Fraction) -> None:
        """Finish the file; the clip lasts ``duration_s``."""
        assert self._video is not None
        self._pictures.write(self._video.encode(None))
        self._pictures.close(round(duration_s / self._tick))
        if self._sound is not None:
            self._container.mux(self._sound.encode(None))
        self._container.close()

    def abandon(self) -> None:
        """Close what was opened, of a clip that will not be finished."""
        self._container.close()

    def _upright(self, frame: av.VideoFrame) -> av.VideoFrame:
        if self._turn is None:
            return frame
        frame.pts = None
        self._turn.push(frame)
        turned = self._turn.pull()
        assert isinstance(turned, av.VideoFrame)
        return turned


def _format_for(frame: av.VideoFrame) -> str:
    """The pixel format that loses nothing, or least: x264 has no RGB, no alpha and no more than 10 bits."""
    kept = KEPT_FORMATS.get(frame.format.name)
    deep = "10le" if any(component.bits > 8 for component in frame.format.components) else ""
    if kept is None:
        kept = f"yuv420p{deep}" if len(frame.format.components) == 1 else f"yuv444p{deep}"
    # Chroma at half size needs even sides.
    odd = frame.width % 2 or frame.height % 2
    return f"yuv444p{deep}" if odd else kept


def _is_full_range(frame: av.VideoFrame) -> bool:
    return frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG


def _turning(frame: av.VideoFrame, quarter_turns: int) -> av.filter.Graph:
    """A filter that turns pictures clockwise by 1 to 3 quarter turns."""
    steps = {1: ["clock"], 2: ["clock", "clock"], 3: ["cclock"]}[quarter_turns]
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or FINE
    )
    nodes = [source, *(graph.add("transpose", step) for step in steps), graph.add("buffersink")]
    graph.link_nodes(*nodes).configure()
    return graph
