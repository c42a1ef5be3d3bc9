"""What speaks against a candidate, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from ops.upgrade.compare import find_reasons_against


def evaluation(worse: str = "", too_little: str = "") -> dict[str, Any]:
    return {"worse": [worse] if worse else [], "too_little": [too_little] if too_little else []}


def overlap(low: float) -> dict[str, Any]:
    return {"mean": low + 0.02, "low": low, "top": 20, "queries": 100}


def probe(why: str = "") -> dict[str, Any]:
    return {"probe": "closeup", "why": why}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((evaluation(), overlap(0.0), [probe()]), []),
        ((evaluation("it finds less"), overlap(1.0), []), ["it finds less"]),
        ((evaluation("", "only 3 shots"), overlap(0.95), []), []),
        (
            (evaluation("", "only 3 shots"), overlap(0.35), []),
            ["only 3 shots, and only 37% of the first 20 shots of searches stay the same: caption more shots"],
        ),
        ((evaluation(), overlap(0.9), [probe("AP falls")]), ["its probe closeup is worse: AP falls"]),
        (
            (evaluation("it finds less", "only 3 shots"), overlap(0.5), [probe("AP falls")]),
            ["it finds less", "only 3 shots, and only 52% of the first", "its probe closeup"],
        ),
    ],
)
def test_losses_and_too_little_evidence_speak_against_it(told: Any, expected: list[str]) -> None:
    found = find_reasons_against(*told)
    assert len(found) == len(expected)
    assert all(reason.startswith(part) for part, reason in zip(expected, found, strict=True))
