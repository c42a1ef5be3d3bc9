"""Dialogue in the lake: what is read when, what a re-run writes, and what odd files do."""

from __future__ import annotations

import inspect
import multiprocessing
import re
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ops.core.errors import SettingsError
from ops.core.history import list_history_files
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress, StepReport
from ops.dialogue import speech
from ops.dialogue.build import build_dialogue, find_due, retry_dialogue
from ops.dialogue.report import list_unread_subtitles, list_unusable_subtitles
from ops.dialogue.sources import SubtitleRequest, _read_source
from ops.index.dialogue import build_lines, check_lines, has_current_lines
from ops.index.lines import open_lines
from ops.videos import watch
from ops.videos.hashes import HashCache
from ops.videos.library import scan
from ops.videos.sidecar_names import ENDINGS, parse_suffix
from ops.videos.subtitles import ReadTrack, Track
from tests.builders.crashes import crash_in_german, crash_while_hearing, crash_while_reading
from tests.builders.films import make_film
from tests.builders.lakes import shot_rows, video_id, video_row
from tests.builders.subtitles import ass, srt, vtt

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = datetime(2026, 3, 2, tzinfo=UTC)
PARTITION = video_id(0)


class Told(SilentProgress):
    """Keeps what people would be told."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self.notes: list[str] = []

    def set_aside(self, stage: str, thing: str, reason: str) -> None:
        self.refused[Path(thing).name] = reason

    def note(self, stage: str, text: str) -> None:
        self.notes.append(text)


def fill_with_film(settings: Settings) -> None:
    """A lake with one film without sound, in four shots of 24 frames at 24000/1001; the film is in ``library``."""
    library = Path(settings.library)
    library.mkdir()
    make_film(library / "film.mkv", frames=96, cuts=(24, 48, 72))
    row = video_row(0, path=str(library / "film.mkv"), has_audio=False, frames=96)
    settings.lake.write("videos", PARTITION, [row])
    settings.lake.write("shots", PARTITION, shot_rows(0))


pytestmark = pytest.mark.home(fill=fill_with_film, library=Path("library"))


def build(settings: Settings, now: datetime = NOW) -> tuple[StepReport, Told]:
    told = Told()
    return build_dialogue(settings, [PARTITION], now, told), told


def said(settings: Settings) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = settings.lake.read("dialogue").to_pylist()
    return rows


def sidecar(settings: Settings, name: str, content: str | bytes) -> Path:
    path = Path(settings.library) / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def files(settings: Settings) -> dict[str, int]:
    found = (path for path in settings.home.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path): path.stat().st_mtime_ns for path in found}


def test_a_film_without_dialogue_is_read_once(settings: Settings) -> None:
    report, told = build(settings)
    assert report.changed and all(check.passed for check in report.checks)
    assert (said(settings), told.notes, told.refused) == ([], [], {})
    assert [row["lines"] for row in settings.lake.read("shot_dialogue").to_pylist()] == [0] * 4
    assert find_due(settings, [PARTITION]) == []
    assert has_current_lines(settings)
    assert build_lines(settings, SilentProgress()).changed == 0
    assert not (settings.home / "index").exists()
    before = files(settings)
    assert build(settings, LATER)[0].changed == 0
    assert files(settings) == before


def test_lines_are_read_tied_and_found(settings: Settings) -> None:
    sidecar(settings, "film.en.srt", srt([(0.2, 0.8, "<i>Hello</i>"), (0.9, 1.5, "over the cut"), (3.0, 3.5, "Bye")]))
    report, _ = build(settings)
    assert all(check.passed for check in report.checks)
    ids = [row["shot_id"] for row in shot_rows(0)]
    assert [(row["text"], row["shot_ids"], row["index"]) for row in said(settings)] == [
        ("Hello", ids[:1], 0),
        ("over the cut", ids[:2], 1),
        ("Bye", ids[3:], 2),
    ]
    per_shot = {row["shot_id"]: row for row in settings.lake.read("shot_dialogue").to_pylist()}
    assert [per_shot[shot]["lines"] for shot in ids] == [2, 1, 0, 1]
    assert per_shot[ids[0]]["text"] == "Hello over the cut"
    assert (per_shot[ids[0]]["language"], per_shot[ids[0]]["source"]) == ("en", "sidecar")
    assert not has_current_lines(settings)
    assert build_lines(settings, SilentProgress()).changed == 1
    assert has_current_lines(settings) and check_lines(settings).passed
    index = open_lines(settings)
    assert index is not None
    with index:
        assert [hit.text for hit in index.search("hello", limit=3)] == ["Hello"]


def test_a_changed_file_is_read_again_and_only_what_changed_is_new(settings: Settings) -> None:
    path = sidecar(settings, "film.srt", srt([(0.2, 0.8, "one"), (1.2, 1.8, "two")]))
    build(settings)
    before = {row["text"]: row for row in said(settings)}
    path.write_text(srt([(0.2, 0.8, "one"), (1.0, 1.1, "between"), (1.2, 1.8, "two, mended")]))
    assert len(find_due(settings, [PARTITION])) == 1
    build(settings, LATER)
    after = {row["text"]: row for row in said(settings)}
    assert set(after) == {"one", "between", "two, mended"}
    assert after["one"] == before["one"]
    assert after["between"]["created_timestamp"] == LATER
    assert after["between"]["event_timestamp"] == before["one"]["event_timestamp"]
    path.unlink()
    build(settings, LATER)
    assert said(settings) == []


def test_every_format_beside_the_film_counts_and_says_it_once(settings: Settings) -> None:
    cues = [(0.2, 0.8, "one"), (1.2, 1.8, "two")]
    sidecar(settings, "film.en.srt", srt(cues))
    sidecar(settings, "film.en.vtt", vtt([*cues, (2.0, 2.5, "three")]))
    sidecar(settings, "film.de.ass", ass([(0.2, 0.8, "eins")]))
    build(settings)
    assert sorted((row["text"], row["language"]) for row in said(settings)) == [
        ("eins", "de"), ("one", "en"), ("three", "en"), ("two", "en"),
    ]  # fmt: skip


def test_odd_files_are_named_and_cost_no_other(settings: Settings) -> None:
    sidecar(settings, "film.srt", srt([(0.2, 0.8, "kept"), (-5, -4, "before"), (900, 901, "after")]))
    sidecar(settings, "film.de.srt", bytes(range(256)) * 40)
    sidecar(settings, "film.fr.srt", "")
    sidecar(settings, "film.es.srt", "<html>not found</html>")
    sidecar(settings, "nobody.srt", srt([(0, 1, "no film has this name")]))
    sidecar(settings, "film.pt.scc", "Scenarist_SCC V1.0\n\n00:00:00:02\t9420 9420 94ae")  # loads a caption, shows none
    with sidecar(settings, "film.it.srt", "").open("wb") as file:
        file.truncate(100 << 20)
    report, problems = build(settings)
    assert set(problems.refused) == {"film.de.srt", "film.fr.srt", "film.es.srt", "film.it.srt", "film.pt.scc"}
    assert problems.refused["film.pt.scc"] == "it holds no line: it shows no caption with text"
    assert "MB" in problems.refused["film.it.srt"] and "empty" in problems.refused["film.fr.srt"]
    assert [(row["text"], bool(row["shot_ids"])) for row in said(settings)] == [("kept", True), ("after", False)]
    assert all(check.passed for check in report.checks)
    assert any("film.srt: line 6" in note and "before the start of the film" in note for note in problems.notes)
    assert any("film.srt: line 10" in note and "after the end of the film" in note for note in problems.notes)
    aside = list_unusable_subtitles(settings, {video_id(0)})
    assert [Path(entry["path"]).name for entry in aside] == sorted(problems.refused)
    build_lines(settings, SilentProgress())
    index = open_lines(settings)
    assert index is not None
    with index:
        assert index.count() == 1  # what belongs to no shot cannot be shown
    before = files(settings)
    assert build(settings, LATER)[0].changed == 0
    assert files(settings) == before


def test_new_shots_are_tied_anew(settings: Settings) -> None:
    sidecar(settings, "film.srt", srt([(0.9, 1.5, "over the cut")]))
    build(settings)
    one = shot_rows(0)[0] | {"end_frame": 96, "end_s": 96 * 1001 / 24000}
    settings.lake.write("shots", PARTITION, [one])
    assert len(find_due(settings, [PARTITION])) == 1
    report, _ = build(settings)
    assert all(check.passed for check in report.checks)
    assert said(settings)[0]["shot_ids"] == [one["shot_id"]]


def test_a_moved_film_changes_its_show_and_reads_nothing(settings: Settings) -> None:
    sidecar(settings, "film.srt", srt([(0.2, 0.8, "one")]))
    build(settings)
    (row,) = settings.lake.read("videos").to_pylist()
    settings.lake.write("videos", PARTITION, [row | {"show": "elsewhere"}])
    assert build(settings, LATER)[0].changed == 2
    assert said(settings)[0]["show"] == "elsewhere"


def test_a_film_that_is_away_keeps_its_lines(settings: Settings) -> None:
    sidecar(settings, "film.srt", srt([(0.2, 0.8, "one")]))
    build(settings)
    library = Path(settings.library)
    library.rename(library.with_name("away"))
    assert build(settings, LATER)[0].changed == 0
    assert len(said(settings)) == 1


def test_a_killed_run_is_finished_by_the_next(settings: Settings) -> None:
    sidecar(settings, "film.srt", srt([(0.2, 0.8, "one")]))
    build(settings)
    settings.lake.delete("shot_dialogue", PARTITION)  # it is written last
    assert len(find_due(settings, [PARTITION])) == 1
    build(settings, LATER)
    assert len(said(settings)) == 1 and find_due(settings, [PARTITION]) == []


def test_the_watched_library_sees_new_changed_and_removed_subtitles(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SETTLED_SECONDS", 0)
    (row,) = settings.lake.read("videos").to_pylist()
    (source,) = scan([settings.library], library=settings.library, hashes=HashCache(settings.home / "h.db")).files
    row |= {name: getattr(source, name) for name in ("path", "show", "title", "season", "episode", "video_id")}
    settings.lake.delete("videos", PARTITION)
    settings.lake.write("videos", source.video_id, [row | {"content_hash": source.content_hash}])
    own = [
        shot | {"video_id": source.video_id, "shot_id": f"{source.video_id}:{shot['start_frame']}"}
        for shot in shot_rows(0)
    ]
    settings.lake.write("shots", source.video_id, own)

    def look() -> list[str]:
        return watch.watch_library(settings, NOW, "").due

    build_dialogue(settings, [source.video_id], NOW, Told())
    assert look() == []
    path = sidecar(settings, "film.srt", srt([(0.2, 0.8, "one")]))
    assert look() == [source.video_id]
    first = watch.watch_library(settings, NOW, "").fingerprint
    path.write_text(srt([(0.2, 0.8, "another")]))
    assert watch.watch_library(settings, NOW, "").fingerprint != first
    build_dialogue(settings, [source.video_id], NOW, Told())
    assert look() == []
    path.unlink()
    assert look() == [source.video_id]


def test_a_film_that_crashes_the_reader_of_its_subtitles_costs_its_dialogue_only(settings: Settings) -> None:
    sidecar(settings, "film.srt", srt([(0.2, 0.8, "one")]))
    told = Told()
    report = build_dialogue(settings, [PARTITION], NOW, told, read=crash_while_reading)
    assert "the process that read its dialogue crashed (SIGSEGV), twice" in told.refused["film.mkv"]
    assert all(check.passed for check in report.checks) and not said(settings)
    assert not build_dialogue(settings, [PARTITION], NOW, told, read=crash_while_reading).changed
    retry_dialogue(settings, [video_id(0)])
    build(settings)
    assert [row["text"] for row in said(settings)] == ["one"]
    assert not multiprocessing.active_children()


def test_a_subtitle_file_that_crashes_its_reader_costs_no_other(settings: Settings) -> None:
    sidecar(settings, "film.srt", srt([(0.2, 0.8, "one")]))
    sidecar(settings, "film.de.srt", srt([(0.2, 0.8, "eins")]))
    told = Told()
    build_dialogue(settings, [PARTITION], NOW, told, read=crash_in_german)
    assert [row["text"] for row in said(settings)] == ["one"]
    assert list(told.refused) == ["film.de.srt"]
    assert "crashed (SIGSEGV), twice" in told.refused["film.de.srt"]


@pytest.mark.parametrize(
    ("codec", "words"),
    [("hdmv_pgs_subtitle", "pictures of text"), ("eia_608", "eia_608")],
)
def test_tracks_that_hold_no_text_are_named(settings: Settings, codec: str, words: str) -> None:
    track = Track(index=2, codec=codec, language="en", kind="")
    (video,) = settings.lake.read("videos").to_pylist()
    request = SubtitleRequest(video=video, sidecars=(), length_s=4.0, scratch=settings.scratch)
    source = _read_source(ReadTrack(track=track), request)
    assert source.lines == () and not source.is_refused
    assert words in str(source.reason) and codec in source.path


def test_other_formats_are_read_and_pictures_of_text_are_named_and_not_refused(settings: Settings) -> None:
    sidecar(settings, "film.en.ttml", '<tt><body><p begin="0.2s" end="0.8s">Timed text</p></body></tt>')
    sidecar(settings, "film.de.sub", "{1}{1}24\n{48}{60}Bilder\n")
    sidecar(settings, "film.fr.sup", b"PG" + bytes(100))
    sidecar(settings, "film.es.idx", "# VobSub index file, v7\n")
    sidecar(settings, "film.es.sub", b"\0\0\1\xba" + bytes(100))
    sidecar(settings, "film.it.sub", b"\0\0\1\xba" + bytes(100))
    sidecar(settings, "elsewhere.en.srt", srt([(0, 1, "x")]))
    report, told = build(settings)
    assert [(row["text"], row["language"]) for row in said(settings)] == [("Timed text", "en"), ("Bilder", "de")]
    assert told.refused == {} and len(told.notes) == 3
    assert list_unusable_subtitles(settings, {PARTITION}) == []
    unread = {Path(row["path"]).name: row["reason"] for row in list_unread_subtitles(settings, {PARTITION})[0]}
    assert unread.keys() == {"film.fr.sup", "film.es.idx", "film.it.sub", "elsewhere.en.srt"}
    assert unread["film.fr.sup"] == "its subtitles are pictures of text (PGS), which cannot be read"
    assert unread["film.it.sub"] == "its subtitles are pictures of text (VobSub), which cannot be read"
    assert "belongs to no video" in unread["elsewhere.en.srt"]
    assert [Path(path).name for path in report.details["subtitles_of_no_video"]] == ["elsewhere.en.srt"]
    assert build(settings, LATER)[0].changed == 0


def test_no_subtitle_file_that_a_scan_meets_is_passed_over_in_silence(settings: Settings, tmp_path: Path) -> None:
    """Those without a video, too, and those whose ending has other uses, which are counted by kind."""
    library = tmp_path / "library"
    other = library / "no films here"
    other.mkdir()
    used = ("film.en.srt", "film.fr.sup", "film.es.idx", "film.es.sub")
    for name in (*used, *(f"a.{ending}" for ending in sorted(ENDINGS))):
        (library / name if name in used else other / name).write_bytes(b"x")
    for ending in sorted(ENDINGS):
        (library / f"elsewhere.{ending}").write_bytes(b"x")
    found = scan([str(library)], hashes=HashCache(tmp_path / "hashes.db"))
    assert not {path for path, _ in found.left_out if path in found.subtitles}
    assert len(found.subtitles) == len(used) + 2 * len(ENDINGS)
    build(settings)
    unread, unclear = list_unread_subtitles(settings, {PARTITION}, found.subtitles)
    named = {Path(row["path"]).name for row in unread} | {Path(path).name for path in unclear}
    everywhere = {f"{stem}.{ending}" for stem in ("a", "elsewhere") for ending in ENDINGS}
    assert named == (everywhere | {*used[1:3]}) - {"elsewhere.sub"}  # that file has the pictures of elsewhere.idx
    assert {parse_suffix(path) for path in unclear} == {"lrc", "mpl", "pac", "stl", "sub"}


def test_a_file_of_two_languages_has_lines_of_both(settings: Settings) -> None:
    text = (
        "<SAMI><STYLE><!-- .A {lang: ko-KR;} .B {lang: en-US;} --></STYLE><BODY>\n"
        "<SYNC Start=200><P Class=A>안녕\n<P Class=B>Hello\n<SYNC Start=900><P Class=A>&nbsp;<P Class=B>&nbsp;\n"
    )
    sidecar(settings, "film.smi", text.encode("cp949"))
    build(settings)
    assert {(row["text"], row["language"]) for row in said(settings)} == {("안녕", "ko"), ("Hello", "en")}


def test_the_language_is_without_region_and_the_tag_is_kept_beside_it(settings: Settings) -> None:
    tags = {"en-US": "The orchard", "es-419": "El faro", "pt-BR": "Você vem", "pt-PT": "Tu vens", "zh-Hans": "灯塔",
            "zh-Hant": "燈塔"}  # fmt: skip
    for tag, text in tags.items():
        start = 1.0 if tag == "pt-PT" else 0.2
        sidecar(settings, f"film.{tag}.srt", srt([(start, start + 0.6, text)]).encode())
    build(settings)
    wanted = {(text, tag[:2]) for tag, text in tags.items()}
    assert {(row["text"], row["language"]) for row in said(settings)} == wanted and len(said(settings)) == len(tags)
    sources = settings.lake.read("subtitles").to_pylist()
    assert sorted((row["language"], row["language_tag"]) for row in sources) == [(tag[:2], tag) for tag in sorted(tags)]
    assert {row["language"] for row in settings.lake.read("shot_dialogue").to_pylist()} == {"en,es,pt,zh", "pt", ""}
    assert build(settings, LATER)[0].changed == 0
    build_lines(settings, SilentProgress())
    with open_lines(settings) as index:  # type: ignore[union-attr]
        assert [hit.text for hit in index.search("", phrases=["Você vem"], limit=9)] == ["Você vem"]
        assert index.search("", phrases=["Você vem Tu"], limit=9) == []


def test_rows_of_earlier_versions_get_the_language_without_region_though_the_film_cannot_be_read(
    settings: Settings,
) -> None:
    sidecar(settings, "film.en-US.srt", srt([(0.2, 0.8, "The orchard")]).encode())
    build(settings)
    lines = [row | {"language": "en-US", "language_tag": None} for row in said(settings)]
    sources = [row | {"language": "en-US", "language_tag": None} for row in settings.lake.read("subtitles").to_pylist()]
    settings.lake.write("dialogue", PARTITION, lines)
    settings.lake.write("subtitles", PARTITION, sources)
    settings.lake.write("shot_dialogue", PARTITION, [])
    Path(settings.library, "film.mkv").write_bytes(b"not a film")
    assert build(settings)[1].refused
    assert [(row["language"], row["language_tag"]) for row in said(settings)] == [("en", "en-US")]
    kept = [row for row in settings.lake.read("subtitles").to_pylist() if row["source"] == "sidecar"]
    assert [(row["language"], row["language_tag"]) for row in kept] == [("en", "en-US")]


# --- speech


class HeardModel:
    """What faster-whisper's ``WhisperModel`` gives: a foreign party whose models are large."""

    heard = 0
    words = ((" Hello", 0.25), (" <there>", 0.6))
    supported_languages = ("de", "en")

    def __init__(self, model: str, device: str, compute_type: str) -> None:
        if "missing" in model:
            raise ValueError(f"Invalid model size '{model}', expected one of: tiny, small\nand more")
        self.model = SimpleNamespace(device=device)  # as ctranslate2's model

    def transcribe(self, audio: Any, **options: Any) -> Any:
        assert options["word_timestamps"]
        HeardModel.heard += 1
        assert audio.dtype.name == "float32" and audio.ndim == 1 and len(audio) > 16_000
        words = [
            type("Word", (), {"word": word, "start": start, "end": start + 0.4, "probability": 0.75})
            for word, start in self.words
        ]
        piece = {"start": 0.0, "end": 2.0, "words": words, "no_speech_prob": 0.1, "avg_logprob": -0.3}
        piece["compression_ratio"] = 1.0
        noise = piece | {"no_speech_prob": 0.9, "avg_logprob": -1.5}
        pieces = [type("Segment", (), each) for each in (piece, noise)]
        return iter(pieces), type("Info", (), {"language": options["language"] or "en"})


@pytest.fixture
def heard_film(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    path = make_film(Path(settings.library) / "film.mkv", frames=96, cuts=(24, 48, 72), audio=True).path
    (row,) = settings.lake.read("videos").to_pylist()
    settings.lake.write("videos", PARTITION, [row | {"has_audio": True, "path": str(path)}])
    package = ModuleType("faster_whisper")
    package.WhisperModel = HeardModel  # type: ignore[attr-defined]
    engine = ModuleType("ctranslate2")
    engine.get_cuda_device_count = lambda: 0  # type: ignore[attr-defined]
    engine.get_supported_compute_types = lambda device: {"int8", "float32"}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "faster_whisper", package)
    monkeypatch.setitem(sys.modules, "ctranslate2", engine)
    monkeypatch.setattr(speech, "find_spec", lambda name: object())
    monkeypatch.setattr(HeardModel, "heard", 0)
    speech._load.cache_clear()
    return settings


def test_without_a_model_it_is_said_once_and_the_rest_goes_on(heard_film: Settings) -> None:
    _, told = build(heard_film)
    assert len(told.notes) == 1 and "NEEDLE_SPEECH" in told.notes[0]
    assert find_due(heard_film, [PARTITION]) == []


def test_a_film_with_sound_and_no_subtitles_is_heard_once(heard_film: Settings) -> None:
    build(heard_film)
    hearing = heard_film.model_copy(update={"speech": "small"})
    assert len(find_due(hearing, [PARTITION])) == 1
    build(hearing)
    (line,) = said(hearing)
    assert (line["text"], line["source"], line["language"], line["start_frame"]) == ("Hello <there>", "asr", "en", 6)
    assert (line["end_s"], line["certainty"]) == (1.0, 0.75)
    assert build(hearing, LATER)[0].changed == 0
    settings = hearing.lake
    settings.write("shots", PARTITION, [shot_rows(0)[0] | {"end_frame": 96, "end_s": 96 * 1001 / 24000}])
    build(hearing, LATER)
    assert HeardModel.heard == 1  # shots that were cut anew need no second hearing
    build(hearing.model_copy(update={"speech": "large"}))
    assert HeardModel.heard == 2


@pytest.mark.parametrize(
    ("languages", "remedy"),
    [(("en",), "hears only en.*set NEEDLE_SPEECH to a multilingual model"), (("de", "en"), "NEEDLE_SPEECH_LANGUAGE")],
)
def test_sound_without_a_line_is_reported_once_with_a_remedy(
    heard_film: Settings, monkeypatch: pytest.MonkeyPatch, languages: tuple[str, ...], remedy: str
) -> None:
    monkeypatch.setattr(HeardModel, "words", ())
    monkeypatch.setattr(HeardModel, "supported_languages", languages)
    hearing = heard_film.model_copy(update={"speech": "small"})
    _, progress = build(hearing)
    (note,) = progress.notes
    assert note.startswith("1 film without dialogue (") and re.search(remedy, note), note
    assert not progress.refused and said(hearing) == []
    (row,) = [row for row in hearing.lake.read("subtitles").to_pylist() if row["source"] == "asr"]
    assert re.search(remedy, row["notes"][0]) and row["reason"] is None
    assert not find_due(hearing, [PARTITION]) and build(hearing, LATER)[0].changed == 0
    hearing.lake.write("shots", PARTITION, [shot_rows(0)[0] | {"end_frame": 96, "end_s": 96 * 1001 / 24000}])
    build(hearing, LATER)
    (again,) = [row for row in hearing.lake.read("subtitles").to_pylist() if row["source"] == "asr"]
    assert again["notes"] == row["notes"] and HeardModel.heard == 1, "new shots need no second hearing"


def test_a_film_that_crashes_the_reader_of_its_sound_costs_its_speech_only(heard_film: Settings) -> None:
    hearing = heard_film.model_copy(update={"speech": "small"})
    progress = Told()
    build_dialogue(hearing, [PARTITION], NOW, progress, read_sound=crash_while_hearing)
    assert "the process that read its sound crashed (SIGSEGV), twice" in " ".join(progress.refused.values())
    assert said(hearing) == [] and HeardModel.heard == 0
    assert not build_dialogue(hearing, [PARTITION], NOW, progress, read_sound=crash_while_hearing).changed
    retry_dialogue(hearing, [video_id(0)])
    build(hearing)
    assert len(said(hearing)) == 1 and not multiprocessing.active_children()
    assert list(hearing.scratch.iterdir()) == []


def test_recognised_lines_stay_without_a_model_and_are_deleted_if_speech_is_off(heard_film: Settings) -> None:
    build(heard_film.model_copy(update={"speech": "small"}))
    assert not find_due(heard_film, [PARTITION])
    build(heard_film, LATER)
    assert len(said(heard_film)) == 1
    off = heard_film.model_copy(update={"speech": "off"})
    assert len(find_due(off, [PARTITION])) == 1
    _, progress = build(off)
    assert said(off) == [] and progress.notes == []
    assert [row for row in off.lake.read("subtitles").to_pylist() if row["source"] == "asr"] == []
    assert not [key for key in list_history_files(off.store) if "shot_dialogue" in str(key)]
    assert not find_due(off, [PARTITION]) and build(off, LATER)[0].changed == 0


@pytest.mark.parametrize("model", ["missing-model", "/missing/model"])
def test_recognised_lines_stay_until_another_model_can_hear_the_film(heard_film: Settings, model: str) -> None:
    build(heard_film.model_copy(update={"speech": "small"}))
    lines = said(heard_film)
    mistyped = heard_film.model_copy(update={"speech": model})
    recut = [shot_rows(0)[0] | {"end_frame": 96, "end_s": 96 * 1001 / 24000}]
    heard_film.lake.write("shots", PARTITION, recut)  # so that it is due in any case
    _, progress = build(mistyped, LATER)
    assert [line["text"] for line in said(mistyped)] == [line["text"] for line in lines] and lines
    assert len(progress.notes) == 1 and "films with sound and no subtitles: 1" in progress.notes[0]
    assert model in progress.notes[0]
    build(heard_film.model_copy(update={"speech": "large"}), LATER)
    assert HeardModel.heard == 2


def test_recognised_lines_are_deleted_if_speech_is_off_and_the_film_cannot_be_read(heard_film: Settings) -> None:
    build(heard_film.model_copy(update={"speech": "small"}))
    off = heard_film.model_copy(update={"speech": "off"})
    build_dialogue(off, [PARTITION], NOW, Told(), read=crash_while_reading)
    assert said(off) == [] and not find_due(off, [PARTITION])


@pytest.mark.parametrize("is_folder_there", [True, False])
def test_recognised_lines_are_deleted_if_speech_is_off_and_the_film_is_elsewhere(
    heard_film: Settings, is_folder_there: bool
) -> None:
    build(heard_film.model_copy(update={"speech": "small"}))
    before = [row for row in heard_film.lake.read("subtitles").to_pylist() if row["source"] != "asr"]
    folder = Path(heard_film.library)
    away = folder.with_name("away")
    moved = (folder / "film.mkv", folder / "away.mkv") if is_folder_there else (folder, away)
    moved[0].rename(moved[1])
    off = heard_film.model_copy(update={"speech": "off"})
    assert len(find_due(off, [PARTITION])) == 1
    _, progress = build(off, LATER)
    assert said(off) == [] and not progress.refused and not find_due(off, [PARTITION])
    assert [row["path"] for row in off.lake.read("subtitles").to_pylist()] == [row["path"] for row in before]
    moved[1].rename(moved[0])
    assert not find_due(off, [PARTITION])


def test_a_language_is_set_by_show_and_a_changed_one_is_heard_again(heard_film: Settings) -> None:
    (show,) = {row["show"] for row in heard_film.lake.read("videos").to_pylist()}
    hearing = heard_film.model_copy(update={"speech": "small", "speech_language": "Another, show=fr"})
    build(hearing)
    other = hearing.model_copy(update={"speech_language": f"Another, show=fr,{show}=de"})
    assert len(find_due(other, [PARTITION])) == 1
    build(other)
    assert [row["language"] for row in said(other)] == ["de"] and HeardModel.heard == 2
    assert not find_due(other, [PARTITION])
    elsewhere = other.model_copy(update={"speech_language": f"Another, show=es,{show}=de"})
    assert not find_due(elsewhere, [PARTITION]), "another show's language is not this one's"
    impossible = hearing.model_copy(update={"speech_language": "*=tlh"})
    _, told = build(impossible)
    assert "hears de, en: choose another model or language" in " ".join(told.refused.values())
    assert said(impossible) == [] and not find_due(impossible, [PARTITION])


@pytest.mark.parametrize("text", ["english", "A Series=", "A Series", "=de", "A=de,B"])
def test_a_language_of_another_form_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="NEEDLE_SPEECH_LANGUAGE"):
        load_settings(home=tmp_path, speech_language=text)


def test_subtitles_come_before_speech(heard_film: Settings) -> None:
    sidecar(heard_film, "film.srt", srt([(0.2, 0.8, "written")]))
    build(heard_film.model_copy(update={"speech": "small"}))
    assert [row["text"] for row in said(heard_film)] == ["written"]
    assert HeardModel.heard == 0


def test_a_model_that_cannot_be_had_is_told_and_tried_again(heard_film: Settings) -> None:
    without = heard_film.model_copy(update={"speech": "missing"})
    _, told = build(without)
    assert len(told.notes) == 1 and "'missing'" in told.notes[0] and "and more" not in told.notes[0]
    assert len(find_due(without, [PARTITION])) == 1


def test_what_is_wrong_with_the_setting_is_told_without_loading_anything(tmp_path: Path) -> None:
    assert "NEEDLE_SPEECH" in speech.explain_speech_problem("")
    if find_spec("faster_whisper") is None:
        assert "pip install" in speech.explain_speech_problem("small")
    else:
        assert speech.explain_speech_problem("small") == ""
        assert "model.bin" in speech.explain_speech_problem(str(tmp_path))


def test_the_real_package_takes_what_it_is_given() -> None:
    """The classes are those that the code calls."""
    package = pytest.importorskip("faster_whisper", reason="the extra `speech` is not installed")
    made = inspect.signature(package.WhisperModel).bind("small", device="cpu", compute_type="int8")
    assert set(made.arguments) == {"model_size_or_path", "device", "compute_type"}
    heard = inspect.signature(package.WhisperModel.transcribe).bind(None, [0.0], **speech.OPTIONS)
    assert set(heard.arguments) == {"self", "audio", *speech.OPTIONS}
