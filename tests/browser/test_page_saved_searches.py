"""Saved searches on the page: save one, a badge for what is new, and seen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx

from ops.core.settings import load_settings
from ops.search.saved_searches import NewMatch, change_search_state
from tests.browser.conftest import NARROW, QUERY, Desk, OpenDesk, Served, shows


def picture(desk: Desk, name: str) -> None:
    """Keep a picture of the page for people, if the environment names a folder."""
    if folder := os.environ.get("PAGE_PICTURES"):
        desk.page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_a_list_from_before_a_search_was_saved_does_not_take_its_place(open_desk: OpenDesk, served: Served) -> None:
    desk = open_desk(served.url)
    desk.search("older list")
    desk.page.wait_for_selector("#foot >> text=shots")
    held: list[Any] = []

    desk.answer(
        "/api/searches", lambda route: held.append(route) if route.request.method == "GET" else route.continue_()
    )
    desk.page.locator("#saved-button").click()
    older = desk.first_of(held).fetch()
    panel = desk.page.get_by_role("group", name="Saved searches")
    panel.get_by_role("button", name="Save this search").click()
    shows(panel, "Saved.")
    with desk.page.expect_event("requestfinished"):
        held[0].fulfill(response=older)
    desk.page.evaluate("new Promise(done => setTimeout(done, 200))")
    shows(panel, "Saved.")
    panel.get_by_role("button", name="Delete the search older list").click(timeout=10_000)
    panel.get_by_role("link", name="older list").wait_for(state="detached")


def test_a_search_is_saved_and_its_new_matches_are_shown_until_seen(open_desk: OpenDesk, served: Served) -> None:
    desk = open_desk(served.url, size=(1440, 900))
    desk.search(show="Many")
    desk.page.locator("#saved-button").focus()
    desk.keys("Enter")
    panel = desk.page.get_by_role("group", name="Saved searches")
    field = panel.get_by_label("Name of this search")
    assert field.input_value() == f"{QUERY} · in Many"
    field.fill("Patterns <i>")
    desk.keys("Enter")
    panel.get_by_role("link", name="Patterns <i>").wait_for()
    shows(panel, "Saved.")
    assert desk.serious_violations() == []
    (saved,) = httpx.get(f"{served.url}/api/searches").json()["searches"]
    assert (saved["search"]["text"], saved["search"]["shows"]) == (QUERY, ["Many"])

    shot_id = desk.shot_ids()[0]  # as the next ingest writes it
    match = NewMatch(shot_id=shot_id, video_id=shot_id.split(":")[0], relevance=0.5)
    settings = load_settings(home=served.home.path)
    change_search_state(settings, saved["search_id"], lambda state: state.model_copy(update={"matches": (match,)}))
    narrow = open_desk(served.url, size=NARROW)
    narrow.open("/")
    narrow.page.wait_for_selector("#saved-button[aria-label='Saved searches, 1 new match']")
    narrow.page.locator("#saved-button").click()
    panel = narrow.page.get_by_role("group", name="Saved searches")
    panel.get_by_role("button", name="Open Many").wait_for()
    picture(narrow, "saved-390")
    assert narrow.serious_violations() == []
    assert narrow.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    desk.open()
    desk.page.wait_for_selector("#saved-button[aria-label='Saved searches, 1 new match']")
    desk.page.locator("#saved-button").click()
    panel = desk.page.get_by_role("group", name="Saved searches")
    panel.locator(".saved-matches img").wait_for()
    picture(desk, "saved-1440")
    panel.get_by_role("button", name="Mark the new matches of Patterns <i> as seen").click()
    desk.page.wait_for_selector("#saved-button[aria-label='Saved searches']")
    panel.get_by_role("link", name="Patterns <i>").click()
    desk.page.wait_for_selector("#cards .card")
    assert "show=Many" in desk.page.url
    desk.page.locator("#saved-button").click()
    panel.get_by_role("button", name="Delete the search Patterns <i>").click()
    panel.get_by_text("No saved searches yet").wait_for()
