"""The tray: order, ins and outs, what it keeps, and the way out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import QUERY, Desk, shows


def filled(desk: Desk, count: int = 3) -> list[str]:
    desk.search(fold="0", show="Many")
    desk.cards().first.locator(".open").focus()
    for _ in range(count):
        desk.keys("x", "ArrowRight")
    desk.keys("t")
    desk.page.locator("#tray .pick").nth(count - 1).wait_for()
    return desk.shot_ids()[:count]


def order(desk: Desk) -> list[str]:
    return [
        str(one) for one in desk.page.locator("#tray .pick").evaluate_all("all => all.map(one => one.dataset.shot)")
    ]


def exported(desk: Desk, button: str, folder: Path) -> dict[str, Any]:
    """What a button of the open tray downloads, as JSON."""
    desk.page.select_option("#export-format", "json")
    with desk.page.expect_download() as download:
        desk.page.get_by_role("button", name=button, exact=True).click()
    target = folder / download.value.suggested_filename
    download.value.save_as(target)
    document: dict[str, Any] = json.loads(target.read_text())
    return document


def test_selected_shots_come_in_order_and_stay_over_a_reload(desk: Desk) -> None:
    ids = filled(desk)
    assert order(desk) == ids
    assert desk.page.locator(".card.selected").count() == 3
    shows(desk.page.locator(".tray-summary"), "3 shots")
    desk.page.reload()
    desk.page.wait_for_selector("body.ready")
    assert desk.page.get_attribute("#tray-button", "aria-label") == "Tray, 3 shots, 2.5 s"
    desk.keys("t")
    assert order(desk) == ids


def test_order_changes_by_dragging_and_by_keys(desk: Desk) -> None:
    a, b, c = filled(desk)
    grip = desk.page.locator("#tray .grip")
    source, target = grip.nth(0).bounding_box(), grip.nth(2).bounding_box()
    desk.page.mouse.move(source["x"] + 5, source["y"] + 5)
    desk.page.mouse.down()
    desk.page.mouse.move(target["x"] + 5, target["y"] + 30, steps=6)
    desk.page.mouse.up()
    assert order(desk) == [b, c, a]
    grip.nth(2).focus()
    desk.keys("ArrowUp")
    assert order(desk) == [b, a, c]
    desk.keys("ArrowUp")
    assert order(desk) == [a, b, c]
    shows(desk.page.locator("#tray .told"), "Number 1 of 3")
    desk.keys("Delete")
    assert order(desk) == [b, c]


def filled_before_the_formats(desk: Desk) -> tuple[list[str], Callable[[], None]]:
    """A tray that waits for the list of formats, and what lets it arrive."""
    held: list[Any] = []
    desk.open().page.wait_for_selector("#export-format option[value=otio]", state="attached")  # this page has asked
    desk.answer("/api/export/formats", lambda route: held.append(route))
    ids = filled(desk)

    def arrive() -> None:
        desk.first_of(held).continue_()
        desk.page.wait_for_selector("#export-format option[value=otio]", state="attached")

    return ids, arrive


@pytest.mark.parametrize("field", ["#tray .pick-note >> nth=0", "#export-title", "#export-handles"])
def test_what_is_being_typed_stays_when_the_formats_arrive(desk: Desk, field: str) -> None:
    _, arrive = filled_before_the_formats(desk)
    desk.page.focus(field)
    desk.keys("Control+a", "4")
    arrive()
    desk.keys("2", "Tab")
    assert desk.page.input_value(field) == "42"
    stored = desk.page.evaluate("JSON.parse(localStorage.getItem('needle.tray'))")
    assert "42" in (stored["title"], str(stored["handles"]), stored["picks"][0].get("note"))


def test_a_shot_that_is_being_dragged_stays_when_the_formats_arrive(desk: Desk) -> None:
    (a, b, c), arrive = filled_before_the_formats(desk)
    grip = desk.page.locator("#tray .grip")
    source, target = grip.nth(0).bounding_box(), grip.nth(2).bounding_box()
    desk.page.mouse.move(source["x"] + 5, source["y"] + 5)
    desk.page.mouse.down()
    desk.page.mouse.move(target["x"] + 5, target["y"] + 30, steps=3)
    arrive()
    assert desk.page.locator(".pick.dragged").get_attribute("data-shot") == a
    desk.page.mouse.up()
    desk.until(f"document.querySelector('#tray .pick').dataset.shot === '{b}'")
    assert order(desk) == [b, c, a]


def test_in_and_out_are_typed_as_timecode_and_checked(desk: Desk) -> None:
    filled(desk, 1)
    start = desk.page.evaluate("JSON.parse(localStorage.getItem('needle.tray')).picks[0].in_frame")
    field = desk.page.locator("#tray").get_by_label("Out", exact=True)
    last = field.input_value()
    field.fill("nonsense")
    field.press("Tab")
    shows(desk.page.locator("#tray .told"), "is not a timecode")
    assert field.input_value() == last
    # beyond the end of the shot: a handle of its own
    seconds, frames = divmod(start + 30, 24)
    field.fill(f"00:00:{seconds:02d}:{frames:02d}")
    field.press("Tab")
    desk.until("document.querySelector('#tray .pick').textContent.includes('31 f')")
    pick = desk.page.evaluate("JSON.parse(localStorage.getItem('needle.tray')).picks[0]")
    assert pick["out_frame"] == start + 31
    shows(desk.page.locator("#tray .pick"), "31 f")


def test_export_sends_the_order_and_downloads_the_file(desk: Desk, tmp_path: Path) -> None:
    a, b, _ = filled(desk)
    desk.page.locator("#tray .grip").nth(0).focus()
    desk.keys("ArrowDown")
    desk.page.select_option("#export-format", "json")
    desk.page.fill("#export-title", "My cut")
    desk.page.fill("#export-handles", "6")
    desk.page.locator("#export-handles").press("Tab")
    with desk.page.expect_download() as download, desk.page.expect_request("**/api/export") as request:
        desk.page.get_by_role("button", name="Export", exact=True).click()
    sent = request.value.post_data_json
    assert [pick["shot_id"] for pick in sent["picks"]][:2] == [b, a]
    assert (sent["title"], sent["handles"], sent["format"]) == ("My cut", 6, "json")
    assert "search" not in sent
    target = tmp_path / download.value.suggested_filename
    download.value.save_as(target)
    assert target.suffix == ".json"
    assert [b, a] == [shot for shot in _shots_in(json.loads(target.read_text())) if shot in (a, b)]
    shows(desk.page.locator("#tray .told"), "Exported")


def test_every_pick_tells_the_search_that_found_it(desk: Desk, tmp_path: Path) -> None:
    """Of two searches, the one beyond what the first page of results holds, and none that is run again."""
    filled(desk, 1)
    desk.search("another pattern", show="A Series")
    desk.cards().first.locator(".open").focus()
    desk.keys("x")
    desk.page.locator("#tray-button[aria-label^='Tray, 2 shots']").wait_for()
    kept = desk.page.evaluate("JSON.parse(localStorage.getItem('needle.tray')).picks.map(pick => pick.origin)")
    assert [one["query"]["shows"] for one in kept] == [["Many"], ["A Series"]]
    desk.open()
    desk.keys("t")
    one, two = exported(desk, "Export", tmp_path)["clips"]
    assert (one["query"], two["query"]) == (f"{QUERY}; in Many", "another pattern; in A Series")
    for clip, origin in zip((one, two), kept, strict=True):
        names = ("score", "relevance", "encoder_id", "index_version")
        assert {name: clip[name] for name in names} == {name: origin[name] for name in names}
        assert clip["encoder_id"] and clip["index_version"] and 0 <= clip["relevance"] <= 1


def test_a_shot_that_no_search_found_tells_none(desk: Desk, tmp_path: Path) -> None:
    shot = desk.search(fold="0", show="A Series").shot_ids()[0]
    desk.open(f"/?shot={shot}").page.locator(f"dialog.player[data-shot='{shot}']").wait_for()
    desk.keys("x", "Escape", "t")
    assert desk.page.evaluate("JSON.parse(localStorage.getItem('needle.tray')).picks[0].origin") is None
    (clip,) = exported(desk, "Export", tmp_path)["clips"]
    assert (clip["shot_id"], clip["query"], clip["score"]) == (shot, None, None)


def test_a_tray_of_an_earlier_version_still_exports(desk: Desk, tmp_path: Path) -> None:
    filled(desk, 2)
    desk.page.evaluate(
        """() => {
            const kept = JSON.parse(localStorage.getItem('needle.tray'));
            const search = { text: "rain", like: [], unlike: [], shows: ["gone"], where: [], limit: 60, cursor: null,
              exact: false, dialogue: "auto", fold: true, include_blank: false, include_titles: false, then: null,
              all: [], any: [] };
            kept.picks = kept.picks.map(({ origin, ...pick }, at) => ({ ...pick, search: at ? null : search }));
            localStorage.setItem('needle.tray', JSON.stringify(kept));
        }"""
    )
    desk.page.reload()
    desk.page.wait_for_selector("body.ready")
    desk.keys("t")
    assert [clip["query"] for clip in exported(desk, "Export", tmp_path)["clips"]] == ["rain; in gone", None]


def test_all_results_are_exported_that_the_page_would_show(desk: Desk, tmp_path: Path) -> None:
    """More than a page of them, and fewer where the slider leaves some out."""
    desk.search(fold="0", show="Many", blank="1", titles="1")
    desk.keys("t")
    clips = exported(desk, "Export up to 500 results", tmp_path)["clips"]
    assert len(clips) == len({clip["shot_id"] for clip in clips}) == 70
    assert [clip["shot_id"] for clip in clips][:60] == desk.shot_ids()[:60]
    middle = clips[30]["relevance"]
    some = [clip["shot_id"] for clip in clips if clip["relevance"] >= round(middle, 2)]
    desk.search(fold="0", show="Many", blank="1", titles="1", min=f"{middle:.2f}")
    desk.keys("t")
    shown = desk.shot_ids()
    assert shown == some
    again = exported(desk, f"Export the {len(shown)} results", tmp_path)["clips"]
    assert [clip["shot_id"] for clip in again] == shown


def test_hits_for_what_is_said_are_exported_whatever_the_slider_says(desk: Desk, tmp_path: Path) -> None:
    desk.search("merry christmas to everybody", min="1")
    shown = desk.shot_ids()
    assert len(shown) == 1 and desk.page.locator("#cards .card[hidden]").count() > 1
    desk.keys("t")
    (clip,) = exported(desk, "Export the 1 result", tmp_path)["clips"]
    assert ([clip["shot_id"]], clip["query"]) == (shown, "merry christmas to everybody")


def test_the_results_of_a_search_are_exported_as_they_are(desk: Desk, tmp_path: Path) -> None:
    desk.search(show="A Series")
    ids = desk.shot_ids()
    desk.keys("t")
    desk.page.select_option("#export-format", "csv")
    with desk.page.expect_download() as download:
        desk.page.get_by_role("button", name="Export the 3 results").click()
    download.value.save_as(tmp_path / "hits.csv")
    text = (tmp_path / "hits.csv").read_text(encoding="utf-8-sig")
    assert [shot for shot in ids if shot in text] == ids


def _shots_in(document: object) -> list[str]:
    if isinstance(document, dict):
        own = [document["shot_id"]] if isinstance(document.get("shot_id"), str) else []
        return own + [shot for value in document.values() for shot in _shots_in(value)]
    if isinstance(document, list):
        return [shot for value in document for shot in _shots_in(value)]
    return []
