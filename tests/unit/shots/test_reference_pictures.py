"""Proxy frames, proxies and posters of every kind of source against the same frames as FFmpeg's own program shows them.

The reference is rendered by the binary of imageio-ffmpeg: it turns, mirrors and crops by itself; where it does not
know better (untagged HD, interlaced pictures, transparency), the kind names the filters. HDR is held against the
standard-range pictures that it was made from. Bounds are mean absolute differences of 255.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import av
import cv2
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest
from av.video.reformatter import Interpolation

from ops.core.media import Crop, Orientation
from ops.core.storage import ObjectStore
from ops.embeddings.frames import read_frames
from ops.shots.scaling import FrameScaler
from ops.shots.segment import make_poster_key, make_proxy_key, segment_video
from ops.videos.clips import ClipSpan, cut_clips
from ops.videos.container import ALPHA_DECODERS
from ops.videos.probe import probe
from ops.videos.reader import DecodedFrame, read_media
from tests.builders.films import encode_source, run_ffmpeg
from tests.sources import colours, fields, formats, picture
from tests.sources.formats import OVER_BLACK
from tests.sources.kind import Kind

VIDEO = "00112233aabbccdd"
KINDS = [*picture.KINDS, *fields.KINDS, *colours.KINDS, *formats.KINDS]
HDR = {kind.name for kind in colours.DEEP}
UNRENDERED = ("message and another matrix", "mov ", "mkv turned", "dnxhd", "HD untagged ts")
"""FFmpeg's program does not open a file with two display matrices; the others are like their neighbours, or large."""
RENDERED = [kind for kind in KINDS if not kind.name.startswith(UNRENDERED)]
Pictures = npt.NDArray[np.uint8]

HDR_BOUND = 18.0
"""White at 203 cd/m2 is shown at 0.91 of white (0.85 if the film was mastered at 4,000), to leave room above it. The
HLG of these kinds is zscale's, which applies the OOTF to each channel, BT.2100 to luminance: primaries differ by 30."""
BOUND = 5.0
"""Most are below 3.5; 4:2:0 keeps a quarter of the colours at the sharp edges of RGB and 4:4:4."""
BOUNDS = {"empty alpha": 9.0, "progressive noise": 14.0} | dict.fromkeys(HDR, HDR_BOUND)
"""Of coloured text in RGB, and of noise in 4:2:0, which scalers interpolate differently."""
CODED_BOUND = 7.0
"""Of proxies (x264, CRF 28) and posters (JPEG)."""
CODED = (
    *("mp4 turned by 90, mirrored", "mkv upside down", "clean aperture mp4", "wide pixels, turned"),
    *("h264 ts lower field first", "dv", "telecined, upper", "HD untagged", "SD untagged", "SMPTE 240M"),
    *("BT.2020 matrix with BT.709 primaries", "PQ hevc", "HLG hevc", "standard range in BT.2020"),
    *("format full range", "format 4:1:1", "format rgb24", "transparent vp9", "transparent animation"),
)


def render(source: Path | str, filters: str, size: tuple[int, int], frames: int) -> Pictures:
    """The first ``frames`` (N, H, W, 3), RGB, of a file or of a lavfi source, as FFmpeg's program shows them."""
    width, height = size
    steps = [filters, f"scale={width}:{height}:flags=bicubic+accurate_rnd+full_chroma_int", "format=rgb24"]
    before = ["-f", "lavfi"] if isinstance(source, str) else ["-apply_cropping", "all", *_decoding(source, filters)]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *before, "-i", str(source)]
    command += ["-vf", ",".join(step for step in steps if step), "-fps_mode", "passthrough", "-frames:v", str(frames)]
    done = subprocess.run([*command, "-f", "rawvideo", "pipe:1"], capture_output=True, timeout=60, check=False)
    assert not done.returncode, done.stderr.decode(errors="replace")
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)


def _decoding(path: Path, filters: str) -> list[str]:
    """Options of the input: no turning if the filters do that, decoders that read transparency."""
    options = ["-noautorotate"] if "transpose" in filters else []
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context.name
    return [*options, "-c:v", ALPHA_DECODERS[codec]] if "overlay" in filters and codec in ALPHA_DECODERS else options


def rgb(frame: av.VideoFrame) -> Pictures:
    """RGB with interpolated chroma, as the reference has it."""
    flags = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    return np.asarray(frame.reformat(format="rgb24", interpolation=flags).to_ndarray(), np.uint8)


def scaled(path: Path) -> Pictures:
    """All proxy frames, as RGB."""
    scaler = FrameScaler(probe(path))
    frames = []
    for item in read_media(path):
        assert isinstance(item, DecodedFrame)
        frames += [rgb(frame) for frame in scaler.push(item.frame)]
    return np.stack(frames + [rgb(frame) for frame in scaler.finish()])


def difference(one: Pictures, other: Pictures) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("kind", RENDERED, ids=lambda kind: kind.name)
def test_proxy_frames_are_shown_as_they_are_meant(kind: Kind, tmp_path: Path) -> None:
    path = kind.make(tmp_path)
    ours = scaled(path)
    size = (ours.shape[2], ours.shape[1])
    theirs = reference(kind, path, size, len(ours))
    assert ours.shape == theirs.shape
    assert difference(ours, theirs) < BOUNDS.get(kind.name, BOUND)


def reference(kind: Kind, path: Path, size: tuple[int, int], frames: int) -> Pictures:
    source = colours.PATCHES.format("160x90") if kind.name in HDR else path
    return render(source, kind.reference, size, frames)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.name in CODED], ids=lambda kind: kind.name)
def test_proxies_and_posters_are_shown_as_they_are_meant(kind: Kind, tmp_path: Path) -> None:
    """What decord, which reads proxies for encoders, and OpenCV, which knows no tags of JPEG files, make of them."""
    path = kind.make(tmp_path)
    store = ObjectStore(str(tmp_path / "store"))
    shots = segment_video(path, VIDEO, probe(path), store, detector="content", scratch=tmp_path / "scratch")
    bound = HDR_BOUND if kind.name in HDR else CODED_BOUND
    read = [read_frames(store, make_proxy_key(VIDEO, *span), list(range(span[1] - span[0])), span[1] - span[0])
            for span in ((shot.start_frame, shot.end_frame) for shot in shots)]  # fmt: skip
    ours = np.concatenate(read)
    theirs = reference(kind, path, (ours.shape[2], ours.shape[1]), len(ours))
    assert difference(ours, theirs) < bound
    for shot in shots:
        span = (shot.start_frame, shot.end_frame)
        poster = np.asarray(cv2.imread(store.path(make_poster_key(VIDEO, *span))), np.uint8)[..., ::-1]
        assert min(difference(poster, frame) for frame in theirs[slice(*span)]) < bound


def test_all_kinds_that_are_coded_exist() -> None:
    assert set(CODED) <= {kind.name for kind in KINDS}


def test_a_film_that_turns_interlaced_keeps_every_frame(tmp_path: Path) -> None:
    progressive = encode_source(
        tmp_path, "a.ts", "-c:v", "mpeg2video", "-q:v", "3", source="testsrc2=s=160x96", frames=20
    )
    flags = ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-q:v", "3")
    later = fields.interlaced(tmp_path, "b.ts", "tff", *flags)
    (tmp_path / "parts.txt").write_text(f"file '{progressive}'\nfile '{later}'\n")
    path = tmp_path / "film.ts"
    run_ffmpeg(["-f", "concat", "-safe", "0", "-i", str(tmp_path / "parts.txt"), "-c", "copy", str(path)])
    ours = scaled(path)
    assert probe(path).field_order == "progressive"
    theirs = render(path, "bwdif=mode=send_frame:parity=auto:deint=interlaced", (160, 96), 32)
    assert len(ours) == len(theirs) == 32
    assert difference(ours[21:], theirs[21:]) < BOUND


CLIP_BOUND = 3.5
"""x264 at CRF 16, ProRes 4444, and 8 bits of RGB as YCbCr."""
CLIP_BOUNDS = {"clean aperture mov": 5.0, "progressive noise": 6.0}
"""FFmpeg's program crops chroma by whole samples, ours to the pixel."""


@pytest.mark.parametrize("kind", RENDERED, ids=lambda kind: kind.name)
def test_clips_are_shown_as_the_source_is(kind: Kind, tmp_path: Path) -> None:
    """FFmpeg's program shows the clip, by its tags alone, as it shows the source; fields and HDR stay as they are."""
    path = kind.make(tmp_path)
    info = probe(path)
    end = min(info.frames, 8)
    clip = next(iter(cut_clips(path, [ClipSpan(start_frame=0, end_frame=end, target=tmp_path / "clip.mov")]))).target
    made = probe(clip)
    kept = ("fps", "transfer", "primaries", "peak", "has_alpha")
    assert {name: getattr(made, name) for name in kept} == {name: getattr(info, name) for name in kept}
    assert made.width / made.height == pytest.approx(info.width / info.height, rel=0.02)
    assert made.orientation == Orientation()
    assert made.crop == Crop()
    size = (info.width, info.height)
    filters = ",".join(step for step in kind.reference.split(",") if not step.startswith(("bwdif", "fieldmatch")))
    shown = render(clip, OVER_BLACK if "overlay" in filters else "", size, end)
    assert difference(shown, render(path, filters, size, end)) < CLIP_BOUNDS.get(kind.name, CLIP_BOUND)
    assert (made.field_order, made.matrix) == (info.field_order, "bt709" if info.matrix == "rgb" else info.matrix)
