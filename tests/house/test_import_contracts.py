"""A new package that imports what only one package may import is refused by each contract, without being listed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("ops", "assets", "feature_repo")
NAMED = {
    "qdrant_client",
    "feast",
    "av",
    "ray",
    "torch",
    "open_clip",
    "dagster",
    "duckdb",
    "papermill",
    "opentimelineio",
}
RUN = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache', '--no-logo'])"


def contracts() -> list[dict[str, Any]]:
    config = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    found: list[dict[str, Any]] = config["tool"]["importlinter"]["contracts"]
    return found


PROTECTED = [each for each in contracts() if each["type"] == "protected"]


def broken_contracts(tree: Path) -> tuple[set[str], str]:
    """Names of the contracts that are broken in a copy of the checkout, and all that import-linter prints."""
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, cwd=tree, check=False)
    output = done.stdout + done.stderr
    results = dict(re.findall(r"^(.+?)\s*(KEPT|BROKEN)\b", output, re.MULTILINE))
    assert set(results) == {each["name"] for each in contracts()}, output
    assert done.returncode == ("BROKEN" in results.values()), output
    return {name for name, result in results.items() if result == "BROKEN"}, output


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the packages and of the contracts."""
    for name in PACKAGES:
        shutil.copytree(CHECKOUT / name, tmp_path / name, ignore=lambda _, names: {"__pycache__"} & set(names))
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_on_a_library_refuses_a_new_package(tree: Path) -> None:
    libraries = sorted(name for each in PROTECTED for name in each["protected_modules"])
    assert set(libraries) >= NAMED
    probe = tree / "ops" / "probe_package"
    probe.mkdir()
    (probe / "__init__.py").write_text('"""A package that nobody listed."""\n')
    # Inside a function, where a check of loaded modules does not see it.
    (probe / "work.py").write_text("def work():\n" + "".join(f"    import {name}\n" for name in libraries))
    config = tree / "pyproject.toml"
    config.write_text(config.read_text().replace('    "core",\n]', '    "core",\n    "probe_package",\n]'))
    broken, output = broken_contracts(tree)
    assert broken == {each["name"] for each in PROTECTED}
    for name in libraries:
        assert f"ops.probe_package.work -> {name} " in output


def test_a_new_package_without_a_layer_is_refused(tree: Path) -> None:
    (tree / "ops" / "probe_package").mkdir()
    (tree / "ops" / "probe_package" / "__init__.py").write_text("")
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, cwd=tree, check=False)
    assert done.returncode
    assert "probe_package" in done.stdout


def test_a_copy_of_the_packages_keeps_every_contract(tree: Path) -> None:
    assert broken_contracts(tree)[0] == set()


@pytest.mark.parametrize("package", ["assets", "feature_repo", "ops.search"])
def test_a_package_that_is_known_is_refused_too(tree: Path, package: str) -> None:
    (tree / package.replace(".", "/") / "probe_module.py").write_text("def work():\n    import ray\n")
    assert "only ops.cluster imports Ray" in broken_contracts(tree)[0]
