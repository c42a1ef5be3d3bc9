"""Filters of libavfilter over the frames of a video: one frame in, one frame out, in order, a few frames later."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import av

from ops.core.media import Crop, FieldOrder

Step = tuple[str, str]
"""Name and arguments of a filter."""

MIN_SIDE = 16
"""Smaller frames are not deinterlaced."""
PARITY: dict[FieldOrder, str] = {"upper": "tff", "lower": "bff", "progressive": "auto"}


class FrameFilter:
    """Passes frames through filters that neither drop nor double frames.

    ``plan`` returns the steps for frames like the given one. It is called again if the size or pixel format changes.
    Times and time bases of the frames stay as they were.
    """

    def __init__(self, plan: Callable[[av.VideoFrame], Sequence[Step]]) -> None:
        self._plan = plan
        self._graph: av.filter.Graph | None = None
        self._shape: tuple[int, int, str] | None = None
        self._times: deque[tuple[int | None, Fraction | None]] = deque()
        self._count = 0

    def push(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Take the next frame; yields the frames that are ready."""
        shape = (frame.width, frame.height, frame.format.name)
        if shape != self._shape:
            yield from self.finish()
            self._shape, self._graph = shape, build_graph(frame, self._plan(frame))
        assert self._graph is not None
        self._times.append((frame.pts, frame.time_base))
        # Counted from 0: filters refuse or drop frames whose times stand still or go back.
        frame.pts, frame.time_base = self._count, Fraction(1, 1000)
        self._count += 1
        self._graph.push(frame)
        yield from self._pull()

    def finish(self) -> Iterator[av.VideoFrame]:
        """End the input; yields the frames that are left."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull()
            self._graph = self._shape = None

    def _pull(self) -> Iterator[av.VideoFrame]:
        assert self._graph is not None
        while True:
            try:
                frame = self._graph.vpull()
            except (BlockingIOError, av.EOFError):
                return
            yield set_time(frame, *self._times.popleft())


def set_time(frame: av.VideoFrame, pts: int | None, time_base: Fraction | None) -> av.VideoFrame:
    """Return the same frame with another time; ``None`` is unknown."""
    frame.pts = pts
    if time_base is not None:
        frame.time_base = time_base
    return frame


def build_graph(frame: av.VideoFrame, steps: Sequence[Step]) -> av.filter.Graph:
    """Return a configured graph of ``steps`` for frames like ``frame``."""
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add(
        "buffer",
        video_size=f"{frame.width}x{frame.height}",
        pix_fmt=frame.format.name,
        time_base="1/1000",
        colorspace=str(int(frame.colorspace)),
        range=str(int(frame.color_range)),
    )
    nodes = [graph.add(name, arguments or None) for name, arguments in steps]
    graph.link_nodes(source, *nodes, graph.add("buffersink")).configure()
    return graph


def build_deinterlacing_steps(order: FieldOrder, *, is_telecined: bool) -> list[Step]:
    """Return steps that give one progressive frame for each frame, at the time of its first field.

    For telecined film, ``fieldmatch`` joins the fields of each film frame again. Only frames without a match are
    interpolated. With ``progressive`` only frames that are flagged interlaced change. ``bwdif`` (Weston and yadif) is
    the best of FFmpeg's deinterlacers without a trained model.
    """
    if order == "progressive":
        return [("bwdif", "mode=send_frame:parity=auto:deint=interlaced")]
    parity = PARITY[order]
    if is_telecined:
        match = ("fieldmatch", f"order={parity}:combmatch=full")
        return [match, ("bwdif", f"mode=send_frame:parity={parity}:deint=interlaced")]
    return [("bwdif", f"mode=send_frame:parity={parity}:deint=all")]


def crop_steps(crop: Crop, *, keeps_fields: bool = False) -> list[Step]:
    """Return steps that cut off the hidden part, to the pixel. With ``keeps_fields`` an even number of lines goes at
    the top."""
    if crop == Crop():
        return []
    top = crop.top // 2 * 2 if keeps_fields else crop.top
    size = f"w=iw-{crop.left + crop.right}:h=ih-{top + crop.bottom}"
    return [("crop", f"{size}:x={crop.left}:y={top}:exact=1")]
