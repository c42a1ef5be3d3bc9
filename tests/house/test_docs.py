"""What users can say, the docs say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from assets.library import KEY as LIBRARY
from ops.cli.main import COMMANDS, cli
from ops.core.settings import Settings
from ops.pipeline import list_steps

CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text()
ARCHITECTURE = (CHECKOUT / "ARCHITECTURE.md").read_text()
OPERATIONS = (CHECKOUT / "docs/operations.md").read_text()
PAGES = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "tests/README.md",
    *(f"docs/{page.name}" for page in (CHECKOUT / "docs").glob("*.md")),
)


def test_every_command_is_in_the_readme_and_no_other() -> None:
    assert set(re.findall(r"^\| `needle (\w+)", README, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    done = CliRunner().invoke(cli, [name, "--help"])
    assert done.exit_code == 0
    assert f"Example: needle {name}" in done.output


def test_the_readme_is_short() -> None:
    """Long sections and measurements are in ``docs/``."""
    assert len(README.split()) <= 1300


def test_every_setting_is_in_the_docs_and_no_other() -> None:
    rows = "\n".join(re.findall(r"^\| `NEEDLE_.*$", OPERATIONS, re.MULTILINE))
    documented = set(re.findall(r"NEEDLE_[A-Z_]+", rows))
    assert documented == {f"NEEDLE_{name.upper()}" for name in Settings.model_fields}


def test_every_asset_is_in_the_architecture_and_no_other() -> None:
    described = set(re.findall(r"^\| `(\w+)` \|", ARCHITECTURE, re.MULTILINE))
    factories = (CHECKOUT / "assets").glob("*.py")
    named = {
        name
        for path in factories
        for name in re.findall(r"^\s*def (\w+)\(\s*context: dg\.AssetExec", path.read_text(), re.M)
    }
    named |= {step.name for step in list_steps()} | {LIBRARY.to_user_string()}
    assert described == named - {"step_asset"}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(#[^)]+)?\)", (CHECKOUT / page).read_text()):
        path = (CHECKOUT / page).parent / target if target else CHECKOUT / page
        assert path.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor[1:] in _anchors(path.read_text()), f"{page} links to {target}{anchor}"


def _anchors(text: str) -> set[str]:
    """The anchors that a Markdown viewer gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_builder_is_in_the_readme_of_the_tests_and_no_other() -> None:
    section = (CHECKOUT / "tests/README.md").read_text().partition("## Builders")[2].partition("\n## ")[0]
    listed = set(re.findall(r"`(\w+\.(?:py|txt))`", "\n".join(re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE))))
    files = {path.name for path in (CHECKOUT / "tests/builders").iterdir() if path.suffix in (".py", ".txt")}
    assert listed == files - {"__init__.py"}


QUOTED_PATH = re.compile(r"`((?:assets|docs|feature_repo|notebooks|ops|tests)/[\w./-]+)`")


@pytest.mark.parametrize("page", PAGES)
def test_every_quoted_path_exists(page: str) -> None:
    for path in QUOTED_PATH.findall((CHECKOUT / page).read_text()):
        assert (CHECKOUT / path).exists(), f"{page} names {path}"


def test_every_path_quoted_in_the_code_exists() -> None:
    for folder in ("assets", "feature_repo", "ops"):
        for module in (CHECKOUT / folder).rglob("*.py"):
            for path in QUOTED_PATH.findall(module.read_text()):
                assert (CHECKOUT / path).exists(), f"{module.relative_to(CHECKOUT)} names {path}"


def test_every_make_target_is_in_its_help() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    listed = subprocess.run(["make", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    for target in ("setup", "demo", "test", "unit", "check", "lint", "types", "arch", "bench", "dagster"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
        assert re.search(rf"^{target}\s", listed, re.MULTILINE)
