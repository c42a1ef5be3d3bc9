"""Several workers: each file is run by one of them, and so is what was told to stay together."""

from __future__ import annotations

from pathlib import Path

from tests.workers import LONGEST, TOGETHER, scope_of

CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_table_names_files_that_exist() -> None:
    files = [str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "tests").rglob("test_*.py")]
    for start in [*LONGEST, *(start for starts in TOGETHER.values() for start in starts)]:
        assert any(file.startswith(start) for file in files), start
    assert scope_of("tests/browser/test_a.py::test_x[a::b]") == scope_of("tests/browser/test_b.py::test_y")
    assert scope_of("tests/unit/core/test_time.py::test_x[a::b]") == "tests/unit/core/test_time.py"
