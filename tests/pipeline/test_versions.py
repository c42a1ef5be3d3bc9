"""What a new encoder, another partitioning and a new film cause to be computed, and what not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops.cli.main import cli
from ops.core.settings import load_settings
from ops.index.index import read_current_version
from tests.builders.films import make_film
from tests.builders.homes import Home


def test_a_new_encoder_recomputes_vectors_and_index_but_no_shot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_open_clip: str
) -> None:
    home = Home(tmp_path / "home")
    film = make_film(tmp_path / "film.mp4", cuts=(30, 60), frames=90)
    monkeypatch.setenv("NEEDLE_HOME", str(home.path))
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")
    assert cli.main(["ingest", str(film.path)], standalone_mode=False) == 0
    before = home.files()
    old = [path.name for path in (home.path / "index").iterdir()]

    monkeypatch.setenv("NEEDLE_ENCODER", tiny_open_clip)
    assert cli.main(["ingest", str(film.path)], standalone_mode=False) == 0
    after = home.files()
    of_shots = ("media/proxies", "media/posters", "media/lake/shots/", "media/lake/videos/")
    assert {name: stamp for name, stamp in after.items() if name.startswith(of_shots)} == {
        name: stamp for name, stamp in before.items() if name.startswith(of_shots)
    }
    new = [path.name for path in (home.path / "index").iterdir() if path.name not in old]
    assert len(new) == 1
    assert new[0].startswith("open_clip_needle_tiny")
    settings = load_settings()
    assert settings.lake.read(f"shot_embeddings/{new[0]}").num_rows == 3
    assert read_current_version(settings, new[0]) is not None
    assert read_current_version(settings, old[0]) is not None

    before = home.files()
    assert cli.main(["ingest", str(film.path)], standalone_mode=False) == 0
    assert home.files() == before


def test_a_new_detector_version_finds_shots_anew_and_keeps_the_vectors_of_those_that_stay(tmp_path: Path) -> None:
    """An old catalogue: one film was cut by an earlier version, another by the present one."""
    library = tmp_path / "library"
    library.mkdir()
    old = make_film(library / "old.mp4", cuts=(30, 60), frames=90, seed=1)
    make_film(library / "new.mp4", cuts=(40,), frames=80, seed=2)
    home = Home(tmp_path / "home")
    home.run("ingest", str(library))
    settings = load_settings(home=str(home.path))
    partition = home.json("shots", str(old.path))[0]["shot_id"].split(":")[0]
    present = settings.lake.read("shots", [partition]).to_pylist()
    settings.lake.write("shots", partition, [{**row, "detector": "auto-00000000"} for row in present])
    before = home.files()

    home.run("ingest", str(library))
    assert settings.lake.read("shots", [partition]).column("detector").to_pylist() == [
        row["detector"] for row in present
    ]
    changed = {name for name, stamp in home.files().items() if before.get(name) != stamp}
    assert not [name for name in changed if "/shot_embeddings/" in name], "the same shots have the same vectors"
    others = (f"/{partition}", "/reports/", "/runs/", "/dagster/", "/logs/")
    assert not [name for name in changed if "media/" in name and not any(part in f"/{name}" for part in others)]
    before = home.files()
    assert home.json("ingest", str(library))["up_to_date"]
    assert home.files() == before


def test_buckets_hold_several_videos_and_lose_none(tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    home = Home(tmp_path / "home")
    films = [make_film(library / f"{name}.mp4", cuts=(20,), frames=40, seed=name) for name in range(3)]
    buckets = {"NEEDLE_PARTITIONS": "bucket:2"}
    assert home.json("ingest", str(library), **buckets)["shots"] == 6
    lake = home.path / "media" / "lake"
    assert {path.stem for path in (lake / "shots").iterdir()} <= {"bucket-00000", "bucket-00001"}
    before = home.files()
    assert home.json("ingest", str(library), **buckets)["up_to_date"]
    assert home.files() == before

    proxies = {name: stamp for name, stamp in before.items() if "/proxies/" in name}
    films.append(make_film(library / "3.mp4", cuts=(20,), frames=40, seed=9))
    assert home.json("ingest", str(library), **buckets)["shots"] == 8
    after = home.files()
    assert {name: after[name] for name in proxies} == proxies

    home.run("forget", "1.mp4", "--yes", **buckets)
    status = home.json("status", **buckets)
    assert [Path(video["path"]).name for video in status["videos"]] == ["0.mp4", "2.mp4", "3.mp4"]
    assert {video["state"] for video in status["videos"]} == {"ready"}
    assert status["totals"]["shots"] == 6
    forgotten = [json.loads(path.read_text()) for path in (home.path / "media" / "forgotten").iterdir()]
    assert len(forgotten) == 1
    again = home.run("ingest", str(library), **buckets)
    assert f"forgotten before, left out: {library / '1.mp4'} ({forgotten[0]['video_id']})" in again.stderr
