"""From labels to a filter and back, through the command line, on films whose colours are known; twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from ops.core.settings import load_settings
from ops.features import online_features
from ops.features.config import locate_file
from tests.builders.films import Picture, run_ffmpeg
from tests.builders.homes import Home

FRAMES, SHOTS = 24, 16


def is_red(film: int, shot: int) -> bool:
    return (shot + film) % 2 == 0


def make_coloured(path: Path, film: int) -> None:
    """Sixteen shots of 24 frames: every other one of red blocks, the rest of blue and green ones."""
    pictures = []
    for shot in range(SHOTS):
        random = np.random.default_rng([film, shot])
        blocks = random.uniform(20, 110, (6, 8, 3))
        if is_red(film, shot):
            blocks[..., 0] += 140
        else:
            blocks[..., 1 + shot // 2 % 2] += 120
        picture: Picture = np.kron(blocks, np.ones((16, 20, 1))).astype(np.uint8)
        pictures += [picture] * FRAMES
    form = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "160x96", "-r", "24", "-i", "pipe:0"]
    run_ffmpeg([*form, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "18", str(path)], iter(pictures))


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Path, dict[str, bool]]:
    """Two films ingested, and the truth of every shot."""
    folder = tmp_path_factory.mktemp("coloured")
    home = Home(tmp_path_factory.mktemp("home"))
    for film in range(2):
        make_coloured(folder / f"{film}.mp4", film)
    assert home.json("ingest", str(folder))["shots"] == 2 * SHOTS
    return home, folder, truths_of(home, range(2))


def truths_of(home: Home, films: Any) -> dict[str, bool]:
    found = {}
    for film in films:
        for shot in home.json("shots", f"{film}.mp4"):
            assert shot["start_frame"] % FRAMES == 0
            found[shot["shot_id"]] = is_red(film, shot["start_frame"] // FRAMES)
    return found


def label(home: Home, truths: dict[str, bool], value: bool, count: int, *, name: str = "red") -> None:
    shots = [shot for shot, truth in truths.items() if truth is value][:count]
    home.run("label", name, *shots, "--value", "yes" if value else "no")


def materialised(home: Home, monkeypatch: pytest.MonkeyPatch, *parts: str) -> dict[str, Any]:
    monkeypatch.setenv("DAGSTER_HOME", str(home.path / "dagster"))
    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(list(parts)))
        assert event and event.asset_materialization
        return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_1_it_begins_with_the_words(coloured: tuple[Home, Path, dict[str, bool]]) -> None:
    home, _, truths = coloured
    fitted = home.json("probe", "fit", "red", "--query", "something red")
    assert fitted["kind"] == "zero_shot" and fitted["promoted"]
    feeds = home.json("probe", "suggest", "red", "--count", "2")["feeds"]
    assert {each["shot_id"] for shots in feeds.values() for each in shots} <= set(truths)


def test_2_labels_become_a_filter(
    coloured: tuple[Home, Path, dict[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, _, truths = coloured
    label(home, truths, True, 8)
    label(home, truths, False, 8)
    fitted = home.json("probe", "fit", "red")
    assert fitted["kind"] == "logistic" and (fitted["yes"], fitted["no"]) == (8, 8)
    assert fitted["metrics"]["average_precision"]["value"] > 0.9
    hits = home.json("search", "a coloured picture", "--where", "red>=0.5", "--limit", "50")["hits"]
    found = [truths[hit["shot_id"]] for hit in hits]
    assert len(found) >= 12 and np.mean(found) > 0.9
    assert hits[0]["probes"][0]["probe"] == "red"
    assert materialised(home, monkeypatch, "probe", "red")["version"] == fitted["promoted"]
    assert materialised(home, monkeypatch, "probe_scores", "red")["scored"] == 2 * SHOTS
    assert materialised(home, monkeypatch, "labels")["labels"] == {"red": "8 yes, 8 no"}


def test_3_scores_are_features(coloured: tuple[Home, Path, dict[str, bool]]) -> None:
    home, _, truths = coloured
    settings = load_settings(home=str(home.path))
    rows = online_features(settings, list(truths), "shot_probes_v1")
    yes = np.array([row["score"] for row in rows]) >= 0.5
    assert np.mean(yes == np.array(list(truths.values()))) > 0.9


def test_3_its_report_is_made_when_asked_for_and_linked_from_the_probe(
    coloured: tuple[Home, Path, dict[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, _, _ = coloured
    assert home.json("probe", "show", "red")["report"] is None  # no fit and no ingest pays for it
    fitted = home.json("probe", "fit", "red", "--report")
    assert fitted["up_to_date"]
    page = Path(fitted["report"])
    assert page == home.path / "reports" / "few_shot" / "red" / fitted["promoted"] / "few_shot.html"
    assert "Whether its probabilities can be believed" in page.read_text()
    assert str(materialised(home, monkeypatch, "probe", "red")["report"]).endswith(
        "/reports/latest/few_shot_report/red"
    )
    made = materialised(home, monkeypatch, "few_shot_report", "red")
    assert (made["html"], made["notebook"]) == (str(page), str(page.with_suffix(".ipynb")))
    assert (made["yes"], made["no"], made["scored"]) == (8, 8, 2 * SHOTS)
    before = page.stat().st_mtime_ns
    home.run("probe", "fit", "red", "--report")
    assert page.stat().st_mtime_ns == before


def test_4_a_second_run_writes_nothing(coloured: tuple[Home, Path, dict[str, bool]]) -> None:
    home, folder, _ = coloured
    before = home.files()
    assert home.json("probe", "fit", "red")["up_to_date"]
    assert home.json("probe", "score", "red")["up_to_date"]
    assert home.json("ingest", str(folder))["up_to_date"]
    assert home.files() == before


def test_5_new_footage_is_scored_by_the_ingest(coloured: tuple[Home, Path, dict[str, bool]]) -> None:
    home, folder, truths = coloured
    make_coloured(folder / "2.mp4", 2)
    page = Path(home.json("probe", "show", "red")["report"])
    made = page.stat().st_mtime_ns
    home.run("ingest", str(folder))
    assert page.stat().st_mtime_ns == made
    truths |= truths_of(home, [2])
    assert home.json("probe", "score", "red") | {"version": ""} == {
        "label": "red",
        "version": "",
        "scored": 3 * SHOTS,
        "up_to_date": True,
    }
    hits = home.json("search", "a coloured picture", "--where", "red>=0.5", "--limit", "50")["hits"]
    assert np.mean([truths[hit["shot_id"]] for hit in hits]) > 0.9
    assert any(hit["title"] == "2" for hit in hits)


def test_6_more_labels_are_a_new_version(coloured: tuple[Home, Path, dict[str, bool]]) -> None:
    home, _, truths = coloured
    before = home.json("probe", "show", "red")["promoted"]
    label(home, truths, True, 14)
    label(home, truths, False, 14)
    settings = load_settings(home=str(home.path))
    online = locate_file(settings)
    aside = online.rename(online.with_suffix(".aside"))
    online.mkdir()
    failed = home.run("probe", "fit", "red", expect=1)
    assert "the online features cannot be used" in failed.stderr and str(online) in failed.stderr
    online.rmdir()
    aside.rename(online)
    fitted = home.json("probe", "fit", "red")
    assert not fitted["up_to_date"], "what could not be written online is written by the next run"
    (row,) = online_features(settings, list(truths)[:1], ["probe_score__red:probe_version"])
    assert row["probe_version"] == fitted["promoted"]
    assert home.json("probe", "fit", "red")["up_to_date"]
    assert fitted["promoted"] not in ("", before) and before in fitted["versions"]
    assert [verdict["promoted"] for verdict in fitted["verdicts"]] == [True, True, True]


def test_7_labels_turned_round_are_refused_until_a_person_says_so(
    coloured: tuple[Home, Path, dict[str, bool]],
) -> None:
    home, _, truths = coloured
    good = home.json("probe", "show", "red")["promoted"]
    shots = list(truths)
    random = np.random.default_rng(3)
    lines = ["label,shot_id,value,annotator"]
    lines += [f"red,{shot},{'yes' if random.random() < 0.5 else 'no'},vandal" for shot in shots]
    (home.path / "bad.csv").write_text("\n".join(lines))
    assert home.json("label", "--import", str(home.path / "bad.csv"))["written"] == 3 * SHOTS
    done = home.run("probe", "fit", "red", "--json", expect=3)
    fitted = json.loads(done.stdout)
    assert fitted["promoted"] == good != fitted["latest"]
    assert "does not replace" in done.stderr and "needle probe promote red" in done.stderr
    assert home.json("probe", "promote", "red")["promoted"] == fitted["latest"]
    assert home.json("probe", "promote", "red", good)["promoted"] == good
    (row,) = home.json("probe", "list")["probes"]
    assert row["label"] == "red" and row["promoted"] == good


def test_8_a_forgotten_film_takes_its_scores_and_leaves_its_labels(
    coloured: tuple[Home, Path, dict[str, bool]],
) -> None:
    home, _, truths = coloured
    home.run("forget", "2.mp4", "--yes")
    assert home.json("probe", "score", "red")["scored"] == 2 * SHOTS
    gone = [row for row in home.json("label", "red")["labels"] if row["gone"]]
    assert len(gone) == SHOTS and {row["gone"] for row in gone} == {"its video was forgotten"}
    assert len(truths) == 3 * SHOTS
