"""Open an untrusted media file: one local file, known container formats, bounded sizes.

A container can name other files and URLs (play lists, concatenation scripts, references to external tracks). So the
formats are a closed list without any of those, and ``file`` is the only protocol allowed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import InputContainer
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from ops.core.errors import MediaError
from ops.videos.file_kinds import HEAD_BYTES, is_text
from ops.videos.integrity import explain_broken_structure, find_packet_grid

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegtsraw,mxf,mxf_opatom,flv,asf,ogg,dv,gxf,nut,wtv,rm,ivf,lxf,"
    "dhav,swf,dirac,vc1,vc1test,nsv,tivo,ty,mpegvideo,h264,hevc,vvc,obu,yuv4mpegpipe"
)
"""Container formats that hold footage and cannot refer to anything outside the file."""

MAX_SIDE = 16_384
MAX_PIXELS = 16_384 * 8_640
"""Largest frame that is decoded: 16K. A crafted header may ask for gigabytes a frame."""
MAX_CHANNELS, MAX_SAMPLE_RATE = 64, 768_000

ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

JPEG = b"\xff\xd8\xff"
MOTION_JPEG = (".mjpg", ".mjpeg")
OTHER_KINDS = {
    (JPEG, b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"8BPS"): "a still picture",
    (b"RIFF", b"ID3", b"fLaC", b"\xff\xfb", b"\xff\xf1", b"FORM"): "a sound file or a picture",
    (b"PK\3\4", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"\xfd7zXZ"): "an archive",
    (b"%PDF",): "a document",
    (b"#EXTM3U", b"ffconcat", b"<?xml"): "a list of other files",
}
"""First bytes of other files that often have the name of a video."""

OPTIONS = {"protocol_whitelist": "file", "format_whitelist": FORMATS, "merge_pmt_versions": "1"}
"""``merge_pmt_versions``: a track of a transport stream goes on as the same track if its packet identifier changes."""


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Open a file that passed :func:`require_file`; raises ``MediaError`` if it is not a video."""
    # The prefix keeps a name such as "concat:a|b" or "http:x" from being read as a URL.
    name = "file:" + os.path.abspath(path)
    try:
        container = av.open(name, options=dict(OPTIONS), metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError, UnicodeError) as error:
        message = _format_not_recognised(path)
        if not message:
            raise MediaError(_explain_failure(path)) from error
        options = {**OPTIONS, "format_whitelist": f"{FORMATS},{message}"}
        try:
            container = av.open(name, format=message, options=options, metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError, UnicodeError) as error:
            raise MediaError(_explain_failure(path)) from error
    try:
        yield container
    finally:
        container.close()


def _format_not_recognised(path: Path) -> str:
    """The format of a file that FFmpeg takes for none or for another one; empty if it is not footage.

    ``mpegts`` for packets of a transport stream behind other bytes, or only a few. ``mjpeg`` for several JPEG pictures
    if the ending is that of motion JPEG: FFmpeg takes them for one picture.
    """
    try:
        with path.open("rb") as file:
            data = file.read(1 << 20)
    except OSError:
        return ""
    if data.startswith(JPEG) and path.suffix.lower() in MOTION_JPEG:
        return "mjpeg"
    return "mpegts" if any(find_packet_grid(data[at : at + 8192])[0] for at in range(0, len(data), 4096)) else ""


def demux(
    container: InputContainer, streams: Stream | Sequence[Stream], on_new_track: Callable[[], None] | None = None
) -> Iterator[av.Packet[Any]]:
    """Yield the packets of ``streams``, and an empty one for each at the end. Raises ``av.FFmpegError`` for damage.

    A transport stream may have tracks that begin later. PyAV 18 raises ``IndexError`` for the first packet of a track
    that was not there when the file was opened. A second call goes on without such tracks; ``on_new_track`` is called
    then.
    """
    while True:
        try:
            yield from container.demux(streams)
            return
        except IndexError:
            if on_new_track is not None:
                on_new_track()


def require_file(path: Path) -> None:
    """Raise ``MediaError`` unless ``path`` is a regular file with bytes that may be read.

    Stands alone because opening a pipe or a device would block without end.
    """
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise MediaError("it is a folder, not a media file")
        if not stat.S_ISREG(status.st_mode):
            raise MediaError("it is not a regular file (a pipe, socket or device)")
        if status.st_size == 0:
            raise MediaError("the file is empty (0 bytes): copy it again")
        os.close(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)))
    except OSError as error:
        raise MediaError(explain_os_error(path, error)) from error
    except ValueError as error:
        raise MediaError(f"{str(path)!r} is not a possible file name") from error


def explain_os_error(path: Path | str, error: OSError) -> str:
    """Return the reason why the system refused the file, in plain words."""
    match error.errno:
        case errno.ENOENT if os.path.islink(path):
            return f"it is a link to {os.readlink(path)!r}, which does not exist"
        case errno.ENOENT:
            return "it does not exist"
        case errno.EACCES | errno.EPERM:
            return "it may not be read: give this user permission to read it"
        case errno.ELOOP:
            return "it is a link that leads back to itself"
        case errno.ENAMETOOLONG:
            return "its name is too long"
        case _:
            return f"it cannot be read ({error.strerror or error})"


def _explain_failure(path: Path) -> str:
    if reason := explain_broken_structure(path):
        return reason
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    for signature, kind in OTHER_KINDS.items():
        if head.startswith(signature):
            return f"it is {kind}, not a film"
    if not any(head):
        return "it holds nothing but zeros: copy it again"
    if is_text(head):
        return "it is text, not a film"
    return "it is not a film in a format that Needle reads, or its beginning is damaged"


def is_usable_sound(stream: AudioStream) -> bool:
    """Return whether a sound track has a decoder and is within bounds."""
    context = stream.codec_context
    return context is not None and 0 < context.channels <= MAX_CHANNELS and 0 < context.rate <= MAX_SAMPLE_RATE


def prepare_decoder(stream: VideoStream, threads: int = 1) -> VideoCodecContext:
    """Return the decoder of a track with ``threads`` threads; it refuses frames that grow beyond the bounds.

    Transparency of VP8 and VP9 is a second stream next to the first, which only the decoders of libvpx read.
    """
    context = stream.codec_context
    is_transparent = "1" in (stream.metadata.get("alpha_mode"), stream.metadata.get("ALPHA_MODE"))
    context.options = {"max_pixels": str(MAX_PIXELS)}
    if is_transparent and context.name in ALPHA_DECODERS:
        other = av.CodecContext.create(ALPHA_DECODERS[context.name], "r")
        assert isinstance(other, VideoCodecContext)
        context = other
    context.options = {"max_pixels": str(MAX_PIXELS)}
    # Otherwise decoders ignore a crop on the left that is not a multiple of 32 pixels.
    context.flags |= Flags.unaligned
    context.thread_count = max(threads, 1)
    context.thread_type = "AUTO" if threads > 1 else "NONE"
    return context


def require_size(width: int, height: int) -> None:
    """Raise ``MediaError`` for a frame beyond the bounds."""
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise MediaError(
            f"its pictures are {width}x{height}; Needle reads at most {MAX_SIDE} pixels a side and 16K in all"
        )
