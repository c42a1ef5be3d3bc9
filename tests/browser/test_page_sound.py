"""The choice of sound: hidden without measures, else with counts, and in step with the filter in the text."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from ops.core.settings import Settings, load_settings
from tests.browser.conftest import OpenDesk, Served, serving
from tests.builders.homes import Home
from tests.builders.sounds import write_sound


@pytest.fixture(scope="module")
def sound_home(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the home; the first shot of each film has speech, and one is loud, too."""
    home = tmp_path_factory.mktemp("sound") / "home"
    shutil.copytree(served.home.path, home, symlinks=True)
    settings = load_settings(home=home)
    shots = sorted(row["shot_id"] for row in settings.lake.read("shots").to_pylist())
    write_sound(settings, {shot: "speech" if shot.endswith(":0") else "" for shot in shots} | {shots[0]: "loud,speech"})
    return settings


@pytest.fixture(scope="module")
def with_sound(sound_home: Settings) -> Iterator[Served]:
    with serving(Home(sound_home.home, frames=None)) as service:
        yield service


def test_a_kind_of_sound_is_chosen_and_taken_back(open_desk: OpenDesk, with_sound: Served) -> None:
    desk = open_desk(with_sound.url).search()
    desk.page.wait_for_selector("#sound:not([hidden])")
    choice = desk.page.locator("#sound")
    names = choice.locator("option").all_inner_texts()
    assert names[0] == "Any sound" and names[1].startswith("Speech (")
    assert names[2:] == ["Loud (1)", "Quiet (0)", "Silent (0)"]
    assert choice.locator("option:disabled").count() == 2, "nothing is quiet or silent"
    typed = desk.page.input_value("#q")
    choice.select_option("loud")
    expect(desk.page.locator(".card")).to_have_count(1)
    assert parse_qs(urlsplit(desk.page.url).query)["q"] == [f"{typed} sound:loud"]
    choice.select_option("speech")
    expect(desk.page.locator("#q")).to_have_value(f"{typed} sound:speech")  # one kind takes the place of the other
    expect(desk.page.locator(".card")).not_to_have_count(1)
    choice.select_option("")
    expect(desk.page.locator("#q")).to_have_value(typed)
    desk.page.fill("#q", "-sound:speech")
    desk.page.press("#q", "Enter")
    desk.page.wait_for_selector("#parts >> text=audible speech")
    assert choice.input_value() == "", "an exclusion is not a choice"


def test_without_measures_there_is_no_choice(open_desk: OpenDesk, served: Served) -> None:
    desk = open_desk(served.url).search()
    desk.page.wait_for_selector("#foot >> text=shots")  # the catalogue was read
    assert desk.page.locator("#sound").is_hidden()
