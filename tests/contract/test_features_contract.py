"""The feature store as others know it: names, schemas, and the ``feast`` command in ``feature_repo/``."""

from __future__ import annotations

import ast
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from feature_repo.names import embedding_view
from ops import features
from ops.core.schemas import find_key_column, find_schema, list_served_tables
from ops.core.settings import CHECKOUT, Settings, load_settings
from ops.features.store import describe_served
from tests.builders.lakes import DIM, ENCODER, fill, shot_rows

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


def content(encoders: dict[str, int]) -> Content:
    """The content of a catalogue with these encoders, of which the last is the current one."""
    from feature_repo.catalogue import Content

    return Content(lake="/lake", encoders=encoders, current=list(encoders)[-1], served=describe_served())


def test_views_carry_every_column_of_their_table_with_its_type() -> None:
    from feast.types import from_feast_to_pyarrow_type

    from feature_repo.catalogue import build_definitions

    views = {thing.name: thing for thing in build_definitions(content({ENCODER: DIM})) if hasattr(thing, "ttl")}
    left_out_of = {
        "video_metadata": {"facts", "notes"},  # a record for programs and people, no feature
        "shot_metadata": set[str](),
        "shot_dialogue": {"input_hash"},
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
        answer = _until(lambda: _post(f"http://127.0.0.1:{port}/get-online-features", question), seconds=90)
    finally:
        server.terminate()
        server.wait(30)
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
