"""Searching, narrowing and finding one's way back."""

from __future__ import annotations

import io
import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from tests.browser.conftest import QUERY, Desk, OpenDesk, Served, reads, shows


def query_of(desk: Desk) -> dict[str, list[str]]:
    return parse_qs(urlsplit(desk.page.url).query)


def a_picture() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (90, 160, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_typing_and_enter_searches_and_goes_into_the_address(desk: Desk) -> None:
    desk.open()
    desk.keys("/")
    desk.page.keyboard.type(QUERY)
    desk.keys("Enter")
    desk.page.wait_for_selector("#cards .card", state="attached")
    assert query_of(desk) == {"q": [QUERY]}
    assert desk.page.title() == f"{QUERY} – Needle"
    assert desk.page.evaluate("document.activeElement.id") != "q"


def test_a_card_says_what_editors_need(desk: Desk) -> None:
    desk.search(show="A Series")
    card = desk.cards().first
    shows(card.locator(".title"), re.compile("^A Series"))
    reads(card.locator(".facts .timecode"), re.compile(r"^\d\d:\d\d:\d\d[:;]\d\d$"))
    reads(card.locator(".relevance"), re.compile(r"^\d+$"))
    assert "score" in (card.locator(".relevance").get_attribute("title") or "")
    desk.until("document.querySelector('.card img').naturalWidth > 0")


def test_the_show_picker_counts_and_narrows(desk: Desk) -> None:
    desk.search()
    desk.page.click("#shows")
    row = desk.page.locator(".menu-check", has_text="A Series")
    reads(row.locator(".count"), "3")
    row.click()
    desk.until("document.querySelectorAll('#cards .card').length === 3")
    desk.page.locator(".menu-check", has_text="Drop").click()
    desk.until("document.querySelectorAll('#cards .card').length === 5")
    assert query_of(desk)["show"] == ["A Series", "Drop"]
    reads(desk.page.locator("#shows-label"), "2 shows")
    desk.keys("Escape")
    assert desk.page.locator("#shows-panel").is_hidden()


def test_more_like_this_and_less_like_this_become_chips_that_can_be_removed(desk: Desk) -> None:
    desk.search()
    first, second = desk.shot_ids()[:2]
    desk.cards().nth(0).hover()
    desk.cards().nth(0).locator(".more").click()
    desk.page.wait_for_selector(".chip.like")
    desk.until(f"!document.querySelector('[data-shot=\"{first}\"]')")
    assert query_of(desk)["like"] == [first]
    desk.page.locator(f'[data-shot="{second}"]').hover()
    desk.page.locator(f'[data-shot="{second}"] .less').click()
    desk.page.wait_for_selector(".chip.unlike")
    desk.until(f"!document.querySelector('[data-shot=\"{second}\"]')")
    assert query_of(desk)["unlike"] == [second]
    desk.page.click(".chip.like")
    desk.page.wait_for_selector(".chip.like", state="detached")
    assert "like" not in query_of(desk)


def test_a_dropped_picture_is_searched_by_with_and_without_words(desk: Desk) -> None:
    desk.search()
    drop = """bytes => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "p.png", { type: "image/png" }));
        for (const type of ["dragenter", "dragover", "drop"]) {
            document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
        }
    }"""
    desk.page.evaluate(drop, list(a_picture()))
    desk.page.wait_for_selector(".chip.like img")
    given = query_of(desk)
    assert given["q"] == [QUERY]
    assert re.fullmatch(r"image:[0-9a-f]{32}", given["like"][0])
    desk.until("document.querySelector('.chip.like img').naturalWidth > 0")
    desk.page.wait_for_selector(".card", state="attached")
    assert desk.page.evaluate("document.body.classList.contains('dropping')") is False


def test_a_picture_from_the_file_dialog_and_one_that_is_none(desk: Desk) -> None:
    desk.open()
    desk.page.set_input_files("#picture-file", {"name": "p.png", "mimeType": "image/png", "buffer": a_picture()})
    desk.page.wait_for_selector(".chip.like")
    desk.page.set_input_files("#picture-file", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"no"})
    shows(desk.page.locator("#notice"), "Only pictures")


def test_a_permalink_restores_everything(desk: Desk, served: Served) -> None:
    desk.search()
    like = desk.shot_ids()[0]
    address = (
        f"/?q=blue+squares&like={like}&show=Many&dialogue=off&titles=1&blank=1&fold=0&group=1&min=0.01"
        "&then=green&within=5&all=look%3A20%3Asquares&any=look%3A1%3Aa+pattern"
    )
    desk.open(address)
    page = desk.page
    assert page.input_value("#q") == "blue squares"
    assert page.locator(".chip.like").count() == 1
    reads(page.locator("#shows-label"), "Many")
    assert page.is_checked("#dialogue-off")
    assert [page.is_checked(f"#show-{name}") for name in ("titles", "blank", "fold", "exact")] == [
        True,
        True,
        False,
        False,
    ]
    assert page.get_attribute("#group", "aria-pressed") == "true"
    assert page.input_value("#relevance") in ("1", "0")  # the slider is there once there is an answer
    chips = page.locator("#conditions .chip").all_inner_texts()
    assert [re.sub(r"\s+", " ", chip).strip() for chip in chips] == [
        "then green within 5", "and looks like squares ≥ 20 %", "or looks like a pattern ≥ 1 %",
    ]  # fmt: skip
    sent = [one for one in desk.requests if one == "/api/search"]
    assert len(sent) == 2  # the one before, and one for the address: restoring asks no more than once


def test_back_and_forward_go_through_searches(desk: Desk) -> None:
    desk.search("red")
    first = desk.shot_ids()
    desk.page.fill("#q", "a dark wall")
    desk.keys("Enter")
    desk.until("document.title.startsWith('a dark wall')")
    desk.page.go_back()
    desk.until("document.title.startsWith('red')")
    assert desk.page.input_value("#q") == "red"
    desk.until("document.querySelector('#results').ariaBusy === 'false'")
    assert desk.shot_ids() == first
    desk.page.go_forward()
    desk.until("document.querySelector('#q').value === 'a dark wall'")


def test_every_hit_is_shown_and_a_line_stands_before_the_weak_ones(desk: Desk) -> None:
    desk.search()
    with desk.page.expect_response("**/api/search") as answer:
        desk.open(f"/?like={desk.shot_ids()[0]}")
    hits = answer.value.json()["hits"]
    assert desk.page.input_value("#relevance") == "0"
    assert desk.shot_ids() == [hit["shot_id"] for hit in hits]
    reads(desk.page.locator("#show-hidden"), "none hidden")
    above = desk.page.evaluate(
        "[...document.querySelectorAll('#cards .cards > *')].findIndex((one) => one.matches('.divider'))"
    )
    assert above == sum(not hit["is_weak"] for hit in hits)
    assert 0 < above < len(hits)
    desk.keys("t")
    assert desk.page.get_by_role("button", name=f"Export the {above} likely result").is_visible()


def test_the_relevance_slider_hides_and_one_click_shows_all_again(desk: Desk) -> None:
    desk.open(f"/?q={QUERY}")
    whole = desk.shot_ids()
    least = int(str(desk.cards().nth(2).locator(".relevance").text_content()))
    desk.page.locator("#relevance").fill(str(least))
    shown = desk.shot_ids()
    assert 0 < len(shown) < len(whole)
    shows(desk.page.locator("#show-hidden"), re.compile(rf"^{len(whole) - len(shown)}\b"))
    desk.page.click("#show-hidden")
    assert desk.shot_ids() == whole
    assert "min" not in query_of(desk)


def test_a_limit_above_every_hit_says_so_and_offers_all(desk: Desk) -> None:
    desk.open(f"/?q={QUERY}&min=1")
    shows(desk.page.locator("#state"), "Nothing is so relevant")
    desk.page.get_by_role("button", name="Show all shots").click()
    assert desk.cards().count() > 0


def test_what_is_absent_is_said_above_the_nearest_shots(desk: Desk) -> None:
    for text in (
        "a submarine",
        "a wedding",
        "penguins on ice",
        "a chef in a kitchen",
        "a courtroom",
        "a football match",
    ):
        with desk.page.expect_response("**/api/search") as answer:
            desk.open(f"/?q={text}")
        if not answer.value.json()["stands_out"]:
            break
    else:
        pytest.fail("every text stands out")
    shows(desk.page.locator("#why"), re.compile("^Nothing clearly matches"))
    assert desk.cards().count() > 0


def test_scrolling_brings_the_next_page_and_no_shot_twice(desk: Desk) -> None:
    desk.search(fold="0", show="Many")
    assert desk.cards().count() >= 60
    desk.page.keyboard.press("End")
    desk.page.mouse.wheel(0, 20_000)
    desk.until("document.querySelectorAll('#cards .card').length === 70")
    ids = desk.shot_ids()
    assert len(set(ids)) == 70


def test_posters_load_as_they_come_near_and_shift_nothing(desk: Desk) -> None:
    desk.page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => list.getEntries().forEach(one => {"
        " if (!one.hadRecentInput) window.shift += one.value }))"
        ".observe({ type: 'layout-shift', buffered: true })"
    )
    desk.search(fold="0", show="Many")
    desk.until("document.querySelector('.card img').naturalWidth > 0")
    desk.until("performance.getEntriesByType('resource').some(one => one.name.includes('/poster.jpg'))")
    desk.page.wait_for_load_state("networkidle")
    assert desk.page.evaluate("window.shift") < 0.02
    asked = {one for one in desk.requests if "/poster.jpg" in one}
    assert 0 < len(asked) < 60


def test_by_show_makes_a_section_for_each(desk: Desk) -> None:
    desk.search()
    desk.keys("g")
    names = desk.page.locator("section.show h2 span:first-child").all_inner_texts()
    assert {"A Series", "Many"} <= set(names)
    assert query_of(desk)["group"] == ["1"]
    for name in ("A Series", "Many"):
        section = desk.page.locator(f"section.show[aria-label='{name}']")
        cards = section.locator(".card")
        reads(section.locator(".count"), str(cards.count()))
        assert all(title.startswith(name) for title in cards.locator(".title").all_text_contents())
    before = desk.cards().count()
    desk.keys("g")
    assert desk.page.locator("section.show").count() == 0
    assert desk.cards().count() >= before


def test_near_duplicates_are_folded_and_unfold(desk: Desk, served: Served) -> None:
    desk.search("a wall of squares", show="Many")
    folded = desk.page.locator(".folded")
    if not folded.count():
        pytest.skip("no two of the generated shots are near-duplicates for this encoder")
    button = folded.first
    count = int(re.sub(r"\D", "", str(button.text_content())))
    button.click()
    desk.until(f"document.querySelectorAll('.card.twin').length === {min(count, 24)}")
    twins = desk.page.locator(".card.twin")
    assert set(twins.evaluate_all("all => all.map(one => one.dataset.shot)")).isdisjoint(
        desk.page.locator(".card:not(.twin)").evaluate_all("all => all.map(one => one.dataset.shot)")
    )
    button.click()
    assert twins.count() == 0


def test_recent_searches_are_offered_and_forgotten(desk: Desk) -> None:
    desk.search("a first search")
    desk.search("a second search")
    desk.open()
    desk.page.click("#q")
    items = desk.page.locator("#recent .menu-item")
    reads(items, ["a second search", "a first search"])
    desk.keys("ArrowDown", "ArrowDown", "Enter")
    desk.until("document.title.startsWith('a first search')")
    desk.open()
    desk.page.click("#q")
    desk.page.get_by_role("button", name="Clear").click()
    assert desk.page.evaluate("localStorage.getItem('needle.recent')") == "[]"


@pytest.mark.parametrize("stored", ["{not json", "null", "7", '"text"', '{"a": 1}', '[null, 5, {"address": "x"}]'])
def test_damaged_values_in_the_browser_s_storage_are_left_out(desk: Desk, stored: str) -> None:
    names = ["needle.recent", "needle.tray", "needle.sound", "needle.annotator", "needle.theme"]
    desk.open()
    desk.page.evaluate(
        "([names, value]) => names.forEach((name) => localStorage.setItem(name, value))", [names, stored]
    )
    desk.search()
    assert desk.cards().count() > 0
    desk.page.wait_for_selector("#status:not(:empty)")
    desk.keys("t")
    assert desk.page.locator("#tray .pick").count() == 0
    assert QUERY in desk.page.evaluate("localStorage.getItem('needle.recent')")


def test_refine_makes_a_composed_query(desk: Desk) -> None:
    desk.search()
    desk.keys("r")
    panel = desk.page.locator("#refine-panel")
    panel.get_by_role("button", name="looks like").first.click()
    desk.page.keyboard.type("squares")
    panel.get_by_label("The shot that follows").fill("stripes")
    panel.get_by_label("Relevance at least, percent").fill("1")
    panel.get_by_role("button", name="Search").click()
    desk.page.wait_for_selector("#conditions .chip")
    assert query_of(desk)["all"] == ["look:1:squares"]
    assert query_of(desk)["then"] == ["stripes"]
    body = desk.page.evaluate("import('/page/address.js').then(m => m.bodyOf(m.readAddress(location.search)))")
    assert body["all"] == [{"text": "squares", "relevance": 0.01}]
    assert body["then"] == {"text": "stripes", "like": [], "unlike": [], "within": 3}
    desk.page.locator("#conditions .chip").first.click()
    desk.until("document.querySelectorAll('#conditions .chip').length === 1")


def test_lines_of_dialogue_are_found_marked_and_open_the_shot_there(desk: Desk) -> None:
    desk.open("/?q=merry+christmas&dialogue=only")
    line = desk.page.locator(".card .line").first
    line.wait_for()
    shows(line.locator(".said"), "Merry Christmas")
    reads(line.locator("mark"), [re.compile("^merry$", re.I), re.compile("^christmas$", re.I)])
    line.click()
    dialog = desk.page.locator("dialog.player[open]")
    dialog.locator(".player-lines .line").first.wait_for()
    shows(dialog.locator(".player-lines"), "Merry Christmas")


def test_words_that_are_only_seen_can_be_asked_for_as_spoken(desk: Desk) -> None:
    """A word that is also spoken says nothing of what was meant: the page offers it in quotes."""
    desk.open("/?q=christmas")
    hint = desk.page.locator("#why button")
    hint.wait_for()
    reads(hint, "Spoken in 1 line too: show it")
    hint.click()
    desk.page.locator(".card .line").first.wait_for()
    assert query_of(desk)["q"] == ['"christmas"']
    assert desk.page.input_value("#q") == '"christmas"'
    shows(desk.cards().first.locator(".said"), "Merry Christmas")


def test_words_that_are_typed_are_searched_for_with_the_filter_that_is_pressed(desk: Desk) -> None:
    desk.search("red")
    desk.page.fill("#q", "a dark wall")
    desk.page.click("label[for=dialogue-off]")
    desk.until("document.title.startsWith('a dark wall')")
    assert (query_of(desk)["q"], query_of(desk)["dialogue"]) == (["a dark wall"], ["off"])
    desk.page.fill("#q", "blue squares")
    desk.page.click("#group")  # lays out what is there: no search
    assert desk.page.input_value("#q") == "blue squares"
    assert query_of(desk)["q"] == ["a dark wall"]
    desk.page.click("#shows")
    desk.page.locator(".menu-check", has_text="A Series").click()
    desk.until("document.title.startsWith('blue squares')")
    assert query_of(desk)["show"] == ["A Series"]


def test_less_like_this_alone_asks_for_words(desk: Desk) -> None:
    shot = desk.search().shot_ids()[0]
    desk.open(f"/?unlike={shot}")
    shows(desk.page.locator("#state"), "Add words or a picture")
    desk.page.get_by_role("button", name="Write words").click()
    desk.page.keyboard.type(QUERY)
    desk.keys("Enter")
    desk.page.wait_for_selector("#cards .card", state="attached")
    assert (query_of(desk)["q"], query_of(desk)["unlike"]) == ([QUERY], [shot])


def test_arrow_down_leads_from_the_box_into_the_results_of_its_words(desk: Desk) -> None:
    desk.search()
    first = desk.shot_ids()[0]
    desk.keys("/", "ArrowDown")
    assert desk.page.evaluate("document.activeElement.closest('.card')?.dataset.shot") == first
    assert desk.page.locator("#recent").is_hidden()
    desk.keys("/", "End", "x", "ArrowDown")  # other words, not searched for yet
    assert desk.page.evaluate("document.activeElement.closest('#recent') !== null")
    desk.keys("Escape", "Control+a", "Backspace", "ArrowDown")  # an empty box
    assert desk.page.evaluate("document.activeElement.closest('#recent') !== null")


def test_the_focus_stays_among_the_results_after_more_like_this(desk: Desk) -> None:
    desk.search()
    desk.keys("ArrowDown", "ArrowRight")
    second = desk.shot_ids()[1]
    desk.keys("m")
    desk.page.wait_for_selector(".chip.like")
    desk.until(f"!document.querySelector('[data-shot=\"{second}\"]')")
    assert desk.page.evaluate("document.activeElement.closest('#results') !== null")
    desk.keys("s")  # only the show of the shot that has the focus, which stays in it
    desk.until("new URLSearchParams(location.search).has('show')")
    desk.until("document.querySelector('#results').ariaBusy === 'false'")
    assert desk.page.evaluate("document.activeElement.closest('#results') !== null")


def test_what_may_have_been_meant_is_told_beside_the_count(desk: Desk) -> None:
    desk.search("a colourful bycicle")
    chip = desk.page.locator("#parts .chip")
    if "offered" in (chip.get_attribute("class") or ""):
        shows(desk.page.locator("#why"), "did you mean 'a colourful bicycle'?")
    else:
        shows(desk.page.locator("#why"), "searched 'bicycle' instead of 'bycicle'")
    reads(chip, "spelling bicycle")
    desk.search("a colourful pattern with nobody in it")
    shows(desk.page.locator("#why"), "not understood as a negation")


def test_filters_in_the_text_are_chips_that_a_key_removes(desk: Desk) -> None:
    desk.search(f"{QUERY} show:Drop -stripes")
    reads(desk.page.locator("#parts .chip"), ["show Drop", "less like stripes"])
    assert len(desk.shot_ids()) == 2
    desk.page.locator("#parts .chip").first.focus()
    desk.keys("Enter")
    desk.until("document.querySelectorAll('#parts .chip').length === 1")
    assert query_of(desk)["q"] == [f"{QUERY} -stripes"] and len(desk.shot_ids()) > 2
    desk.keys("Enter")  # the focus is on the next chip
    desk.until("document.querySelector('#parts').hidden")
    assert query_of(desk)["q"] == [QUERY] and desk.page.evaluate("document.activeElement.id") == "q"


def test_a_name_in_the_words_is_undone_and_used_again_by_a_click(desk: Desk) -> None:
    desk.search(f"{QUERY} in A Series")
    chip = desk.page.locator("#parts .chip")
    reads(chip, "show A Series")
    assert len(desk.shot_ids()) == 3
    chip.click()
    desk.page.wait_for_selector("#parts .chip.offered")
    assert query_of(desk)["literal"] == ["in A Series"] and len(desk.shot_ids()) > 3
    desk.open(desk.page.url.removeprefix(desk.url))
    desk.page.wait_for_selector("#parts .chip.offered")
    chip.click()
    desk.page.wait_for_selector("#parts .chip:not(.offered)")
    assert "literal" not in query_of(desk)


def test_an_unknown_filter_value_offers_the_text_as_it_is(open_desk: OpenDesk, served: Served) -> None:
    desk = open_desk(served.url, may_fail=True).open(f"/?q=show:nowhere {QUERY}")
    desk.page.get_by_text("no show 'nowhere' in the catalogue").wait_for()
    desk.page.get_by_role("button", name="Search for the text as it is").click()
    desk.page.wait_for_selector("#cards .card", state="attached")
    assert query_of(desk)["literal"] == ["*"]
