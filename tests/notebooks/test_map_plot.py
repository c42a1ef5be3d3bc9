"""The map in which shots are selected: complete in itself, and names from people are data."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from ops.core.settings import load_settings
from ops.notebooks.map_plot import MOST_LINKED, MapPoints, render_map
from ops.serve.page_routes import PAGE

HOSTILE = '</script><img src=x onerror="alert(1)">'


def test_the_map_requests_nothing_and_holds_every_shot(tmp_path: Path) -> None:
    ids = [f"91028f9d6c72cc81:{number}" for number in range(30)]
    points = MapPoints(
        places=np.random.default_rng(0).normal(size=(30, 2)),
        shot_ids=ids,
        names=[HOSTILE] * 30,
        clusters=[number % 25 for number in range(30)],
    )
    page = render_map(load_settings(home=tmp_path, public_url="https://needle.example"), points)
    assert not re.search(r"<(script|link|img|iframe)[^>]*\b(src|href)=", page.replace(HOSTILE, "hostile"))
    assert HOSTILE not in page
    assert all(json.dumps(shot_id)[1:-1] in page for shot_id in ids)
    assert 'href="https://needle.example/?tray="' in page
    assert len(page) < 2_000_000


def test_the_page_takes_as_many_shots_as_a_link_has() -> None:
    assert f"const MOST_BROUGHT = {MOST_LINKED};" in (PAGE / "fromlink.js").read_text()
