"""Labelling on the page: from first examples to a filter, by mouse and by keys, alone and with others."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import Request, urlopen

import pytest

from ops.core.settings import load_settings
from ops.probes.state import change_state, read_state
from tests.browser.conftest import HOSTILE, NARROW, QUERY, Desk, OpenDesk, Served, reads, serving, shows
from tests.builders.homes import Home, wait_until

FITTED_S = 120_000  # a fit starts Dagster in a process of its own


@pytest.fixture(scope="module")
def service(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A copy of the footage's home of our own, with one probe that scores by its words."""
    home = Home(tmp_path_factory.mktemp("labels") / "home")
    shutil.copytree(served.home.path, home.path, symlinks=True)
    home.fork("probe", "fit", "pattern", "--query", QUERY, "--description", HOSTILE)
    with serving(home, films=served.films) as service:
        yield service


def ask(service: Served, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = json.dumps(body).encode() if body else None
    with urlopen(Request(service.url + path, data, {"content-type": "application/json"}), timeout=30) as answer:
        document: dict[str, Any] = json.load(answer)
        return document


def feeds(desk: Desk, label: str) -> Any:
    """The cards of the feeds of a label, once they are there."""
    desk.open(f"/?label={label}")
    desk.page.wait_for_selector(".feeds .card")
    return desk.page.locator(".feeds .card")


def focused(desk: Desk) -> str:
    return str(desk.page.evaluate("document.activeElement.closest('.card')?.dataset.shot"))


def where_of(desk: Desk) -> list[str]:
    return parse_qs(urlsplit(desk.page.url).query).get("where", [])


def wait_for_tally(desk: Desk, text: str) -> None:
    desk.until(f"document.querySelector('.tally')?.innerText.replace(/\\s+/g, ' ').trim() === {json.dumps(text)}")


def has_big_squares(service: Served, shot_id: str) -> bool:
    """Whether a generated shot is of few and big blocks: every third one of a film is of many small ones."""
    shot = ask(service, f"/api/shots/{quote(shot_id)}")
    (film,) = (film for film in service.films.values() if film.path.name == Path(shot["path"]).name)
    return sum(cut <= shot["start_frame"] for cut in film.cuts) % 3 != 1


def test_from_first_examples_to_a_filter_by_keyboard(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url).open()
    page = desk.page
    desk.keys("l")
    page.wait_for_selector("#labels-panel .facet")
    page.focus("#new-label")
    page.keyboard.type("Big Squares!")
    reads(page.locator("#new-label-told"), "kept as big_squares")
    desk.keys("Enter")
    page.wait_for_selector("text=No shot is labelled big_squares yet")
    desk.keys("/")
    page.keyboard.type(QUERY)
    desk.keys("Enter")
    page.wait_for_selector("#cards .thumbs", state="attached")
    page.evaluate("document.getElementById('show-hidden').click()")
    desk.keys("ArrowDown")
    given: dict[str, bool] = {}
    while min(sum(given.values()), len(given) - sum(given.values())) < 3:
        shot = focused(desk)
        assert shot not in given
        given[shot] = has_big_squares(service, shot)
        desk.keys("y" if given[shot] else "n")
    yes, no = sum(given.values()), len(given) - sum(given.values())
    page.wait_for_selector(f".labelbar >> text={yes} yes · {no} no")
    said = {each["shot_id"]: each for each in ask(service, "/api/labels/big_squares")["shots"]}
    assert {shot: each["value"] for shot, each in said.items()} == given
    assert {vote["origin"] for each in said.values() for vote in each["votes"]} == {"search"}
    page.get_by_role("button", name="Feeds").focus()
    desk.keys("Enter")
    page.wait_for_selector("#labelling .feed .card")
    shows(page.locator("#labelling .feed h2").first, re.compile("^Random"))
    desk.keys("ArrowDown")
    is_big = has_big_squares(service, focused(desk))
    desk.keys("y" if is_big else "n")
    yes, no = yes + is_big, no + (not is_big)
    wait_for_tally(desk, f"{yes} yes {no} no")
    page.get_by_role("button", name=f"Fit on {yes + no} labels").focus()
    desk.keys("Enter")
    page.wait_for_selector(f"text=fitted on {yes} yes and {no} no", timeout=FITTED_S)
    page.wait_for_selector("#labelling >> text=Top positive", timeout=FITTED_S)
    assert page.locator("#labelling .feed").count() == 4
    page.wait_for_selector(".figures >> text=Average precision")
    page.get_by_role("button", name=re.compile("Filter by it")).focus()
    desk.keys("Enter")
    page.wait_for_selector("#cards .card", state="attached")
    (where,) = where_of(desk)
    assert re.fullmatch(r"big_squares>=0(\.\d+)?", where)
    found = ask(service, "/api/search", {"all": [{"probe": where}], "fold": True, "limit": 100})["hits"]
    shown = desk.shot_ids()
    assert shown == [hit["shot_id"] for hit in found][: len(shown)] != []
    page.locator("#conditions .chip").focus()
    desk.keys("Enter")
    page.wait_for_selector("#labelling .feed .card")
    assert where_of(desk) == []


def test_a_fit_from_elsewhere_is_noticed_without_a_reload(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url)
    cards = feeds(desk, "pattern")
    version = desk.page.inner_text(".facts-head code")
    top = str(cards.first.get_attribute("data-shot"))
    found = ask(service, "/api/search", {"text": QUERY, "limit": 40})["hits"]
    shown = [top, *(hit["shot_id"] for hit in found)]
    kinds = {shot: has_big_squares(service, shot) for shot in shown}  # can be learnt: a fit of chance is refused
    for value in (True, False):
        shots = [shot for shot, is_big in kinds.items() if is_big is value][:4]
        ask(service, "/api/labels", {"label": "pattern", "shots": shots, "value": value, "annotator": "cy"})
    service.home.fork("probe", "fit", "pattern")
    desk.page.wait_for_selector("text=fitted on 4 yes and 4 no", timeout=60_000)
    reads(desk.page.locator(".facts-head code"), re.compile(f"^(?!{version}$)."))
    fitted = desk.page.get_by_role("button", name="All 8 labels are fitted")
    assert fitted.is_disabled() and "primary" not in str(fitted.get_attribute("class"))
    desk.until(f"!document.querySelector('#labelling .feed [data-shot=\"{top}\"]')")
    settings = load_settings(home=str(service.home.path))
    state = read_state(settings, "pattern")
    change_state(settings, "pattern", lambda now: replace(now, promoted=version))  # and the fit ended before it scored
    feeds(desk, "pattern")
    assert desk.page.get_by_role("button", name="Fit on 8 labels").is_enabled()
    shows(desk.page.locator(".facts-head"), "takes over once")
    change_state(settings, "pattern", lambda _: state)
    feeds(desk, "pattern")
    assert fitted.is_disabled()


def test_every_answer_is_kept_with_its_feed_and_can_be_taken_back(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url)
    feeds(desk, "pattern")
    before = ask(service, "/api/probes/pattern")["labels"]
    desk.keys("ArrowDown")
    first = focused(desk)
    desk.keys("y", "n")
    second = focused(desk)
    desk.keys("s")
    desk.page.wait_for_selector(f'#labelling [data-shot="{second}"].skipped')
    wait_for_tally(desk, f"{before['yes'] + 1} yes {before['no'] + 1} no")
    kept = ask(service, f"/api/labels/pattern?shot={first}")["shots"][0]
    assert kept["value"] is True and kept["votes"][0]["origin"] == "top_positive"
    desk.keys("u", "u")
    wait_for_tally(desk, f"{before['yes']} yes {before['no']} no")
    assert focused(desk) == first
    assert ask(service, f"/api/labels/pattern?shot={first}")["shots"][0]["votes"] == []
    assert desk.page.get_by_role("button", name="Undo").is_disabled()


def name_oneself(desk: Desk, name: str) -> None:
    desk.page.fill("#annotator", name)
    desk.page.locator("#annotator").blur()


def test_what_is_drawn_anew_leaves_the_focus_where_it_is(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url)
    desk.search()
    *shots, last = desk.shot_ids()[:7]
    for value in (True, False):
        ask(service, "/api/labels", {"label": "held", "shots": shots[value::2], "value": value})
    desk.open("/?label=held")
    wait_for_tally(desk, "3 yes 3 no")
    for control, value in (("probe-words", True), ("probe-fit", False)):
        desk.page.locator(f"#{control}").focus()
        ask(service, "/api/labels", {"label": "held", "shots": [last], "value": value})
        desk.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        wait_for_tally(desk, "4 yes 3 no" if value else "3 yes 4 no")
        assert desk.page.evaluate("document.activeElement.id") == control


def votes_of(service: Served, label: str, shot: str) -> dict[str, bool]:
    (found,) = ask(service, f"/api/labels/{label}?shot={shot}")["shots"]
    return {vote["annotator"]: vote["value"] for vote in found["votes"]}


def test_answers_that_did_not_arrive_are_told_and_sent_again_after_stop(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url, may_fail=True)
    page = desk.page
    desk.search(label="lost")
    name_oneself(desk, "Ann")
    shots = desk.shot_ids()[:3]
    waiting: list[Any] = []
    desk.answer("/api/labels", lambda route: route.abort() if waiting else waiting.append(route))
    desk.cards().first.locator(".open").focus()
    desk.keys("y", "n", "y")
    name_oneself(desk, "Bob")
    page.get_by_role("button", name="Stop").click()
    page.locator("#cards .thumbs").first.wait_for(state="detached")
    waiting[0].abort()
    page.wait_for_selector("#notice >> text=Not saved: 3 answers for “lost”. Is Needle still running?")
    page.get_by_role("button", name="By show").click()
    page.wait_for_selector("#notice >> text=Not saved: 3 answers for “lost”")  # whatever else is done
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    desk.until("scrollY > 200 && document.getElementById('notice').getBoundingClientRect().top > 0")
    page.unroute("**/api/labels")
    page.get_by_role("button", name="Try again").click()
    desk.until("document.getElementById('notice').hidden")
    wanted = [{"Ann": True}, {"Ann": False}, {"Ann": True}]  # they are sent one after the other
    wait_until(lambda: [votes_of(service, "lost", shot) for shot in shots] == wanted, 30, "the answers to be kept")


def test_what_was_not_kept_counts_no_more_after_another_answer(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url, may_fail=True)
    desk.search(label="twice")
    card, shot = desk.cards().first, desk.shot_ids()[0]
    desk.answer("/api/labels", lambda route: route.abort(), times=1)
    card.locator(".thumb.yes").click()
    desk.page.wait_for_selector("#notice >> text=Not saved: 1 answer for “twice”")
    assert card.locator(".thumb.yes").get_attribute("aria-pressed") == "false"
    card.locator(".thumb.no").click()
    desk.page.wait_for_selector(".labelbar >> text=0 yes · 1 no")
    assert desk.page.locator("#notice").is_hidden()
    assert votes_of(service, "twice", shot) == {"page": False}


def test_an_answer_that_failed_leaves_what_can_be_taken_back(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url, may_fail=True)
    page = desk.page
    desk.search(label="kept_before")
    shots = desk.shot_ids()[:2]
    desk.cards().nth(1).locator(".thumb.yes").click()
    desk.cards().first.locator(".thumb.yes").click()
    page.wait_for_selector(".labelbar >> text=2 yes · 0 no")
    desk.answer("/api/labels", lambda route: route.abort(), times=1)
    desk.cards().first.locator(".thumb.no").click()
    page.wait_for_selector("#notice >> text=Not saved: 1 answer")
    page.get_by_role("button", name="Dismiss").click()
    page.get_by_role("button", name="Undo").click()
    page.wait_for_selector(".labelbar >> text=1 yes · 0 no")
    assert [votes_of(service, "kept_before", shot) for shot in shots] == [{}, {"page": True}]


def test_what_was_said_last_of_a_shot_is_shown_whatever_becomes_of_the_rest(
    open_desk: OpenDesk, service: Served
) -> None:
    desk = open_desk(service.url, may_fail=True)
    desk.search(label="quick")
    card, sent = desk.cards().first, []
    desk.answer("/api/labels", lambda route: sent.append(route))

    def pressed_while_on_its_way(number: int) -> list[str]:
        for _ in range(1000):
            if len(sent) > number:
                break
            desk.page.wait_for_timeout(20)
        assert len(sent) == number + 1
        return [str(each.get_attribute("aria-pressed")) for each in card.locator(".thumb").all()]

    for word in ("yes", "no"):
        card.locator(f".thumb.{word}").click()
    assert pressed_while_on_its_way(0) == ["false", "true"]
    sent[0].abort()
    assert pressed_while_on_its_way(1) == ["false", "true"]
    sent[1].abort()
    desk.page.wait_for_selector("#notice >> text=Not saved: 1 answer")
    assert card.locator('.thumb[aria-pressed="true"]').count() == 0, "what the service has is shown again"
    for word in ("yes", "no"):
        card.locator(f".thumb.{word}").click()
    pressed_while_on_its_way(2)
    sent[2].continue_()
    assert pressed_while_on_its_way(3) == ["false", "true"]
    sent[3].continue_()
    desk.page.wait_for_selector(".labelbar >> text=0 yes · 1 no")


def test_an_answer_that_cannot_be_read_does_not_hold_up_the_others(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url)
    desk.search(label="garbled")
    shots = desk.shot_ids()[:2]
    desk.answer("/api/labels", lambda route: route.fulfill(body="null"), times=1)
    for card in range(2):
        desk.cards().nth(card).locator(".thumb.yes").click()
    desk.page.wait_for_selector("#notice >> text=Not saved: 1 answer for “garbled”")
    desk.page.wait_for_selector(".labelbar >> text=1 yes · 0 no")
    desk.page.get_by_role("button", name="Try again").click()
    desk.page.wait_for_selector(".labelbar >> text=2 yes · 0 no")
    assert [votes_of(service, "garbled", shot) for shot in shots] == [{"page": True}] * 2


def test_what_else_fails_does_not_hide_what_was_not_kept(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url, may_fail=True)
    page = desk.page
    desk.search(label="scrolled")
    shot, there = desk.shot_ids()[0], desk.cards().count()
    is_down = True
    for path in ("labels", "search"):
        desk.answer(f"/api/{path}", lambda route: route.abort() if is_down else route.continue_())
    desk.cards().first.locator(".thumb.yes").click()
    page.wait_for_selector("#notice >> text=Not saved: 1 answer")
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/api/search")):
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_timeout(100)
    shows(page.locator("#notice"), "Not saved: 1 answer for “scrolled”")
    is_down = False  # the routes stay: Chromium may lose a request while Playwright takes the last one away
    page.get_by_role("button", name="Try again").click()
    desk.until(f"document.querySelectorAll('#cards .card').length > {there}")
    page.wait_for_selector(".labelbar >> text=1 yes · 0 no")
    assert page.locator("#notice").is_hidden() and votes_of(service, "scrolled", shot) == {"page": True}


def test_undo_takes_back_what_was_said_under_another_name(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url)
    desk.search(label="renamed")
    shot = desk.shot_ids()[0]
    name_oneself(desk, "Ann")
    desk.cards().first.locator(".thumb.yes").click()
    desk.page.wait_for_selector(".labelbar >> text=1 yes · 0 no")
    name_oneself(desk, "Bob")
    desk.page.get_by_role("button", name="Undo").click()
    desk.page.wait_for_selector(".labelbar >> text=0 yes · 0 no")
    assert votes_of(service, "renamed", shot) == {}


def test_next_shots_come_when_all_have_an_answer(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url)
    cards = feeds(desk, "pattern")
    before = set(cards.evaluate_all("cards => cards.map(card => card.dataset.shot)"))
    desk.keys("ArrowDown")
    for _ in before:
        desk.keys("s")
    desk.until("!document.querySelector('#labelling .feed .skipped')")
    after = set(cards.evaluate_all("cards => cards.map(card => card.dataset.shot)"))
    assert after and not before & after, "what was skipped is not offered again"


def test_two_people_differ_and_one_settles_it(open_desk: OpenDesk, service: Served) -> None:
    ann, bob = open_desk(service.url), open_desk(service.url)
    for desk, name in ((ann, "Ann"), (bob, HOSTILE)):
        desk.search(label="tiles")
        name_oneself(desk, name)
    shot = ann.shot_ids()[0]
    ann.cards().first.locator(".thumb.yes").click()
    ann.page.wait_for_selector(".labelbar >> text=1 yes · 0 no")
    bob.cards().first.locator(".thumb.no").click()
    bob.page.wait_for_selector("#cards .in-conflict")
    reads(bob.cards().first.locator(".votes"), f"Ann yes, {HOSTILE} no")
    ann.page.get_by_role("button", name="Feeds").click()
    ann.page.wait_for_selector("#labelling >> text=1 shot on which people differ")
    ann.page.fill("#q", QUERY)
    ann.keys("Enter")
    ann.page.wait_for_selector("#cards .card", state="attached")
    ann.page.get_by_role("button", name="Feeds").click()
    ann.page.wait_for_selector("#labelling >> text=1 shot on which people differ")
    card = ann.page.locator("#labelling .in-conflict").first
    assert card.get_attribute("data-shot") == shot
    card.locator(".thumb.yes").click()
    ann.until("!document.querySelector('#labelling .in-conflict')")
    settled = ask(service, f"/api/labels/tiles?shot={shot}")
    assert settled["conflicts"] == 0 and settled["shots"][0]["value"] is True
    assert {vote["annotator"] for vote in settled["shots"][0]["votes"]} == {"Ann", HOSTILE}
    ann.page.locator("#labelling summary").click()
    ann.page.wait_for_selector("#labelling .review .card.said-yes")


def test_the_player_takes_answers(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url)
    desk.search(label="played")
    shot = desk.shot_ids()[1]
    dialog = desk.player(1)
    desk.keys("y")
    dialog.locator('.thumb.yes[aria-pressed="true"]').wait_for()
    desk.keys("n")
    dialog.locator('.thumb.no[aria-pressed="true"]').wait_for()
    desk.keys("Escape")
    desk.page.wait_for_selector(f'#cards [data-shot="{shot}"].said-no')
    assert "unlike" not in desk.page.url, "n is no 'less like this' while labelling"
    desk.page.wait_for_selector(".labelbar >> text=0 yes · 1 no")
    assert ask(service, "/api/labels/played")["no"] == 1
    desk.page.get_by_role("button", name="Stop").click()
    assert desk.page.locator("#cards .thumbs").count() == 0 and "label=" not in desk.page.url


def test_the_player_tells_what_was_not_kept(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url, may_fail=True)
    desk.search(label="played_lost")
    dialog = desk.player(0)
    desk.answer("/api/labels", lambda route: route.abort(), times=1)
    desk.keys("y")
    dialog.get_by_role("alert").filter(has_text="Not saved: 1 answer").wait_for()
    desk.keys("y")
    desk.page.wait_for_selector(".labelbar >> text=1 yes · 0 no")
    assert dialog.locator(".player-main > .wrong").text_content() == ""


def test_a_facet_counts_narrows_and_stands_in_the_address(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url)
    desk.search()
    page = desk.page
    page.wait_for_selector("#foot >> text=shots")  # of the catalogue: the list of probes is drawn again when it comes
    desk.page.click("#labels")
    row = page.locator(".facet", has_text="pattern")
    counts = ask(service, "/api/probes/pattern")["at_least"]
    slider = row.get_by_role("slider")
    slider.fill("30")
    reads(row.locator(".count"), str(counts[30]))
    desk.until("location.search.includes('pattern')")
    assert where_of(desk) == ["pattern>=0.3"] and row.get_by_role("checkbox").is_checked()
    slider.focus()
    desk.keys("ArrowRight")
    desk.until("location.search.includes('0.31')")
    page.reload()
    page.wait_for_selector("#conditions .chip")
    shows(page.locator("#conditions"), "pattern>=0.31")
    page.click("#labels")
    page.wait_for_selector(".facet.on")
    assert row.get_by_role("slider").input_value() == "31"
    row.get_by_role("checkbox").uncheck()
    page.locator("#conditions .chip").wait_for(state="detached")
    assert where_of(desk) == [] and parse_qs(urlsplit(page.url).query)["q"] == [QUERY]


def test_names_and_descriptions_are_text(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url)
    desk.open(f"/?label={quote(HOSTILE)}")
    desk.page.wait_for_selector("#notice >> text=cannot be a label")
    shows(desk.page.locator("#notice"), HOSTILE)
    feeds(desk, "pattern")
    shows(desk.page.locator(".facts-head"), HOSTILE)
    assert desk.page.locator("main img:not([src^='/media/'])").count() == 0


def test_who_does_not_label_loads_nothing_of_it(open_desk: OpenDesk, service: Served) -> None:
    desk = open_desk(service.url)
    desk.search()
    desk.page.wait_for_load_state("networkidle")
    names = {"labelling.js", "labelview.js", "judging.js", "probefacts.js", "thumbs.js", "labels.css"}
    assert not [one for one in desk.requests if one.removeprefix("/page/") in names or one.startswith("/api/probes")]


@pytest.mark.parametrize("state", ["feeds", "conflict", "results", "facets", "new"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_labelling_fits_a_narrow_screen_and_axe(open_desk: OpenDesk, service: Served, state: str, scheme: str) -> None:
    narrow = scheme == "light"
    options: dict[str, Any] = {"size": NARROW, "has_touch": True} if narrow else {}
    desk = open_desk(service.url, color_scheme=scheme, **options)
    match state:
        case "new":
            desk.open("/?label=nothing_yet")
            desk.page.wait_for_selector("#probe-words")
        case "results":
            desk.search(label="pattern")
            desk.cards().first.locator(".thumbs").wait_for()
        case "facets":
            desk.search()
            desk.page.click("#labels")
            desk.page.wait_for_selector(".facet")
        case _:
            if state == "conflict":
                shot = ask(service, "/api/probes/pattern/feeds?count=1")["feeds"]["random"][0]["shot_id"]
                for who, value in (("ann", True), ("bob", False)):
                    body = {"label": "pattern", "shots": [shot], "value": value, "annotator": who}
                    ask(service, "/api/labels", body)
            cards = feeds(desk, "pattern")
            cards.first.locator(".thumb.later").focus()
            if state == "conflict":
                desk.page.wait_for_selector("#labelling .in-conflict")
    assert not desk.serious_violations()
    assert desk.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
