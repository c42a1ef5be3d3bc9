"""The audit of dependencies: it fails on a known vulnerability, and never looks done if it was not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.house import audit

KNOWN = {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"], "aliases": ["CVE-1"]}]}
SKIPPED = {"name": "b", "skip_reason": "not found"}
CLEAN = {"name": "c", "version": "3", "vulns": []}


def report(*dependencies: object) -> audit.Audit:
    return audit.parse_report(json.dumps({"dependencies": dependencies}))


def run_main(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answers: list[audit.Audit | None]) -> int:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("a==1\nb==2  # why\n\n# nothing\nc==3\n")
    asked = iter(answers)
    monkeypatch.setattr(audit, "audit", lambda pins: next(asked))
    return audit.main(constraints)


def test_pins_are_read_without_comments(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("a==1\nb==2  # why\n# c==3\nd>=4\n")
    assert audit.read_pins(tmp_path / "c.txt") == ["a==1", "b==2"]


def test_a_vulnerability_fails_unless_it_is_accepted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert report(KNOWN).vulnerabilities == ("a 1: PYSEC-1, mended in 2",)
    assert run_main(monkeypatch, tmp_path, [report(CLEAN), report(KNOWN, SKIPPED, CLEAN)]) == 1
    monkeypatch.setattr(audit, "ACCEPTED", {"CVE-1": "only on Windows"})
    assert report(KNOWN).vulnerabilities == ()


@pytest.mark.parametrize("answers", [[None], [report(SKIPPED)], [report(CLEAN), None]])
def test_without_a_database_it_says_so(
    answers: list[audit.Audit | None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_main(monkeypatch, tmp_path, answers) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("NOT AUDITED") and "3 packages are unchecked" in printed


def test_packages_that_the_database_does_not_know_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, tmp_path, [report(CLEAN), report(SKIPPED, CLEAN)]) == 0
    assert "unknown to the database: b\n1 packages audited, 0 vulnerabilities" in capsys.readouterr().out
