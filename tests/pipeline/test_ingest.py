"""Footage in, searchable shots out: one real ingest, looked at from every side."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ops.core.settings import load_settings
from tests.builders.films import Film, make_film
from tests.builders.homes import Home


@pytest.fixture(scope="module")
def ingested(library: tuple[Path, dict[str, Film]], tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Any]:
    home = Home(tmp_path_factory.mktemp("home"))
    summary = json.loads(home.start("ingest", str(library[0]), "--json", expect=3).stdout)
    return home, summary


def test_the_summary_counts_everything(ingested: tuple[Home, Any], library: tuple[Path, dict[str, Film]]) -> None:
    films = library[1].values()
    assert ingested[1]["shots"] == sum(len(film.shots) for film in films)
    assert ingested[1]["footage_s"] == pytest.approx(sum(float(film.frames / film.fps) for film in films), abs=0.01)


def test_what_cannot_be_used_is_named_with_its_reason(ingested: tuple[Home, Any]) -> None:
    aside = {Path(entry["path"]).name: entry["reason"] for entry in ingested[1]["set_aside"]}
    assert set(aside) == {"text.mp4", "empty.mp4", "truncated.mp4"}
    assert all(len(reason) > 10 and "Error" not in reason for reason in aside.values())


@pytest.mark.parametrize("name", ["one", "two", "film"])
def test_every_cut_is_where_it_is(ingested: tuple[Home, Any], library: tuple[Path, dict[str, Film]], name: str) -> None:
    film = library[1][name]
    shots = ingested[0].json("shots", str(film.path))
    assert [(shot["start_frame"], shot["end_frame"]) for shot in shots] == film.shots
    assert [shot["transition"] for shot in shots] == ["start"] + ["cut"] * len(film.cuts)
    assert shots[1]["start_s"] == pytest.approx(float(film.cuts[0] / film.fps), abs=1e-6)
    assert ingested[0].json("shots", film.path.name) == shots


def test_a_shot_is_found_by_itself_and_by_its_picture(
    ingested: tuple[Home, Any], library: tuple[Path, dict[str, Film]], tmp_path: Path
) -> None:
    home = ingested[0]
    store = load_settings(home=str(home.path)).store
    shot = home.json("shots", str(library[1]["two"].path))[1]
    poster = store.read_bytes(f"posters/{shot['shot_id'].split(':')[0]}/{shot['start_frame']}-{shot['end_frame']}.jpg")
    Image.open(io.BytesIO(poster)).save(tmp_path / "picture.png")
    answer = home.json("search", "--like", str(tmp_path / "picture.png"))
    assert answer["hits"][0]["shot_id"] == shot["shot_id"]
    similar = home.json("similar", shot["shot_id"], "--limit", "3")
    assert shot["shot_id"] not in [hit["shot_id"] for hit in similar["hits"]]


def test_a_text_query_ranks_all_shots_of_the_chosen_show(ingested: tuple[Home, Any]) -> None:
    home = ingested[0]
    answer = home.json("search", "coloured stripes", "--show", "A Series")
    hits = answer["hits"]
    assert {hit["show"] for hit in hits} == {"A Series"}
    assert [hit["rank"] for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert all(0 <= hit["relevance"] <= 1 and -1 <= hit["score"] <= 1 for hit in hits)
    assert answer["index_version"] == home.json("status")["index_version"]
    exact = home.json("search", "coloured stripes", "--show", "A Series", "--exact")["hits"]
    assert [hit["shot_id"] for hit in exact] == [hit["shot_id"] for hit in hits]


def test_a_second_run_writes_nothing(ingested: tuple[Home, Any], library: tuple[Path, dict[str, Film]]) -> None:
    home = ingested[0]
    before = home.files()
    summary = home.json("ingest", str(library[0]), expect=3)
    assert summary["up_to_date"]
    assert len(summary["set_aside"]) == 3
    assert home.files() == before


def test_status_agrees_with_the_lake(ingested: tuple[Home, Any]) -> None:
    home = ingested[0]
    status = home.json("status")
    states = [video["state"] for video in status["videos"]]
    assert sorted(states) == ["ready"] * 3 + ["set_aside"] * 3
    assert all(video["reason"] for video in status["videos"] if video["state"] == "set_aside")
    shots = pq.read_table(home.path / "media" / "lake" / "shots").to_pandas()
    assert status["totals"]["shots"] == len(shots)
    vectors = pq.read_table(home.path / "media" / "lake" / "shot_embeddings" / status["encoder_id"]).to_pandas()
    assert sorted(vectors["shot_id"]) == sorted(shots["shot_id"])
    assert np.allclose([np.linalg.norm(vector) for vector in vectors["embedding"]], 1, atol=1e-3)


def test_lineage_is_recorded(ingested: tuple[Home, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    home = ingested[0]
    monkeypatch.setenv("DAGSTER_HOME", str(home.path / "dagster"))
    with dg.DagsterInstance.get() as instance:
        runs = instance.get_runs()
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS]
        keys = set(instance.get_dynamic_partitions("videos"))
        for name in ("videos", "shots", "shot_embeddings", "media_features"):
            assert set(instance.get_materialized_partitions(dg.AssetKey(name))) == keys
        event = instance.get_latest_materialization_event(dg.AssetKey("search_index"))
        assert event
        assert event.asset_materialization
        assert event.asset_materialization.metadata["index_version"].value == home.json("status")["index_version"]


def test_a_moved_file_keeps_its_vectors_and_changes_its_show(
    ingested: tuple[Home, Any], library: tuple[Path, dict[str, Film]]
) -> None:
    home, folder = ingested[0], library[0]
    before = home.json("status")
    stored = {name: stamp for name, stamp in home.files().items() if name.startswith("media/proxies")}
    source = library[1]["film"].path
    (folder / "Another Show").mkdir()
    moved = folder / "Another Show" / "renamed.mov"
    source.rename(moved)
    home.json("ingest", str(folder), expect=3)
    after = home.json("status")
    ids = {video["video_id"] for video in before["videos"] if video["state"] == "ready"}
    assert {video["video_id"] for video in after["videos"] if video["state"] == "ready"} == ids
    assert {name: stamp for name, stamp in home.files().items() if name.startswith("media/proxies")} == stored
    assert home.json("search", "anything", "--show", "Another Show")["hits"]
    moved.rename(source)


def test_forget_leaves_nothing_and_nothing_brings_it_back_and_what_was_replaced_is_gone(
    ingested: tuple[Home, Any], library: tuple[Path, dict[str, Film]]
) -> None:
    home = ingested[0]
    video_id = home.json("shots", "two.mkv")[0]["shot_id"].split(":")[0]
    assert "nothing was removed" in home.run("forget", video_id, expect=1).stderr
    home.run("forget", video_id, "--yes")
    replaced = library[1]["one"].path  # in the same run, for each takes its time
    old = home.json("shots", str(replaced))[0]["shot_id"].split(":")[0]
    make_film(replaced, frames=45, cuts=(15, 30), seed=7)
    summary = home.json("ingest", str(library[0]), expect=3)
    assert (summary["up_to_date"], summary["replaced"]) == (False, [old])
    status = home.json("status")
    indexed = {(video["path"], video["state"]): video["indexed"] for video in status["videos"]}
    assert (indexed[str(replaced), "removed"], indexed[str(replaced), "ready"]) == (0, 3)
    assert len(home.json("shots", str(replaced))) == 3
    assert video_id not in [video["video_id"] for video in status["videos"]]
    # Dagster keeps its history of runs, and the cache the hash of the file, which is still in the library.
    kept = ("dagster", "cache")
    files = [path for path in home.path.rglob("*") if path.is_file()]
    files = [path for path in files if path.relative_to(home.path).parts[0] not in kept]
    left = [str(path.relative_to(home.path)) for path in files if video_id.encode() in path.read_bytes()]
    named = [str(path.relative_to(home.path)) for path in files if video_id in str(path)]
    tombstone = f"media/forgotten/{video_id}.json"
    assert left == [tombstone]
    assert [name for name in named if not name.startswith("locks/")] == [tombstone]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["ingest", "nowhere.mp4"], 3, "nowhere.mp4"),
        (["search"], 2, ""),
        (["search", "x", "--show", "No Such Show"], 1, "No Such Show"),
        (["similar", "0123456789abcdef:7"], 1, "0123456789abcdef:7"),
        (["shots", "nothing.mp4"], 1, "nothing.mp4"),
        (["frobnicate"], 2, "frobnicate"),
        (["search", "x", "--limit", "0"], 2, "limit"),
        (["ingest", "x.mp4", "--engine", "spark"], 2, "NEEDLE_ENGINE"),
        (["search", "x", "--where", "closeup>=0.5"], 1, "probe"),
        (["search", "x", "--where", "closeup"], 2, "closeup"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(
    ingested: tuple[Home, Any], arguments: list[str], status: int, words: str
) -> None:
    done = ingested[0].run(*arguments, expect=status)
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 6
