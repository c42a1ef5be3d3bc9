"""How the samples of a frame become colours: transfer, primaries, matrix and range, with defaults for untagged files.

Codes are those of ITU-T H.273, which FFmpeg uses unchanged. There are three sources: the container (``colr`` of mp4 and
mov, ``Colour`` of Matroska), the codec's own header, and the other properties of the file. The rule:

1. the container, because ISO/IEC 14496-12 (12.1.5) lets ``colr`` override the codec, and editing systems follow it;
2. the codec, which also wins for the range: writers of ``colr`` fill in "limited" if they do not know;
3. the other tags: PQ, HLG and BT.2020 primaries imply the BT.2020 matrix;
4. the size: 720 lines or more, or more than 1,024 columns, is BT.709, and anything smaller BT.601 (players, editing
   systems and browsers do the same; ITU-R BT.709 is the HD system, BT.601 the SD system).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import av
from av.video.reformatter import ColorRange

from ops.core.media import Transfer
from ops.videos.fact_log import FactLog

UNKNOWN = frozenset({0, 2, 3})
"""Reserved and unspecified codes of primaries and transfer; 0 is also the matrix of RGB."""
MATRICES = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 7: "bt709", 9: "bt2020", 10: "bt2020"}
"""SMPTE 240M (7) is BT.709 but for 1 % of its coefficients; frames keep their exact tag."""
MATRIX_CODES = {"bt709": 1, "bt601": 6, "bt2020": 9}
PRIMARIES = {1: "bt709", 5: "bt601", 6: "bt601", 7: "bt601", 9: "bt2020", 11: "p3", 12: "p3", 22: "bt601"}
BT2020_SDR = frozenset({14, 15})
TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}
TRANSFER_NAMES: dict[Transfer, str] = {"sdr": "standard range", "pq": "HDR (PQ)", "hlg": "HDR (HLG)"}
HD_LINES, HD_COLUMNS = 720, 1_024

DEFAULT_PEAK, MIN_PEAK, MAX_PEAK = 1_000, 400, 4_000
"""cd/m2. HDR10 is mastered at 1,000 unless its metadata differ; this is also the nominal peak of HLG (ITU-R BT.2408).
Metadata beyond these bounds is more often wrong than right."""


@dataclass(frozen=True)
class ColourTags:
    """Codes of primaries, transfer and matrix as one source states them."""

    primaries: int
    transfer: int
    matrix: int

    @classmethod
    def read(cls, source: av.VideoFrame | av.video.codeccontext.VideoCodecContext) -> ColourTags:
        return cls(int(source.color_primaries), int(source.color_trc), int(source.colorspace))


@dataclass(frozen=True, kw_only=True)
class Colours:
    """The colour fields of :class:`ops.core.media.MediaInfo`. ``peak`` is the brightest white, in cd/m2."""

    transfer: Transfer
    primaries: str
    matrix: str
    peak: int


def read_colours(container: ColourTags, frame: av.VideoFrame, log: FactLog) -> Colours:
    """Return the colours of a track with ``container``'s tags, by the rule above, from its first decoded ``frame``."""
    codec = ColourTags.read(frame)
    transfer = _decide_transfer(container, codec, frame, log)
    primaries = _decide_primaries(container, codec, transfer, log)
    matrix = _decide_matrix(container, codec, transfer, primaries, frame, log)
    _report_range(frame, log)
    colours = Colours(transfer=transfer, primaries=primaries, matrix=matrix, peak=_find_peak(frame))
    _report_notes(colours, frame, log)
    return colours


def tag_matrix(frame: av.VideoFrame, matrix: str) -> None:
    """Give a YCbCr frame the matrix that was chosen for its video, unless its own tag means the same."""
    if matrix in MATRIX_CODES and not frame.format.is_rgb and MATRICES.get(int(frame.colorspace)) != matrix:
        frame.colorspace = MATRIX_CODES[matrix]


def is_full_range(frame: av.VideoFrame) -> bool:
    """Return whether black is 0 rather than 16 (of 255); ``yuvj`` formats are full range by another name."""
    return frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG


def _is_known(code: int) -> bool:
    return code not in UNKNOWN


def _decide_transfer(container: ColourTags, codec: ColourTags, frame: av.VideoFrame, log: FactLog) -> Transfer:
    has_mastering = bool(read_side_data(frame, "MASTERING_DISPLAY_METADATA"))
    against = []
    if _is_known(container.transfer):
        code, evidence = container.transfer, "container"
        if code in BT2020_SDR and TRANSFERS.get(codec.transfer) == "hlg":
            # HLG that older players take for standard range (ETSI TS 101 154): writers of containers copy that tag.
            against.append("container: standard range")
            code, evidence = codec.transfer, "codec header (alternative transfer)"
        elif _is_known(codec.transfer) and TRANSFERS.get(codec.transfer, "sdr") != TRANSFERS.get(code, "sdr"):
            against.append(f"codec header: {TRANSFER_NAMES[TRANSFERS.get(codec.transfer, 'sdr')]}")
    elif _is_known(codec.transfer):
        code, evidence = codec.transfer, "codec header"
    elif has_mastering:
        code, evidence = 16, "metadata of a mastering display (SMPTE ST 2086)"
    else:
        code, evidence = 1, "no tag"
    transfer = TRANSFERS.get(code, "sdr")
    if transfer == "sdr" and has_mastering:
        against.append("metadata of a mastering display (SMPTE ST 2086), which HDR10 has")
    if transfer != "sdr" and max(part.bits for part in frame.format.components) < 10:
        against.append("8 bits: HDR has 10 or more")
    log.add("transfer", TRANSFER_NAMES[transfer], evidence, contradictions=against)
    return transfer


def _decide_primaries(container: ColourTags, codec: ColourTags, transfer: Transfer, log: FactLog) -> str:
    claims = [(tags.primaries, source) for tags, source in ((container, "container"), (codec, "codec header"))]
    claims = [(code, source) for code, source in claims if code in PRIMARIES]
    if claims:
        primaries, evidence = PRIMARIES[claims[0][0]], claims[0][1]
    elif transfer != "sdr" or MATRICES.get(container.matrix) == "bt2020" or MATRICES.get(codec.matrix) == "bt2020":
        primaries, evidence = "bt2020", "implied by the other tags"
    else:
        primaries, evidence = "bt709", "no tag"
    against = [f"{source}: {PRIMARIES[code]}" for code, source in claims if PRIMARIES[code] != primaries]
    log.add("primaries", primaries, evidence, contradictions=against)
    return primaries


def _decide_matrix(
    container: ColourTags, codec: ColourTags, transfer: Transfer, primaries: str, frame: av.VideoFrame, log: FactLog
) -> str:
    if frame.format.is_rgb or frame.format.has_palette:
        log.add("matrix", "rgb", "pixel format")
        return "rgb"
    claims = [(tags.matrix, source) for tags, source in ((container, "container"), (codec, "codec header"))]
    against = [f"{source}: RGB, but the pixels are {frame.format.name}" for code, source in claims if code == 0]
    against += [f"{source}: matrix {code}, which is not supported" for code, source in claims if code in (8, 11, 14)]
    claims = [(code, source) for code, source in claims if code in MATRICES]
    is_hd = frame.height >= HD_LINES or frame.width > HD_COLUMNS
    if claims:
        matrix, evidence = MATRICES[claims[0][0]], claims[0][1]
        against += [f"{source}: {MATRICES[code]}" for code, source in claims if MATRICES[code] != matrix]
    elif transfer != "sdr" or primaries == "bt2020":
        matrix, evidence = "bt2020", "implied by the other tags"
    elif codec.primaries in PRIMARIES and PRIMARIES[codec.primaries] in ("bt709", "bt601"):
        matrix, evidence = PRIMARIES[codec.primaries], "implied by the primaries"
    else:
        matrix = "bt709" if is_hd else "bt601"
        evidence = f"no tag: {frame.width}x{frame.height} is {'HD' if is_hd else 'SD'}"
    log.add("matrix", matrix, evidence, contradictions=tuple(against))
    return matrix


def _report_range(frame: av.VideoFrame, log: FactLog) -> None:
    tag = int(frame.color_range)
    if frame.format.is_rgb or is_full_range(frame):
        log.add("range", "full", "pixel format" if tag != ColorRange.JPEG else "tag")
    else:
        log.add("range", "limited", "tag" if tag == ColorRange.MPEG else "no tag")


def _find_peak(frame: av.VideoFrame) -> int:
    """Return the video's brightest white: MaxCLL (CTA-861.3), or else the mastering display's (SMPTE ST 2086)."""
    light, display = read_side_data(frame, "CONTENT_LIGHT_LEVEL"), read_side_data(frame, "MASTERING_DISPLAY_METADATA")
    peak = struct.unpack_from("I", light[0])[0] if light and len(light[0]) >= 8 else 0
    if not peak and display and len(display[0]) >= 88:
        # AVMasteringDisplayMetadata: eight rationals of primaries and white, then of the darkest and brightest white.
        top, bottom = struct.unpack_from("ii", display[0], 72)
        peak = round(top / bottom) if bottom > 0 else 0
    return min(max(peak, MIN_PEAK), MAX_PEAK) if peak > 0 else DEFAULT_PEAK


def read_side_data(frame: av.VideoFrame, name: str) -> list[bytes]:
    """Return the side data of a type, in the order in which container and codec added them."""
    container: Any = frame.side_data  # declared as a dictionary, but it is a sequence too, and types may repeat
    parts = [container[at] for at in range(len(container))]
    return [bytes(part) for part in parts if part.type.name == name]


def _report_notes(colours: Colours, frame: av.VideoFrame, log: FactLog) -> None:
    if colours.transfer != "sdr":
        log.note(
            f"{TRANSFER_NAMES[colours.transfer]}: proxies, posters and search use pictures that are tone-mapped to "
            "standard range; clips keep HDR"
        )
    if read_side_data(frame, "DOVI_METADATA") and ColourTags.read(frame).transfer in UNKNOWN:
        log.note("Dolby Vision without an HDR10 or HLG base (profile 5): its colours cannot be shown right")
