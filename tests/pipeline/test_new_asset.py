"""A new asset as ARCHITECTURE.md describes it, in a copy of the packages: ingested, shown, served and forgotten.

The copy is a project of its own, run by the command line, so nothing of the tests' process knows the new asset.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.builders.films import make_film
from tests.builders.homes import Home

CHECKOUT = Path(__file__).resolve().parents[2]
COPIED = ("ops", "assets", "feature_repo", "pyproject.toml", "dagster.yaml")
PACKAGE = {
    "ops/pace/__init__.py": '"""How fast videos are cut."""\n',
    "ops/pace/build.py": '''
"""Bring the table ``shot_pace`` up to date: how many shots like this one a minute would have."""

from collections.abc import Collection

from ops.core.settings import Settings
from ops.core.steps import StepRun
from ops.core.tables import compute_digest
from ops.core.types import StepReport
from ops.videos.catalogue import read_usable_videos

TABLE = "shot_pace"


def build_pace(run: StepRun) -> StepReport:
    lake, changed, rows = run.settings.lake, 0, []
    run.progress.start("shot_pace", len(run.partitions), "videos")
    for partition in run.partitions:
        shots = lake.read("shots", [partition]).to_pylist()
        paced = [
            {name: shot[name] for name in ("shot_id", "video_id", "event_timestamp")}
            | {"per_minute": 60 / (shot["end_s"] - shot["start_s"]), "created_timestamp": run.now}
            for shot in shots
        ]
        changed += lake.write(TABLE, partition, paced)
        rows += paced
        run.progress.advance("shot_pace")
    run.progress.finish("shot_pace")
    digest = compute_digest((row["shot_id"], str(row["per_minute"])) for row in rows)
    return StepReport(changed=changed, data_version=digest, details={"shots": len(rows)})


def due_pace(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> set[str]:
    partitions = {settings.resolve_partition(video["video_id"]) for video in read_usable_videos(settings, video_ids)}
    return {each for each in partitions if _ids(settings, "shots", each) != _ids(settings, TABLE, each)}


def _ids(settings: Settings, table: str, partition: str) -> list[str]:
    return sorted(settings.lake.read(table, [partition], ["shot_id"])["shot_id"].to_pylist())
''',
    "ops/pace/step.py": '''
"""The step ``shot_pace``."""

from ops.core.steps import Step
from ops.pace.build import TABLE, build_pace, due_pace

STEPS = (
    Step(
        name="shot_pace",
        title="Measuring pace",
        tables=(TABLE,),
        reads=("shots",),
        is_due=due_pace,
        build=build_pace,
    ),
)
''',
    "assets/pace.py": '''
"""``shot_pace``: how fast videos are cut."""

from assets.steps import StepAsset

ASSET = StepAsset(step="shot_pace", description="Shots a minute, by the length of each shot.", group="footage")
''',
}
COLUMNS = """
SHOT_PACE = build_schema(
    ("shot_id", pa.string()),
    ("video_id", pa.string()),
    ("per_minute", pa.float64()),
)
"""
TEXTS = '''        "shot_pace": {"video_id": _VIDEO_ID, "per_minute": "shots like this one a minute, above 0"},
    }
)
"""Description of each served column, by the name of the table."""'''
REGISTRATION = """    Table(
        name="shot_pace",
        key="shot_id",
        schema=columns.SHOT_PACE,
        feature_view=View(name="shot_pace", description="how fast a video is cut"),
        counted_as="paced",
        listed=True,
        if_damaged="compute_again",
    ),
)

TABLES = """

PROVENANCE = """
import json, sys
from functools import partial
from fastapi.testclient import TestClient
from ops.cli.runs import find_runs
from ops.core.settings import load_settings
from ops.serve.app import create_app

settings = load_settings()
client = TestClient(create_app(settings, runs=partial(find_runs, settings)), base_url="http://localhost")
print(json.dumps(client.get(f"/api/shots/{sys.argv[1]}").json()["provenance"]))
"""


@dataclass(frozen=True, kw_only=True)
class Project(Home):
    """A home and the command line of a copy of the packages."""

    root: Path

    def run(self, *arguments: str, expect: int = 0, **extra: str) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "ops.cli", *arguments, expect=expect)

    def python(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        environment = {**self.environment(), "PYTHONDONTWRITEBYTECODE": ""}  # every process would compile the copy
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == expect, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def provenance(self, shot_id: str) -> Any:
        """The provenance of a shot, as the service answers it."""
        return json.loads(self.python("-c", PROVENANCE, shot_id).stdout)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in which ``settings`` are those of the home, from JSON."""
        lines = ("import json", "from ops import features", "from ops.core.settings import load_settings")
        code = "\n".join((*lines, "settings = load_settings()", f"print(json.dumps({expression}))"))
        return json.loads(self.python("-c", code).stdout)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    for name in COPIED:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(CHECKOUT / name, root)
    for name, text in PACKAGE.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text.lstrip())
    with (root / "ops/core/columns.py").open("a") as file:
        file.write(COLUMNS)
    replace_once(root / "ops/core/schemas.py", ")\n\nTABLES = ", REGISTRATION)
    replace_once(root / "ops/core/field_descriptions.py", TEXTS[TEXTS.index("    }") :], TEXTS)
    replace_once(root / "pyproject.toml", "| probes", "| probes | pace")
    return Project(path=tmp_path_factory.mktemp("home"), root=root)


def replace_once(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name} has {old!r} {text.count(old)} times"
    path.write_text(text.replace(old, new))


def test_a_new_asset_is_ingested_shown_served_and_forgotten(project: Project, tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", cuts=(30, 75), frames=100, fps=25)
    summary = project.json("ingest", str(film.path))
    assert not summary["set_aside"]
    (video,) = project.json("status")["videos"]
    assert (video["state"], video["shots"], video["paced"]) == ("ready", 3, 3)
    header, row = project.run("status").stdout.splitlines()[:2]
    assert re.split(r"\s{2,}|\s(?=\d)", header.strip())[-2:] == ["paced", "path"], row
    assert project.json("ingest", str(film.path))["up_to_date"]

    shot_ids = [shot["shot_id"] for shot in project.json("shots", str(film.path))]
    read_online = f"features.online_features(settings, {shot_ids}, ['shot_pace:per_minute'])"
    online = project.evaluate(read_online)
    assert [row["per_minute"] for row in online] == pytest.approx([60 / 1.2, 60 / 1.8, 60 / 1.0])

    provenance = project.provenance(shot_ids[0])
    assert "shot_pace" in provenance["feature_views"]
    assert "shot_pace" in [run["asset"] for run in provenance["runs"]]

    (partition,) = (project.path / "media" / "lake" / "shot_pace").glob("*.parquet")
    partition.unlink()
    assert not project.json("ingest", str(film.path))["up_to_date"]
    assert partition.exists()

    project.run("forget", str(film.path), "--yes")
    assert not partition.exists()
    assert [row["per_minute"] for row in project.evaluate(read_online)] == [None] * 3
