"""Names of subtitle files as people, sites and players write them: whose they are, and in which language."""

from __future__ import annotations

import pytest

from ops.videos.languages import parse_language, parse_language_suffix
from ops.videos.sidecar_names import FolderVideos, find_owner, is_news, is_subtitle_name

FILM = FolderVideos(["film.mp4"])
SEVERAL = FolderVideos(["film.mp4", "film 2.mkv", "film.en.mp4", "The.Show.S01E01.1080p.mkv", "a.b.mov", "a.mov"])


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("film.srt", ""), ("film.mp4.srt", ""), ("FILM.MP4.EN.SRT", "en"), ("film.en-US.srt", "en-US"),
        ("film.en_GB.srt", "en-GB"), ("film.es-419.srt", "es-419"), ("film.zh-Hans.srt", "zh-Hans"),
        ("film.zh-Hant-TW.srt", "zh-Hant-TW"), ("film.zh-CN.vtt", "zh-CN"), ("film.sr-Latn.srt", "sr-Latn"),
        ("film.pt-br.srt", "pt-BR"), ("film.eng.srt", "en"), ("film.fre.srt", "fr"), ("film.fra.srt", "fr"),
        ("film.cze.srt", "cs"), ("film.English.srt", "en"), ("film.Français.srt", "fr"), ("film.Deutsch.srt", "de"),
        ("film.简体中文.srt", "zh-Hans"), ("film.chs.srt", "zh-Hans"), ("film.chs&eng.ass", "zh-Hans"),
        ("film.日本語.srt", "ja"), ("film.Русский.srt", "ru"), ("film.Tiếng Việt.srt", "vi"), ("film.iw.srt", "he"),
        ("film.Portuguese (Brazil).srt", "pt-BR"), ("film.Brazilian Portuguese.srt", "pt-BR"),
        ("film.Spanish (Latin America).srt", "es-419"), ("film (English).srt", "en"), ("film [en].srt", "en"),
        ("film - English [SDH].srt", "en"), ("film.en.sdh.srt", "en"), ("film.sdh.en.srt", "en"),
        ("film.forced.srt", ""), ("film.en.forced.default.srt", "en"), ("film.foreign.ger.srt", "de"),
        ("film.en.cc.srt", "en"), ("film.hi.srt", "hi"), ("film.en.hi.srt", "en"), ("film.hi.en.srt", "en"),
        ("film.hi.forced.srt", "hi"), ("film.en.2.srt", "en"), ("film_track3_eng.srt", "en"), ("film.fil.srt", "fil"),
        ("film.en.commentary.srt", "en"), ("film.NO.srt", "no"), ("film-de.ttml", "de"), ("film.nb-NO.sbv", "nb-NO"),
        ("English.srt", "en"), ("2_English.srt", "en"), ("en.forced.srt", "en"),
        ("Subs/2_English.srt", "en"), ("subtitles/film.ko.srt", "ko"), ("Sub/3_French (Canada).srt", "fr-CA"),
        ("Subs/film/2_English.srt", "en"), ("Subs/film/4_SDH.srt", ""), ("Subs/film/whatever.srt", ""),
        ("Subs/film/film.de.srt", "de"), ("Subs/Spanish/film.srt", "es"), ("Subs/es/1.srt", "es"), ("Subs/1.srt", ""),
        ("Subs/Latin American.spa.srt", "es-419"), ("Subs/Canadian.fre.srt", "fr-CA"), ("film.en.srt.srt", "en"),
        ("film.en_US.UTF-8.srt", "en-US"), ("Subs/Brazilian.por.srt", "pt-BR"), ("film.cmn-Hans.srt", "zh-Hans"),
        ("film.sr_Latn_RS.srt", "sr-Latn-RS"), ("film.en-orig.vtt", "en"), ("Subs/3_eng,English [CC].srt", "en"),
        ("subtitles.en.srt", "en"), ("film.de-en.vtt", "de"), ("SUBS/2_English.SRT", "en"),
        ("film.1.en.srt", "en"), ("film.2.en.sdh.srt", "en"), ("film_3_English.srt", "en"), ("film.mp4.2.de.srt", "de"),
        ("film.vn.srt", "vi"), ("film.ai.en.srt", "en"), ("film.en.machine translated.srt", "en"),
    ],
)  # fmt: skip
def test_the_only_film_has_files_of_every_usual_name(name: str, language: str) -> None:
    owner = find_owner(name, FILM)
    assert owner and (owner.video.removesuffix(".mp4"), owner.language) == ("film", language)


@pytest.mark.parametrize(
    "name",
    [
        "filmed.srt", "film.part2.srt", "film 2.en.srt", "film.the.end.srt", "other.srt", "other.en.srt", "1.srt",
        "fi1m.srt", "film.cut.srt", "Subs/other.en.srt", "Subs/other/2_English.srt", "film.2.srt", "film.1080p.en.srt",
        "film.2.sdh.srt", "film.2 en.cut.srt",
    ],
)  # fmt: skip
def test_a_name_with_other_words_belongs_to_no_film(name: str) -> None:
    assert find_owner(name, FILM) is None


@pytest.mark.parametrize(
    ("name", "video", "language"),
    [
        ("film.en.srt", "film.en", ""), ("film.en.de.srt", "film.en", "de"), ("film.fr.srt", "film", "fr"),
        ("film 2.en.srt", "film 2", "en"), ("film 2.srt", "film 2", ""), ("a.b.srt", "a.b", ""),
        ("film.2.fr.srt", "film", "fr"),
        ("a.fr.srt", "a", "fr"), ("a.mov.fr.srt", "a.mov", "fr"), ("film.mp4.fr.srt", "film.mp4", "fr"),
        ("The.Show.S01E01.1080p.eng.srt", "the.show.s01e01.1080p", "en"),
        ("Subs/The.Show.S01E01.1080p/2_English.srt", "the.show.s01e01.1080p", "en"),
    ],
)  # fmt: skip
def test_of_several_videos_the_one_that_explains_most_of_the_name_has_it(name: str, video: str, language: str) -> None:
    owner = find_owner(name, SEVERAL)
    assert owner and (owner.video, owner.language) == (video, language)


@pytest.mark.parametrize("name", ["English.srt", "2_English.srt", "Subs/2_English.srt", "Subs/1.srt", "film 3.srt"])
def test_of_several_videos_none_has_a_file_without_a_name(name: str) -> None:
    assert find_owner(name, SEVERAL) is None


def test_hidden_files_and_other_things_are_no_subtitles() -> None:
    assert is_subtitle_name("film.EN.SRT") and is_subtitle_name("film.sup")
    assert not is_subtitle_name("._film.en.srt") and not is_subtitle_name("film.txt") and not is_subtitle_name("srt")
    assert is_news("other.ttml") and not is_news("song.lrc")


def test_a_language_is_a_tag_as_short_as_it_can_be() -> None:
    assert [parse_language(name) for name in ("eng", "en-Latn-US", "zh-hant", "und", "xx", "EN_us")] == [
        "en", "en-US", "zh-Hant", "", "", "en-US",
    ]  # fmt: skip
    assert parse_language_suffix(["en", "fr", "CA"]) == "en-FR"
    assert parse_language_suffix(["her"]) is None
