"""What speaks against a candidate, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from ops.upgrade.compare import reasons_against


def evaluation(difference: float, low: float, high: float) -> dict[str, Any]:
    return {"captions": 40, "metrics": {"ndcg@10": {"difference": difference, "low": low, "high": high}}}


def overlap(mean: float) -> dict[str, Any]:
    return {"mean": mean, "top": 20, "queries": 100}


def probe(why: str = "") -> dict[str, Any]:
    return {"probe": "closeup", "why": why}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((evaluation(0.1, 0.02, 0.2), overlap(0.0), [probe()]), []),
        ((evaluation(-0.02, -0.1, 0.06), overlap(0.0), []), []),
        ((evaluation(-0.2, -0.3, -0.1), overlap(1.0), []), ["nDCG@10 on 40 captions changes by -0.200"]),
        ((None, overlap(0.9), []), []),
        ((None, overlap(0.1), []), ["no captions to judge by, and only 10%"]),
        ((evaluation(0.1, 0.02, 0.2), overlap(0.9), [probe("AP falls")]), ["its probe closeup is worse: AP falls"]),
        ((evaluation(-0.2, -0.3, -0.1), overlap(0.9), [probe("AP falls")]), ["nDCG@10", "closeup"]),
    ],
)
def test_only_what_is_beyond_chance_speaks_against_it(told: Any, expected: list[str]) -> None:
    found = reasons_against(*told)
    assert len(found) == len(expected)
    assert all(part in reason for part, reason in zip(expected, found, strict=True))
