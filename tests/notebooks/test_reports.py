"""The notebooks of probes and features, each run once on a generated home with known truths, and once without data."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import nbformat
import numpy as np
import pytest

from assets.definitions import build_definitions
from assets.resources import Needle
from ops.core.settings import CHECKOUT, Settings
from ops.embeddings.encoder import load_encoder, resolve_encoder
from ops.features import publish_scores, write_online
from ops.notebooks import NotebookRun, build_few_shot_report, build_report, few_shot_page, run_notebook
from ops.notebooks.report_files import find_latest
from ops.notebooks.reports import has_current_few_shot
from ops.probes.documents import find_examples
from ops.probes.state import read_promoted_version
from ops.shots.segment import make_poster_key
from tests.builders.annotator_data import write_annotator_data
from tests.builders.labelled import fill_told_apart, fit_and_score, judge, shot_ids, usable_labels
from tests.builders.lakes import picture_of, shot_rows

QUERY = "closeup"


def fill_with_labels(settings: Settings) -> None:
    """Six films of twenty shots with posters, embedded by the starter encoder as far as anybody can tell.

    Shots of the label lie the way of the label's words. ``closeup`` has 70 labels and a probe, ``wide`` 30, and
    ``always`` only knows yes.
    """
    encoder_id = resolve_encoder(settings).encoder_id
    way = load_encoder(encoder_id, settings.home, part="text").encode_text([QUERY])[0]
    fill_told_apart(settings, gap=14.0, encoder=encoder_id, way=way)
    for number in range(6):
        for shot in shot_rows(number, 20):
            key = make_poster_key(shot["video_id"], shot["start_frame"], shot["end_frame"])
            settings.store.write_bytes(key, picture_of(number, shot["index"]))
    shots = shot_ids()
    judge(settings, shots[:70])
    judge(settings, [(shot, not truth) for shot, truth in shots[:30]], label="wide")
    judge(settings, [(shot, True) for shot, _ in shots[:5]], label="always")
    said = way[np.newaxis]
    for probe in ("closeup", "wide", "always"):
        told = {"encoder": encoder_id, "encode": lambda texts: np.repeat(said, len(texts), 0)}
        fit_and_score(settings, label=probe, later_s=60, **told)
        publish_scores(settings, encoder_id, probe)
    write_online(settings, "shot_metadata", settings.lake.read("shots"))


pytestmark = pytest.mark.home(fill=fill_with_labels, encoder="starter")


def test_few_shot_shows_the_probe_and_is_not_made_twice(module_settings: Settings) -> None:
    run = build_few_shot_report(module_settings, "closeup")
    version = read_promoted_version(module_settings, "closeup")
    assert version and run.html == few_shot_page(module_settings, "closeup")
    hits, ap = find_examples(module_settings, version, 12), version.metrics["average_precision"]
    shown = sum(map(len, (hits.top, hits.borderline, hits.false_yes, hits.missed)))
    figures = {name: run.results[name] for name in ("version", "kind", "scored", "said_yes", "posters_shown")}
    assert figures == {
        "version": version.version,
        "kind": "logistic",
        "scored": 120,
        "said_yes": hits.said_yes,
        "posters_shown": shown,
    }
    assert run.results["average_precision"] == round(ap.value, 4) and ap.value > 0.8
    page = run.html.read_text()
    assert f"{ap.value:.3f} [{ap.low:.3f}, {ap.high:.3f}]" in page
    plots = _plots(page)
    assert [words.split(" ")[0] for words in plots] == ["Average", "Calibration", "How"]
    assert all(words.count(";") == 2 for words in plots)  # a title, and words at both axes
    assert page.count("data:image/jpeg;base64,") == shown
    before = run.notebook.stat().st_mtime_ns
    assert build_few_shot_report(module_settings, "closeup").results == run.results
    assert run.notebook.stat().st_mtime_ns == before
    _require_clean(run)


def test_one_answer_only_gives_a_report_without_figures(module_settings: Settings) -> None:
    run = build_few_shot_report(module_settings, "always")
    assert (run.results["kind"], run.results["yes"], run.results["no"]) == ("zero_shot", 5, 0)
    assert run.results["average_precision"] == "none yet"
    assert "No figures yet: this is the text score of the probe's queries; 5 yes, 0 no by now." in run.html.read_text()
    assert has_current_few_shot(module_settings, "always")
    shot = next(iter(usable_labels(module_settings, "always")))
    judge(module_settings, [(shot, False)], label="always", annotator="bob", later_s=1)
    assert not has_current_few_shot(module_settings, "always")  # it would not tell of the conflict
    judge(module_settings, [(shot, None)], label="always", annotator="bob", later_s=2)
    assert has_current_few_shot(module_settings, "always")
    assert run.results["posters_shown"] == 24  # top and borderline ones are there all the same
    _require_clean(run)


def test_active_learning_replays_labels(module_settings: Settings) -> None:
    encoder_id = resolve_encoder(module_settings).encoder_id
    run = build_report(module_settings, "active_learning", "run", encoder_id=encoder_id, seeds=2, rounds=2)
    assert (run.results["labels"], run.results["left_out"]) == (1, 2)
    curve = [run.results[f"{name} at {count}"] for name in ("four feeds", "random choice") for count in (8, 16)]
    assert all(0.5 < value <= 1 for value in [*curve, run.results["words_alone"]])
    page = run.html.read_text()
    assert "wide: " in page and "a replay needs 36 labelled shots" in page
    assert [words.split(" ")[0] for words in _plots(page)] == ["With", "closeup;"]
    _require_clean(run)


def test_the_map_has_every_shot_that_is_not_blank(module_settings: Settings) -> None:
    encoder_id = resolve_encoder(module_settings).encoder_id
    run = build_report(module_settings, "embedding_map", "run", encoder_id=encoder_id, probe="closeup")
    assert (run.results["shots"], run.results["mapped"], run.results["clusters"]) == (120, 114, 8)
    assert run.results["coloured_by"] == "score of closeup"
    assert run.results["posters_on_map"] >= 8
    assert "score of closeup" in run.html.read_text()
    _require_clean(run)


def test_reports_are_assets_with_links(
    module_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two that take a configuration of their own: Video Annotator's folder, and what to predict."""
    write_annotator_data(tmp_path / "annotator")
    monkeypatch.setenv("NEEDLE_HOME", str(module_settings.home))
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")
    names = {"video_annotator_benchmark": {"data": str(tmp_path / "annotator")}, "downstream": {"label": "wide"}}
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_definitions(module_settings, Needle()).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(name) for name in names],
            run_config={"ops": {name: {"config": given} for name, given in names.items()}},
        )
        assert result.success
        told = {
            name: {key: value.value for key, value in result.asset_materializations_for_node(name)[0].metadata.items()}
            for name in names
        }
    for name, metadata in told.items():
        assert Path(metadata["html"]) == module_settings.home / "reports" / result.run_id / f"{name}.html"
        assert Path(metadata["html"]).exists() and Path(metadata["notebook"]).exists()
        assert metadata["page"] == f"http://127.0.0.1:8080/reports/{result.run_id}/{name}.html"
    assert told["downstream"]["latest_page"] == "http://127.0.0.1:8080/reports/latest/downstream/wide"
    newest = find_latest(module_settings, "downstream", "wide")
    assert newest and newest.path == f"{result.run_id}/downstream.html"
    assert told["video_annotator_benchmark"]["measured"] == 2
    assert told["video_annotator_benchmark"]["median_gain_points"] > 0
    page = Path(told["video_annotator_benchmark"]["html"]).read_text()
    gain = told["video_annotator_benchmark"]["median_gain_points"]
    assert f"{gain:+.1f}</td>" in page and "+6.8</td>" in page  # points of a hundred, both
    assert "timelapse (1 yes, 399 no): no figure" in page
    assert (told["downstream"]["label"], told["downstream"]["probes"]) == ("wide", "always, closeup")
    assert told["downstream"]["largest_difference_online"] < 1e-6
    assert told["downstream"]["average precision, embedding + probes + facts"] > 0.8


SENTENCES = {
    "few_shot": "was not fitted yet: label some shots",
    "active_learning": "Nobody labelled anything yet",
    "embedding_map": "run <code>needle ingest</code>",
    "downstream": "No label has three shots of each answer yet",
    "video_annotator_benchmark": "No data was given, so nothing was measured.",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_without_data_it_ends_with_a_sentence(name: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"home": str(tmp_path / "home"), "encoder_id": "none.yet"}
    if name == "few_shot":
        given = {"home": given["home"], "label": "closeup"}
    run = run_notebook(name, {} if name == "video_annotator_benchmark" else given, tmp_path / "out")
    assert SENTENCES[name] in run.html.read_text()
    _require_clean(run)


@pytest.fixture(scope="module")
def program() -> Any:
    """``notebooks/downstream.py`` as a module, so that Feast is not imported anew for each call."""
    spec = importlib.util.spec_from_file_location("downstream_program", CHECKOUT / "notebooks" / "downstream.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_downstream_program_trains_and_serves(
    module_settings: Settings, program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(module_settings.home)]
    command = [sys.executable, "notebooks/downstream.py", *home, "--label", "closeup", "--json", "--out"]
    done = subprocess.run(
        [*command, str(tmp_path / "m.json")], cwd=CHECKOUT, capture_output=True, text=True, timeout=300, check=True
    )
    told = json.loads(done.stdout)
    assert (told["yes"] + told["no"], told["probes"]) == (70, ["always", "wide"])  # its own probe is left out
    truths = dict(shot_ids())
    assert len(told["best_new_shots"]) == 10
    assert np.mean([truths[each["shot_id"]] for each in told["best_new_shots"]]) > 0.8
    assert told["average_precision"]["embedding"]["value"] > 0.8
    model = json.loads((tmp_path / "m.json").read_text())
    assert model == told["model"] and len(model["weights"]) == len(model["means"])

    assert program.main([*home, "--label", "closeup", "--at", "labelled", "--json"]) == 0
    past = json.loads(capsys.readouterr().out)
    assert past["probes"] == []  # they were fitted after these labels were given: nothing leaks into the past
    assert all(note.endswith("of these shots when they were labelled, and is left out") for note in past["notes"])
    assert program.main([*home, "--label", "wide"]) == 0
    assert "average precision with embedding" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["--label", "nothing"], 1, "no label 'nothing': there are always, closeup, wide"),
        (["--label", "always"], 2, "always: 5 yes and 0 no with features as of "),
        (["--label", "wide", "--at", "yesterday"], 2, "write now, labelled, or 2026-01-31T12:00:00+00:00"),
        (["--label", "wide", "--serve", "http://127.0.0.1:9"], 1, "is `feast serve` running there"),
    ],
)
def test_the_downstream_program_says_what_is_wrong(
    module_settings: Settings,
    program: Any,
    arguments: list[str],
    status: int,
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert program.main(["--home", str(module_settings.home), *arguments]) == status
    assert reason in capsys.readouterr().err


def _plots(page: str) -> list[str]:
    """The words of each plot."""
    return re.findall(r'<img[^>]*alt="([^"]*)"[^>]*src="data:image/png', page)


def _require_clean(run: NotebookRun) -> None:
    """No error and no stray output in the executed notebook."""
    cells = nbformat.read(run.notebook, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [output for output in outputs if output.output_type in ("error", "stream")]
