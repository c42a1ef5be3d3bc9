"""Small films in many containers and codecs, to be mutated."""

from __future__ import annotations

from pathlib import Path

from tests.builders.films import run_ffmpeg

PICTURE = "testsrc2=s=96x64:r=25"
FRAMES = 12
SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000")
X265 = ("-c:v", "libx265", "-x265-params", "log-level=error")
MPEG2 = ("-c:v", "mpeg2video")
WEB = ("-c:v", "libvpx-vp9", "-b:v", "0", "-crf", "40")

FILMS: dict[str, tuple[str, ...]] = {
    "mp4 h264 aac": ("a.mp4", "-c:v", "libx264", "-c:a", "aac"),
    "mp4 h264, index in front": ("a.mp4", "-c:v", "libx264", "-movflags", "+faststart"),
    "mp4 fragments": ("a.mp4", "-c:v", "libx264", "-movflags", "frag_keyframe+empty_moov"),
    "mp4 hevc": ("a.mp4", *X265),
    "mp4 av1": ("a.mp4", "-c:v", "libsvtav1", "-svtav1-params", "lp=1"),
    "m4v mpeg4": ("a.m4v", "-c:v", "mpeg4"),
    "3gp h263": ("a.3gp", "-c:v", "h263", "-s", "128x96"),
    "mov prores pcm": ("a.mov", "-c:v", "prores_ks", "-c:a", "pcm_s16le"),
    "mov qtrle, transparent": ("a.mov", "-c:v", "qtrle", "-pix_fmt", "argb"),
    "mov png": ("a.mov", "-c:v", "png"),
    "mkv h264": ("a.mkv", "-c:v", "libx264", "-c:a", "flac"),
    "mkv ffv1": ("a.mkv", "-c:v", "ffv1"),
    "webm vp9 opus": ("a.webm", *WEB, "-c:a", "libopus"),
    "webm vp8": ("a.webm", "-c:v", "libvpx", "-b:v", "200k"),
    "avi mpeg4": ("a.avi", "-c:v", "mpeg4", "-c:a", "pcm_s16le"),
    "avi motion jpeg": ("a.avi", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
    "avi uncompressed": ("a.avi", "-c:v", "rawvideo", "-pix_fmt", "bgr24"),
    "ts h264": ("a.ts", "-c:v", "libx264", "-c:a", "aac"),
    "m2ts hevc": ("a.m2ts", *X265),
    "mpg mpeg2": ("a.mpg", *MPEG2, "-c:a", "mp2"),
    "vob mpeg2": ("a.vob", *MPEG2),
    "m2v mpeg2": ("a.m2v", *MPEG2),
    "h264 stream": ("a.h264", "-c:v", "libx264"),
    "hevc stream": ("a.hevc", *X265),
    "motion jpeg stream": ("a.mjpeg", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
    "flv": ("a.flv", "-c:v", "flv1"),
    "wmv": ("a.wmv", "-c:v", "wmv2", "-c:a", "wmav2"),
    "ogv theora": ("a.ogv", "-c:v", "libtheora", "-c:a", "libvorbis"),
    "mxf mpeg2": ("a.mxf", *MPEG2),
    "gxf": ("a.gxf", *MPEG2, "-s", "720x576", "-pix_fmt", "yuv422p", "-b:v", "4M"),
    "dv": ("a.dv", "-c:v", "dvvideo", "-s", "720x576", "-pix_fmt", "yuv420p"),
    "nut": ("a.nut", "-c:v", "mpeg4"),
    "ivf vp9": ("a.ivf", *WEB),
    "y4m": ("a.y4m", "-pix_fmt", "yuv420p"),
    "swf": ("a.swf", "-c:v", "flv1"),
}
"""The name of each film, and options of its encoder; films with ``-c:a`` have sound."""


def make_hostile_base(folder: Path, kind: str) -> Path:
    """Write the film of a kind."""
    name, *options = FILMS[kind]
    sound = SOUND if "-c:a" in options else ()
    length = ("-frames:v", str(FRAMES), "-t", str(FRAMES / 25))
    run_ffmpeg(["-f", "lavfi", "-i", PICTURE, *sound, *length, *options, str(folder / name)])
    return folder / name
