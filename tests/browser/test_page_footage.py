"""Real footage: what is seen and what is said are found in one page."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Desk, OpenDesk, Served, reads, serving, shows
from tests.builders.homes import Home

pytestmark = pytest.mark.shared
FILM = "sintel_trailer_204p.mp4"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, footage: Path) -> Iterator[Served]:
    """A trailer with the lines of another film beside it, and some live action."""
    folder = tmp_path_factory.mktemp("library")
    for name in (FILM, "bikes_272p.mp4", "cityCC0.mkv", "nasa_13013.mp4"):
        shutil.copy(footage / name, folder / name)
    shutil.copy(footage / "TOS-en.srt", folder / FILM.replace(".mp4", ".srt"))
    home = Home(folder.parent / f"{folder.name}-home", frames=None)
    home.fork("ingest", str(folder))
    with serving(home) as service:
        yield service


@pytest.fixture
def page(open_desk: OpenDesk, library: Served) -> Desk:
    return open_desk(library.url)


def test_what_is_seen_finds_its_shot(page: Desk, footage: Path) -> None:
    """Of the queries that people wrote for the trailer, most find a shot they mean among the first six."""
    captions = [json.loads(line) for line in (footage / f"{FILM}.captions.jsonl").read_text().splitlines()]
    ranges = {str(row["shot"]): (row["start_frame"], row["end_frame"]) for row in captions}
    queries = [json.loads(line) for line in (footage / f"{FILM}.queries.jsonl").read_text().splitlines()][:6]
    found = []
    for query in queries:
        page.search(query["query"], titles="1", fold="0")
        meant = [ranges[shot] for shot, grade in query["relevant"].items() if grade == 2]
        shown = page.cards().evaluate_all("cards => cards.slice(0, 6).map(card => card.dataset.shot)")
        titles = page.page.locator(".card .title").all_text_contents()
        starts = [int(shot.split(":")[1]) for shot, title in zip(shown, titles, strict=False) if "sintel" in title]
        found.append(any(first <= start + 3 < last for start in starts for first, last in meant))
    assert sum(found) >= 4, list(zip([query["query"] for query in queries], found, strict=True))


def test_what_is_said_finds_its_line_and_its_shot(page: Desk) -> None:
    page.open()
    page.keys("/")
    page.page.keyboard.type('"freaked out by my robot hand"')
    page.keys("Enter")
    line = page.page.locator(".card .line").first
    line.wait_for()
    shows(line, "freaked out by my robot hand")
    reads(line.locator(".timecode"), "00:00:30:19")  # 30.8 s at 24 frames a second
    shows(page.page.locator("#why"), "dialogue")
    card = page.cards().first
    start = int((card.get_attribute("data-shot") or ":0").split(":")[1])
    assert start / 24 <= 34.0  # the shot begins before the line ends
    line.click()
    dialog = page.page.locator("dialog.player[open]")
    dialog.locator(".player-lines .line", has_text="robot hand").wait_for()
    page.keys("k")
    shows(dialog, re.compile(r"\.srt|subtitle|sidecar"))
