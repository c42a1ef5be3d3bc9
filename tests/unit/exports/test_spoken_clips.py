"""Clips of what is said: the spoken range with padding, whatever cuts lie in it."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from numpy import eye, float32

from ops.cli.main import main
from ops.core.settings import Settings
from ops.core.types import SilentProgress
from ops.dialogue.build import build_dialogue
from ops.embeddings.encoder import resolve_encoder
from ops.exports.picks import select_picks
from ops.index.dialogue import build_lines
from ops.index.lake_videos import read_wanted_rows
from ops.index.publishing import publish
from ops.search.schema import Hit, Query, Span
from tests.builders.answers import make_hit, make_line, make_result
from tests.builders.films import Film, make_film
from tests.builders.subtitles import srt
from tests.builders.timelines import film_rows, read_edl

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def searchable(settings: Settings, *films: Film) -> Settings:
    """The home after an ingest of the films, with vectors that mean nothing."""
    starter = settings.model_copy(update={"encoder": "starter"})
    encoder_id = resolve_encoder(starter).encoder_id
    for film in films:
        shots = film_rows(settings, film)
        video_id = shots[0].partition(":")[0]
        rows = [
            {"shot_id": shot, "video_id": video_id, "show": "Films", "embedding": vector, "frames_used": 1,
             "vector_hash": vector.tobytes().hex()[:32], "event_timestamp": NOW, "created_timestamp": NOW}
            for shot, vector in zip(shots, eye(896, dtype=float32), strict=False)
        ]  # fmt: skip
        settings.lake.write(f"shot_embeddings/{encoder_id}", video_id, rows)
        build_dialogue(settings, [settings.resolve_partition(video_id)], NOW, SilentProgress())
    publish(settings, encoder_id, lambda: read_wanted_rows(settings, encoder_id))
    build_lines(settings, SilentProgress())
    return settings


def needle(settings: Settings, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--encoder", "starter", "--home", str(settings.home)])
    told = capsys.readouterr()
    assert not ended.value.code, told.err
    return told.out


def exported(
    settings: Settings, capsys: pytest.CaptureFixture[str], target: Path, query: str, *options: str
) -> list[dict[str, Any]]:
    needle(settings, capsys, "export", "-o", str(target), "--query", query, "--force", *options)
    clips: list[dict[str, Any]] = json.loads(target.read_text())["clips"]
    return clips


@pytest.fixture
def film(tmp_path: Path) -> Film:
    """200 frames at 25 with cuts at 3.0 and 6.0 s and spoken lines."""
    film = make_film(tmp_path / "film.mp4", frames=200, cuts=(75, 150), fps=Fraction(25))
    cues = [
        (0.1, 0.9, "Good morning, captain."), (1.7, 3.2, "The lighthouse keeper speaks"),
        (3.4, 4.4, "of seven storms."), (5.0, 5.4, "Good night."), (7.8, 8.4, "Good evening."),
    ]  # fmt: skip
    (tmp_path / "film.en.srt").write_text(srt(cues))
    return film


def test_a_line_over_a_cut_is_one_clip_with_its_padding(
    settings: Settings, film: Film, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searchable(settings, film)
    target = tmp_path / "x.json"
    (clip,) = exported(settings, capsys, target, '"lighthouse keeper speaks"')
    assert (clip["in_frame"], clip["out_frame"]) == (42 - 8, 80 + 8)
    assert clip["dialogue"].count("lighthouse keeper") == 1 and clip["query"] == '"lighthouse keeper speaks"'
    (clip,) = exported(settings, capsys, target, '"lighthouse keeper speaks"', "--padding", "0")
    assert (clip["in_s"], clip["out_s"]) == (pytest.approx(1.7, abs=0.021), pytest.approx(3.2, abs=0.021))
    (clip,) = exported(settings, capsys, target, '"keeper speaks of seven"', "--dialogue", "only")
    assert (clip["in_frame"], clip["out_frame"]) == (42 - 8, 110 + 8)
    assert "keeper speaks" in clip["dialogue"] and "seven storms" in clip["dialogue"]


def test_lines_are_clips_of_their_own_unless_they_overlap_and_end_with_the_film(
    settings: Settings, film: Film, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searchable(settings, film)
    clips = exported(settings, capsys, tmp_path / "x.json", '"good"')
    assert sorted((clip["in_frame"], clip["out_frame"]) for clip in clips) == [(0, 30), (117, 143), (187, 200)]
    clips = exported(settings, capsys, tmp_path / "x.json", '"good"', "--padding", "1.5")
    assert sorted((clip["in_frame"], clip["out_frame"]) for clip in clips) == [(0, 60), (87, 200)]
    for name in ("x.edl", "x.csv"):
        needle(settings, capsys, "export", "-o", str(tmp_path / name), "--query", '"lighthouse keeper"')
    assert [clip.source for clip in read_edl(tmp_path / "x.edl", Fraction(25))] == [(34, 88)]
    with (tmp_path / "x.csv").open(encoding="utf-8-sig") as table:
        assert [(row["in_frame"], row["out_frame"]) for row in csv.DictReader(table)] == [("34", "88")]


def test_a_hit_tells_the_spoken_range(settings: Settings, film: Film, capsys: pytest.CaptureFixture[str]) -> None:
    searchable(settings, film)
    hits = json.loads(needle(settings, capsys, "search", '"lighthouse keeper speaks"', "--json"))["hits"]
    assert [hit["spoken"] for hit in hits] == [{"start_frame": 34, "end_frame": 88}] * 2
    assert [hit["match"]["start_frame"] for hit in hits] == [0, 75]


def test_hits_by_pictures_stay_whole_and_a_union_stands_where_the_best_stood() -> None:
    def hit(at: int, *spoken: tuple[int, int]) -> Hit:
        lines = [make_line(f"l{start}", start, end) for start, end in spoken]
        span = Span(start_frame=spoken[0][0], end_frame=spoken[-1][1]) if spoken else None
        matched = ("visual", "dialogue") if spoken else ("visual",)
        return make_hit(f"{'0' * 16}:{at}", at + 50, lines=lines, matched=matched, spoken=span)

    hits = [hit(500, (540, 560)), hit(0), hit(100, (100, 110)), hit(550, (540, 560), (563, 570))]
    answer = make_result(Query(text='"x"'), hits, cutoff=0.5)
    picks = select_picks(answer, padding_s=0.1)
    assert [(pick.in_frame, pick.out_frame, pick.line_ids) for pick in picks] == [
        (537, 573, ("l540", "l563")), (0, 50, ()), (97, 113, ("l100",)),
    ]  # fmt: skip


@pytest.mark.shared
def test_the_cases_of_sentences_and_sound_bites(
    settings: Settings, tmp_path: Path, cases: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bite = Film(cases / "exports/soundbite.mp4", 200, (75,), Fraction(25))
    split = Film(cases / "dialogue/split2.mp4", 100, (30, 60), Fraction(10))
    searchable(settings, bite, split)
    (clip,) = exported(settings, capsys, tmp_path / "x.json", '"lighthouse keeper speaks"')
    assert 0.7 <= clip["in_s"] <= 1.7 and 3.2 <= clip["out_s"] <= 4.2
    asked = '"the harvest moon will rise over the mill"'
    hits = json.loads(needle(settings, capsys, "search", asked, "--dialogue", "only", "--json"))["hits"]
    assert {line["start_s"] for hit in hits for line in hit["lines"]} == {1.0}
    assert len({line["line_id"] for hit in hits for line in hit["lines"]}) == 1
