"""What could follow a shot: from the results and the player to the choice under the search box."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from tests.browser.conftest import NARROW, Desk, shows


def query_of(desk: Desk) -> dict[str, list[str]]:
    return parse_qs(urlsplit(desk.page.url).query)


def wait_for_choice(desk: Desk, name: str) -> None:
    desk.page.wait_for_selector(f".likeness button[aria-pressed=true]:has-text('{name}')")
    desk.page.wait_for_selector("#results[aria-busy=false]", state="attached")


def test_what_could_follow_is_one_key_away_and_can_be_changed(desk: Desk) -> None:
    desk.search()
    assert desk.page.locator(".likeness").is_hidden()
    first = desk.shot_ids()[0]
    desk.player().wait_for()
    desk.keys("e")
    wait_for_choice(desk, "could follow it")
    assert query_of(desk) == {"like": [first], "by": ["ending"]}
    assert desk.page.locator("dialog.player").is_hidden() and desk.page.input_value("#q") == ""
    assert first not in desk.shot_ids() and desk.shot_ids()
    shows(desk.page.locator("#why"), "begin as this shot ends")
    desk.page.get_by_role("button", name="could precede it").click()
    wait_for_choice(desk, "could precede it")
    assert query_of(desk)["by"] == ["beginning"]
    desk.page.get_by_role("button", name="look like it").click()
    wait_for_choice(desk, "look like it")
    assert query_of(desk) == {"like": [first]}
    desk.page.go_back()
    wait_for_choice(desk, "could precede it")


def test_words_end_the_comparison_of_frames(desk: Desk) -> None:
    desk.search()
    desk.open(f"/?like={desk.shot_ids()[0]}&by=ending")
    wait_for_choice(desk, "could follow it")
    desk.page.fill("#q", "stripes")
    desk.keys("Enter")
    desk.page.wait_for_selector(".likeness", state="hidden")
    assert "by" not in query_of(desk) and query_of(desk)["q"] == ["stripes"]


def test_the_choice_fits_a_narrow_page(desk: Desk) -> None:
    desk.search()
    shot = desk.shot_ids()[0]
    desk.page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    desk.open(f"/?like={shot}&by=ending")
    wait_for_choice(desk, "could follow it")
    assert desk.page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
    names = desk.page.locator(".likeness button").all_inner_texts()
    assert len(names) >= 3 and all(re.fullmatch(r"\S.*", name) for name in names)
