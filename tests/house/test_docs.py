"""What users can say, the docs say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli.main import COMMANDS, cli
from ops.core.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text()
ARCHITECTURE = (CHECKOUT / "ARCHITECTURE.md").read_text()


def test_every_command_is_in_the_readme_and_no_other() -> None:
    assert set(re.findall(r"^\| `needle (\w+)", README, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    done = CliRunner().invoke(cli, [name, "--help"])
    assert done.exit_code == 0
    assert f"Example: needle {name}" in done.output


def test_every_setting_is_in_the_readme_and_no_other() -> None:
    told = set(re.findall(r"NEEDLE_[A-Z_]+", "\n".join(re.findall(r"^\| `NEEDLE_.*$", README, re.MULTILINE))))
    assert told == {f"NEEDLE_{name.upper()}" for name in Settings.model_fields}


def test_every_asset_is_in_the_architecture_and_no_other() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", ARCHITECTURE, re.MULTILINE))
    factories = (CHECKOUT / "assets").glob("*.py")
    named = {
        name
        for path in factories
        for name in re.findall(r"^\s*def (\w+)\(\s*context: dg\.AssetExec", path.read_text(), re.M)
    }
    assert told == named


def test_every_link_leads_somewhere() -> None:
    for page in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", (CHECKOUT / page).read_text()):
            assert (CHECKOUT / target).exists(), f"{page} links to {target}"


def test_every_make_target_is_in_its_help() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    listed = subprocess.run(["make", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    for target in ("setup", "demo", "test", "unit", "check", "lint", "types", "arch", "bench", "dagster"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
        assert re.search(rf"^{target}\s", listed, re.MULTILINE)
