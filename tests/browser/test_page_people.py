"""The panel of people: a search for one by their face, names, merges, and names that would be HTML."""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Route

from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.people.build import build_faces
from ops.people.catalogue import read_people
from ops.people.editing import name_person, read_person_faces, reject_faces
from ops.videos import catalogue
from tests.browser.conftest import NARROW, QUERY, Desk, OpenDesk, Served, reads, serving, shows
from tests.builders.faces import LEFT, RIGHT, NumberFaces
from tests.builders.homes import Home

NAME = "<img src=x onerror='window.hacked=1'>"


@pytest.fixture(scope="module")
def people_home(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the home with two people in one film."""
    home = tmp_path_factory.mktemp("people") / "home"
    shutil.copytree(served.home.path, home, symlinks=True)
    settings = load_settings(home=home, people="on")
    (video_id,) = (row["video_id"] for row in catalogue.read_videos(settings.lake) if row["show"] == "A Series")
    model = NumberFaces(lambda number: [(0, LEFT, 0.9), *([(1, RIGHT, 0.8)] if number < 60 else [])])
    now = datetime.now(UTC)
    build_faces(settings, [settings.resolve_partition(video_id)], now, SilentProgress(), make=lambda _: model)
    return settings


@pytest.fixture(scope="module")
def with_people(people_home: Settings) -> Iterator[Served]:
    with serving(Home(people_home.home, frames=None)) as service:
        yield service


def open_panel(desk: Desk) -> None:
    desk.page.click("#people")
    desk.page.wait_for_selector(".people-list .face img")


def test_people_are_named_merged_and_searched(open_desk: OpenDesk, with_people: Served, people_home: Settings) -> None:
    desk = open_desk(with_people.url).search()
    open_panel(desk)
    rows = desk.page.locator(".people-list > li")
    assert rows.count() == 2 and desk.page.locator(".people-list select").count() == 0, (
        "nobody has a name to merge with"
    )
    rows.nth(0).locator("input").fill(NAME)
    rows.nth(0).locator("form .quiet").first.click()
    desk.page.wait_for_selector(".people-list select")
    shows(rows.nth(0), NAME)
    choice = rows.nth(1).locator("select")
    choice.focus()
    asked = len(desk.requests)
    desk.keys("ArrowDown")
    desk.page.wait_for_timeout(300)
    assert rows.count() == 2, "a menu alone changes nothing"
    assert not [one for one in desk.requests[asked:] if "/api/people" in one], "a menu alone asks for nothing"
    choice.select_option(label=NAME)
    rows.nth(1).get_by_role("button", name="Merge").click()
    desk.until("document.querySelectorAll('.people-list > li').length === 1")
    assert [row["name"] for row in read_people(people_home)] == [NAME]
    status = desk.page.locator("#people-panel [role=status]")
    status.get_by_role("button", name="Undo").wait_for()
    shows(status, re.compile(f"^A person without a name and {re.escape(NAME)} are one person now."))
    desk.keys("Enter")
    desk.until("document.querySelectorAll('.people-list > li').length === 2")
    choice.select_option(label=NAME)
    rows.nth(1).get_by_role("button", name="Merge").click()
    desk.until("document.querySelectorAll('.people-list > li').length === 1")
    rows.nth(0).locator(".face").click()
    desk.until("location.search.includes('person')")
    desk.page.wait_for_selector("#results[aria-busy=false]", state="attached")
    assert parse_qs(urlsplit(desk.page.url).query)["q"] == [f'{QUERY} person:"{NAME}"']
    assert {shot.split(":")[0] for shot in desk.shot_ids()} == {read_people(people_home)[0]["face_id"].split(":")[0]}


def drop(desk: Desk, place: str, data: bytes) -> None:
    """Drop a picture onto an element."""
    desk.page.evaluate(
        """([place, data]) => {
          const transfer = new DataTransfer();
          const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
          transfer.items.add(new File([bytes], "a.png", {type: "image/png"}));
          const options = {bubbles: true, cancelable: true, dataTransfer: transfer};
          for (const kind of ["dragenter", "dragover", "drop"])
            document.querySelector(place).dispatchEvent(new DragEvent(kind, options));
        }""",
        [place, base64.b64encode(data).decode()],
    )


def test_faces_like_a_face_and_a_dropped_picture(open_desk: OpenDesk, with_people: Served) -> None:
    desk = open_desk(with_people.url, may_fail=True).search()
    open_panel(desk)
    desk.page.locator(".people-list > li").nth(0).get_by_role("button", name="Faces").click()
    desk.page.locator(".people-list .faces li").nth(0).get_by_role("button", name="More faces like").click()
    desk.page.wait_for_selector(".face-likeness .faces li img")
    reads(desk.page.locator(".face-likeness strong"), "Most like this face")
    first = desk.page.locator(".face-likeness .faces li").nth(0)
    shows(first, "alike")
    assert desk.page.evaluate("document.activeElement.tagName") == "STRONG"
    assert not desk.serious_violations()
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, "PNG")
    drop(desk, ".face-likeness", buffer.getvalue())
    desk.until("document.querySelector('#people-panel [role=status]').textContent.includes('no face')")
    assert not desk.page.evaluate("document.body.classList.contains('dropping')")
    assert "like" not in parse_qs(urlsplit(desk.page.url).query), "it was no search by the whole picture"
    assert not first.is_visible(), "faces of an earlier question do not stand below the error"
    desk.page.locator(".people-list .faces li").nth(0).get_by_role("button", name="More faces like").click()
    first.locator(".shown-face").click()
    desk.until("location.search.includes('shot=')")
    drop(desk.search(), "main", buffer.getvalue())
    desk.until("location.search.includes('like=image')")


def test_a_face_that_was_taken_away_is_given_back(
    open_desk: OpenDesk, with_people: Served, people_home: Settings
) -> None:
    desk = open_desk(with_people.url).search()
    open_panel(desk)
    person = read_people(people_home)[0]
    row = desk.page.locator(".people-list > li").nth(0)
    row.get_by_role("button", name="Faces").click()
    row.get_by_role("button", name="is not this person").nth(0).click()
    status = desk.page.locator("#people-panel [role=status]")
    status.get_by_role("button", name="Undo").wait_for()
    shows(status, "taken away from")
    assert read_people(people_home)[0]["faces"] == person["faces"] - 1
    assert desk.page.evaluate("document.activeElement.textContent") == "Undo"
    assert row.get_by_role("button", name="Faces", exact=True).get_attribute("aria-expanded") == "true", (
        "its faces stay open"
    )
    assert not desk.serious_violations()
    desk.keys("Enter")
    desk.until("document.querySelector('#people-panel [role=status]').textContent === 'Undone.'")
    assert read_people(people_home)[0]["faces"] == person["faces"]


def test_a_face_without_a_person_is_given_to_one(
    open_desk: OpenDesk, with_people: Served, people_home: Settings
) -> None:
    desk = open_desk(with_people.url).search()
    person = read_people(people_home)[0]
    lost = read_person_faces(people_home, person["person_id"])[0]["face_id"]
    reject_faces(people_home, person["person_id"], [lost], "me", datetime.now(UTC))
    open_panel(desk)
    desk.page.locator(".people-list > li").nth(0).get_by_role("button", name="Faces").click()
    desk.page.locator(".people-list .faces li").nth(0).get_by_role("button", name="More faces like").click()
    stranger = desk.page.locator(".face-likeness .faces li", has_text="No person")
    stranger.first.wait_for()
    assert not desk.page.get_by_label("Who they are").is_visible(), "the face that was compared has a person"
    stranger.get_by_role("button", name="is them").click()
    status = desk.page.locator("#people-panel [role=status]")
    status.get_by_role("button", name="Undo").wait_for()
    assert read_people(people_home)[0]["faces"] == person["faces"]
    assert desk.page.locator(".face-likeness .faces li", has_text="No person").count() == 0
    status.get_by_role("button", name="Undo").click()
    stranger.wait_for()
    assert read_people(people_home)[0]["faces"] == person["faces"] - 1


def answer_two_faces(desk: Desk, service: Served, face_id: str) -> None:
    """Answer a picture as the service does if it has two clear faces, which are like a stored one."""

    def answer(route: Route) -> None:
        used = int(parse_qs(urlsplit(route.request.url).query).get("face", ["1"])[0])
        current = httpx.get(f"{service.url}/api/faces/{face_id}/similar", params={"limit": 200}).json()
        route.fulfill(json=current | {"picture": {"faces": 2, "used": used, "usable": [1, 2]}})

    desk.answer("/api/faces/similar*", answer)


def test_of_a_picture_with_two_faces_one_is_chosen_and_named(
    open_desk: OpenDesk, with_people: Served, people_home: Settings
) -> None:
    person = read_people(people_home)[0]["person_id"]
    compared, lost_id, *_ = [row["face_id"] for row in read_person_faces(people_home, person)]
    reject_faces(people_home, person, [lost_id], "me", datetime.now(UTC))
    name_person(people_home, person, "", "me", datetime.now(UTC))
    desk = open_desk(with_people.url).search()
    open_panel(desk)
    answer_two_faces(desk, with_people, compared)
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, "PNG")
    drop(desk, ".face-likeness", buffer.getvalue())
    note = desk.page.locator(".face-likeness section > p")
    note.wait_for()
    shows(note, "Your picture has 2 faces. This is face 1 from the left.")
    note.get_by_role("button", name="Use face 2").click()
    desk.until("document.querySelector('.face-likeness section > p').textContent.includes('face 2 from the left')")
    faces = desk.page.locator(".face-likeness .faces li")
    assert faces.count() > 1 and not desk.serious_violations()
    lost = faces.filter(has_text="No person").first
    lost.get_by_role("button", name="is them").click()
    desk.until("document.querySelector('#people-panel [role=status]').textContent.includes('Type who they are')")
    desk.page.get_by_label("Who they are").fill("Ann")
    lost.get_by_role("button", name="is them").click()
    desk.page.locator("#people-panel [role=status]").get_by_role("button", name="Undo").wait_for()
    assert "Ann" in [row["name"] for row in read_people(people_home)]
    ann = faces.filter(has_text="Ann")
    assert ann.count() == 1 and ann.get_by_role("button", name="is them").count() == 0, "a named face is left alone"
    unnamed = faces.filter(has_text="No name yet").first
    desk.page.get_by_label("Who they are").fill("Bea")
    unnamed.get_by_role("button", name="is them").click()
    desk.until("document.querySelector('#people-panel [role=status]').textContent.includes('This person is Bea now')")
    assert [row["name"] for row in read_people(people_home) if row["person_id"] == person] == ["Bea"]


def test_the_panel_is_accessible_and_fits_a_narrow_page(open_desk: OpenDesk, with_people: Served) -> None:
    desk = open_desk(with_people.url, size=NARROW).search()
    open_panel(desk)
    box = desk.page.locator("#people-panel").bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= NARROW[0] and box["y"] + 100 < NARROW[1], box
    assert not desk.serious_violations()
    assert desk.page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
