"""A count and its noun agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ops.core.plural import count_units, plural

OPS = Path(__file__).resolve().parents[3] / "ops"


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 shots"), (1, "1 shot"), (2, "2 shots"), (1204, "1,204 shots"), (-1, "-1 shots")]
)
def test_the_noun_follows_the_count(count: int, words: str) -> None:
    assert plural(count, "shot") == words


def test_other_plurals_and_verbs_are_given() -> None:
    assert plural(1, "query", "queries") == "1 query"
    assert plural(2, "query", "queries") == "2 queries"
    assert plural(1, "shot is", "shots are") == "1 shot is"
    assert plural(3, "shot is", "shots are") == "3 shots are"


@pytest.mark.parametrize(
    ("total", "unit", "words"),
    [
        (1, "searches", "1 search"), (2, "searches", "2 searches"), (1, "graded queries", "1 graded query"),
        (1, "s of footage", "1 s of footage"), (1, "lines", "1 line"), (1, "boxes", "1 box"), (1, "files", "1 file"),
    ],
)  # fmt: skip
def test_units_of_progress_follow_the_count(total: int, unit: str, words: str) -> None:
    assert count_units(total, unit) == words


def test_the_command_line_counts_with_it() -> None:
    """Things that people count are not written after a bare number in ``ops/cli``."""
    things = "shots|clips|videos|lines|labels|judgements|notes|cuts|files|steps|frames"
    bare = re.compile(rf"\{{(?:len\([^{{}}]*\)|[\w.]*count\w*|[\w.\[\]']*)(?::,)?\}} (?:{things})\b")
    wrong = [
        f"{path.name}: {found[0]}"
        for path in sorted((OPS / "cli").glob("*.py"))
        for found in bare.finditer(path.read_text())
    ]
    assert wrong == []
