"""What a user installs is what the program imports: packages of tests and of one benchmark are extras."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~ ]", each)[0].lower() for each in requirements}


def test_packages_of_tests_and_of_one_benchmark_are_extras() -> None:
    extras = PROJECT["optional-dependencies"]
    optional = {"h5py", "mmh3", "otio-cmx3600-adapter", "otio-fcp-adapter", "otio-fcpx-xml-adapter"}
    assert not optional & names_of(PROJECT["dependencies"])
    assert names_of(extras["annotator"]) == {"h5py", "mmh3"}
    assert "needle[annotator,speech,tracing]" in extras["dev"]
    assert optional - {"h5py", "mmh3"} <= names_of(extras["dev"])


def test_every_direct_dependency_is_pinned() -> None:
    extras = [each for group in PROJECT["optional-dependencies"].values() for each in group]
    pinned = names_of((ROOT / "constraints.txt").read_text().splitlines())
    direct = names_of([*PROJECT["dependencies"], *extras]) - {"needle"}
    assert {name.replace("_", "-") for name in direct} <= {name.replace("_", "-") for name in pinned}
