"""States, access by keyboard and by screen reader, and how soon the first results are there."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from tests.browser.conftest import HOSTILE, LINE, NARROW, QUERY, WIDE, Desk, OpenDesk, Served, reads, serving, shows
from tests.builders.homes import Home

TOKEN = "a-token-for-the-page-0123456789"


def test_first_results_need_two_round_trips(browser: Any, served: Served) -> None:
    """Behind a slow line, the first card is painted after two waves of requests, before a third one is answered."""
    delay_ms = 3000
    context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
    page = context.new_page()
    page.goto(f"{served.url}/healthz")  # the connection and the process are there; nothing of the page is
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    limits = {"offline": False, "latency": delay_ms, "downloadThroughput": -1, "uploadThroughput": -1}
    session.send("Network.emulateNetworkConditions", limits)
    page.add_init_script(
        "new MutationObserver(() => {"
        " if (document.querySelector('#cards .card')) window.painted ??= performance.now() })"
        ".observe(document, { childList: true, subtree: true })"
    )
    page.goto(f"{served.url}/?q={QUERY}&min=0", wait_until="commit")
    page.wait_for_selector("#cards .card", state="attached")
    painted = page.evaluate("window.painted - performance.getEntriesByType('navigation')[0].responseEnd")
    asked = page.evaluate(
        "performance.getEntriesByType('resource').filter(one => one.startTime < window.painted)"
        ".map(one => new URL(one.name).pathname)"
    )
    assert 1.9 * delay_ms < painted < 2.9 * delay_ms, asked
    code = [one for one in asked if one.startswith("/page/")]
    assert len(code) <= 11, "more files than two waves of six connections, with the search, can bring"
    assert not [one for one in asked if one.startswith("/api/") and one != "/api/search"]
    context.close()


def test_text_from_films_and_subtitles_stays_text(desk: Desk) -> None:
    show = HOSTILE.replace("/", "")
    desk.search(show=show)
    shows(desk.cards().first.locator(".title"), show)
    reads(desk.page.locator("#shows-label"), show)
    desk.keys("g")
    shows(desk.page.locator("section.show h2"), show)
    dialog = desk.player()
    reads(dialog.locator("h2"), show)
    shows(dialog.locator(".details"), re.compile(r"<b>\s*one\.mp4"))
    desk.keys("x", "Escape")
    dialog.wait_for(state="hidden")
    desk.keys("t")
    desk.page.locator("#tray .pick .title").wait_for()
    reads(desk.page.locator("#tray .pick .title"), show)
    foreign = "main img:not([src^='/media/']):not([src^='data:image/jpeg;base64,'])"
    assert desk.page.locator(foreign).count() == 0
    # the harness looks for window.hacked when the test is over


def test_an_error_is_told_in_the_services_words_and_tried_again(open_desk: OpenDesk, served: Served) -> None:
    desk = open_desk(served.url, may_fail=True)
    desk.open(f"/?q={QUERY}&show=No+such+show")
    shows(desk.page.locator("#state"), "no show 'No such show'")
    desk.answer("/api/search", lambda route: route.abort(), times=1)
    desk.page.get_by_role("button", name="Try again").click()
    desk.page.wait_for_selector("text=needle serve")
    desk.page.fill("#q", "red")
    desk.page.click("#shows")
    desk.page.click("#shows-none")
    desk.keys("Escape")
    desk.page.focus("#q")
    desk.keys("Enter")
    desk.page.wait_for_selector("#cards .card", state="attached")


def test_an_unknown_show_can_be_left_for_all_of_them(open_desk: OpenDesk, served: Served) -> None:
    desk = open_desk(served.url, may_fail=True).open(f"/?q={QUERY}&min=0&show=Nope")
    desk.page.get_by_role("button", name="Search all shows").click()
    desk.page.wait_for_selector("#cards .card", state="attached")
    assert "show=" not in desk.page.url


def opened_without(desk: Desk, module: str, address: str) -> Any:
    """The page with its results, while one of its modules is held back: ``continue_`` lets it come."""
    held: list[Any] = []
    desk.page.route(f"**/page/{module}", lambda route: held.append(route))
    desk.page.goto(desk.url + address)
    desk.page.wait_for_selector("#cards .card", state="attached")
    return desk.first_of(held)


def test_keys_pressed_before_the_page_is_ready_are_not_lost(desk: Desk) -> None:
    module = opened_without(desk, "traypanel.js", f"/?q={QUERY}&min=0")
    desk.keys("t")
    module.continue_()
    desk.page.wait_for_selector("body.ready")
    assert desk.page.is_visible("#tray")


def test_a_page_that_arrives_in_parts_is_built_when_it_is_whole(open_desk: OpenDesk, served: Served) -> None:
    with slow_page(served.url) as url:
        desk = open_desk(url, may_fail=True)  # what is asked for when the line goes down
        desk.page.goto(f"{url}/?q={QUERY}&min=0")
        desk.page.wait_for_selector("#cards .card", state="attached")
        desk.page.wait_for_selector("body.ready")


@contextmanager
def slow_page(service: str) -> Iterator[str]:
    """The service behind a line that brings the body of the page a second after its head, and all else at once."""

    class Line(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.pass_on(Request(service + self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.pass_on(Request(service + self.path, body, {"content-type": self.headers["content-type"]}))

        def pass_on(self, request: Request) -> None:
            with urlopen(request) as answer:
                data = answer.read()
                self.send_response(answer.status)
                self.send_header("content-type", answer.headers["content-type"])
            self.end_headers()
            head, body, rest = data.partition(b"<body>")
            self.wfile.write(head)
            if body:
                time.sleep(1)
                self.wfile.write(body + rest)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Line)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("where", ["results", "player"])
def test_keys_of_labelling_pressed_before_it_is_there_are_its_own(desk: Desk, where: str) -> None:
    shot = ""
    if where == "player":
        desk.search(QUERY)
        shot = f"&shot={quote(desk.shot_ids()[0])}"
    module = opened_without(desk, "labelling.js", f"/?q={QUERY}&min=0&label=early_{where}{shot}")
    if shot:
        desk.page.wait_for_selector("dialog.player[open]:not(.waiting)")
    else:
        desk.page.locator("#cards .card .open").first.focus()
    desk.keys("n")
    module.continue_()
    desk.page.wait_for_selector(".labelbar >> text=0 yes · 1 no", state="attached")
    assert "unlike" not in desk.page.url


def test_where_labelling_cannot_be_loaded_the_rest_works_and_it_is_said(open_desk: OpenDesk, served: Served) -> None:
    desk = open_desk(served.url, may_fail=True)
    desk.page.route("**/page/labelling.js", lambda route: route.abort())
    desk.open(f"/?q={QUERY}&min=0&label=never")
    desk.page.wait_for_selector("#notice >> text=Labelling could not be loaded.")
    desk.page.wait_for_selector("#foot >> text=shots")
    desk.keys("t")
    assert desk.page.is_visible("#tray")
    assert all("labelling.js" in one for one in desk.problems if "Failed to load resource" not in one)
    desk.problems.clear()


def test_dates_are_written_as_everywhere_in_the_page(desk: Desk) -> None:
    desk.open()
    desk.page.wait_for_selector(".show-row")
    for row in desk.page.locator(".show-row").all_text_contents():
        assert re.search(r"since \d{4}-\d\d-\d\d$", row.strip()), row


def test_a_failing_next_page_can_be_asked_for_again(open_desk: OpenDesk, served: Served) -> None:
    desk = open_desk(served.url, may_fail=True)
    is_down = True

    def answer(route: Any) -> None:
        """The route stays: Chromium may lose a request while Playwright takes the last route away."""
        if is_down and '"cursor":null' not in route.request.post_data:
            route.abort()
        else:
            route.continue_()

    desk.page.route("**/api/search", answer)
    desk.search(fold="0", show="Many")
    desk.page.mouse.move(600, 500)
    desk.page.mouse.wheel(0, 30_000)
    desk.page.wait_for_selector("#notice:not([hidden])")
    assert desk.cards().count() < 70
    is_down = False
    desk.page.locator("#notice").get_by_role("button", name="Try again").click()
    desk.until("document.querySelectorAll('#cards .card').length === 70")


def test_waiting_shows_skeletons(desk: Desk) -> None:
    held: list[Any] = []
    desk.page.route("**/api/search", lambda route: held.append(route))
    desk.page.goto(f"{desk.url}/?q={QUERY}&min=0")
    desk.page.wait_for_selector(".skeleton")
    assert desk.page.get_attribute("#results", "aria-busy") == "true"
    desk.first_of(held).continue_()
    desk.page.wait_for_selector(".card .open")
    assert desk.page.locator(".skeleton").count() == 0


def test_an_empty_home_says_what_to_run(open_desk: OpenDesk, tmp_path: Path) -> None:
    with serving(Home(tmp_path / "home")) as empty:
        desk = open_desk(empty.url, may_fail=True).open()
        desk.page.wait_for_selector("text=No footage yet")
        shows(desk.page.locator("#state"), "needle ingest")
        desk.settle()


def test_with_tokens_the_page_asks_for_one(open_desk: OpenDesk, served: Served) -> None:
    with serving(served.home, NEEDLE_TOKENS=TOKEN) as locked:
        desk = open_desk(locked.url, may_fail=True)
        desk.page.goto(f"{locked.url}/?q={QUERY}&min=0")
        dialog = desk.page.locator("dialog.sign-in[open]")
        dialog.get_by_label("Token").fill("wrong")
        desk.keys("Enter")
        desk.page.wait_for_selector("text=The service does not know this token")
        dialog.get_by_label("Token").fill(TOKEN)
        desk.keys("Enter")
        desk.page.wait_for_selector("#cards .card", state="attached")
        desk.until("document.querySelector('.card img').naturalWidth > 0")
        assert desk.page.locator("dialog.sign-in").count() == 0
        desk.settle()


def test_a_refusal_that_comes_after_the_token_is_not_asked_about_again(open_desk: OpenDesk, served: Served) -> None:
    with serving(served.home, NEEDLE_TOKENS=TOKEN) as locked:
        desk = open_desk(locked.url, may_fail=True)
        held: list[Any] = []

        def hold_the_first(route: Any) -> None:
            """The route stays: Chromium may lose the second request while Playwright takes the last route away."""
            if held:
                route.continue_()
            else:
                held.append(route)

        desk.page.route("**/api/shows", hold_the_first)
        desk.page.goto(f"{locked.url}/?q={QUERY}&min=0")
        dialog = desk.page.locator("dialog.sign-in[open]")
        dialog.wait_for()
        refused = desk.first_of(held).fetch(headers={"accept": "application/json"})
        assert refused.status == 401
        dialog.get_by_label("Token").fill(TOKEN)
        desk.keys("Enter")
        desk.page.wait_for_selector("#cards .card", state="attached")
        with desk.page.expect_response(lambda answer: "/api/shows" in answer.url and answer.ok):
            held[0].fulfill(response=refused)
        assert dialog.count() == 0
        desk.settle()


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_how_search_works_has_searches_that_find_something(
    open_desk: OpenDesk, served: Served, size: tuple[int, int]
) -> None:
    desk = open_desk(served.url, size=size)
    desk.page.goto(f"{served.url}/how")
    desk.page.wait_for_selector("body.ready")
    assert not desk.serious_violations()
    assert desk.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    line = desk.page.get_by_role("link", name="Merry Christmas")
    reads(line.locator(".words"), f'"{LINE}"')
    line.click()
    desk.page.wait_for_selector("#cards .card", state="attached")
    desk.page.wait_for_selector("body.ready")
    assert desk.page.locator("#q").input_value() == f'"{LINE}"'


def test_all_of_it_by_keyboard(desk: Desk) -> None:
    desk.open()
    page = desk.page
    desk.keys("/")
    page.keyboard.type(QUERY)
    desk.keys("Enter")
    page.wait_for_selector("#cards .card", state="attached")
    if page.get_by_role("button", name="Show the nearest shots").is_visible():
        page.get_by_role("button", name="Show the nearest shots").focus()
        desk.keys("Enter")
    focused = "document.activeElement.closest('.card')?.dataset.shot"
    desk.keys("ArrowDown")
    ids = desk.shot_ids()
    assert page.evaluate(focused) == ids[0]
    desk.keys("ArrowRight", "ArrowRight")
    assert page.evaluate(focused) == ids[2]
    columns = page.evaluate("getComputedStyle(document.querySelector('.cards')).gridTemplateColumns.split(' ').length")
    desk.keys("ArrowDown")
    assert page.evaluate(focused) == ids[2 + columns]
    desk.keys("ArrowUp", "ArrowLeft")
    assert page.evaluate(focused) == ids[1]
    desk.keys("x")
    assert page.locator(".card.selected").get_attribute("data-shot") == ids[1]
    desk.keys("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "More like this"
    desk.keys("Shift+Tab", " ")
    page.wait_for_selector("video.preview", state="attached")
    desk.keys("Enter")
    page.wait_for_selector("dialog.player[open] .details")
    desk.keys("Escape")
    page.locator("dialog.player[open]").wait_for(state="detached")
    assert page.evaluate(focused) == ids[1]
    desk.keys("?")
    assert page.locator("dialog.keys[open]").is_visible()
    told = page.locator("dialog.keys section", has=page.locator("h3", has_text="In the player")).inner_text()
    assert all(key in told for key in ("more, less like this", "sound on, off", "quieter, louder", "full screen"))
    desk.keys("Escape", "m")
    page.wait_for_selector(".chip.like")


def test_every_control_can_be_reached_with_tab(desk: Desk) -> None:
    desk.search(show="A Series")
    wanted = {"q", "picture", "refine", "tray-button", "reports"} | {
        "theme",
        "help",
        "shows",
        "group",
        "view",
        "relevance",
    }
    seen: set[str] = set()
    for _ in range(45):
        desk.keys("Tab")
        seen.add(desk.page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert wanted <= seen
    assert {"open", "icon-button more", "icon-button less", "icon-button select"} <= seen


@pytest.mark.parametrize("state", ["results", "start", "tray", "refine", "player", "keys"])
def test_nothing_is_wider_than_a_narrow_screen(open_desk: OpenDesk, served: Served, state: str) -> None:
    desk = open_desk(served.url, size=NARROW, has_touch=True)
    show(desk, state)
    assert desk.page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
    script = """() => [...document.querySelectorAll('button, input, select')].filter(one => one.checkVisibility()
        && !one.closest('.visually-hidden') && getComputedStyle(one).position !== 'absolute'
        && !one.closest('.chips, .skip')).filter(one => {
            const box = one.getBoundingClientRect();
            return box.width && (box.left < -1 || box.right > innerWidth + 1);
        }).map(one => one.outerHTML.slice(0, 90))"""
    assert desk.page.evaluate(script) == []


def test_the_theme_follows_the_system_or_the_switch(open_desk: OpenDesk, served: Served) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = open_desk(served.url, color_scheme="dark").open()
    light = open_desk(served.url, color_scheme="light").open()
    assert dark.page.evaluate(ground) == "rgb(17, 18, 21)"
    assert light.page.evaluate(ground) == "rgb(247, 247, 245)"
    dark.page.click("#theme")
    assert dark.page.get_attribute("#theme", "aria-label") == "Theme: light"
    assert dark.page.evaluate(ground) == "rgb(247, 247, 245)"
    dark.page.reload()
    assert dark.page.evaluate(ground) == "rgb(247, 247, 245)"


FAILING = ["error", "refused", "gone"]
STATES = ["start", "results", "grouped", "hidden", "tray", "refine", "player", "keys", "shows", "examples", *FAILING]


def show(desk: Desk, state: str) -> None:
    """Bring the page into a state."""
    if state == "start":
        desk.open()
        desk.page.wait_for_selector(".show-row")
        return
    if state == "gone":
        desk.open("/?shot=0123456789abcdef:3")
        desk.page.wait_for_selector("dialog.player.no-shot[open]")
        return
    if state in ("hidden", "error"):
        desk.open(f"/?q={QUERY}&min=1" if state == "hidden" else f"/?q={QUERY}&show=none+such")
        desk.page.wait_for_selector(".message")
        return
    desk.search(**({"group": "1"} if state == "grouped" else {}))
    desk.page.wait_for_load_state("networkidle")
    match state:
        case "tray":
            desk.cards().first.locator(".open").focus()
            desk.keys("x", "ArrowRight", "x", "t")
            desk.page.locator("#tray .pick").nth(1).wait_for()
        case "refused":
            desk.page.evaluate(
                "shot => import('/page/selection.js').then(({ Selection }) => new Selection().put("
                "{ ...shot, shot_id: '0123456789abcdef:3' }, null, shot.start_frame, shot.end_frame))",
                desk.page.request.get(f"{desk.url}/api/shots/{desk.shot_ids()[0]}").json(),
            )
            desk.page.reload()
            desk.page.wait_for_selector("body.ready")
            desk.keys("t")
            desk.page.get_by_role("button", name="Export", exact=True).click()
            desk.page.wait_for_selector("#tray .pick.refused")
        case "refine":
            desk.page.click("#refine")
            desk.page.locator("#refine-panel").get_by_role("button", name="looks like").first.click()
        case "player":
            desk.player()
        case "keys":
            desk.keys("?")
        case "shows":
            desk.page.click("#shows")
            desk.page.wait_for_selector(".menu-check[title]")
        case "examples":
            desk.keys("ArrowDown", "m")
            desk.page.wait_for_selector(".chip.like")
            desk.until("document.querySelector('#results').ariaBusy === 'false'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_serious(open_desk: OpenDesk, served: Served, state: str, scheme: str) -> None:
    desk = open_desk(served.url, color_scheme=scheme, may_fail=state in FAILING)
    show(desk, state)
    assert not desk.serious_violations()
