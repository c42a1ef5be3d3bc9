"""The feature store as others know it: names, schemas, and the ``feast`` command in ``feature_repo/``."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pytest

from feature_repo.names import embedding_view
from ops import features
from ops.core.errors import FeatureStoreError
from ops.core.field_descriptions import FIELD_DESCRIPTIONS
from ops.core.schemas import find_key_column, find_schema, list_served_tables
from ops.core.settings import CHECKOUT, Settings, load_settings
from ops.core.types import SilentProgress
from ops.features.store import describe_served, is_lake_registered, open_store
from tests.builders.lakes import COMPUTED, DIM, ENCODER, fill, shot_rows, vector_rows, video_id, video_row

if TYPE_CHECKING:
    from feature_repo.catalogue import Content

REPO = CHECKOUT / "feature_repo"
FEAST = Path(sys.executable).with_name("feast")


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = load_settings(home=tmp_path_factory.mktemp("home"))
    fill(settings)
    features.apply_features(settings, ENCODER, DIM)
    rows = pa.Table.from_pylist(shot_rows(0), find_schema("shots"))
    features.write_online(settings, "shot_metadata", rows)
    return settings


def content(encoders: dict[str, int], probes: Sequence[str] = ()) -> Content:
    """The content of a catalogue with these encoders, of which the last is the current one, and these probes."""
    from feature_repo.catalogue import Content

    current = list(encoders)[-1]
    return Content(lake="/lake", encoders=encoders, current=current, served=describe_served(), probes=probes)


def test_views_carry_every_column_of_their_table_with_its_type() -> None:
    from feast.types import from_feast_to_pyarrow_type

    from feature_repo.catalogue import build_definitions

    views = {thing.name: thing for thing in build_definitions(content({ENCODER: DIM})) if hasattr(thing, "ttl")}
    left_out_of = {
        "video_metadata": {"facts", "notes"},  # a record for programs and people, no feature
        "shot_metadata": set[str](),
        "shot_dialogue": {"input_hash"},
        "shot_screen_text": {"input_hash"},
        "shot_sound": {"silence_ms", "speech_ms", "input_hash"},
        "shot_people": {"input_hash"},
        embedding_view(ENCODER): {"video_id", "show", "input_hash"},
    }
    assert set(left_out_of) <= set(views)
    for name, view in views.items():
        table = view.batch_source.path.removeprefix("/lake/")
        left_out = left_out_of[name] if name in left_out_of else set(list_served_tables()[name].feature_view.left_out)
        lake = {field.name: field.type for field in find_schema(table)}
        ours = {field.name: from_feast_to_pyarrow_type(field.dtype) for field in view.schema}
        assert set(lake) - set(ours) == left_out | {"event_timestamp", "created_timestamp"}
        assert [column.name for column in view.entity_columns] == [find_key_column(table)]
        for name, kind in ours.items():
            assert _plain(lake[name]) == _plain(kind), f"{view.name}:{name}"


def test_names_are_those_of_the_contract() -> None:
    from feature_repo.catalogue import build_definitions

    named: dict[str, set[str]] = {}
    for thing in build_definitions(content({"one": 4, "two": 8})):
        named.setdefault(type(thing).__name__, set()).add(thing.name)
    contract = {
        "Entity": {"video", "shot"},
        "FeatureView": {
            "video_metadata",
            "shot_metadata",
            "shot_dialogue",
            "shot_screen_text",
            "shot_sound",
            "shot_people",
            "shot_embedding__one",
            "shot_embedding__two",
        },
        "FeatureService": {"shot_classifier_v1", "shot_facets_v1"},
    }
    assert named.keys() == contract.keys()
    assert all(named[kind] >= names for kind, names in contract.items())


def test_vectors_are_offline_only_and_no_feature_expires() -> None:
    from feature_repo.catalogue import build_definitions

    views = [thing for thing in build_definitions(content({"one": 4})) if hasattr(thing, "ttl")]
    assert {view.name for view in views if not view.online} == {"shot_embedding__one"}
    assert not any(view.ttl for view in views)


def test_every_view_explains_itself() -> None:
    """A reader of the registry learns meaning, unit and range of each field, and who writes it and when."""
    from feature_repo.catalogue import build_definitions
    from feature_repo.views import read_served

    definitions = build_definitions(content({ENCODER: DIM}, probes=["closeup"]))
    assert {type(thing).__name__ for thing in definitions} == {"Entity", "FeatureView", "FeatureService"}
    for thing in definitions:
        assert thing.description and thing.owner, thing.name
        assert thing.tags or type(thing).__name__ == "Entity", thing.name
        for field in thing.schema if hasattr(thing, "ttl") else ():
            assert len(field.description) > 10, f"{thing.name}:{field.name}: ops/core/field_descriptions.py"
        if hasattr(thing, "ttl"):
            assert thing.tags["freshness"] and thing.batch_source.description
            assert type(read_served(thing)).__name__ == "ServedTable" if thing.online else thing.tags["dim"] == str(DIM)
    for view in (thing for thing in definitions if thing.name == "shot_metadata"):
        described = {column.name: column.description for column in read_served(view).columns}
        assert described == dict(FIELD_DESCRIPTIONS["shots"])


def test_no_description_is_of_a_column_that_is_gone() -> None:
    served = {table.name: set(table.served_columns) for table in list_served_tables().values()}
    assert {name: set(texts) for name, texts in FIELD_DESCRIPTIONS.items()} == served


def test_the_folder_is_explained() -> None:
    from feature_repo.catalogue import build_definitions

    page = (REPO / "README.md").read_text()
    named = {thing.name for thing in build_definitions(content({"x": 1}, probes=["x"]))}
    shown = {name.replace("__x", f"__<{'probe' if 'probe' in name else 'encoder'}>") for name in named}
    assert set(re.findall(r"^\| `([\w<>]+)` \|", page, re.MULTILINE)) == shown
    assert all((REPO / name).exists() for name in re.findall(r"`(\w+\.(?:py|yaml))`", page))


def test_the_folder_is_pure_feast() -> None:
    """It imports none of ours and reads no environment."""
    for path in REPO.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {module.split(".")[0] for module in modules} & {"ops", "assets", "os"}, path.name


def test_importing_the_room_loads_no_feast() -> None:
    code = "import sys, ops.features; sys.exit('feast' in sys.modules or 'duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_feast_apply_in_the_folder_keeps_what_ingest_registered(catalogue: Settings) -> None:
    before = sorted(path.name for path in REPO.iterdir())
    result = _feast(catalogue, "apply")
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in REPO.iterdir() if path.name != "__pycache__") == [
        name for name in before if name != "__pycache__"
    ]
    assert not features.apply_features(catalogue, ENCODER, DIM)  # the same definitions, so nothing to do
    assert features.online_features(catalogue, [shot_rows(0)[1]["shot_id"]], ["shot_metadata:index"])[0]["index"] == 1


def test_ingests_go_on_after_feast_materialize(catalogue: Settings) -> None:
    """Feast records the materialised intervals in the registered views; they are no other definition."""
    for arguments in (
        ("materialize", "2020-01-01T00:00:00", "2030-01-01T00:00:00"),
        ("materialize-incremental", "2031-01-01T00:00:00"),
    ):
        done = _feast(catalogue, *arguments)
        assert done.returncode == 0, done.stderr
    views = {view.name: view.materialization_intervals for view in open_store(catalogue).list_feature_views()}
    assert len(views["shot_metadata"]) == 2
    assert not features.apply_features(catalogue, ENCODER, DIM)  # the same definitions
    number = 7
    partition = video_id(number)
    catalogue.lake.write("videos", partition, [video_row(number)])
    catalogue.lake.write("shots", partition, shot_rows(number))
    catalogue.lake.write(f"shot_embeddings/{ENCODER}", partition, vector_rows(number))
    features.build_features(catalogue, ENCODER, [partition], SilentProgress())
    # A new probe changes the registry, which keeps the intervals: an incremental run begins where the last one ended.
    score = {"shot_id": shot_rows(0)[0]["shot_id"], "video_id": video_id(0), "score": 0.5, "probe_version": "v1"}
    stamps = {"event_timestamp": COMPUTED, "created_timestamp": COMPUTED}
    catalogue.lake.write("probe_scores/warm", video_id(0), [score | stamps])
    assert features.publish_scores(catalogue, ENCODER, "warm") == 1
    after = {view.name: view.materialization_intervals for view in open_store(catalogue).list_feature_views()}
    assert after == views | {"probe_score__warm": []}
    shots = [shot_rows(number)[1]["shot_id"], shot_rows(1)[2]["shot_id"]]  # of the ingest, and of the materialisation
    rows = features.online_features(catalogue, shots, ["shot_metadata:index"])
    assert [row["index"] for row in rows] == [1, 2]


def test_feast_ui_starts(catalogue: Settings) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(FEAST), "ui", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        command, cwd=REPO, env=_environment(catalogue), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        answer = _until(lambda: _get(f"http://127.0.0.1:{port}/projects-list.json"), seconds=300)
    finally:
        server.terminate()
        server.wait(120)
    assert [project["id"] for project in answer["projects"]] == ["needle"]


def test_a_copied_home_reads_its_own_lake(catalogue: Settings, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(catalogue.home, copy)
    settings = load_settings(home=copy)
    shot = shot_rows(0)[1]["shot_id"]
    moved = [row | {"index": row["index"] + 40} for row in shot_rows(0)]
    settings.lake.write("shots", video_id(0), moved)
    now = pd.DataFrame({"shot_id": [shot], "event_timestamp": [pd.Timestamp.now(tz="UTC")]})
    for each, index in ((settings, 41), (catalogue, 1)):
        assert features.historical_features(each, now, ["shot_metadata:index"])["index"].tolist() == [index]
    assert not features.apply_features(settings, ENCODER, DIM)
    poster = features.online_features(settings, [shot], ["shot_metadata:poster_uri"])[0]["poster_uri"]
    assert settings.store.locate(poster) == settings.store.uri(poster) == f"file://{copy}/media/{poster}"
    assert is_lake_registered(settings)
    elsewhere = load_settings(home=copy, storage=str(tmp_path / "elsewhere"))
    assert not is_lake_registered(elsewhere)  # so that the next ingest registers it
    with pytest.raises(FeatureStoreError, match=r"registered for the lake in media/lake, but .*elsewhere"):
        features.historical_features(elsewhere, now, "shot_classifier_v1")


def test_the_store_is_opened_once(catalogue: Settings) -> None:
    """Opening it takes 50 times as long as reading a row. A new registry, or another home, is opened anew."""
    shot = shot_rows(0)[1]["shot_id"]
    first = open_store(catalogue)
    features.online_features(catalogue, [shot], "shot_facets_v1")
    assert open_store(catalogue) is first
    features.forget_features(catalogue, (), [shot])
    assert open_store(catalogue) is first
    assert features.online_features(catalogue, [shot], ["shot_metadata:index"])[0]["index"] is None
    features.write_online(catalogue, "shot_metadata", pa.Table.from_pylist(shot_rows(0), find_schema("shots")))
    assert features.online_features(catalogue, [shot], ["shot_metadata:index"])[0]["index"] == 1
    features.apply_features(catalogue, "another", 4)
    assert open_store(catalogue) is not first
    assert "shot_embedding__another" in {view.name for view in open_store(catalogue).list_feature_views()}
    features.apply_features(catalogue, ENCODER, DIM)


def test_feast_apply_says_what_is_missing(tmp_path: Path, catalogue: Settings) -> None:
    (tmp_path / "feast").mkdir()
    result = _feast(catalogue, "apply", NEEDLE_HOME=str(tmp_path))
    assert result.returncode != 0
    assert "needle ingest" in result.stderr


def test_feast_serve_answers_over_http(catalogue: Settings) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(FEAST), "serve", "--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
    server = subprocess.Popen(
        command, cwd=REPO, env=_environment(catalogue), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        shot = shot_rows(0)[3]["shot_id"]
        question = {"feature_service": "shot_facets_v1", "entities": {"shot_id": [shot, "unknown"]}}
        answer = _until(lambda: _post(f"http://127.0.0.1:{port}/get-online-features", question), seconds=300)
    finally:
        server.terminate()
        server.wait(120)
    columns = dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))
    assert columns["start_frame"]["values"] == [72, None]
    assert columns["show"]["values"] == ["show 0", None]


def _plain(kind: pa.DataType) -> str:
    # Feast's timestamps carry no unit or zone of their own
    return "timestamp" if pa.types.is_timestamp(kind) else str(kind).replace("element:", "item:")


def _environment(settings: Settings, **changes: str) -> dict[str, str]:
    return {**os.environ, "NEEDLE_HOME": str(settings.home), "PYTHONDONTWRITEBYTECODE": "1", **changes}


def _feast(settings: Settings, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(FEAST), *arguments],
        cwd=REPO,
        env=_environment(settings, **changes),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _post(url: str, body: dict[str, object]) -> dict[str, list[dict[str, object]]]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: dict[str, list[dict[str, object]]] = json.load(response)
    return answer


def _get(address: str) -> dict[str, list[dict[str, object]]]:
    with urllib.request.urlopen(address, timeout=10) as response:
        answer: dict[str, list[dict[str, object]]] = json.load(response)
    return answer


def _until(ask: Callable[[], dict[str, list[dict[str, object]]]], seconds: float) -> dict[str, list[dict[str, object]]]:
    end = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        except OSError:
            assert time.monotonic() < end, "feast serve did not come up"
            time.sleep(0.5)
