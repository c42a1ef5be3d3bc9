"""No film and no shot stops another: what fails is a row with a reason, and the rest is searchable."""

from __future__ import annotations

import hashlib
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from assets.definitions import build_definitions
from assets.partitions import range_tags
from assets.resources import Needle
from ops.cli.doctor import CHECKS
from ops.core.settings import load_settings
from ops.core.types import SilentProgress, make_video_id
from ops.dialogue.build import build_dialogue
from ops.dialogue.report import list_unusable_subtitles
from ops.features.config import locate_file, project_name
from ops.index.index import open_index
from ops.index.lines import open_lines
from tests.builders.homes import Home
from tests.conftest import SHARED
from tests.pipeline.damages import Damage, set_first, shorten_vectors, truncate
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
    assert not list_unusable_subtitles(steps.settings, set(steps.ids.values()))


def require_reason(steps: Steps, step: str) -> None:
    """The film, its shot or its subtitle is named with a reason."""
    video = steps.video("b")
    refused = [Path(entry["path"]).name for entry in list_unusable_subtitles(steps.settings, set(steps.ids.values()))]
    if step == "embeddings":
        assert (video["state"], video["shots"], video["indexed"], video["lines"]) == ("ready", 3, 2, 1)
        assert "1 of 3 shots cannot be searched" in video["reason"] and f"{steps.ids['b']}:20" in video["reason"]
        assert [shot["shot_id"] for shot in video["shots_set_aside"]] == [f"{steps.ids['b']}:20"]
    elif step in ("dialogue", "subtitle"):
        assert (video["state"], video["indexed"], video["lines"]) == ("ready", 3, 0)
        assert refused == ["b.mp4" if step == "dialogue" else "b.en.srt"]
    else:
        assert video["state"] == "set_aside" and video["reason"]


# The step before which a file of the lake is damaged, the table of that file, and what the damage takes away.
BETWEEN = [
    ("features", "shots", set_first("detector", None), "video"),
    ("features", "shot_dialogue", truncate, "dialogue"),
    ("index", "vectors", shorten_vectors, "video"),
    ("index", "vectors", set_first("embedding", [math.nan]), "video"),
    ("lines", "dialogue", set_first("line_id", f"{'0' * 16}:en:0"), "dialogue"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Steps:
    """Three films that are searchable; each damage is undone by the retry of its test."""
    steps = Steps(tmp_path_factory.mktemp("whole"), cache)
    steps.run()
    return steps


@pytest.mark.parametrize(("step", "table", "damage", "lost"), BETWEEN)
def test_damage_that_a_later_step_meets_first_leaves_the_others_searchable(
    whole: Steps, step: str, table: str, damage: Damage, lost: str
) -> None:
    """As the step itself meets it: everything before read the file while it was whole."""
    steps = whole
    steps.progress.refused.clear()
    folder = Path(steps.settings.lake.path(steps.table(table)))
    steps.run(lambda name: damage(folder / f"{steps.ids['b']}.parquet") if name == step else None)
    require_found(steps, "ac")
    (reason,) = {reason for _, reason in steps.progress.refused}
    assert f"its table {steps.table(table)} was damaged" in reason and "needle ingest --retry" in reason
    assert reason in CHECKS["footage"](steps.settings)
    assert steps.video("b")["state"] == ("set_aside" if lost == "video" else "ready")
    steps.run()  # the earlier steps follow
    assert steps.run() == 0
    steps.retry()
    steps.run()
    require_found(steps, "abc")
    assert "nothing is set aside" in CHECKS["footage"](steps.settings)


def require_found(steps: Steps, names: str) -> None:
    """Exactly these films are ready and found, by each of their vectors and by what is spoken in them."""
    found = {name: steps.ids[name] for name in names}
    for name in names:
        video = steps.video(name)
        assert (video["state"], video["reason"], video["indexed"], video["lines"]) == ("ready", None, 3, 1), name
    with open_index(steps.settings, steps.encoder_id) as index:
        for name, video_id in found.items():
            vectors = index.vectors([f"{video_id}:{start}" for start in (0, 20, 40)])
            assert [index.search(vector, limit=1)[0].shot_id for vector in vectors.values()] == list(vectors), name
    lines = open_lines(steps.settings)
    assert lines is not None
    with lines:
        for name, video_id in found.items():
            assert lines.search("", phrases=[f"spoken in {name}"], limit=9)[0].video_id == video_id


def test_the_command_goes_on_if_the_feature_store_refuses_a_film(tmp_path: Path) -> None:
    """A trigger of the database refuses the rows of one film, as a constraint that its values break does."""
    home = Home(tmp_path / "home")
    films = make_three(tmp_path / "films")
    folder = str(tmp_path / "films")
    home.run("ingest", str(films["a"].path))  # so that the tables exist
    settings = load_settings(home=str(home.path))
    b = make_video_id(hashlib.sha256(films["b"].path.read_bytes()).hexdigest())
    with closing(sqlite3.connect(locate_file(settings))) as database, database:
        database.execute(
            f"CREATE TRIGGER no_b BEFORE INSERT ON {project_name(settings)}_shot_metadata "
            f"WHEN instr(CAST(NEW.entity_key AS BLOB), CAST('{b}' AS BLOB)) BEGIN SELECT RAISE(ABORT, 'no b'); END"
        )
    summary = home.json("ingest", folder, expect=3)
    assert [(entry["path"], "no b" in entry["reason"]) for entry in summary["set_aside"]] == [
        (str(films["b"].path), True)
    ]
    others = {video["video_id"] for video in home.json("status")["videos"]} - {b}
    assert {hit["video_id"] for hit in home.json("search", "coloured stripes")["hits"]} == others
    spoken = home.json("search", '"spoken in"', "--dialogue", "only")["hits"]
    assert {hit["video_id"] for hit in spoken} == others and len(others) == 2
    doctor = home.run("doctor").stdout
    assert f"{films['b'].path}: its features cannot be written" in doctor and "needle ingest --retry" in doctor
    assert home.json("ingest", folder, expect=3)["up_to_date"]
    with closing(sqlite3.connect(locate_file(settings))) as database, database:
        database.execute("DROP TRIGGER no_b")
    assert not home.json("ingest", "--retry", folder)["set_aside"]
    assert {video["state"] for video in home.json("status")["videos"]} == {"ready"}


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
