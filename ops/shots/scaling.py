"""Frames of a video as proxy frames: deinterlaced, cropped, scaled, in BT.709 or BT.601, opaque and upright.

An ordinary video (progressive, standard range, opaque) is only scaled. All consumers of frames (detector, proxies,
posters and encoders) get these frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from ops.core.media import Crop, MediaInfo, Orientation
from ops.shots.pictures import split_planes
from ops.shots.tone_mapping import ToneMapper, needs_mapping
from ops.videos.colours import is_full_range, tag_matrix
from ops.videos.display import has_alpha_channel
from ops.videos.fields import MAX_LINES
from ops.videos.filters import MIN_SIDE, FrameFilter, Step, build_deinterlacing_steps, crop_steps, set_time

SHORT_SIDE = 360
"""Maximum short side of a proxy, pixels."""

BT709 = 1
"""Code of matrix, primaries and transfer (ITU-T H.273)."""
SHOWN_AS_TAGGED = frozenset({BT709, 5, 6})
"""Matrices that browsers and decord convert as tagged (decord2 3.4, measured 2026-11-28 on pure colours)."""


def compute_proxy_size(width: int, height: int) -> tuple[int, int]:
    """Even ``(width, height)`` of the proxy for a display size: short side at most 360, never above the source's."""
    scale = min(1.0, SHORT_SIDE / min(width, height))

    def round_to_even(side: int) -> int:
        return max(2, min(round(side * scale / 2) * 2, side // 2 * 2))

    return round_to_even(width), round_to_even(height)


class FrameScaler:
    """Converts the frames of one video to proxy frames: upright, square pixels, 8-bit yuv420p, one size.

    One object per video, for its caches. Every input frame is returned, in order. If the video is interlaced, frames
    are returned one frame later.
    """

    def __init__(self, info: MediaInfo) -> None:
        self.size = compute_proxy_size(info.width, info.height)
        self._info = info
        width, height = self.size
        self._stored_size = (height, width) if info.orientation.quarter_turns % 2 else (width, height)
        self._reformatter, self._second = VideoReformatter(), VideoReformatter()
        self._filter = (
            FrameFilter(self._choose_steps) if info.field_order != "progressive" or info.crop != Crop() else None
        )
        is_mapped = needs_mapping(info.transfer, info.primaries)
        self._mapper = ToneMapper(info.transfer, info.primaries, info.peak) if is_mapped else None

    def push(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Add the next frame; yield the ready proxy frames, or the same object if nothing has to change."""
        tag_matrix(frame, self._info.matrix)
        if self._filter is None and frame.interlaced_frame and _has_fields(frame):
            # A broadcast recording may become interlaced later on.
            self._filter = FrameFilter(self._choose_steps)
        if self._filter is None:
            yield self._scale(frame)
        else:
            yield from map(self._scale, self._filter.push(frame))

    def finish(self) -> Iterator[av.VideoFrame]:
        """End the video; yield the remaining frames."""
        if self._filter is not None:
            yield from map(self._scale, self._filter.finish())

    def _choose_steps(self, frame: av.VideoFrame) -> Sequence[Step]:
        info = self._info
        fields = (
            build_deinterlacing_steps(info.field_order, is_telecined=info.is_telecined) if _has_fields(frame) else []
        )
        return [*fields, *crop_steps(info.crop)] or [("null", "")]

    def _scale(self, frame: av.VideoFrame) -> av.VideoFrame:
        if self._mapper is not None:
            small = self._map_tones(frame, self._mapper)
        elif frame.format.has_palette or (self._info.has_alpha and has_alpha_channel(frame)):
            small = self._composite(frame)
        else:
            small = self._reformat(self._reformatter, frame)
        orientation = self._info.orientation
        return orient(small, orientation) if orientation != Orientation() else small

    def _reformat(self, reformatter: VideoReformatter, frame: av.VideoFrame) -> av.VideoFrame:
        """In proxy size and yuv420p, limited range, in a matrix that every reader supports."""
        width, height = self._stored_size
        full, rgb = is_full_range(frame), frame.format.is_rgb
        is_other = not rgb and int(frame.colorspace) not in SHOWN_AS_TAGGED
        return reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="yuv420p",
            interpolation="BICUBLIN" if (width, height) != (frame.width, frame.height) else None,
            dst_colorspace=Colorspace.ITU601 if rgb else Colorspace.ITU709 if is_other else None,
            src_color_range=ColorRange.JPEG if full and not rgb else None,
            dst_color_range=ColorRange.MPEG if full or rgb else None,
        )

    def _map_tones(self, frame: av.VideoFrame, mapper: ToneMapper) -> av.VideoFrame:
        """BT.709 in standard range: scaled in the video's own code values, which costs far less than in light."""
        width, height = self._stored_size
        code_range = ColorRange.JPEG if is_full_range(frame) else ColorRange.MPEG
        rgb = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="gbrp16le",
            interpolation="BICUBIC",
            src_color_range=None if frame.format.is_rgb else code_range,
            dst_color_range=ColorRange.JPEG,
        )
        standard = mapper.map(rgb)
        result = self._second.reformat(
            standard, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        result.color_primaries = result.color_trc = BT709
        return set_time(result, frame.pts, frame.time_base)

    def _composite(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Over black: straight alpha scales the colours."""
        width, height = self._stored_size
        full = is_full_range(frame)
        rgba = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgba",
            interpolation="BICUBIC",
            src_color_range=ColorRange.JPEG if full and not frame.format.is_rgb else None,
            dst_color_range=ColorRange.JPEG,
        ).to_ndarray()
        alpha = rgba[..., 3:].astype(np.uint16)
        opaque = av.VideoFrame.from_ndarray(((rgba[..., :3] * alpha + 127) // 255).astype(np.uint8), format="rgb24")
        return self._reformat(self._second, set_time(opaque, frame.pts, frame.time_base))


def _has_fields(frame: av.VideoFrame) -> bool:
    return min(frame.width, frame.height) >= MIN_SIDE and frame.height <= MAX_LINES


def orient(frame: av.VideoFrame, orientation: Orientation) -> av.VideoFrame:
    """A yuv420p frame turned clockwise, then mirrored left to right."""
    planes = []
    for plane in split_planes(frame):
        upright = np.rot90(plane, -orientation.quarter_turns)
        planes.append(np.ascontiguousarray(upright[:, ::-1] if orientation.is_mirrored else upright))
    height, width = planes[0].shape
    result = av.VideoFrame(width, height, "yuv420p")
    for target, source in zip(split_planes(result), planes, strict=True):
        target[:] = source
    result.color_range, result.colorspace = frame.color_range, frame.colorspace
    result.color_primaries, result.color_trc = frame.color_primaries, frame.color_trc
    return set_time(result, frame.pts, frame.time_base)
