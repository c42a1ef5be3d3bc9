"""The sources of dialogue of one video, each with its lines or with the reason why it has none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ops.core.errors import MediaError
from ops.core.media import MediaInfo
from ops.core.rows import LakeVideo
from ops.core.settings import Settings
from ops.core.speech_language import find_speech_language
from ops.dialogue.cues import Parsed, list_languages
from ops.dialogue.decode import decode
from ops.dialogue.lines import DialogueLine, build_cue, build_lines
from ops.dialogue.parse import parse
from ops.dialogue.rolling import unroll
from ops.dialogue.speech import Hear, explain_no_lines, name_recognition, recognise_lines
from ops.dialogue.timing import PLAIN, SubtitleTiming
from ops.videos.closed_captions import CODEC, Packet, find_scc_faults, read_scc
from ops.videos.film_errors import convert_film_errors
from ops.videos.film_process import FilmProcess
from ops.videos.library import open_local_source
from ops.videos.sidecar_names import NOT_READ
from ops.videos.speech_sound import SoundRequest
from ops.videos.subtitles import (
    PICTURE_CODECS,
    ReadInside,
    ReadTrack,
    Sidecar,
    Track,
    look_inside,
    read_inside,
    read_sidecar,
)

MOST_BYTES = 32 << 20
"""Largest subtitle file that is read; fonts inside an .ass file make it large, dialogue never does."""

_PROGRAM_STREAM = b"\0\0\1\xba"
"""First bytes of the images of VobSub; other files with the ending .sub are text."""


SPEECH = "asr"
"""A source that is not a subtitle: recognised speech."""


@dataclass(frozen=True, kw_only=True)
class SubtitleSource:
    """One sidecar, one track, or the speech of a video; ``reason`` is set if it cannot be used.

    ``language`` is a BCP 47 tag, or several with commas.
    """

    path: str
    source: str
    language: str
    content_hash: str
    lines: Sequence[DialogueLine] = ()
    reason: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def is_refused(self) -> bool:
        """Whether the user should act: a file next to the video without dialogue, or speech not recognised."""
        return self.reason is not None and self.source in ("sidecar", SPEECH)


@dataclass(frozen=True, kw_only=True)
class SubtitleRequest:
    """The subtitles of one video that are to be read: some files next to it, and the tracks inside it. Picklable.

    ``scratch`` is a folder for downloads, ``length_s`` the length of the video.
    """

    video: LakeVideo
    sidecars: tuple[Sidecar, ...]
    tracks: bool = True
    length_s: float
    timing: SubtitleTiming = PLAIN
    scratch: Path


def read_sources(request: SubtitleRequest) -> list[SubtitleSource]:
    """Return sidecars first, then tracks, in the order of paths and of the file, at their times by the timing.

    Raises ``MediaError`` or ``StorageError`` if the video itself cannot be opened, because it may be back later.
    """
    video, path = request.video, request.video["path"]
    if request.tracks:
        inside = read_inside((path, request.scratch))
    else:
        inside = ReadInside(tracks=(), delay_s=look_inside(path).delay_s)
    fps = Fraction(video["fps_num"], video["fps_den"]) if video["fps_num"] else None
    sources = [_read_sidecar(each, fps, inside.delay_s, request) for each in order_sidecars(request.sidecars)]
    return sources + [_read_source(read, request) for read in inside.tracks]


def order_sidecars(sidecars: Iterable[Sidecar]) -> list[Sidecar]:
    """Sort files: a known language comes before an unknown one, so that an equal line keeps it."""
    return sorted(sidecars, key=lambda sidecar: (not sidecar.language, sidecar.path))


def refuse_sidecar(sidecar: Sidecar, reason: str) -> SubtitleSource:
    """Return a subtitle file as a source without lines."""
    return replace(_begin_sidecar(sidecar), reason=reason)


def recognise_speech(
    settings: Settings, video: LakeVideo, hear: Hear, length_s: float, process: FilmProcess[SoundRequest, None]
) -> SubtitleSource:
    """Return the recognised speech of a video, whose sound ``process`` reads.

    Raises ``StorageError`` if the video cannot be fetched.
    """
    model = settings.speech
    name = name_recognition(model, find_speech_language(settings.speech_language, video["show"]))
    settings.scratch.mkdir(parents=True, exist_ok=True)
    try:
        with (
            open_local_source(video["path"], settings.scratch) as local,
            TemporaryDirectory(dir=settings.scratch, prefix="sound-") as folder,
        ):
            tracks = MediaInfo.from_json(video["facts"]).heard_tracks if video["facts"] else ()
            request = SoundRequest(path=local, tracks=tuple(tracks), target=Path(folder) / "sound.npy")
            # Sound is decoded faster than it plays.
            process.ask(request, video["path"], settings.open_seconds + length_s)
            samples = np.load(request.target)
            lines, language = recognise_lines(samples, hear, length_s)
            note = "" if lines else explain_no_lines(model, samples)
    except MediaError as error:
        return SubtitleSource(path=model, source="asr", language="", content_hash=name, reason=str(error))
    notes = [note] if note else []
    return SubtitleSource(path=model, source="asr", language=language, content_hash=name, lines=lines, notes=notes)


def _begin_sidecar(sidecar: Sidecar) -> SubtitleSource:
    return SubtitleSource(
        path=sidecar.path, source="sidecar", language=sidecar.language, content_hash=sidecar.content_hash
    )


def _read_sidecar(sidecar: Sidecar, fps: Fraction | None, delay_s: float, request: SubtitleRequest) -> SubtitleSource:
    bare = _begin_sidecar(sidecar)
    if what := NOT_READ.get(sidecar.suffix):
        return replace(bare, notes=[f"its subtitles are {what}, which cannot be read"])
    try:
        data = read_sidecar(sidecar, MOST_BYTES)
        if not data.strip():
            raise MediaError("the file is empty: copy it again")
        if data.startswith(_PROGRAM_STREAM):
            return replace(bare, notes=[f"its subtitles are {NOT_READ['idx']}, which cannot be read"])
        with convert_film_errors(sidecar.path, "reading it"):
            document, notes = _parse(data, sidecar, fps)
    except MediaError as error:
        return replace(bare, reason=str(error))
    document.cues = request.timing.retime(document.cues)
    lines, more = build_lines(
        document, length_s=request.length_s, shift_s=delay_s, language=sidecar.language, source="sidecar"
    )
    notes += more
    language = sidecar.language or ",".join(sorted(list_languages(document.cues)))
    reason = f"it holds no line: {notes[0] if notes else 'it shows no caption with text'}"
    return replace(bare, language=language, lines=lines, notes=notes, reason=None if lines else reason)


def _parse(data: bytes, sidecar: Sidecar, fps: Fraction | None) -> tuple[Parsed, list[str]]:
    """Return the cues of a subtitle file, and notes for the user about its encoding."""
    if sidecar.suffix == "scc" or data[:100].lstrip(b"\xef\xbb\xbf \r\n").startswith(b"Scenarist_SCC"):
        document = _parse_events(read_scc(data))
        document.problems += find_scc_faults(data)
        return document, []
    decoded_text = decode(data, sidecar.language)
    return parse(decoded_text.text, sidecar.suffix, fps), decoded_text.notes


def _parse_events(packets: Iterable[Packet]) -> Parsed:
    """Return cues of packets that are events of an ASS file."""
    document = Parsed()
    for packet in packets:
        text = packet.data.decode("utf-8", "replace").split(",", 8)[-1]
        cue = build_cue(packet.start_s, packet.end_s, text)
        document.add(0, cue.start_s, cue.end_s, text, "ass")
    document.cues = unroll(document.cues)
    return document


def _read_source(read: ReadTrack, request: SubtitleRequest) -> SubtitleSource:
    track, content_hash = read.track, request.video["content_hash"] or ""
    name = f"track {track.index} ({track.codec})"
    bare = SubtitleSource(path=name, source="embedded", language=track.language, content_hash=content_hash)
    if not track.kind:
        what = "pictures of text" if track.codec in PICTURE_CODECS else track.codec
        return replace(bare, reason=f"its subtitles are {what}, which cannot be read")
    if read.reason:
        return replace(bare, reason=read.reason)
    document = _parse_events(read.packets) if track.codec == CODEC else _parse_packets(read.packets, track)
    document.cues = request.timing.retime(document.cues)
    lines, notes = build_lines(document, length_s=request.length_s, language=track.language, source="embedded")
    return replace(bare, lines=lines, notes=notes)


def _parse_packets(packets: Sequence[Packet], track: Track) -> Parsed:
    document = Parsed()
    for packet, raw in zip(packets, _decode_texts(packets, track), strict=True):
        if track.kind != "mov_text" or raw:  # an mp4 fills the time between lines with empty packets
            cue = build_cue(packet.start_s, packet.end_s, raw)
            document.add(0, cue.start_s, cue.end_s, raw, track.kind)
    document.cues = unroll(document.cues)
    return document


def _decode_texts(packets: Sequence[Packet], track: Track) -> Iterator[str]:
    """Yield the marked-up text of each packet; one encoding for the whole track."""
    payloads = [_extract_payload(packet.data, track.kind) for packet in packets]
    guess = decode(b"\n".join(payloads).replace(b"\0", b" "), track.language).guess
    for payload in payloads:
        text = payload.decode(guess if " " not in guess and guess else "utf-8", "replace")
        # Matroska stores the times elsewhere: ReadOrder, Layer, Style, Name, margins, Effect come before the text.
        yield text.split(",", 8)[-1] if track.kind == "ass" else text


def _extract_payload(data: bytes, kind: str) -> bytes:
    # 3GPP timed text: two bytes of length, the text, then boxes that style it.
    return data[2 : 2 + int.from_bytes(data[:2], "big")] if kind == "mov_text" else data
