"""No film and no shot stops another: what fails is a row with a reason, and the rest is searchable."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from assets.definitions import build_definitions
from assets.partitions import range_tags
from assets.resources import Needle
from ops.core.types import SilentProgress
from ops.dialogue.build import build_dialogue
from ops.dialogue.report import unusable_subtitles
from tests.builders.homes import Home
from tests.conftest import SHARED
from tests.pipeline.steps import NOW, Steps, make_three


@pytest.mark.shared
def test_a_narrow_film_and_the_film_beside_it_are_both_found(tmp_path: Path) -> None:
    """144 pixels is one of the widths whose frames decord cannot copy."""
    home = Home(tmp_path / "home")
    home.run("ingest", str(SHARED / "cases" / "media" / "narrow"))
    assert {video["state"] for video in home.json("status")["videos"]} == {"ready"}
    for name in ("good.mp4", "portrait_144x256.mp4"):
        shots = home.json("shots", name)
        assert [(shot["start_frame"], shot["end_frame"]) for shot in shots] == [(0, 50), (50, 90), (90, 130)]
    hits = home.json("search", "coloured stripes")["hits"]
    assert len({hit["video_id"] for hit in hits}) == 2 and {hit["fps"] for hit in hits} == {"25/1"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One exported image tower for all homes: the export takes seconds."""
    return tmp_path_factory.mktemp("encoders")


def damage_proxy(steps: Steps, name: str) -> None:
    steps.settings.store.write_bytes(f"proxies/{steps.ids[name]}/20-40.mp4", b"no film")


STEPS = ("scan", "videos", "shots", "embeddings", "dialogue", "subtitle")


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_for_one_of_three_leaves_the_others_searchable(
    tmp_path: Path, cache: Path, step: str
) -> None:
    steps = Steps(tmp_path, cache)
    path, away = steps.films["b"].path, tmp_path / "away.mp4"
    subtitle = path.with_suffix(".en.srt")
    whole, lines = path.read_bytes(), subtitle.read_bytes()

    def between(name: str) -> None:
        if step == name == "embeddings":
            steps.settings.store.write_bytes(f"proxies/{steps.ids['b']}/20-40.mp4", b"no film")
        elif step == name and path.exists():  # the disk is gone before the step, and back at the next scan
            path.rename(away)
        elif name == "index" and away.exists():
            away.rename(path)

    if step == "scan":
        path.write_bytes(b"")
    elif step == "videos":
        path.write_bytes(b"no film, but a text")
        between = lambda name: None  # noqa: E731
    elif step == "subtitle":
        subtitle.write_bytes(bytes(range(256)) * 20)
    steps.run(between)
    for name in "ac":
        video = steps.video(name)
        assert (video["state"], video["reason"], video["indexed"], video["lines"]) == ("ready", None, 3, 1), name
    require_reason(steps, step)
    assert steps.run() == 0, "a second run tries again what was set aside"
    require_reason(steps, step)
    path.write_bytes(whole)
    subtitle.write_bytes(lines)
    steps.retry()
    steps.run()
    for name in "abc":
        video = steps.video(name)
        assert (video["state"], video["reason"], video["indexed"], video["lines"]) == ("ready", None, 3, 1), name
    assert not unusable_subtitles(steps.settings, set(steps.ids.values()))


def require_reason(steps: Steps, step: str) -> None:
    """The film, its shot or its subtitle is named with a reason."""
    video = steps.video("b")
    refused = [Path(entry["path"]).name for entry in unusable_subtitles(steps.settings, set(steps.ids.values()))]
    if step == "embeddings":
        assert (video["state"], video["shots"], video["indexed"], video["lines"]) == ("ready", 3, 2, 1)
        assert "1 of 3 shots cannot be searched" in video["reason"] and f"{steps.ids['b']}:20" in video["reason"]
        assert [shot["shot_id"] for shot in video["shots_set_aside"]] == [f"{steps.ids['b']}:20"]
    elif step in ("dialogue", "subtitle"):
        assert (video["state"], video["indexed"], video["lines"]) == ("ready", 3, 0)
        assert refused == ["b.mp4" if step == "dialogue" else "b.en.srt"]
    else:
        assert video["state"] == "set_aside" and video["reason"]


def test_the_command_names_a_shot_that_is_set_aside_and_makes_it_whole(tmp_path: Path) -> None:
    """Exit status 3 as long as it is set aside, 0 after the retry; searches work throughout."""
    home = Home(tmp_path / "home")
    films = make_three(tmp_path / "films")
    home.run("ingest", str(tmp_path / "films"))
    status = home.json("status")
    video_id = {Path(video["path"]).stem: video["video_id"] for video in status["videos"]}["b"]
    media = home.path / "media"
    (media / "lake" / "shot_embeddings" / status["encoder_id"] / f"{video_id}.parquet").unlink()
    (media / "proxies" / video_id / "20-40.mp4").write_bytes(b"no film")
    summary = home.json("ingest", str(tmp_path / "films"), expect=3)
    assert [entry["shot_id"] for entry in summary["set_aside"]] == [f"{video_id}:20"]
    files = home.files()
    again = home.run("ingest", str(tmp_path / "films"), expect=3)
    assert f"shot {video_id}:20: its proxy" in again.stderr and "8 shots are searchable already" in again.stderr
    assert home.files() == files
    assert "1 of 3 shots cannot be searched" in home.run("status").stdout
    doctor = home.run("doctor").stdout
    assert f"shot {video_id}:20: its proxy" in doctor and "needle ingest --retry" in doctor
    found = {hit["shot_id"] for hit in home.json("search", "coloured stripes")["hits"]}
    assert {shot_id.partition(":")[0] for shot_id in found} == {video["video_id"] for video in status["videos"]}
    assert f"{video_id}:20" not in found
    assert not home.json("ingest", "--retry", str(films["b"].path))["set_aside"]
    assert home.json("status")["totals"]["shots_set_aside"] == 0


def test_assets_of_a_failed_film_block_no_other_partition(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run of Dagster over three partitions, with a damaged proxy in one, and its checks."""
    steps = Steps(tmp_path, cache)
    steps.run()
    monkeypatch.setenv("NEEDLE_HOME", str(steps.settings.home))
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")
    partition = steps.ids["b"]
    steps.settings.lake.delete(f"shot_embeddings/{steps.encoder_id}", partition)
    steps.settings.store.write_bytes(f"proxies/{partition}/20-40.mp4", b"no film")
    definitions = build_definitions(steps.settings, Needle())
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("videos", sorted(steps.ids.values()))
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey("shot_embeddings"), dg.AssetKey("search_index")],
            tags=range_tags(min(steps.ids.values()), max(steps.ids.values())),
        )
        assert result.success and all(check.passed for check in result.get_asset_check_evaluations())
        assert instance.get_materialized_partitions(dg.AssetKey("shot_embeddings")) == set(steps.ids.values())
    assert {name: steps.video(name)["indexed"] for name in "abc"} == {"a": 3, "b": 2, "c": 3}


def test_lines_that_were_read_stay_while_a_film_cannot_be_read(tmp_path: Path, cache: Path) -> None:
    steps = Steps(tmp_path, cache)
    steps.run()
    path = steps.films["b"].path
    path.with_suffix(".en.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nother words\n")
    path.rename(tmp_path / "away.mp4")
    report = build_dialogue(steps.settings, sorted(steps.ids.values()), NOW, SilentProgress())
    assert all(check.passed for check in report.checks) and str(path) in report.details["set_aside"]
    rows = steps.settings.lake.read("dialogue", [steps.ids["b"]]).to_pylist()
    assert [row["text"] for row in rows] == ["spoken in b"]
