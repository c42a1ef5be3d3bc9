"""No film and no shot stops another: what fails is a row with a reason, and the rest is searchable."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.pipeline.conftest import Home


@pytest.mark.shared
def test_a_narrow_film_and_the_film_beside_it_are_both_found(tmp_path: Path) -> None:
    """144 pixels is one of the widths whose frames decord cannot copy."""
    home = Home(tmp_path / "home")
    home.run("ingest", str(SHARED / "cases" / "media" / "narrow"))
    assert {video["state"] for video in home.json("status")["videos"]} == {"ready"}
    for name in ("good.mp4", "portrait_144x256.mp4"):
        shots = home.json("shots", name)
        assert [(shot["start_frame"], shot["end_frame"]) for shot in shots] == [(0, 50), (50, 90), (90, 130)]
    hits = home.json("search", "coloured stripes")["hits"]
    assert len({hit["video_id"] for hit in hits}) == 2 and {hit["fps"] for hit in hits} == {"25/1"}
