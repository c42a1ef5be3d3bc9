"""The report of shot boundaries on generated clips: figures of the evaluation, strips; one sentence without clips."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest

from assets.definitions import build_definitions
from assets.reports import CutsReportConfig, cuts_report
from assets.resources import Needle
from ops.core.settings import Settings
from ops.notebooks import NotebookRun, build_cuts_report
from ops.training.evaluate import evaluate_clips
from tests.builders.films import make_film

HOSTILE = "a<img src=x onerror=alert(1)>.mp4"


pytestmark = pytest.mark.home(encoder="starter", detector="content")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip with one fault of each kind but a false gradual one, under a hostile name, and an annotation alone."""
    folder = tmp_path_factory.mktemp("clips")
    make_film(folder / HOSTILE, cuts=(20, 40), frames=72, width=160, height=90)
    told = {"hard_cuts": [20, 60], "gradual": [[50, 55, "fade"]], "frames_annotated": 72}
    (folder / f"{HOSTILE}.shots.json").write_text(json.dumps(told))
    (folder / "gone.mp4.shots.json").write_text(json.dumps(told))
    return folder


@pytest.fixture(scope="module")
def report(module_settings: Settings, clips: Path) -> NotebookRun:
    return build_cuts_report(module_settings, str(clips), "run-1")


def test_figures_are_those_of_the_evaluation(report: NotebookRun, clips: Path) -> None:
    score = evaluate_clips(clips, [], "content").cuts.pooled
    assert (score.hard.right, score.hard.false, score.hard.missed, score.gradual.missed) == (1, 1, 1, 1)
    for kind, own in (("hard", score.hard), ("gradual", score.gradual)):
        for name in ("right", "false", "missed"):
            assert report.results[f"{kind}_{name}"] == getattr(own, name)
        assert report.results[f"{kind}_f1"] == pytest.approx(own.f1, abs=1e-4)
    assert (report.results["clips"], report.results["set_aside"]) == (1, 1)


def test_the_page_shows_each_fault_and_names_as_text(report: NotebookRun) -> None:
    page = report.html.read_text()
    assert page.count('<article class="fault') == page.count("data:image/jpeg;base64,") == 3
    assert "<img src=x" not in page and "a&lt;img src=x onerror=alert(1)&gt;.mp4" in page
    assert "Hard cuts: 1 missed and 1 false, with 2 annotated. Look at the missed ones in" in page
    assert "Gradual transitions: 1 missed and 0 false, with 1 annotated." in page
    assert "1 clip of 2 could not be measured" in page
    assert "missed gradual transition" in page and "gone.mp4" in page and "the clip is not" in page
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    cells = nbformat.read(report.notebook, as_version=4).cells
    assert not [out for cell in cells for out in cell.get("outputs", []) if out.output_type in ("error", "stream")]


@pytest.mark.parametrize(("footage", "words"), [("", "No clips were named"), ("nowhere", "nowhere has no film")])
def test_without_clips_it_says_what_to_name(
    module_settings: Settings, tmp_path: Path, footage: str, words: str
) -> None:
    named = str(tmp_path / footage) if footage else ""
    run = build_cuts_report(module_settings, named, f"run-{footage}")
    assert words in run.html.read_text() and run.results == {"clips": 0, "set_aside": 0}


def test_it_is_an_asset_that_nothing_starts_by_itself(module_settings: Settings, clips: Path) -> None:
    definitions = build_definitions(module_settings, Needle())
    node = definitions.resolve_asset_graph().get(cuts_report.key)
    assert not node.parent_keys and node.automation_condition is None
    assert CutsReportConfig(footage=str(clips)).footage == str(clips)
