"""Collections on the page: save, share by link, two editors, rename and delete."""

from __future__ import annotations

import os
from pathlib import Path

import httpx

from tests.browser.conftest import NARROW, Desk, OpenDesk, Served
from tests.browser.test_page_tray import filled, order

LARGE = (1440, 900)


def picture(desk: Desk, name: str) -> None:
    """Keep a picture of the page for people, if the environment names a folder."""
    if folder := os.environ.get("PAGE_PICTURES"):
        desk.page.screenshot(path=str(Path(folder) / f"{name}.png"))


def told(desk: Desk) -> str:
    return str(desk.page.inner_text(".collection-message"))


def save_as(desk: Desk, name: str) -> str:
    """Save the open tray by keyboard; return the id of the collection."""
    desk.page.get_by_role("button", name="Save as a collection").focus()
    desk.keys("Enter")
    desk.page.get_by_label("Name of the collection").fill(name)
    with desk.page.expect_response("**/api/collections") as saved:
        desk.keys("Enter")
    desk.page.wait_for_selector(f"text=Saved as “{name}”")
    return str(saved.value.json()["collection_id"])


def test_two_people_edit_one_collection_and_the_second_is_told(open_desk: OpenDesk, served: Served) -> None:
    ann = open_desk(served.url, size=LARGE, may_fail=True)
    ids = filled(ann)
    ann.page.get_by_label("Note for").first.fill("opens the scene")
    ann.page.keyboard.press("Tab")
    collection_id = save_as(ann, "Night <b>scenes</b>")
    picture(ann, "saved-1440")
    assert ann.serious_violations() == []

    bob = open_desk(served.url, size=NARROW)
    bob.open(f"/?collection={collection_id}")
    bob.page.wait_for_selector("#tray .pick >> nth=2")
    assert order(bob) == ids and "3 shots, last changed by page" in told(bob)
    assert bob.page.get_by_label("Note for").first.input_value() == "opens the scene"
    assert bob.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    bob.page.locator("#tray .grip").first.focus()
    bob.keys("ArrowDown")
    bob.page.wait_for_selector("text=not saved yet")
    picture(bob, "link-390")
    assert bob.serious_violations() == []
    bob.page.get_by_role("button", name="Save", exact=True).click()
    bob.page.wait_for_selector(".collection-message >> text=Saved.")
    changed = [ids[1], ids[0], ids[2]]

    ann.page.get_by_role("button", name="Take out").first.click()
    ann.page.get_by_role("button", name="Save", exact=True).click()
    ann.page.wait_for_selector("text=after you opened it: nothing was written")
    picture(ann, "conflict-1440")
    assert ann.serious_violations() == []
    stored = httpx.get(f"{served.url}/api/collections/{collection_id}").json()
    assert [entry["shot_id"] for entry in stored["entries"]] == changed
    ann.page.get_by_role("button", name="Open theirs").click()
    ann.until("document.querySelectorAll('#tray .pick').length === 3")
    assert order(ann) == changed
    ann.page.get_by_role("button", name="Bring back the tray before (2 shots)").click()
    assert order(ann) == ids[1:]


def test_the_list_opens_renames_and_deletes(open_desk: OpenDesk, served: Served) -> None:
    desk = open_desk(served.url, size=NARROW)
    ids = filled(desk, 2)
    save_as(desk, "Doors")
    desk.page.get_by_role("button", name="Clear").click()
    desk.page.get_by_role("button", name="Collections").click()
    dialog = desk.page.locator("dialog.collections[open]")
    dialog.get_by_role("button", name="Rename Doors").click()
    dialog.get_by_label("New name of Doors").fill("Gates")
    desk.keys("Enter")
    dialog.get_by_role("button", name="Rename Gates").wait_for()
    picture(desk, "list-390")
    assert desk.serious_violations() == []
    assert desk.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    dialog.locator(".collection-open").first.click()
    desk.page.wait_for_selector("text=Opened “Gates”: 2 shots")
    assert order(desk) == ids and desk.page.input_value("#export-title") == "Gates"
    desk.page.get_by_role("button", name="Collections").click()
    dialog.get_by_role("button", name="Delete Gates").click()
    dialog.get_by_text("Delete “Gates” with 2 shots, for everybody?").wait_for()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    dialog.get_by_text("Deleted “Gates”.").wait_for()
    desk.keys("Escape")
    assert order(desk) == ids and desk.page.get_by_role("button", name="Save as a collection").is_visible()
