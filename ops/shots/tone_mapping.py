"""Colours of HDR and wide-gamut videos as BT.709 in standard range: a static curve, as a 3D table.

Computed in display light, after these sources:

1. code values to light: PQ by SMPTE ST 2084 (ITU-R BT.2100, table 4); HLG by BT.2100, table 5, with the OOTF of a
   display of 1,000 cd/m2 (gamma 1.2); standard range by the power 2.4 of ITU-R BT.1886;
2. the brightest of R, G and B is mapped by the EETF of ITU-R BT.2390-11 (5.4.1) from the video's peak to 203 cd/m2,
   which is HDR reference white (ITU-R BT.2408), and R, G and B are scaled by the same factor, so that hues stay. If the
   peak is 1,000 cd/m2, all below 92 cd/m2 stays as it is, and reference white becomes 0.91 of white;
3. BT.2020 or P3-D65 primaries to BT.709 (ITU-R BT.2087; SMPTE RP 431-2); colours outside are desaturated at constant
   luminance until they fit;
4. light to code values by the inverse of BT.1886.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from ops.core.media import Transfer
from ops.videos.filters import build_graph

Floats = npt.NDArray[np.float64]

REFERENCE_WHITE = 203.0
"""cd/m2 (ITU-R BT.2408-7, 2.2)."""
PQ_PEAK, HLG_PEAK, HLG_GAMMA = 10_000.0, 1_000.0, 1.2
GRID = 33
"""Points of the table on each axis. 65 points change no pixel by more than 1 of 255."""
BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593])
BT709_LUMA = np.array([0.2126, 0.7152, 0.0722])
TO_BT709: dict[str, Floats] = {
    "bt2020": np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]),
    "p3": np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]]),
}


def needs_mapping(transfer: Transfer, primaries: str) -> bool:
    """Whether frames have to be mapped before they can be shown as BT.709 in standard range."""
    return transfer != "sdr" or primaries in TO_BT709


class ToneMapper:
    """Maps RGB frames of one video; kept for its table. Input and output frames are ``gbrp16le``, full range."""

    def __init__(self, transfer: Transfer, primaries: str, peak: int) -> None:
        self._key = (transfer, primaries, peak)
        self._graph: av.filter.Graph | None = None

    def map(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The mapped frame."""
        if self._graph is None:
            self._graph = self._build(frame)
        self._graph.push(frame)
        return self._graph.vpull()

    def _build(self, frame: av.VideoFrame) -> av.filter.Graph:
        with tempfile.TemporaryDirectory(prefix="needle-") as folder:
            path = Path(folder) / "table.cube"
            path.write_text(format_cube(*self._key))
            return build_graph(frame, [("lut3d", f"file={path}:interp=tetrahedral")])


@cache
def format_cube(transfer: Transfer, primaries: str, peak: int) -> str:
    """The table in the format of Adobe's Cube LUT Specification 1.0: red changes fastest."""
    axis = np.linspace(0, 1, GRID)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    codes_NC = np.stack([red, green, blue], axis=-1).reshape(-1, 3)
    mapped_NC = map_colours(codes_NC, transfer, primaries, peak)
    lines = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in mapped_NC.tolist())
    return f"LUT_3D_SIZE {GRID}\n{lines}\n"


def map_colours(codes_NC: Floats, transfer: Transfer, primaries: str, peak: float) -> Floats:
    """Code values (N, 3) from 0 to 1, RGB of the video, as code values of BT.709 in standard range."""
    light_NC = _decode_light(codes_NC, transfer) / REFERENCE_WHITE
    if transfer != "sdr":
        brightest_N = light_NC.max(axis=1, keepdims=True)
        mapped_N = apply_eetf(brightest_N * REFERENCE_WHITE, peak) / REFERENCE_WHITE
        light_NC = light_NC * mapped_N / np.maximum(brightest_N, 1e-9)
    if primaries in TO_BT709:
        light_NC = _fit_into_gamut(light_NC @ TO_BT709[primaries].T)
    return np.asarray(np.clip(light_NC, 0, 1) ** (1 / 2.4))


def _decode_light(codes_NC: Floats, transfer: Transfer) -> Floats:
    """Display light in cd/m2."""
    if transfer == "pq":
        return decode_pq(codes_NC)
    if transfer == "hlg":
        scene_NC = _decode_hlg(codes_NC)
        luma_N = scene_NC @ BT2020_LUMA
        return np.asarray(HLG_PEAK * scene_NC * np.maximum(luma_N, 1e-9)[:, None] ** (HLG_GAMMA - 1))
    return REFERENCE_WHITE * codes_NC**2.4


def decode_pq(codes: Floats) -> Floats:
    """SMPTE ST 2084: code values from 0 to 1 as cd/m2."""
    power = codes ** (1 / _M2)
    return PQ_PEAK * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def encode_pq(light: Floats) -> Floats:
    """SMPTE ST 2084: cd/m2 as code values from 0 to 1."""
    power = (light / PQ_PEAK) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def _decode_hlg(codes: Floats) -> Floats:
    """BT.2100, table 5: the inverse of the HLG OETF."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - c) / a) + b) / 12)


def apply_eetf(light: Floats, peak: float, target: float = REFERENCE_WHITE) -> Floats:
    """ITU-R BT.2390-11, 5.4.1: cd/m2 on a display of ``peak`` as cd/m2 on one of ``target``, black at 0."""
    top = float(encode_pq(np.asarray(peak)))
    codes = np.minimum(encode_pq(light) / top, 1)
    highest = float(encode_pq(np.asarray(target))) / top
    knee = 1.5 * highest - 0.5
    t = np.clip((codes - knee) / (1 - knee), 0, 1)
    curve = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * highest
    return decode_pq(np.where(codes < knee, codes, curve) * top)


def _fit_into_gamut(light_NC: Floats) -> Floats:
    """Colours with components below 0 or above 1, moved towards the grey of their luminance until they fit."""
    luma_N = np.clip(light_NC @ BT709_LUMA, 0, 1)[:, None]
    away_NC = light_NC - luma_N
    low_N, high_N = away_NC.min(axis=1, keepdims=True), away_NC.max(axis=1, keepdims=True)
    share_N = np.minimum(luma_N / np.maximum(-low_N, 1e-9), (1 - luma_N) / np.maximum(high_N, 1e-9))
    return np.asarray(luma_N + away_NC * np.minimum(share_N, 1))
