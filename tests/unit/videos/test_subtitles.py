"""Which subtitle files belong to which film, what lies inside films, and sound as speech is recognised from."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.core.errors import MediaError
from ops.core.media import SPEECH_RATE
from ops.core.settings import Settings
from ops.videos.languages import parse_language, parse_language_suffix
from ops.videos.speech_sound import read_speech_sound
from ops.videos.subtitles import find_sidecars, find_unowned_subtitles, look_inside, read_sidecar, read_track
from tests.builders.films import make_film, run_ffmpeg
from tests.builders.subtitles import srt

CUES = [(0.5, 2.0, "<i>Hello</i> there"), (3.0, 4.0, "Bye, café")]


def rows(folder: Path, *names: str) -> list[dict[str, Any]]:
    return [{"video_id": name, "path": str(folder / name)} for name in names]


def found(settings: Settings, folder: Path, *names: str) -> dict[str, list[tuple[str, str]]]:
    sidecars = find_sidecars(settings, rows(folder, *names))
    return {
        name: [(str(Path(file.path).relative_to(folder)), file.language) for file in files]
        for name, files in sidecars.items()
    }


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_a_file_belongs_to_the_film_of_its_stem_and_language(settings: Settings, tmp_path: Path) -> None:
    write(
        tmp_path,
        *("film.mp4", "film.srt", "film.en.srt", "film-de.vtt", "film.pt-BR.ass", "FILM.fre.SRT", "film_Spanish.ssa"),
        *("film.en.forced.srt", "film.part2.srt", "filmed.srt", "other.srt", "film.txt", "film.srt.bak"),
        *("Subs/film.ja.srt", "subtitles/film.ko.srt", "elsewhere/film.ru.srt"),
    )
    assert dict(found(settings, tmp_path, "film.mp4")["film.mp4"]) == {
        "film.srt": "",
        "film.en.srt": "en",
        "film-de.vtt": "de",
        "film.pt-BR.ass": "pt-BR",
        "FILM.fre.SRT": "fr",
        "film_Spanish.ssa": "es",
        "film.en.forced.srt": "en",
        "Subs/film.ja.srt": "ja",
        "subtitles/film.ko.srt": "ko",
    }


def test_the_film_that_explains_more_of_the_name_has_the_file(settings: Settings, tmp_path: Path) -> None:
    write(
        tmp_path,
        "film.mp4",
        "film.en.mp4",
        "film.en.srt",
        "film.en.de.srt",
        "film.srt",
        "a b.mkv",
        "a b.en.srt",
        "a.mkv",
    )
    everything = found(settings, tmp_path, "film.mp4", "film.en.mp4", "a b.mkv", "a.mkv")
    assert everything == {
        "film.mp4": [("film.srt", "")],
        "film.en.mp4": [("film.en.de.srt", "de"), ("film.en.srt", "")],
        "a b.mkv": [("a b.en.srt", "en")],
        "a.mkv": [],
    }


def test_a_film_without_the_name_of_one_has_its_files_too(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, "recording", "recording.srt", "capture.bin", "capture.en.srt")
    assert found(settings, tmp_path, "recording", "capture.bin")["capture.bin"] == [("capture.en.srt", "en")]


def test_files_that_belong_to_no_video_are_named(settings: Settings, tmp_path: Path) -> None:
    write(
        tmp_path,
        *("a.mp4", "b.mp4", "a.en.srt", "English.srt", "a.part2.vtt", "song.lrc", "._a.srt", "Subs/3_French.srt"),
        *("Subs/b/3_French.srt", "Subs/other/3_French.srt", "a.mp4.fr.srt"),
    )
    assert found(settings, tmp_path, "a.mp4", "b.mp4") == {
        "a.mp4": [("a.en.srt", "en"), ("a.mp4.fr.srt", "fr")],
        "b.mp4": [("Subs/b/3_French.srt", "fr")],
    }
    paths = find_unowned_subtitles(rows(tmp_path, "a.mp4"))
    assert [str(Path(path).relative_to(tmp_path)) for path in paths] == [
        "English.srt", "Subs/3_French.srt", "Subs/other/3_French.srt", "a.part2.vtt",
    ]  # fmt: skip
    assert find_unowned_subtitles(rows(tmp_path / "unmounted", "film.mp4")) == []


def test_a_hash_tells_the_content_and_is_remembered(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, "film.mp4", "film.srt")
    video = rows(tmp_path, "film.mp4")
    (first,) = find_sidecars(settings, video)["film.mp4"]
    assert find_sidecars(settings, video)["film.mp4"] == [first]
    (tmp_path / "film.srt").write_text("film.srT")
    os.utime(tmp_path / "film.srt", ns=(1, 1))
    (second,) = find_sidecars(settings, video)["film.mp4"]
    assert second.content_hash != first.content_hash and second.path == first.path


def test_a_folder_that_is_away_is_not_an_empty_one(settings: Settings, tmp_path: Path) -> None:
    assert find_sidecars(settings, rows(tmp_path / "unmounted", "film.mp4")) == {}


def test_names_that_are_no_text_and_files_that_may_not_be_read_are_passed_over(
    settings: Settings, tmp_path: Path
) -> None:
    write(tmp_path, "film.mp4", "film.en.srt")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/film.\xff.srt")).write_text("x")
    (tmp_path / "film.de.srt").symlink_to("nowhere")
    (tmp_path / "film.fr.srt").mkdir()
    assert found(settings, tmp_path, "film.mp4") == {"film.mp4": [("film.en.srt", "en")]}


def test_a_file_that_is_too_large_is_refused_unread(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, "film.mp4")
    with (tmp_path / "film.srt").open("wb") as file:
        file.truncate(100 << 20)
    (sidecar,) = find_sidecars(settings, rows(tmp_path, "film.mp4"))["film.mp4"]
    with pytest.raises(MediaError, match="105 MB"):
        read_sidecar(sidecar, 32 << 20)
    (tmp_path / "film.srt").unlink()
    with pytest.raises(MediaError, match="cannot be read"):
        read_sidecar(sidecar, 1 << 30)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("en", "en"), ("eng", "en"), ("English", "en"), ("ger", "de"), ("deu", "de"), ("pt-br", "pt-BR"),
        ("zh_Hant", "zh-Hant"),
        ("und", ""), ("", ""), ("part2", ""), ("xx", ""), ("es-419", "es-419"),
    ],
)  # fmt: skip
def test_languages_become_codes(name: str, code: str) -> None:
    assert parse_language(name) == code


def test_words_after_a_stem_are_a_language_or_nothing() -> None:
    assert parse_language_suffix(["en", "US", "sdh"]) == "en-US"
    assert parse_language_suffix(["forced"]) == ""
    assert parse_language_suffix(["hi"]) == "hi"
    assert parse_language_suffix(["en", "hi"]) == "en"
    assert parse_language_suffix(["the", "end"]) is None


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4", audio=True).path


def with_track(film: Path, target: Path, codec: str) -> Path:
    text = target.with_suffix(".txt.srt")
    text.write_text(srt(CUES))
    inputs = ["-i", str(film), "-i", str(text), "-map", "0", "-map", "1", "-c", "copy"]
    run_ffmpeg([*inputs, "-c:s", codec, "-metadata:s:s:0", "language=ger", str(target)])
    return target


@pytest.mark.parametrize(
    ("name", "codec", "kind"),
    [
        ("a.mkv", "subrip", "srt"),
        ("b.mkv", "ass", "ass"),
        ("c.mkv", "webvtt", "vtt"),
        ("d.mp4", "mov_text", "mov_text"),
    ],
)
def test_text_tracks_are_found_and_read(film: Path, tmp_path: Path, name: str, codec: str, kind: str) -> None:
    path = str(with_track(film, tmp_path / name, codec))
    (track,) = look_inside(path).tracks
    assert (track.language, track.kind) == ("de", kind)
    packets = [packet for packet in read_track(path, track, tmp_path) if len(packet.data) > 2]
    assert [packet.start_s for packet in packets] == pytest.approx([0.5, 3.0], abs=0.002)
    assert [packet.end_s for packet in packets] == pytest.approx([2.0, 4.0], abs=0.002)
    assert ["Hello" in packet.data.decode("utf-8", "replace") for packet in packets] == [True, False]


def test_a_film_without_tracks_has_none_and_a_text_is_no_film(film: Path, tmp_path: Path) -> None:
    assert look_inside(str(film)).tracks == ()
    (tmp_path / "x.mp4").write_text("text")
    with pytest.raises(MediaError):
        look_inside(str(tmp_path / "x.mp4"))


def test_pictures_that_start_late_are_told(tmp_path: Path) -> None:
    late = make_film(tmp_path / "late.mkv", audio=True, delay_s=0.5)
    assert look_inside(str(late.path)).delay_s == pytest.approx(0.5, abs=0.05)


def test_sound_is_16_khz_mono_from_the_first_picture_on(film: Path) -> None:
    samples = read_speech_sound(film)
    assert (str(samples.dtype), samples.ndim, SPEECH_RATE) == ("float32", 1, 16_000)
    assert len(samples) / SPEECH_RATE == pytest.approx(130 / 24, abs=0.1)
    assert 0.05 < np.abs(samples).max() <= 1
    spectrum = np.abs(np.fft.rfft(samples[SPEECH_RATE : 3 * SPEECH_RATE]))
    assert np.argmax(spectrum) / 2 == pytest.approx(440, abs=1)  # the tone that the film was given


def test_sound_before_the_first_picture_is_left_out(tmp_path: Path) -> None:
    late = make_film(tmp_path / "late.mkv", audio=True, delay_s=1.0)
    whole = make_film(tmp_path / "whole.mkv", audio=True)
    assert len(read_speech_sound(whole.path)) - len(read_speech_sound(late.path)) == pytest.approx(
        SPEECH_RATE, abs=SPEECH_RATE / 10
    )


def test_a_film_without_sound_is_told(tmp_path: Path) -> None:
    silent = make_film(tmp_path / "silent.mp4", fps=Fraction(25))
    with pytest.raises(MediaError, match="no sound"):
        read_speech_sound(silent.path)
