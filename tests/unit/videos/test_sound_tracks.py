"""Every sound track reaches clips in order and in time, and the heard ones reach proxies and speech recognition."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from ops.core.media import SPEECH_RATE, SoundTrack
from ops.core.storage import ObjectStore
from ops.shots.segment import segment_video
from ops.videos.clips import ClipSpan, cut_clips
from ops.videos.probe import probe
from ops.videos.sound_tracks import pick
from ops.videos.speech_sound import read_speech_sound
from tests.builders.films import run_ffmpeg
from tests.sources.sound import MONO_SILENCE, RATE, SILENCE, Track, click, tone, write

Channels = npt.NDArray[np.float64]
"""(channels, samples), -1 to 1."""


def cut(film: Path, start: int, end: int) -> Path:
    span = ClipSpan(start_frame=start, end_frame=end, target=film.with_name(f"clip-{start}.mov"))
    assert list(cut_clips(film, [span])) == [span]
    return span.target


def samples_of(path: Path, number: int) -> Channels:
    """The samples of sound track ``number`` from the time 0 of its file on."""
    pieces: list[Channels] = []
    with av.open(str(path)) as container:
        stream = container.streams.audio[number]
        for frame in container.decode(stream):
            at = frame.layout.nb_channels
            raw = frame.to_ndarray()
            raw = raw.reshape(-1, at).T if not frame.format.is_planar else raw
            scale = 1.0 if raw.dtype.kind == "f" else float(2 ** (8 * raw.dtype.itemsize - 1))
            if not pieces:
                assert frame.pts is not None
                pieces.append(np.zeros((at, max(round(float(frame.pts * frame.time_base) * frame.sample_rate), 0))))
            pieces.append(raw.astype(np.float64) / scale)
    return np.concatenate(pieces, axis=1)


def onset_s(samples: Channels, rate: int) -> float:
    loud = np.flatnonzero(np.abs(samples).max(axis=0) > 0.3)
    assert len(loud), "no burst"
    return float(loud[0] / rate)


def proxy_of(film: Path) -> Path:
    """The proxy of a film of one shot."""
    store = ObjectStore(str(film.with_name("store")))
    segment_video(film, "00112233aabbccdd", probe(film), store, scratch=film.with_name("scratch"))
    (key,) = store.list("proxies")
    return Path(store.path(key))


def decibels(samples: Channels) -> float:
    return float(20 * np.log10(max(np.sqrt(np.mean(samples**2)), 1e-10)))


CLICKS = (0.5, 0.62, 0.74)
SOURCES: dict[str, tuple[str, Sequence[str], float]] = {
    "pcm.mov": ("pcm_s16le", (), 0.001),
    "pcm24.mkv": ("pcm_s24le", (), 0.001),
    "float.mov": ("pcm_f32le", (), 0.001),
    "pcm.avi": ("pcm_s16le", (), 0.001),
    "pcm-bframes.avi": ("pcm_s16le", ("-bf", "2", "-preset", "veryfast"), 0.001),
    "pcm.mxf": ("pcm_s24le", (), 0.001),
    "flac.mkv": ("flac", (), 0.001),
    "aac.mp4": ("aac", (), 0.022),
    "aac.mkv": ("aac", (), 0.022),
    "aac.ts": ("aac", (), 0.022),
    "opus.mkv": ("libopus", (), 0.022),
    "mp3.mkv": ("libmp3lame", (), 0.026),
    "ac3.ts": ("ac3", (), 0.032),
}


@pytest.mark.parametrize("name", SOURCES)
def test_each_track_of_a_clip_is_in_time(name: str, tmp_path: Path) -> None:
    codec, options, tolerance = SOURCES[name]
    tracks = [Track(source=click(at), codec=codec) for at in CLICKS]
    film = write(tmp_path / name, tracks, seconds=1.2, options=options)
    clip = cut(film, 5, 25)
    for number, at in enumerate(CLICKS):
        samples = samples_of(clip, number)
        assert samples.shape == (1, round(0.8 * RATE))
        assert onset_s(samples, RATE) == pytest.approx(at - 0.2, abs=tolerance)
    speech = read_speech_sound(film, probe(film).heard_tracks)
    loud = np.flatnonzero(np.abs(speech) > 0.1)
    starts = [loud[0], *(after for before, after in itertools.pairwise(loud) if after - before > 500)]
    # A resampler rings a little before a burst.
    assert [start / SPEECH_RATE for start in starts] == pytest.approx(CLICKS, abs=tolerance + 0.001)


@pytest.mark.parametrize("name", ["pcm.mov", "aac.mp4", "aac.ts"])
def test_a_proxy_mixes_mono_tracks_in_time(name: str, tmp_path: Path) -> None:
    codec, options, tolerance = SOURCES[name]
    film = write(tmp_path / name, [Track(source=click(at), codec=codec) for at in CLICKS], seconds=1.2, options=options)
    samples = samples_of(proxy_of(film), 0)
    loud = np.flatnonzero(np.abs(samples).max(axis=0) > 0.12)
    starts = [loud[0], *(after for before, after in itertools.pairwise(loud) if after - before > 1500)]
    assert [start / RATE for start in starts] == pytest.approx(CLICKS, abs=tolerance + 0.003)


def test_a_clip_keeps_channels_rate_language_and_title_of_each_track(tmp_path: Path) -> None:
    film = write(
        tmp_path / "film.mkv",
        [
            Track(source=tone(300, channels=6), codec="ac3", language="eng", title="Surround"),
            Track(source=tone(600, channels=2, rate=44_100), codec="aac", language="fra", disposition="0"),
            Track(source=tone(900, rate=96_000), codec="pcm_f32le", title="Boom", disposition="0"),
            Track(source=tone(1200, rate=32_000), codec="pcm_s32le", disposition="comment"),
        ],
    )
    with av.open(str(cut(film, 3, 20))) as container:
        streams = container.streams.audio
        found = [(stream.codec_context.name, stream.codec_context.channels, stream.rate) for stream in streams]
        assert found == [
            ("pcm_s24le", 6, 48_000),
            ("pcm_s24le", 2, 44_100),
            ("pcm_f32le", 1, 96_000),
            ("pcm_s32le", 1, 32_000),
        ]
        assert streams[0].layout.name.startswith("5.1")
        assert [stream.metadata.get("language") for stream in streams] == ["eng", "fra", None, None]
        assert [stream.metadata.get("name") for stream in streams] == ["Surround", None, "Boom", None]
        assert [bool(stream.disposition & av.stream.Disposition.default) for stream in streams] == [True] + [False] * 3
        assert [round(float(stream.duration * stream.time_base), 6) for stream in streams] == [0.68] * 4


def test_tracks_that_start_late_or_end_early_are_silent_there(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.mov", [Track(source=click(0.9)), Track(source=tone(440))], seconds=1.2)
    film = tmp_path / "film.mov"
    shift = ["-i", str(whole), "-itsoffset", "0.317", "-i", str(whole), "-itsoffset", "0.03", "-i", str(whole)]
    short = ["-t", "0.4", "-i", str(whole)]
    maps = ["-map", "0:v", "-map", "1:a:0", "-map", "2:a:1", "-map", "3:a:1"]
    run_ffmpeg([*shift, *short, *maps, "-c", "copy", str(film)])
    clip = cut(film, 0, 30)
    assert [samples_of(clip, at).shape[1] for at in range(3)] == [round(1.2 * RATE)] * 3
    assert not np.abs(samples_of(clip, 0)).max() > 0.3  # its burst is behind the end of the pictures
    late, short_ = samples_of(clip, 1)[0], samples_of(clip, 2)[0]
    assert np.flatnonzero(np.abs(late) > 0.01)[0] / RATE == pytest.approx(0.03, abs=0.001)
    assert np.flatnonzero(np.abs(short_) > 0.01)[-1] / RATE == pytest.approx(
        0.4, abs=1025 / RATE
    )  # whole packets are copied


@pytest.mark.parametrize("name", ["film.ts", "film.mpg"])
def test_a_track_that_begins_late_in_the_file_is_found(name: str, tmp_path: Path) -> None:
    """Its channels and rate are not in the part that opening the file looks at."""
    film = tmp_path / name
    sources = ["-t", "12", "-i", tone(440), "-itsoffset", "10", "-f", "lavfi", "-t", "2", "-i", tone(880)]
    pictures = ["-f", "lavfi", "-t", "12", "-i", "testsrc2=s=64x36:r=25", "-f", "lavfi"]
    codecs = ["-c:v", "mpeg1video", "-c:a", "mp2"] if name.endswith("mpg") else ["-c:v", "libx264", "-c:a", "aac"]
    run_ffmpeg([*pictures, *sources, "-map", "0", "-map", "1", "-map", "2", *codecs, str(film)])
    with av.open(str(film)) as container:
        second = container.streams.audio[1].codec_context
        assert not (second.channels and second.rate)
    info = probe(film)
    assert [(track.channels, track.sample_rate, track.is_silent) for track in info.sound_tracks] == [
        (1, RATE, False)
    ] * 2
    late = samples_of(cut(film, 225, 275), 1)[0]
    assert np.flatnonzero(np.abs(late) > 0.05)[0] / RATE == pytest.approx(1, abs=0.022)


@pytest.mark.parametrize("channels", [3, 4, 8, 9, 16, 32])
def test_channels_without_names_are_kept_and_mixed_without_the_silent_ones(channels: int, tmp_path: Path) -> None:
    raw = tmp_path / "film.raw"
    time = np.arange(RATE) / RATE
    data = np.zeros((RATE, channels), "<i2")
    data[:, -1] = 0.2 * 32767 * np.sin(2 * np.pi * 440 * time)
    raw.write_bytes(data.tobytes())
    film = tmp_path / "film.mkv"
    sound = ["-f", "s16le", "-ar", str(RATE), "-ac", str(channels), "-i", str(raw)]
    pictures = ["-f", "lavfi", "-t", "1", "-i", "testsrc2=s=160x90:r=25"]
    run_ffmpeg([*pictures, *sound, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le", str(film)])
    info = probe(film)
    (track,) = info.sound_tracks
    assert (track.channels, track.silent_channels) == (channels, tuple(range(channels - 1)))
    clip = samples_of(cut(film, 5, 20), 0)
    assert clip.shape == (channels, round(0.6 * RATE))
    assert not clip[:-1].any()
    assert decibels(clip[-1:]) == pytest.approx(-17, abs=0.1)
    assert decibels(samples_of(proxy_of(film), 0)) == pytest.approx(-17, abs=0.5)


@pytest.mark.parametrize(
    ("offsets", "identifiers"),
    [
        ((0, 0), (257, 257)),
        ((0, 3600), (257, 257)),
        ((3600, 0), (257, 257)),
        ((0, 2), (257, 300)),
        ((0, 0), (257, 300)),
    ],
)
def test_sound_goes_on_with_the_pictures_of_joined_streams(
    offsets: tuple[int, int], identifiers: tuple[int, int], tmp_path: Path
) -> None:
    """The clock begins anew or jumps at the seam, and the packet identifier of the sound may change."""
    film = tmp_path / "film.ts"
    for number, (offset, identifier) in enumerate(zip(offsets, identifiers, strict=True)):
        options = ["-output_ts_offset", str(offset), "-streamid", f"1:{identifier}", "-bf", "2", "-preset", "veryfast"]
        part = write(tmp_path / f"{number}.ts", [Track(source=click(0.5), codec="aac")], seconds=2, options=options)
        with film.open("ab") as file:
            file.write(part.read_bytes())
    info = probe(film)
    assert len(info.sound_tracks) == 1
    speech = read_speech_sound(film, info.heard_tracks)
    clip = samples_of(cut(film, 0, 100), 0)
    # Speech takes the clock of the container unless it jumps by a second.
    for samples, rate, tolerance in ((clip, RATE, 0.022), (speech[np.newaxis], SPEECH_RATE, 0.065)):
        loud = np.flatnonzero(np.abs(samples).max(axis=0) > 0.3)
        starts = [loud[0], *(after for before, after in itertools.pairwise(loud) if after - before > rate / 10)]
        assert [start / rate for start in starts] == pytest.approx([0.5, 2.5], abs=tolerance)


def test_samples_that_are_no_numbers_are_silence(tmp_path: Path) -> None:
    raw = np.full(RATE, np.nan, "<f4")
    raw[:100] = np.inf
    (tmp_path / "film.raw").write_bytes(raw.tobytes())
    sound = ["-f", "f32le", "-ar", str(RATE), "-ac", "1", "-i", str(tmp_path / "film.raw")]
    pictures = ["-f", "lavfi", "-t", "1", "-i", "testsrc2=s=160x90:r=25"]
    film = tmp_path / "film.mov"
    run_ffmpeg([*pictures, *sound, *sound, "-map", "0", "-map", "1", "-map", "2", "-c:a", "pcm_f32le", str(film)])
    assert len(probe(film).sound_tracks) == 2
    assert np.isfinite(samples_of(proxy_of(film), 0)).all()


def track(stream: int, **changes: object) -> SoundTrack:
    known = {"codec": "aac", "channels": 2, "layout": "stereo", "sample_rate": RATE, "is_silent": False}
    return SoundTrack(stream=stream, **(known | changes))  # type: ignore[arg-type]


def test_the_rule_in_its_order() -> None:
    def first(*tracks: SoundTrack) -> tuple[int, tuple[int, ...]]:
        chosen, mixed = pick(tracks)
        return chosen.stream, mixed

    assert first(track(1, is_silent=True, is_default=True), track(2, role="commentary")) == (2, ())
    assert first(track(1, role="commentary", is_default=True), track(2)) == (2, ())
    assert first(track(1), track(2, is_default=True)) == (2, ())
    assert first(track(1, role="dubbed", is_default=True), track(2)) == (1, ())
    assert first(track(1, role="dubbed"), track(2)) == (2, ())
    mono = {"channels": 1, "layout": "mono"}
    assert first(track(1, **mono), track(2), track(3, **mono)) == (1, (1, 3))
    assert first(track(1, **mono), track(2, **mono, language="fra")) == (1, ())
    assert first(track(1, **mono), track(2, **mono, role="commentary"), track(3, **mono)) == (1, (1, 3))
    assert first(track(1, is_silent=True, level_db=-90.0), track(2, is_silent=True, level_db=-70.0)) == (2, ())


def test_a_long_film_is_listened_to_in_spots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.videos.sound_tracks.WHOLE_S", 1)
    monkeypatch.setattr("ops.videos.sound_tracks.SPOTS", 6)
    monkeypatch.setattr("ops.videos.sound_tracks.SPOT_S", 0.1)
    for suffix in ("mp4", "mkv", "ts", "mov", "avi"):
        codec = "pcm_s16le" if suffix in ("mov", "avi") else "aac"
        tracks = [Track(source=SILENCE, codec=codec), Track(source=tone(440, begins_s=2), codec=codec)]
        info = probe(write(tmp_path / f"film.{suffix}", tracks, seconds=3))
        assert [track.is_silent for track in info.sound_tracks] == [True, False], suffix


def test_one_track_is_not_listened_to(tmp_path: Path) -> None:
    (single,) = probe(write(tmp_path / "film.mkv", [Track(source=MONO_SILENCE)])).sound_tracks
    assert single.is_silent is None


@pytest.mark.shared
def test_the_cases_with_several_tracks(cases: Path, tmp_path: Path) -> None:
    four, silent = cases / "exports" / "mono4.mov", cases / "exports" / "silent_first.mkv"
    for source, count, heard in ((four, 4, (1, 2, 3, 4)), (silent, 2, (2,))):
        info = probe(source)
        assert tuple(track.stream for track in info.heard_tracks) == heard
        span = ClipSpan(start_frame=0, end_frame=30, target=tmp_path / f"{source.stem}.mov")
        assert list(cut_clips(source, [span])) == [span]
        levels = [decibels(samples_of(span.target, at)) for at in range(count)]
        assert max(levels) > -40
