"""Looking around: posters on the start page, the videos of a show, their films; by pointer, keyboard and link."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.browser.conftest import HOSTILE, NARROW, QUERY, Desk, OpenDesk, Served, reads, shows

LOADED = "document.querySelector('{0}') && [...document.querySelectorAll('{0}')].some(image => image.naturalWidth > 0)"


def open_start(desk: Desk) -> Any:
    desk.open()
    desk.page.wait_for_selector("#home-shows .strip img")
    desk.page.wait_for_selector("#home-new .video")
    return desk.page


def test_the_start_page_shows_posters_and_a_chosen_show_its_videos(desk: Desk) -> None:
    page = open_start(desk)
    assert page.locator("#home-new .video").count() == 4
    assert page.locator("#home-shows .show-row").count() == 4
    desk.until(LOADED.format("#home-new img"))
    desk.until(LOADED.format("#home-shows .strip img"))
    assert page.locator("#home-recent").is_hidden(), "nothing was searched yet"
    assert not desk.serious_violations()
    page.locator("#home-shows .show-row", has_text="Many").click()
    page.wait_for_selector(".show-view .video")
    assert page.url.endswith("/?show=Many")
    reads(page.locator(".show-view h1"), "Many")
    for fact in ("70 shots", "160×90", "no sound"):
        shows(page.locator(".show-view .video"), fact)
    assert page.locator(".show-view .video-strip a").count() == 5
    reads(page.locator("#shows-label"), "Many")
    assert page.title().startswith("Many")
    assert not desk.serious_violations()
    page.locator(".show-view .video-strip a").nth(3).click()
    page.wait_for_selector("#film .storyboard > li")
    frame = int(page.url.split("frame=")[1])
    assert page.evaluate("document.activeElement.closest('li').dataset.shot").endswith(f":{frame}")
    page.go_back()
    page.wait_for_selector(".show-view .video")
    page.go_back()
    page.wait_for_selector("#home-shows .show-row")


def test_a_show_is_searched_and_left_again(desk: Desk) -> None:
    desk.open("/?show=A+Series")
    desk.page.wait_for_selector(".show-view .video")
    assert "A Series" in str(desk.page.get_attribute("#q", "placeholder"))
    desk.page.fill("#q", QUERY)
    desk.keys("Enter")
    desk.page.wait_for_selector("#cards .card")
    assert desk.page.locator(".show-view").count() == 0
    desk.page.go_back()
    desk.page.wait_for_selector(".show-view .video")
    desk.page.get_by_role("link", name="All shows").click()
    desk.page.wait_for_selector("#home-recent a")
    reads(desk.page.locator("#home-recent a").first, f"{QUERY} · in A Series")
    desk.page.locator("#home-recent a").first.click()
    desk.page.wait_for_selector("#cards .card")


def test_several_shows_and_unknown_ones(desk: Desk) -> None:
    desk.open("/?show=Many&show=Drop")
    desk.page.wait_for_selector("#home-shows .show-row")
    desk.page.wait_for_load_state("networkidle")
    assert desk.page.locator("#home-shows .show-row").count() == 2 and desk.page.locator("#home-new").is_hidden()
    desk.open("/?show=Nope")
    desk.page.wait_for_selector("text=No show has this name.")


def test_looking_around_by_keyboard(desk: Desk) -> None:
    page = open_start(desk)
    page.locator("#home-new a.walk").first.focus()
    desk.keys("End", "ArrowUp", "Home", "ArrowRight", "ArrowLeft", "End", "Enter")
    page.wait_for_selector(".show-view .video")
    page.locator(".show-view a.video-link").first.focus()
    desk.keys("Enter")
    page.wait_for_selector("#film .storyboard > li")
    desk.keys("Escape")
    page.wait_for_selector(".show-view .video")


def test_a_link_opens_in_a_tab_with_a_modifier(desk: Desk) -> None:
    page = open_start(desk)
    with page.context.expect_page() as opened:
        page.locator("#home-shows .show-row", has_text="Many").click(modifiers=["ControlOrMeta"])
    opened.value.wait_for_selector(".show-view .video")
    assert page.locator("#home-shows .show-row").count() == 4


@pytest.mark.parametrize("address", ["/", f"/?show={quote(HOSTILE.replace('/', ''))}"])
def test_around_at_390_pixels_in_the_dark(open_desk: OpenDesk, served: Served, address: str) -> None:
    desk = open_desk(served.url, size=NARROW, color_scheme="dark", has_touch=True)
    desk.open(address)
    desk.page.wait_for_selector(".video img")
    assert desk.page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
    assert not desk.serious_violations()
