"""What speaks against a candidate, and what does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ops.core.settings import load_settings
from ops.upgrade.compare import find_forgotten, find_reasons_against, measure_forgetting


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


@pytest.mark.parametrize(
    ("overall", "is_lost"),
    [
        ({"difference": -0.08, "low": -0.1, "high": -0.06}, True),
        ({"difference": -0.01, "low": -0.02, "high": -0.005}, False),
        ({"difference": -0.03, "low": -0.1, "high": 0.01}, False),
        ({"difference": 0.1, "low": 0.05, "high": 0.2}, False),
    ],
)
def test_forgetting_counts_beyond_the_margin_and_against_its_own_base(
    tmp_path: Path, overall: dict[str, float], is_lost: bool
) -> None:
    settings = load_settings(home=tmp_path)
    folder = tmp_path / "encoders" / "mine"
    folder.mkdir(parents=True)
    (folder / "head.npz").touch()
    measured = {
        "pairs": 1000,
        "overall": {"base": 0.4, "encoder": 0.4 + overall["difference"], "margin": 0.04, **overall},
    }
    manifest = {"base_id": "live", "forgetting": {"photographs": measured}}
    (folder / "encoder.json").write_text(json.dumps(manifest))
    found = find_forgotten(settings, "finetuned:mine", "live")
    assert bool(found) == is_lost and not find_forgotten(settings, "finetuned:mine", "another")
    assert find_forgotten(settings, "starter", "live") == []
    figures = measure_forgetting(settings, "finetuned:mine", "live")
    assert figures["photographs"]["pairs"] == 1000 and figures["photographs"]["low"] == overall["low"]
    assert not measure_forgetting(settings, "finetuned:mine", "another")
    if found:
        assert "it forgets photographs: nDCG@10 0.400 → 0.320 (-0.080, -0.100 to -0.060) on 1,000" in found[0]
    assert find_reasons_against(evaluation(), overlap(1.0), [], found) == found
