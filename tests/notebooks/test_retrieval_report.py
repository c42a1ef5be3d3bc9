"""The retrieval report on made footage with real encoders: figures as elsewhere, curves, posters; and with nothing."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import nbformat
import pytest

from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.embeddings.encoder import resolve_encoder
from ops.evaluation.comparison import compare_answers
from ops.notebooks import NotebookRun, build_report
from ops.shots.segment import make_poster_key
from ops.training.evaluate_catalogue import (
    ComparedEncoders,
    answer_both,
    build_tasks,
    choose_encoders,
    find_training_shows,
)
from ops.training.pair_table import NO_CAPTIONS, build_pairs, check_captions
from ops.upgrade.compare import Comparison
from tests.builders.lakes import video_id
from tests.builders.training import NOW, captioned_home, fine_tuned, jpeg, shot_id

HOSTILE = "the end <script>alert(1)</script>"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two films, an encoder fitted on the first, graded queries beside the second, and posters but one."""
    folder = tmp_path_factory.mktemp("retrieval")
    settings = captioned_home(folder)
    rows = [{"query": HOSTILE, "relevant": {"4": 2, "3": 1}}, {"query": "the start", "relevant": {"0": 2}}]
    (folder / "film1.mp4.queries.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for number in range(4):
        key = make_poster_key(video_id(1), 24 * number, 24 * number + 24)
        settings.store.write_bytes(key, jpeg((60 * number, 80, 120)))
    fine_tuned(settings, [folder / "film0.mp4"], "mine")
    build_pairs(settings, [video_id(0), video_id(1)], NOW, SilentProgress())
    captions = check_captions(settings)
    assert captions.passed and captions.details["captioned_videos"] == 2 and captions.details["problems"] == []
    return settings


def refuse(home: Settings, contest: ComparedEncoders) -> None:
    """Leave what an upgrade leaves that refuses the encoder."""
    found = Comparison(
        candidate=contest.encoder_id,
        live=contest.against_id,
        inputs="",
        at="2026-11-22T10:00:00",
        evaluation={},
        overlap={},
        probes=(),
        forgotten=(),
        reasons=("its probe <i>door</i> is worse: AP falls",),
        forced="",
    )
    path = home.home / "upgrade" / f"{contest.encoder_id}.json"
    path.parent.mkdir()
    path.write_text(json.dumps(asdict(found)))


@pytest.fixture(scope="module")
def report(home: Settings) -> NotebookRun:
    contest = choose_encoders(home, resolve_encoder(home).encoder_id)
    refuse(home, contest)
    given = {"encoder_id": contest.encoder_id, "against_id": contest.against_id}
    return build_report(home, "retrieval_report", "run-1", **given, examples=1)


def test_the_fit_is_plotted(report: NotebookRun) -> None:
    page = report.html.read_text()
    assert "How it learned" in page and "waited for data in" in page
    for label in ("Loss; step; loss", "Norm of the gradient; step", "Pairs a second; step"):
        assert f'alt="{label}' in page


def test_figures_are_those_of_the_evaluation(home: Settings, report: NotebookRun) -> None:
    contest = choose_encoders(home, resolve_encoder(home).encoder_id)
    tasks = build_tasks(home, SilentProgress())
    learned = find_training_shows(home, [contest.encoder_id, contest.against_id])
    told = compare_answers(answer_both(home, contest, tasks, SilentProgress()), learned)
    assert told["learned_from"] == ["show 0"] and report.results["learned_from"] == "show 0"
    assert report.results["encoder"] == contest.encoder_id and report.results["against"] == contest.against_id
    assert report.results["text_to_video r@1"] == pytest.approx(told["text_to_video"]["r@1"], abs=1e-3)
    assert report.results["graded ndcg@10"] == pytest.approx(told["graded"]["ndcg@10"], abs=1e-3)
    assert report.results["graded ndcg@10 gain"] == pytest.approx(told["gain"]["graded"]["ndcg@10"], abs=1e-3)
    assert tasks[1].queries[0] == (HOSTILE, {shot_id(1, 4): 2.0, shot_id(1, 3): 1.0})


def test_the_page_shows_curves_and_the_best_and_worst_queries(report: NotebookRun) -> None:
    page = report.html.read_text()
    assert "Is relevance honest?" in page and "Only the current encoder has an index to search" in page
    for heading in ("Recall at k", "Best queries", "Worst queries", "show 0 (fitted on)"):
        assert heading in page
    assert page.count('<img alt="Recall at k') == 2 and page.count("data:image/jpeg;base64,") >= 8
    assert "no poster" in page and "outline:3px solid" in page
    assert "the end &lt;script&gt;alert(1)" in page and "the end <script>alert(1)" not in page
    assert not re.findall(r"""src=["']?(?:https?:)?//""", page)
    assert set(re.findall(r"""href=["']?((?:https?:)?//[^/"']*)""", page)) <= {"http://127.0.0.1:8080"}, (
        "links to shots"
    )


def test_the_page_says_what_speaks_against_an_upgrade(report: NotebookRun) -> None:
    page = report.html.read_text()
    assert "What its captions and queries say to an upgrade" in page
    assert "there are only 5 captioned shots of shows that neither encoder was fitted on" in page
    assert "refused it on 2026-11-22T10:00:00" in page and "door&lt;/i&gt; is worse: AP falls" in page


def test_without_captions_it_ends_with_one_sentence(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home", encoder="starter")
    run = build_report(settings, "retrieval_report", "run-1")
    cells = nbformat.read(run.notebook, as_version=4).cells
    shown = [output for cell in cells for output in cell.get("outputs", []) if "text/markdown" in output.data]
    assert len(shown) == 1 and "No shot of the catalogue has a caption" in shown[0].data["text/markdown"]
    outcome = check_captions(settings)
    assert not outcome.passed and outcome.details["captioned_shots"] == 0
    assert outcome.details["problems"] == [NO_CAPTIONS]
    assert not [output for cell in cells for output in cell.get("outputs", []) if output.output_type == "error"]
    assert run.results["captions"] == 0 and run.results["encoder"] == ""
