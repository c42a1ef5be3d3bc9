"""What an export tells: what is missing, which shot is refused, that it can be stopped, what handles do."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

from tests.browser.conftest import Desk, OpenDesk, Served, reads, shows
from tests.browser.test_page_tray import filled, order

TOLD = "#tray .told"
PROGRESS = "#tray .progress"


def told(desk: Desk) -> str:
    return desk.page.inner_text(TOLD)


def picks(desk: Desk) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.page.evaluate("JSON.parse(localStorage.getItem('needle.tray')).picks")
    return found


def with_picks(desk: Desk, change: str) -> None:
    """Change what the browser keeps of the tray, as time does, and open the page again."""
    desk.page.evaluate(
        "() => { const kept = JSON.parse(localStorage.getItem('needle.tray'));"
        f" (picks => {{ {change} }})(kept.picks); localStorage.setItem('needle.tray', JSON.stringify(kept)) }}"
    )
    desk.page.reload()
    desk.page.wait_for_selector("body.ready")
    desk.keys("t")


def test_a_clip_that_could_not_be_cut_is_told_with_its_reason(desk: Desk, served: Served, tmp_path: Path) -> None:
    for show in ("Drop", "A Series"):
        desk.search(fold="0", show=show)
        desk.cards().first.locator(".open").focus()
        desk.keys("x")
    desk.keys("t")
    source = served.films["drop"].path
    away = source.with_name("moved away")
    source.rename(away)
    try:
        desk.page.select_option("#export-format", "zip")
        with desk.page.expect_download() as download:
            desk.page.get_by_role("button", name="Export", exact=True).click()
        download.value.save_as(tmp_path / "clips.zip")
        desk.page.wait_for_selector(f"{TOLD}.wrong")
        assert "Exported 1 of 2 shots" in told(desk) and "Drop.mov" in told(desk)
        with zipfile.ZipFile(tmp_path / "clips.zip") as archive:
            assert len([name for name in archive.namelist() if name.endswith(".mov")]) == 1
        desk.page.select_option("#export-format", "otio")
        with desk.page.expect_download():
            desk.page.get_by_role("button", name="Export", exact=True).click()
        desk.until(f"document.querySelector('{TOLD}').textContent.includes('is not there any more')")
        assert told(desk).startswith("Exported 2 shots.")
    finally:
        away.rename(source)


def test_shots_that_cannot_be_exported_are_marked_and_the_rest_is(desk: Desk, tmp_path: Path) -> None:
    ids = filled(desk, 4)
    with_picks(
        desk,
        "picks[0].hit.shot_id = '0000000000000000:0'; picks[2].hit.shot_id = '0000000000000000:1';"
        " picks[3].out_frame = 450097;",
    )
    desk.page.select_option("#export-format", "json")
    with desk.page.expect_download() as download:
        desk.page.get_by_role("button", name="Export", exact=True).click()
    download.value.save_as(tmp_path / "rest.json")
    assert [clip["shot_id"] for clip in json.loads((tmp_path / "rest.json").read_text())["clips"]] == [ids[1]]
    desk.page.wait_for_selector(".pick.refused")
    refused = desk.page.locator(".pick.refused")
    assert refused.evaluate_all("all => all.map(one => one.dataset.shot)") == [
        "0000000000000000:0", "0000000000000000:1", ids[3],
    ]  # fmt: skip
    shows(refused.first, "forgotten")
    shows(refused.last, "within 0 to 1400")
    assert told(desk).startswith("Exported 1 of 4 shots. Missing:")
    assert told(desk).count("Many, 00:00:") == 3
    desk.page.get_by_role("button", name="Take out the 3 marked").click()
    assert order(desk) == [ids[1]]


def test_a_refusal_of_the_whole_names_the_shot_as_the_tray_does(open_desk: OpenDesk, served: Served) -> None:
    desk = open_desk(served.url, may_fail=True)
    filled(desk, 1)
    with_picks(desk, "picks[0].hit.shot_id = '0000000000000000:0'")
    desk.page.get_by_role("button", name="Export", exact=True).click()
    desk.page.wait_for_selector(".pick.refused")
    assert told(desk).startswith("Nothing was exported.") and "Many, 00:00:" in told(desk)


def test_marks_typed_behind_the_films_end_are_refused_at_once(desk: Desk) -> None:
    filled(desk, 1)
    before = picks(desk)[0]
    field = desk.page.locator("#tray").get_by_label("Out", exact=True)
    last = field.input_value()
    field.fill("05:00:00:00")
    field.press("Tab")
    desk.page.wait_for_selector(f"{TOLD}.wrong")
    assert told(desk) == "The film ends at 00:00:58:07."  # frame 1399 at 24 a second
    assert field.input_value() == last
    assert picks(desk)[0]["out_frame"] == before["out_frame"]
    assert picks(desk)[0]["hit"]["film_frames"] == 1400


def test_a_note_is_kept_and_is_in_the_marker(desk: Desk, tmp_path: Path) -> None:
    filled(desk)
    desk.page.locator("#tray .pick-note").first.fill("wide, for Anna")
    desk.page.locator("#tray .pick-note").first.press("Tab")
    assert picks(desk)[0]["note"] == "wide, for Anna"
    desk.page.reload()
    desk.page.wait_for_selector("body.ready")
    desk.keys("t")
    assert desk.page.locator("#tray .pick-note").first.input_value() == "wide, for Anna"
    desk.page.select_option("#export-format", "fcpxml")
    with desk.page.expect_download() as download:
        desk.page.get_by_role("button", name="Export", exact=True).click()
    download.value.save_as(tmp_path / "x.fcpxml")
    (noted,) = [
        line for line in (tmp_path / "x.fcpxml").read_text().splitlines() if "<marker " in line and "Anna" in line
    ]
    assert "note: wide, for Anna" in noted


def test_a_hit_is_dragged_as_a_file(desk: Desk) -> None:
    desk.search(fold="0", show="Drop")
    poster = desk.cards().first.locator(".poster")
    data = desk.page.evaluate_handle("new DataTransfer()")
    poster.dispatch_event("dragstart", {"dataTransfer": data})
    kind, name, address = str(desk.page.evaluate("data => data.getData('DownloadURL')", data)).split(":", 2)
    assert kind == "video/mp4" and name.startswith("Drop ") and name.endswith(".mp4")
    assert desk.page.evaluate("data => data.getData('text/uri-list')", data) == address
    answer = desk.page.request.get(address)
    assert answer.ok and answer.body()[4:8] == b"ftyp"
    assert poster.get_attribute("draggable") == "true"


def test_an_export_is_stopped_and_none_waits_behind_it(desk: Desk) -> None:
    filled(desk, 2)
    held: list[Any] = []
    desk.answer("/api/export", lambda route: held.append(route))
    export = desk.page.get_by_role("button", name="Export", exact=True)
    export.focus()
    desk.keys("Enter")
    cancel = desk.page.get_by_role("button", name="Cancel")
    cancel.wait_for()
    assert export.is_disabled() and desk.page.get_by_role("button", name="Export the").count() == 0
    assert desk.page.evaluate("document.activeElement.textContent") == "Cancel"
    desk.first_of(held)
    with desk.page.expect_event("requestfailed", lambda request: "/api/export" in request.url):
        desk.keys("Enter")
    desk.until(f"document.querySelector('{TOLD}').textContent === 'Export cancelled.'")
    assert export.is_enabled() and cancel.is_hidden()
    assert desk.page.evaluate("document.activeElement.textContent") == "Export"
    assert len(held) == 1
    held[0].abort()  # Playwright waits for a word of each call it held back


def test_how_far_an_export_is_can_be_seen(open_desk: OpenDesk, served: Served) -> None:
    desk = open_desk(served.url, may_fail=True)  # one look does
    filled(desk, 3)
    held: list[Any] = []
    asked: list[str] = []

    def progress(route: Any) -> None:
        asked.append(route.request.url.rsplit("/", 1)[-1])
        if len(asked) == 1:
            route.abort()
        else:
            route.fulfill(json={"running": True, "done": 2, "total": 3})

    desk.answer("/api/export", lambda route: held.append(route))
    desk.answer("/api/exports/*", progress)
    desk.page.get_by_role("button", name="Export", exact=True).click()
    desk.until(f"document.querySelector('{PROGRESS}').textContent === 'Exporting: 2 of 3 shots…'")
    assert set(asked) == {desk.first_of(held).request.post_data_json["key"]}
    held[0].continue_()
    desk.until(f"document.querySelector('{TOLD}').textContent === 'Exported 3 shots.'")
    reads(desk.page.locator(PROGRESS), "")
    desk.page.wait_for_timeout(600)  # a look that was sent before the export was over
    looked = len(asked)
    desk.page.wait_for_timeout(1200)
    assert len(asked) == looked, "it goes on asking"


def test_a_tray_cleared_during_an_export_can_be_brought_back(desk: Desk) -> None:
    ids = filled(desk, 3)
    held: list[Any] = []
    looks: list[Any] = []

    def progress(route: Any) -> None:
        looks.append(route)
        route.fulfill(json={"running": True, "done": len(looks), "total": 3000})

    desk.answer("/api/export", lambda route: held.append(route))
    desk.answer("/api/exports/*", progress)
    desk.page.get_by_role("button", name="Export", exact=True).click()
    desk.until(f"document.querySelector('{PROGRESS}').textContent.includes(' of ')")
    desk.page.locator("#tray").get_by_role("button", name="Clear").click()
    before = len(looks)
    desk.until(f"parseInt(document.querySelector('{PROGRESS}').textContent.split(': ')[1]) > {before}")
    back = desk.page.get_by_role("button", name="Bring back 3 shots")
    assert back.is_visible() and told(desk) == "The tray is empty."
    desk.first_of(held).continue_()
    desk.until(f"document.querySelector('{TOLD}').textContent === 'Exported 3 shots.'")
    back.click()
    assert order(desk) == ids and back.count() == 0


def test_clearing_the_tray_can_be_taken_back(desk: Desk) -> None:
    ids = filled(desk)
    kept = picks(desk)
    desk.page.locator("#tray").get_by_role("button", name="Clear").click()
    assert order(desk) == []
    desk.page.get_by_role("button", name="Bring back 3 shots").click()
    assert order(desk) == ids and picks(desk) == kept
    assert told(desk) == ""


def test_what_handles_do_is_said_for_the_format(desk: Desk) -> None:
    filled(desk, 1)
    note = desk.page.locator("#handles-note")
    reads(note, "")
    desk.page.fill("#export-handles", "5000")
    desk.page.locator("#export-handles").blur()
    assert desk.page.input_value("#export-handles") == "1000"  # what the service takes
    for kind in ("edl", "fcpxml", "xmeml", "otio"):
        desk.page.select_option("#export-format", kind)
        shows(note, re.compile("[Oo]nly a zip"))
    desk.page.select_option("#export-format", "zip")
    shows(note, "cut longer")


def test_a_tray_of_several_rates_warns_before_the_export(desk: Desk) -> None:
    for show in ("Drop", "A Series"):
        desk.search(fold="0", show=show)
        desk.cards().first.locator(".open").focus()
        desk.keys("x")
    desk.keys("t")
    desk.page.select_option("#export-format", "edl")
    note = desk.page.get_by_role("status").filter(has_text="has one frame rate")
    shows(note, "the tray has 2: choose another format")
    reads(note, re.compile("^[^:]*:(?!.*EDL)", re.DOTALL))
    for kind, count in (("otio", 0), ("markers", 1), ("fcpxml", 0), ("edl", 1)):
        desk.page.select_option("#export-format", kind)
        assert note.count() == count, kind
    desk.page.get_by_role("button", name="Take out Drop").click()
    assert note.count() == 0


def test_the_list_of_formats_is_the_services(desk: Desk) -> None:
    toy = {
        "format": "slate", "label": "Slates & <lists>", "suffix": ".slate", "media_type": "text/x-slate",
        "handles_note": "Slates have no handles.", "has_one_rate": False,
    }  # fmt: skip
    desk.open("/").answer(
        "/api/export/formats", lambda route: route.fulfill(json={"formats": [*route.fetch().json()["formats"], toy]})
    )
    desk.open("/")
    filled(desk, 1)
    desk.page.select_option("#export-format", "slate")
    desk.page.fill("#export-handles", "5")
    desk.page.locator("#export-handles").blur()
    reads(desk.page.locator("#handles-note"), "Slates have no handles.")
    labels = desk.page.locator("#export-format option").all_inner_texts()
    assert (labels[0], labels[-1]) == ("EDL (CMX 3600)", "Slates & <lists>")


def test_a_list_of_formats_that_did_not_load_is_reported_and_asked_for_again(
    open_desk: OpenDesk, served: Served
) -> None:
    desk = open_desk(served.url, may_fail=True)
    desk.open("/").answer("/api/export/formats", lambda route: route.abort())
    desk.open("/")
    filled(desk, 1)
    desk.until(f"document.querySelector('{TOLD}').textContent.includes('The list of formats did not load')")
    desk.page.unroute("**/api/export/formats")
    listed = desk.page.locator("#export-format option[value=otio]")
    for _ in range(100):  # an earlier question may still be on its way
        desk.keys("t", "t")
        desk.page.wait_for_timeout(200)
        if listed.count():
            break
    assert listed.count() == 1
    assert desk.page.input_value("#export-format") == "edl"
