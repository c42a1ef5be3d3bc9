"""A damaged file of the lake sets its own video aside, or is computed again with a note; the others stay searchable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ops.cli.looks import find_due_partitions
from ops.dialogue.report import list_unusable_subtitles
from tests.builders.homes import Home
from tests.pipeline.damages import drop_column, empty, set_bytes, set_first, shorten_vectors, truncate, write_text
from tests.pipeline.steps import PROBE, Steps, make_three


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One exported image tower for all homes: the export takes seconds."""
    return tmp_path_factory.mktemp("encoders")


# table, damage, and what it takes away: the whole video, its dialogue, or nothing, for its source is there
DAMAGES = [
    ("videos", truncate, "video"),
    ("videos", set_first("fps_den", 0), "video"),
    ("videos", set_bytes("path", b"/films/\xff.mp4"), "video"),
    ("shots", write_text, "video"),
    ("shots", set_first("is_blank", None), "video"),
    ("shots", set_first("end_frame", 10), "video"),
    ("vectors", set_first("embedding", [9.0, 9.0]), "video"),
    ("vectors", shorten_vectors, "video"),
    ("dialogue", empty, "dialogue"),
    ("dialogue", set_first("line_id", f"{'0' * 16}:en:0"), "dialogue"),
    ("dialogue", set_first("shot_ids", ["nonsense"]), "dialogue"),
    ("subtitles", truncate, "dialogue"),
    ("shot_dialogue", drop_column, "dialogue"),
    ("scores", truncate, "nothing"),
    ("scores", set_first("score", float("nan")), "nothing"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Steps:
    """Three films that are searchable; a damage is undone by the retry of its test."""
    steps = Steps(tmp_path_factory.mktemp("whole"), cache)
    steps.run()
    assert steps.run() == 0
    return steps


@pytest.mark.parametrize(("table", "damage", "lost"), DAMAGES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_damaged_table_of_one_of_three_leaves_the_others_searchable(
    whole: Steps, table: str, damage: Callable[[Path], None], lost: str
) -> None:
    steps, video_id = whole, whole.ids["b"]
    name = steps.table(table)
    path = Path(steps.settings.lake.path(name)) / f"{video_id}.parquet"
    before = _stored(steps)
    damage(path)
    if damage.__name__ not in ("change", "shorten_vectors"):
        assert [error.path for error in steps.settings.lake.find_damage()] == [str(path)]  # as `needle doctor` does
    steps.progress.refused.clear()
    steps.progress.notes.clear()
    steps.run()
    for other in "ac":
        video = steps.video(other)
        assert (video["state"], video["reason"], video["indexed"], video["lines"]) == ("ready", None, 3, 1), other
    _require_reason(steps, name, lost)
    assert steps.run() == 0, "a second run computes again what was set aside"
    _require_reason(steps, name, lost)
    assert not steps.settings.lake.find_damage()
    steps.retry()
    steps.run()
    assert {other: steps.video(other)["state"] for other in "abc"} == dict.fromkeys("abc", "ready")
    assert not list_unusable_subtitles(steps.settings, set(steps.ids.values()))
    assert not find_due_partitions(steps.settings, steps.encoder_id, steps.ids.values())
    assert _stored(steps) == before
    assert steps.run() == 0


def _require_reason(steps: Steps, name: str, lost: str) -> None:
    video = steps.video("b")
    reasons = [entry["reason"] for entry in list_unusable_subtitles(steps.settings, set(steps.ids.values()))]
    if lost == "video":
        assert (video["state"], video["indexed"]) == ("set_aside", 0)
        reasons = [video["reason"]]
    elif lost == "dialogue":
        assert (video["state"], video["indexed"], video["lines"]) == ("ready", 3, 0 if name == "dialogue" else 1)
    else:
        assert (video["state"], video["indexed"], video["lines"]) == ("ready", 3, 1) and not reasons
        assert any(f"its table {name} was damaged" in note for note in steps.progress.notes)
        return
    assert len(reasons) == 1 and f"its table {name} was damaged" in reasons[0]
    assert "needle ingest --retry" in reasons[0] and "needle forget" in reasons[0]
    assert any(reason == reasons[0] for _, reason in steps.progress.refused)


def _stored(steps: Steps) -> dict[str, list[object]]:
    """What the lake holds of the second film, without the time of its computation."""
    video_id = steps.ids["b"]
    vectors, scores = f"shot_embeddings/{steps.encoder_id}", f"probe_scores/{PROBE}"
    tables = ("videos", "shots", vectors, "dialogue", "subtitles", "shot_dialogue", scores)
    return {
        table: steps.settings.lake.read(table, [video_id]).drop_columns("created_timestamp").to_pylist()
        for table in tables
    }


def test_the_command_names_a_damaged_table_and_the_report_is_made(tmp_path: Path) -> None:
    """Exit status 3 and the file named; `needle doctor` before and after; 0 after the retry."""
    home = Home(tmp_path / "home")
    films = make_three(tmp_path / "films")
    folder = str(tmp_path / "films")
    home.run("ingest", folder)
    status = home.json("status")
    ids = {Path(video["path"]).stem: video["video_id"] for video in status["videos"]}
    lake = home.path / "media" / "lake"
    vectors = lake / "shot_embeddings" / status["encoder_id"] / f"{ids['b']}.parquet"
    truncate(vectors)
    doctor = home.run("doctor", expect=1).stdout
    assert f"{vectors} is damaged" in doctor and "needle ingest" in doctor
    damaged = {video["video_id"]: video["reason"] for video in home.json("status")["videos"] if video["reason"]}
    assert list(damaged) == [ids["b"]] and f"{vectors} is damaged" in damaged[ids["b"]]
    summary = home.json("ingest", "--report", str(films["a"].path), expect=3)
    (entry,) = summary["set_aside"]
    assert entry["path"] == str(films["b"].path) and "its table shot_embeddings" in entry["reason"]
    assert Path(summary["report"]).stat().st_size
    found = home.json("search", "coloured stripes")["hits"]
    assert {hit["video_id"] for hit in found} == {ids["a"], ids["c"]}
    assert not home.json("ingest", "--retry", folder)["set_aside"]
    assert {video["state"] for video in home.json("status")["videos"]} == {"ready"}
    write_text(lake / "shots" / f"{ids['c']}.parquet")
    home.run("forget", ids["c"], "--yes")
    assert not [path for path in home.path.rglob("*.parquet") if ids["c"] in path.name]
