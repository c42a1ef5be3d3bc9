"""Find the sound tracks of a file, those with audible sound, and the one that represents the video.

Cameras, field recorders and screen recorders write several tracks, and the first often has no microphone. So if a file
has more than one track, their levels are measured, and a written rule makes the choice.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition

from ops.core.media import SoundTrack
from ops.videos.container import MAX_CHANNELS, MAX_SAMPLE_RATE, demux, open_container
from ops.videos.fact_log import FactLog
from ops.videos.sound_line import SoundConverter, is_unnamed

SILENCE_DB = -60.0
"""If the loudest 50 ms of a track are below this, in dBFS, the track counts as silent. Dither and coding noise are
below -80, the hiss of an unplugged input is -60 to -75; a voice that was recorded far too low is above -50."""
NO_SIGNAL_DB = -200.0
WINDOW_S = 0.05
WHOLE_S = 120
"""Files up to this long are measured from beginning to end."""
SPOTS, SPOT_S = 60, 0.5
"""Of longer files, this many seconds at this many places evenly spread over the length, so 30 s in all. Measuring ends
when every track (and every channel of a track with unnamed channels) was above the threshold."""
MAX_SPOT_PACKETS = 4_000

ROLES = {
    Disposition.comment: "commentary",
    Disposition.visual_impaired: "audio description",
    Disposition.descriptions: "audio description",
    Disposition.hearing_impaired: "for the hard of hearing",
    Disposition.clean_effects: "clean effects",
    Disposition.karaoke: "karaoke",
    Disposition.lyrics: "lyrics",
    Disposition.dub: "dubbed",
}
"""The role of a track other than the main sound, by its flags, in plain words."""
DUBBED_FLAG = "dubbed"
_TITLES = {
    "commentary": re.compile(r"\b(comment(ary|aries)?|kommentar|commentaires?|comentarios?|commento)\b", re.IGNORECASE),
    "audio description": re.compile(
        r"\b(audio ?description|descriptive|described video|audiodeskription|audiodescri\w+|visually impaired)\b",
        re.IGNORECASE,
    ),
}


@dataclass(frozen=True, kw_only=True)
class SoundChoice:
    """The sound tracks of a file that can be decoded, and the choice among them.

    ``stream`` represents the video, ``mixed`` are the streams to mix in its place, if there are any.
    """

    tracks: tuple[SoundTrack, ...] = ()
    stream: int | None = None
    mixed: tuple[int, ...] = ()

    @property
    def heard(self) -> tuple[SoundTrack, ...]:
        """The chosen track, or those that are mixed in its place."""
        return tuple(track for track in self.tracks if track.stream in (self.mixed or (self.stream,)))


def choose_sound(path: Path, container: InputContainer, duration_s: float, log: FactLog) -> SoundChoice:
    """Return the sound tracks of ``container``, which is the opened ``path``, and the choice among them.

    Measures levels only if there is a choice to make, or if one track has several channels that the file does not name.
    """
    tracks = _select_usable(container, log)
    if len(tracks) > 1 or any(has_unnamed_channels(track) or _is_unknown(track) for track in tracks):
        ears = _listen(path, tracks, duration_s)
        for track in tracks:
            if reason := ears[track.stream].explain_silence(track):
                log.note(f"sound track {track.number} ({track.codec}) {reason}: it is left out")
        tracks = [
            _add_level(track, ears[track.stream]) for track in tracks if not ears[track.stream].explain_silence(track)
        ]
    if not tracks:
        return SoundChoice()
    choice, mono_tracks = pick(tracks)
    if len(tracks) > 1:
        _report(tracks, choice, [track for track in tracks if track.stream in mono_tracks], log)
    return SoundChoice(tracks=tuple(tracks), stream=choice.stream, mixed=mono_tracks)


def has_unnamed_channels(track: SoundTrack) -> bool:
    """Return whether a track has more than two channels and the file does not name them."""
    return track.channels > 2 and is_unnamed(track.layout)


def _is_unknown(track: SoundTrack) -> bool:
    return not (track.channels and track.sample_rate)


def pick(tracks: Sequence[SoundTrack]) -> tuple[SoundTrack, tuple[int, ...]]:
    """Return the track that represents the video, and the streams to mix instead if its sound is spread over several.

    Stands alone because it is the rule. A track with sound comes before a silent one; the main sound before commentary,
    audio description and the like; the default track before others; an original before a dub; then the order of the
    file. If every track is silent, the loudest. If the choice is a mono track, all mono tracks of its language with
    sound are mixed (microphones of one recording), without commentary and the like.
    """
    if all(track.is_silent for track in tracks):
        return max(tracks, key=lambda track: (track.level_db or NO_SIGNAL_DB, -track.stream)), ()
    choice = min(tracks, key=_rank)
    group = [
        track.stream
        for track in tracks
        if track.channels == 1
        and not track.is_silent
        and (track.language, _is_extra(track), track.role == DUBBED_FLAG)
        == (choice.language, _is_extra(choice), choice.role == DUBBED_FLAG)
    ]
    is_spread = choice.channels == 1 and len(group) > 1 and not _is_extra(choice)
    return choice, tuple(group) if is_spread else ()


def _rank(track: SoundTrack) -> tuple[bool, bool, bool, bool, int]:
    return bool(track.is_silent), _is_extra(track), not track.is_default, track.role == DUBBED_FLAG, track.stream


def _is_extra(track: SoundTrack) -> bool:
    return track.role not in ("", DUBBED_FLAG)


def _select_usable(container: InputContainer, log: FactLog) -> list[SoundTrack]:
    """Return tracks with a decoder, within bounds; adds a note for each of the others.

    Those of a transport or program stream that begin late have neither channels nor rate yet.
    """
    tracks = []
    for number, stream in enumerate(container.streams.audio, start=1):
        context: AudioCodecContext | None = stream.codec_context
        if context is None:
            log.note(f"sound track {number} is in a codec that Needle cannot decode: it is left out")
        elif context.channels > MAX_CHANNELS or context.rate > MAX_SAMPLE_RATE:
            form = f"{context.name}, {context.channels} channels, {context.rate} Hz"
            log.note(f"sound track {number} ({form}) is beyond the bounds: it is left out")
        else:
            tracks.append(_track(stream, number))
    return tracks


def _track(stream: AudioStream, number: int) -> SoundTrack:
    context = stream.codec_context
    tags = {name.lower(): value for name, value in stream.metadata.items()}
    title = tags.get("title") or tags.get("name") or ""
    language = tags.get("language", "")
    return SoundTrack(
        stream=stream.index,
        number=number,
        codec=context.codec.canonical_name,
        channels=context.channels,
        layout=name_layout(context.layout.name, context.channels),
        sample_rate=context.rate,
        language="" if language == "und" else language,
        title=title,
        is_default=bool(stream.disposition & Disposition.default),
        role=_find_role(stream.disposition, title),
    )


def name_layout(name: str, channels: int) -> str:
    """Return FFmpeg's name of a layout; one or two channels without a name are mono and stereo, as in every player."""
    return {"1 channels": "mono", "2 channels": "stereo"}.get(name, name) or f"{channels} channels"


def _find_role(disposition: Disposition, title: str) -> str:
    for flag, role in ROLES.items():
        if disposition & flag:
            return role
    return next((role for role, pattern in _TITLES.items() if pattern.search(title)), "")


@dataclass
class _Ear:
    """The measurements of one track: the power of the loudest window of each channel, and how much was decoded."""

    channels: int
    is_complete_per_channel: bool
    power: list[float] = field(default_factory=list)
    samples: int = 0
    seconds: float = 0.0
    packets: int = 0
    converter: SoundConverter | None = None
    layout: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the measurement is complete: the track, or each of its channels, was above the threshold."""
        loud = [power >= _convert_to_power(SILENCE_DB) for power in self.power]
        return bool(loud) and (all(loud) if self.is_complete_per_channel else any(loud))

    def explain_silence(self, track: SoundTrack) -> str:
        """Return why the track is unusable, in words; empty if it is usable."""
        if self.samples:
            return ""
        return "cannot be decoded" if self.packets else "holds no sound" if _is_unknown(track) else ""

    @property
    def level_db(self) -> float:
        return _convert_to_decibels(max(self.power, default=0.0))

    def measure(self, frame: AudioFrame) -> None:
        rate = frame.sample_rate
        self.layout = self.layout or frame.layout.name
        if self.converter is None or self.converter.rate != rate:
            self.converter = SoundConverter(rate)
        window = max(round(WINDOW_S * rate), 1)
        for samples_CN in self.converter.convert(frame):
            for start in range(0, samples_CN.shape[1], window):
                # The spread, not the power: the constant offset of cheap converters is inaudible.
                part = np.nan_to_num(samples_CN[:, start : start + window], posinf=1, neginf=-1)
                variances = part.var(axis=1, dtype=np.float64).tolist()
                before = self.power if len(self.power) == len(variances) else variances
                self.power = [max(pair) for pair in zip(before, variances, strict=True)]
            self.samples += samples_CN.shape[1]
            self.seconds += samples_CN.shape[1] / rate


def _convert_to_power(decibels: float) -> float:
    return float(10 ** (decibels / 10))


def _convert_to_decibels(power: float) -> float:
    return round(max(10 * math.log10(power), NO_SIGNAL_DB), 1) if power > 0 else NO_SIGNAL_DB


def _add_level(track: SoundTrack, ear: _Ear) -> SoundTrack:
    silent = tuple(at for at, power in enumerate(ear.power) if power < _convert_to_power(SILENCE_DB))
    if _is_unknown(track) and ear.converter:
        channels = len(ear.power)
        layout = name_layout(ear.layout, channels)
        track = replace(track, channels=channels, layout=layout, sample_rate=ear.converter.rate)
    return replace(
        track,
        level_db=ear.level_db,
        is_silent=ear.level_db < SILENCE_DB,
        silent_channels=silent if ear.is_complete_per_channel and len(silent) < len(ear.power) else (),
    )


def _listen(path: Path, tracks: Sequence[SoundTrack], duration_s: float) -> dict[int, _Ear]:
    """Measure each track, within the bounds above."""
    ears = {
        track.stream: _Ear(channels=track.channels, is_complete_per_channel=has_unnamed_channels(track))
        for track in tracks
    }
    with open_container(path) as container:
        for stream in container.streams.video:
            stream.discard = Discard.all
        if duration_s <= WHOLE_S:
            _measure_levels(container, ears, WHOLE_S)
            return ears
        start_s = (container.start_time or 0) / av.time_base
        for at in _spread_places(SPOTS):
            if all(ear.is_done for ear in ears.values()):
                break
            if not _seek(container, start_s + at * duration_s):
                break
            _measure_levels(container, ears, SPOT_S)
        rest = {index: ear for index, ear in ears.items() if not ear.is_done and ear.seconds < SPOTS * SPOT_S / 2}
        # Seeking failed, or does not follow the clock: only the beginning is left.
        if rest and _seek(container, start_s):
            _measure_levels(container, rest, WHOLE_S)
    return ears


def _seek(container: InputContainer, at_s: float) -> bool:
    try:
        container.seek(round(at_s * av.time_base))
    except (av.FFmpegError, OSError):
        return False
    return True


def _spread_places(count: int) -> Iterator[float]:
    """Yield ``count`` places between 0 and 1, evenly spread, in an order in which any beginning is spread as well."""
    step = next(step for step in range(round(count * 0.618), 2 * count) if math.gcd(step, count) == 1)
    return ((at * step % count + 0.5) / count for at in range(count))


def _measure_levels(container: InputContainer, ears: Mapping[int, _Ear], length_s: float) -> None:
    """Measure ``length_s`` seconds of each track that is not done, from the position of the container on."""
    until = {index: ear.seconds + length_s for index, ear in ears.items()}
    streams = [stream for stream in container.streams.audio if stream.index in ears]
    try:
        for count, packet in enumerate(demux(container, streams)):
            ear = ears[packet.stream.index]
            if packet.size:
                ear.packets += 1
            if not ear.is_done and ear.seconds < until[packet.stream.index]:
                for frame in decode_sound(packet):
                    ear.measure(frame)
            if length_s < WHOLE_S and count > MAX_SPOT_PACKETS:
                return
            if all(each.is_done or each.seconds >= until[index] for index, each in ears.items()):
                return
    except (av.FFmpegError, OSError):
        return  # damage is found and reported when the file is read


def decode_sound(
    packet: av.Packet[Any], on_damage: Callable[[av.Packet[Any]], None] = lambda packet: None
) -> list[AudioFrame]:
    """Return the pieces of sound in a packet; none if it is damaged, which ``on_damage`` reports."""
    try:
        return cast(list[AudioFrame], packet.decode())
    except av.FFmpegError:
        on_damage(packet)
        return []


def _describe_track(track: SoundTrack) -> str:
    words = [track.codec, track.layout, track.language, f'"{track.title}"' if track.title else "", track.role]
    return f"{track.number} ({', '.join(word for word in words if word)})"


def _list_numbers(tracks: Sequence[SoundTrack]) -> str:
    *rest, last = [str(track.number) for track in tracks]
    return f"{', '.join(rest)} and {last}" if rest else last


def _report(tracks: Sequence[SoundTrack], choice: SoundTrack, mono_tracks: Sequence[SoundTrack], log: FactLog) -> None:
    if mono_tracks:
        value = f"mix of tracks {_list_numbers(mono_tracks)} of {len(tracks)}"
        evidence = "mono tracks of one language with sound in each, as several microphones of one recording write"
    else:
        value = f"track {_describe_track(choice)} of {len(tracks)}"
        evidence = f"loudest 50 ms at {_describe_level(choice)}; first by sound, main programme, default flag, order"
    against = [
        f"track {_describe_track(track)}: {_describe_level(track)}{', the default' if track.is_default else ''}"
        for track in tracks
        if track != choice and track not in mono_tracks
    ]
    log.add("sound", value, evidence, contradictions=against, note=_note(tracks, choice, mono_tracks))


def _describe_level(track: SoundTrack) -> str:
    if track.level_db is None:
        return "not listened to"
    return "digital silence" if track.level_db <= NO_SIGNAL_DB else f"{track.level_db:.0f} dBFS"


def _note(tracks: Sequence[SoundTrack], choice: SoundTrack, mono_tracks: Sequence[SoundTrack]) -> str:
    silent = [track for track in tracks if track.is_silent]
    if len(silent) == len(tracks):
        return f"all {len(tracks)} sound tracks are silent in the parts that were analysed"
    source = (
        f"a mix of the mono tracks {_list_numbers(mono_tracks)}" if mono_tracks else f"track {_describe_track(choice)}"
    )
    note = f"{len(tracks)} sound tracks: proxies and speech recognition use {source}"
    if not silent:
        return note
    are = f"track {silent[0].number} is" if len(silent) == 1 else f"tracks {_list_numbers(silent)} are"
    return f"{note}; {are} silent"
