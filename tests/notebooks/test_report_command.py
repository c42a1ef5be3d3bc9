"""``needle report``: what it lists, what it refuses, and a report that it makes; and HTML made by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from ops.cli.report import _choose_subjects
from ops.core.errors import UsageError
from ops.core.settings import CHECKOUT
from ops.notebooks.report_files import KINDS, find_kind
from tests.builders.homes import Home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("report") / "home")


def test_it_runs_a_report_as_its_asset_and_lists_it(home: Home) -> None:
    listed = home.json("report")
    assert [each["name"] for each in listed] == [kind.name for kind in KINDS]
    assert {each["page"] for each in listed} == {None}
    made = home.json("report", "catalogue_report")
    assert (made["name"], made["about"]) == ("catalogue_report", "")
    page = Path(made["page"])
    assert "holds no shots yet" in page.read_text() and page.is_relative_to(home.path / "reports")
    assert made["url"] == f"http://127.0.0.1:8080/reports/{page.parent.name}/catalogue_report.html"
    assert home.json("report")[0] == made
    assert home.run("report").stdout.startswith("catalogue_report ")
    page_line, address_line = home.run("report", "catalogue_report").stdout.splitlines()
    assert Path(page_line).is_file() and address_line.endswith("/catalogue_report.html (while `needle serve` runs)")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nothing"], "no report 'nothing': choose one of catalogue_report, few_shot_report"),
        (["few_shot_report"], "few_shot_report needs --probe"),
        (["few_shot", "--probe", "closeup"], "no probe 'closeup' (there: none): `needle probe fit closeup` makes it"),
        (["downstream", "--label", "wide"], "no label 'wide' (there: none)"),
        (["catalogue_report", "--probe", "closeup"], "catalogue_report has no use for --probe"),
        (["embedding_map", "--footage", "."], "embedding_map has no use for --footage: it takes --probe"),
        (["cuts_report"], "cuts_report needs --footage"),
        (["cuts_report", "--footage", "/nothing/here"], "/nothing/here is not a folder"),
        (["retrieval_report"], "no shot of the catalogue has a caption, so there is nothing to measure: put"),
        (["--open"], "name the report"),
    ],
)
def test_what_is_missing_is_named(home: Home, arguments: list[str], reason: str) -> None:
    done = home.run("report", *arguments, expect=2)
    assert reason in done.stderr and not done.stdout


def test_a_report_is_about_one_subject() -> None:
    kind = find_kind("few_shot")
    assert kind
    given: dict[str, Any] = {"probe": "wide", "label": ("wide",), "footage": "", "data": ""}
    assert _choose_subjects(kind, given) == ("wide",)
    with pytest.raises(UsageError, match="about one label: name one, not wide, closeup"):
        _choose_subjects(kind, given | {"label": ("closeup",)})
    replays = find_kind("active_learning")
    assert replays
    assert _choose_subjects(replays, given | {"probe": "", "label": ("a", "b", "a")}) == ("a", "b")


@pytest.mark.parametrize("path", sorted((CHECKOUT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_short_and_html_made_by_hand_hides_its_code(path: Path) -> None:
    from nbconvert import HTMLExporter

    notebook = nbformat.read(path, as_version=4)
    lines = [line for cell in notebook.cells if cell.cell_type == "code" for line in cell.source.splitlines()]
    code = [line for line in lines if line.strip()]
    assert len(code) <= (30 if path.stem == "start" else 40)
    html, _ = HTMLExporter().from_notebook_node(notebook)
    text = re.sub(r"<[^>]+>", "", html)
    assert ("import" in text and "put_results" in text) == (path.stem == "start")
