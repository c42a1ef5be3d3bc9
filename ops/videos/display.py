"""How the stored frames of a video track are meant to be shown: orientation, crop, fields, colours, transparency.

The facts come from the container, the codec's own messages and a sample of decoded frames, compared with each other.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from ops.core.errors import MediaError
from ops.core.media import Crop, FieldOrder, Orientation, Transfer
from ops.core.process_limits import require_memory
from ops.videos.colours import Colours, ColourTags, read_colours, read_side_data
from ops.videos.container import demux, open_container, prepare_decoder, require_size
from ops.videos.crops import read_aperture
from ops.videos.damage import NOT_ONE_FRAME
from ops.videos.fact_log import FactLog
from ops.videos.fields import MAX_LINES, FieldMeter, Fields, decide_fields

SAMPLE = 16
"""Decoded frames in the sample: three periods of telecine. Taller frames are never interlaced: one is enough."""
MAX_PACKETS = 2_000
MAX_TILT = 1.0
"""Degrees by which a display matrix may miss a quarter turn without a report."""
MIN_ASPECT, MAX_ASPECT = Fraction(1, 10), 10


@dataclass(frozen=True, kw_only=True)
class DisplayFacts:
    """The picture fields of :class:`ops.core.media.MediaInfo`, under the same names."""

    width: int
    height: int
    orientation: Orientation
    crop: Crop
    field_order: FieldOrder
    is_telecined: bool
    transfer: Transfer
    primaries: str
    matrix: str
    peak: int
    has_alpha: bool


def read_display(path: Path, stream_index: int, log: FactLog) -> DisplayFacts:
    """Decode a few frames of a track and decide how its frames are shown. Adds facts and notes to ``log``.

    Raises ``MediaError`` if no frame can be decoded or frames are too large.
    """
    # Opened once more, because reading cannot be undone in every container.
    with open_container(path) as container:
        stream = container.streams[stream_index]
        assert isinstance(stream, VideoStream)
        tags, codec_order = ColourTags.read(stream.codec_context), stream.codec_context.field_order
        decoder = prepare_decoder(stream)
        meter, first = FieldMeter(), None
        alpha = _AlphaMeter()
        for frame in itertools.islice(_decode_frames(container, stream, decoder), SAMPLE):
            first = first or frame
            require_size(frame.width, frame.height)
            meter.add(frame)
            alpha.add(frame)
            if frame.height > MAX_LINES:
                break
        if first is None:
            raise MediaError(NOT_ONE_FRAME)
        orientation = read_orientation(first, stream.metadata, log)
        crop = _read_crop(path, container, stream, first, log)
        fields = decide_fields(meter, codec_order, log)
        colours = read_colours(tags, first, log)
        has_alpha = alpha.decide(log)
        width, height = compute_display_size(first, crop, stream.sample_aspect_ratio, orientation)
        return _build_facts(width, height, orientation, crop, fields, colours, has_alpha)


def _build_facts(
    width: int,
    height: int,
    orientation: Orientation,
    crop: Crop,
    fields: Fields,
    colours: Colours,
    has_alpha: bool,
) -> DisplayFacts:
    return DisplayFacts(
        width=width,
        height=height,
        orientation=orientation,
        crop=crop,
        field_order=fields.order,
        is_telecined=fields.is_telecined,
        transfer=colours.transfer,
        primaries=colours.primaries,
        matrix=colours.matrix,
        peak=colours.peak,
        has_alpha=has_alpha,
    )


def _decode_frames(
    container: InputContainer, stream: VideoStream, decoder: VideoCodecContext
) -> Iterator[av.VideoFrame]:
    """Yield the first frames that decode; a recording may begin between two keyframes."""
    try:
        for packet in itertools.islice(demux(container, stream), MAX_PACKETS):
            try:
                frames = decoder.decode(packet)
            except av.FFmpegError as error:
                require_memory(error)
                continue
            yield from frames
    except (av.FFmpegError, OSError):
        return  # damaged further on: the reader of the video reports it


def read_orientation(frame: av.VideoFrame, metadata: dict[str, str], log: FactLog) -> Orientation:
    """Return how the frame is turned and mirrored, by this rule:

    1. the display matrix of the container (mp4 and mov, Matroska projection), which editing tools rewrite;
    2. the display orientation message of H.264 and HEVC;
    3. the ``rotate`` tag that older tools wrote.
    """
    matrices = [struct.unpack("9i", data) for data in read_side_data(frame, "DISPLAYMATRIX") if len(data) == 36]
    claims = [(find_orientation(matrix), "display matrix") for matrix in matrices]
    tag = next((value for name, value in metadata.items() if name.lower() == "rotate"), "")
    if tag.lstrip("+-").isdigit():
        claims.append((Orientation(quarter_turns=round(int(tag) / 90) % 4), f"tag rotate={tag}"))
    usable = [(orientation, source) for orientation, source in claims if orientation is not None]
    choice, evidence = usable[0] if usable else (Orientation(), "no display matrix")
    against = [f"{source}: {_describe_orientation(other) if other else 'not invertible'}" for other, source in claims]
    log.add(
        "orientation",
        _describe_orientation(choice),
        evidence,
        contradictions=[text for text, (other, _) in zip(against, claims, strict=True) if other != choice],
    )
    tilt = _measure_tilt(matrices[0]) if matrices else 0.0
    if abs(tilt) > MAX_TILT:
        log.note(f"its display matrix turns it by {tilt:+.0f} degrees from a quarter turn, which is not shown")
    return choice


def find_orientation(matrix: tuple[int, ...]) -> Orientation | None:
    """Return the nearest orientation of a display matrix, nine integers in FFmpeg's order; ``None`` if degenerate.

    A point ``(x, y)``, y downwards, goes to ``(a x + c y, b x + d y)`` (ISO/IEC 14496-12, 6.2.2).
    """
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    determinant = a * d - b * c
    if not determinant:
        return None
    is_mirrored = determinant < 0
    angle = math.atan2(b, -a if is_mirrored else a)
    return Orientation(quarter_turns=round(angle / (math.pi / 2)) % 4, is_mirrored=is_mirrored)


def _measure_tilt(matrix: tuple[int, ...]) -> float:
    """Return the degrees, clockwise, by which a matrix turns beyond its nearest quarter turn."""
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    angle = math.degrees(math.atan2(b, -a if a * d - b * c < 0 else a))
    return angle - 90 * round(angle / 90)


def _describe_orientation(orientation: Orientation) -> str:
    turn = f"turned clockwise by {90 * orientation.quarter_turns} degrees" if orientation.quarter_turns else ""
    mirror = "mirrored left for right" if orientation.is_mirrored else ""
    return ", then ".join(part for part in (turn, mirror) if part) or "as stored"


def _read_crop(path: Path, container: InputContainer, stream: VideoStream, frame: av.VideoFrame, log: FactLog) -> Crop:
    number = [other.index for other in container.streams.video].index(stream.index)
    aperture = read_aperture(path, stream.id, number)
    if aperture is None:
        return Crop()
    crop, reason = aperture.crop, aperture.reason
    if not reason and (crop.left + crop.right >= frame.width or crop.top + crop.bottom >= frame.height):
        reason = f"it leaves nothing of {frame.width}x{frame.height}"
    if reason:
        log.add("crop", "none", "pictures", contradictions=[f"{aperture.source}: {reason}"])
        return Crop()
    value = f"left {crop.left}, top {crop.top}, right {crop.right}, bottom {crop.bottom}"
    log.add("crop", value, aperture.source)
    return crop


class _AlphaMeter:
    """Finds whether the alpha channel of a sample of frames is used."""

    def __init__(self) -> None:
        self._has_channel = self._has_palette = self._is_junk = False
        self._lowest = 255

    def add(self, frame: av.VideoFrame) -> None:
        """Take the next frame of the sample."""
        self._has_palette = frame.format.has_palette
        self._has_channel = has_alpha_channel(frame) or self._has_palette
        if not self._has_channel:
            return
        rgba = frame.reformat(width=min(frame.width, 64), height=min(frame.height, 64), format="rgba").to_ndarray()
        self._lowest = min(self._lowest, int(rgba[..., 3].min()))
        # Old 32-bit formats leave the fourth byte empty: a frame with content would be invisible.
        self._is_junk |= not rgba[..., 3].any() and int(rgba[..., :3].max()) > 32

    def decide(self, log: FactLog) -> bool:
        """Return whether frames have transparent parts; notes the evidence that is not used."""
        if not self._has_channel:
            return False
        if self._is_junk:
            reason = "pixel format, but it is 0 everywhere"
            log.add("alpha", "no", "it would hide every picture of the sample", contradictions=[reason])
            return False
        if self._lowest == 255:
            # A video may begin opaque: clips keep the channel. Palettes hold a transparent colour, or not.
            log.add("alpha", "no" if self._has_palette else "yes", "pixel format; opaque everywhere in the sample")
            return not self._has_palette
        log.add("alpha", "yes", "pixel format")
        log.note("it has transparency: proxies and posters show it over black, clips keep it")
        return True


def has_alpha_channel(frame: av.VideoFrame) -> bool:
    """Return whether the pixel format has an alpha channel, whatever it holds."""
    return any(part.is_alpha for part in frame.format.components)


def compute_display_size(
    frame: av.VideoFrame, crop: Crop, aspect: Fraction | None, orientation: Orientation
) -> tuple[int, int]:
    """Return width and height as shown: cropped, with square pixels, turned upright."""
    width, height = frame.width - crop.left - crop.right, frame.height - crop.top - crop.bottom
    if aspect and MIN_ASPECT <= aspect <= MAX_ASPECT:
        width = max(round(width * aspect), 1)
    return (height, width) if orientation.quarter_turns % 2 else (width, height)
