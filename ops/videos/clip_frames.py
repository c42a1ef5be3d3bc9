"""The video track of one clip for an editing system: near-lossless, upright, with its original fields and colours.

=====================  =====================================================================================
source                 clip
=====================  =====================================================================================
8 or 10 bits, opaque   H.264 in its own chroma and depth, one closed GOP a second, no B-frames
RGB                    H.264, 4:4:4, BT.709
transparent            ProRes 4444 with its alpha channel (H.264 has none), readable by every editing system
interlaced             interlaced, flagged with its field order; if it is turned by 90 degrees, deinterlaced
PQ, HLG                its tags, and the metadata of its mastering display
cropped, turned,       as shown, without the crop and the display matrix
mirrored
=====================  =====================================================================================
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Sequence
from fractions import Fraction

import av
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace

from ops.core.media import FieldOrder, MediaInfo, Orientation
from ops.videos.colours import TRANSFERS, is_full_range, read_side_data, tag_matrix
from ops.videos.filters import PARITY, FrameFilter, Step, build_deinterlacing_steps, crop_steps
from ops.videos.held_packets import HeldPackets

CRF, PRESET = 16, "veryfast"
"""x264 at CRF 16 is visually lossless; veryfast costs a third of medium for files a fifth larger."""
KEPT_FORMATS = {
    f"yuv{chroma}p{depth}": f"yuv{chroma}p{depth}" for chroma in (420, 422, 444) for depth in ("", "10le")
} | {f"yuvj{chroma}p": f"yuv{chroma}p" for chroma in (420, 422, 444)}
"""Pixel formats that x264 takes as they are; ``yuvj`` is full range by another name."""
ALPHA_FORMAT = "yuva444p10le"
BT709 = 1
TRANSFER_CODES = {"pq": 16, "hlg": 18}
PRIMARIES_CODES = {"bt2020": 9, "p3": 12}
FIELD_CODES: dict[FieldOrder, int] = {"upper": 4, "lower": 5, "progressive": 1}
"""AVFieldOrder; ``TB`` and ``BT`` become 9 and 14 in QuickTime's ``fiel`` (``ORDER_OF_CODEC`` in fields.py)."""


class ClipFrames:
    """Encodes the frames of one clip into ``container``. Every frame that goes in comes out, in order."""

    def __init__(
        self,
        container: OutputContainer,
        info: MediaInfo,
        first: av.VideoFrame,
        aspect: Fraction | None,
        tick: Fraction,
    ) -> None:
        """``first`` is a frame like those to come, ``aspect`` that of its pixels; ``tick`` is in seconds."""
        self._info, self._tick = info, tick
        tag_matrix(first, info.matrix)
        self._order = _order_in_clip(info, first)
        self._filter = FrameFilter(self._choose_steps) if self._choose_steps(first) else None
        self._marker = FrameFilter(lambda frame: [("setfield", PARITY[self._order])])
        self._ticks: deque[int] = deque()
        self._packets = HeldPackets(container)
        self.stream = self._add_stream(container, first, aspect)

    def _add_stream(self, container: OutputContainer, first: av.VideoFrame, aspect: Fraction | None) -> av.VideoStream:
        has_alpha = self._info.has_alpha
        stream = container.add_stream("prores_ks" if has_alpha else "libx264", rate=self._info.fps)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = _compute_clip_size(first, self._info)
        stream.pix_fmt = ALPHA_FORMAT if has_alpha else _format_for(first, stream.width, stream.height, self._order)
        stream.time_base = self._tick
        context = stream.codec_context
        context.time_base = self._tick
        context.thread_count = 2
        if has_alpha:
            context.options = {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"}
        else:
            context.gop_size = max(round(self._info.fps), 1)
            context.max_b_frames = 0
            parameters = ["open-gop=0", "force-cfr=0", *_format_mastering(first)]
            parameters += [f"{PARITY[self._order]}=1"] if self._order != "progressive" else []
            context.options = {"preset": PRESET, "crf": str(CRF), "x264-params": ":".join(parameters)}
        if self._order != "progressive":
            context.flags |= Flags.interlaced_dct | Flags.interlaced_me
            context.field_order = FIELD_CODES[self._order]
        if aspect and aspect != 1:
            context.sample_aspect_ratio = 1 / aspect if self._info.orientation.quarter_turns % 2 else aspect
        self._tag(context, first)
        return stream

    def _tag(self, context: av.video.codeccontext.VideoCodecContext, first: av.VideoFrame) -> None:
        info, is_rgb = self._info, first.format.is_rgb or first.format.has_palette
        context.color_range = (
            ColorRange.MPEG if is_rgb else ColorRange.JPEG if is_full_range(first) else first.color_range
        )
        context.colorspace = BT709 if is_rgb else int(first.colorspace)
        context.color_primaries = PRIMARIES_CODES.get(info.primaries, int(first.color_primaries))
        transfer = int(first.color_trc)
        if TRANSFERS.get(transfer, "sdr") != info.transfer:  # the container differs
            transfer = TRANSFER_CODES.get(info.transfer, BT709)
        context.color_trc = transfer

    def add(self, frame: av.VideoFrame, tick: int) -> None:
        """Encode the next frame, due at ``tick``."""
        tag_matrix(frame, self._info.matrix)
        self._ticks.append(tick)
        for upright in self._filter.push(frame) if self._filter else (frame,):
            self._encode(upright)

    def close(self, end: int) -> None:
        """Encode the frames left; the last frame is shown until tick ``end``."""
        for upright in self._filter.finish() if self._filter else ():
            self._encode(upright)
        self._packets.write(self.stream.encode(None))
        self._packets.close(end)

    def _encode(self, frame: av.VideoFrame) -> None:
        is_rgb = frame.format.is_rgb or frame.format.has_palette
        full = ColorRange.JPEG if is_full_range(frame) and not is_rgb else None
        image = frame.reformat(
            width=self.stream.width,
            height=self.stream.height,
            format=self.stream.pix_fmt,
            dst_colorspace=Colorspace.ITU709 if is_rgb else None,
            src_color_range=full,
            dst_color_range=ColorRange.MPEG if is_rgb else full,
        )
        if self._order != "progressive":
            image = next(self._marker.push(image))
        image.pts, image.time_base = self._ticks.popleft(), self._tick
        image.pict_type = PictureType.NONE
        self._packets.write(self.stream.encode(image))

    def _choose_steps(self, frame: av.VideoFrame) -> Sequence[Step]:
        info = self._info
        fields: list[Step] = []
        if info.field_order != "progressive" and self._order == "progressive":
            fields = build_deinterlacing_steps(info.field_order, is_telecined=info.is_telecined)
        crop = crop_steps(info.crop, keeps_fields=self._order != "progressive")
        return [*fields, *crop, *build_orientation_steps(info.orientation)]


def build_orientation_steps(orientation: Orientation) -> list[Step]:
    """Return filters that turn clockwise, then mirror left for right."""
    turns: dict[int, list[Step]] = {
        0: [],
        1: [("transpose", "clock")],
        2: [("hflip", ""), ("vflip", "")],
        3: [("transpose", "cclock")],
    }
    steps = turns[orientation.quarter_turns]
    if not orientation.is_mirrored:
        return steps
    return steps[1:] if orientation.quarter_turns == 2 else [*steps, ("hflip", "")]


def _order_in_clip(info: MediaInfo, first: av.VideoFrame) -> FieldOrder:
    """Return the clip's field order: a half turn swaps top and bottom lines, a quarter turn makes fields columns."""
    height = first.height - info.crop.top // 2 * 2 - info.crop.bottom
    if info.field_order == "progressive" or info.orientation.quarter_turns % 2 or height % 2:
        return "progressive"
    if info.orientation.quarter_turns == 2:
        return "lower" if info.field_order == "upper" else "upper"
    return info.field_order


def _compute_clip_size(first: av.VideoFrame, info: MediaInfo) -> tuple[int, int]:
    order = _order_in_clip(info, first)
    top = info.crop.top // 2 * 2 if order != "progressive" else info.crop.top
    width, height = first.width - info.crop.left - info.crop.right, first.height - top - info.crop.bottom
    return (height, width) if info.orientation.quarter_turns % 2 else (width, height)


def _format_for(frame: av.VideoFrame, width: int, height: int, order: FieldOrder) -> str:
    """Return the pixel format that loses nothing, or least: x264 has no RGB, no alpha and no more than 10 bits."""
    pixel_format = KEPT_FORMATS.get(frame.format.name)
    deep = "10le" if any(component.bits > 8 for component in frame.format.components) else ""
    if pixel_format is None:
        pixel_format = f"yuv420p{deep}" if len(frame.format.components) == 1 else f"yuv444p{deep}"
    # Chroma at half size needs even sides; with fields, each of them needs an even height.
    if width % 2 or height % 2:
        return f"yuv444p{deep}"
    return (
        f"yuv422p{deep}"
        if pixel_format.startswith("yuv420") and order != "progressive" and height % 4
        else pixel_format
    )


def _format_mastering(frame: av.VideoFrame) -> list[str]:
    """Return x264's SMPTE ST 2086 and CTA-861.3 parameters, in 1/50,000 of chromaticity and 1/10,000 cd/m2."""
    parameters = []
    display, light = read_side_data(frame, "MASTERING_DISPLAY_METADATA"), read_side_data(frame, "CONTENT_LIGHT_LEVEL")
    if display and len(display[0]) >= 88:
        numbers = struct.unpack_from("20i", display[0])
        values = [top / bottom if bottom else 0.0 for top, bottom in zip(numbers[::2], numbers[1::2], strict=True)]
        xy = [round(value * 50_000) for value in values[:8]]
        low, high = (round(value * 10_000) for value in values[8:])
        if any(xy) and high:
            red, green, blue, white = (f"({xy[at]},{xy[at + 1]})" for at in (0, 2, 4, 6))
            parameters.append(f"mastering-display=G{green}B{blue}R{red}WP{white}L({high},{low})")
    if light and len(light[0]) >= 8:
        parameters.append("cll={},{}".format(*struct.unpack_from("2I", light[0])))
    return parameters
