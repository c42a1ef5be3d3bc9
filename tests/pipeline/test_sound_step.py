"""Sound through the command line: measured, found, served, off again, and forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ops.core.history import list_history_files
from ops.core.settings import Settings, load_settings
from ops.features import online_features
from tests.builders.films import make_film, run_ffmpeg
from tests.builders.homes import Home

MEASURED = {"NEEDLE_SOUND": "on"}
FEATURES = [f"shot_sound:{name}" for name in ("loudness", "relative_loudness", "silence", "kinds")]


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Path]:
    """A film of two shots of two seconds, the first silent and the second with a tone, and a film without sound."""
    folder = tmp_path_factory.mktemp("heard")
    pictures = make_film(folder / "pictures.mp4", cuts=(48,), frames=96)
    tone = "aevalsrc=0.1*gte(t\\,2)*sin(2*PI*1000*t):s=48000:d=4"
    run_ffmpeg(["-i", str(pictures.path), "-f", "lavfi", "-i", tone, "-c:v", "copy", str(folder / "heard.mkv")])
    pictures.path.unlink()
    make_film(folder / "mute.mp4", cuts=(48,), frames=96, seed=1)
    home = Home(tmp_path_factory.mktemp("home"))
    home.json("ingest", str(folder), **MEASURED)
    return home, folder


def settings_of(home: Home) -> Settings:
    return load_settings(home=str(home.path))


def search(home: Home, *arguments: str) -> list[str]:
    answer = home.json("search", *arguments)
    return [Path(hit["path"]).stem + f":{hit['start_frame']}" for hit in answer["hits"]]


def rows_of(home: Home) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = settings_of(home).lake.read("shot_sound").to_pylist()
    return rows


def test_sound_is_found_by_filter_and_condition(heard: tuple[Home, Path]) -> None:
    home, _ = heard
    assert search(home, "sound:silent") == ["heard:0"]
    assert set(search(home, "-sound:silent")) == {"heard:48", "mute:0", "mute:48"}
    assert search(home, "--any", "sound:silent", "--any", "sound:loud") == ["heard:0"]
    assert "quiet, loud, silent or speech" in home.run("search", "sound:music", expect=2).stderr


def test_a_second_ingest_writes_nothing(heard: tuple[Home, Path]) -> None:
    home, folder = heard
    before = {name: stat for name, stat in home.files().items() if "shot_sound" in name}
    assert "nothing to do" in home.run("ingest", str(folder), **MEASURED).stderr
    assert {name: stat for name, stat in home.files().items() if "shot_sound" in name} == before


def test_features_and_lineage(heard: tuple[Home, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    home, _ = heard
    rows = {row["shot_id"]: row for row in rows_of(home) if row["silence"] is not None}
    silent, loud = online_features(settings_of(home), sorted(rows), FEATURES)
    assert (silent["silence"], silent["kinds"], silent["loudness"]) == (1, "silent", None)
    assert loud["loudness"] == pytest.approx(-20, abs=0.3) and loud["relative_loudness"] == pytest.approx(0, abs=1)
    monkeypatch.setenv("DAGSTER_HOME", str(home.path / "dagster"))
    with dg.DagsterInstance.get() as instance:
        keys = set(instance.get_dynamic_partitions("videos"))
        assert set(instance.get_materialized_partitions(dg.AssetKey("sound"))) == keys
        event = instance.get_latest_materialization_event(dg.AssetKey("sound"))
        assert event and event.asset_materialization


def test_off_deletes_it_of_films_that_are_elsewhere_too(heard: tuple[Home, Path]) -> None:
    home, folder = heard
    away = folder.parent / "away.mkv"
    (folder / "heard.mkv").rename(away)
    home.run("ingest", str(folder))
    assert search(home, "sound:silent") == ["heard:0"], "a shell without the setting costs the films of its ingest only"
    home.run("ingest", str(folder), NEEDLE_SOUND="off")
    assert {(row["loudness"], row["silence"], row["kinds"]) for row in rows_of(home)} == {(None, None, None)}
    assert "NEEDLE_SOUND=on" in home.run("search", "sound:silent", expect=1).stderr
    assert home.json("ingest", str(folder), NEEDLE_SOUND="off")["up_to_date"]
    away.rename(folder / "heard.mkv")
    home.run("ingest", str(folder), **MEASURED)
    assert search(home, "sound:silent") == ["heard:0"]


def test_off_and_forget_delete_it(heard: tuple[Home, Path]) -> None:
    home, folder = heard
    home.run("ingest", str(folder))
    assert {(row["loudness"], row["silence"], row["kinds"]) for row in rows_of(home)} == {(None, None, None)}
    settings = settings_of(home)
    shots = sorted(row["shot_id"] for row in rows_of(home))
    assert {row["kinds"] for row in online_features(settings, shots, FEATURES)} == {None}
    assert "NEEDLE_SOUND=on" in home.run("search", "sound:silent", expect=1).stderr
    home.run("ingest", str(folder), **MEASURED)
    assert search(home, "sound:silent") == ["heard:0"]
    (video_id,) = {row["video_id"] for row in rows_of(home) if row["silence"] is not None}
    home.run("forget", "heard.mkv", "--yes")
    assert {row["silence"] for row in rows_of(home)} == {None}, "only the mute film is left"
    assert not [key for key in list_history_files(settings.store) if f"shot_sound/{video_id}" in key]
    assert {row["silence"] for row in online_features(settings, shots, FEATURES)} == {None}
