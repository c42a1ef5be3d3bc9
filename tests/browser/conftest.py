"""A real home of generated films, the real service on it, and the system's Chromium at its page."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import numpy as np
import pytest

from tests.builders.films import Film, Picture, make_film, read_barcode
from tests.builders.forked import ForkedCommand
from tests.builders.homes import Home

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = '<img src=x onerror="window.hacked=1">'
LINE = "Merry Christmas <script>window.hacked=1</script> to everybody"
WIDE, NARROW = (1280, 800), (390, 844)
QUERY = "a colourful pattern"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    mine = [item for item in items if here in item.path.parents]
    for item in mine:
        item.add_marker(pytest.mark.slow)
        if CHROMIUM is None:
            item.add_marker(pytest.mark.skip(reason="needs a browser: `apt-get install chromium`"))


@dataclass
class Desk:
    """One tab with the page, and what went wrong in it."""

    page: Any
    url: str
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    loading: set[Any] = field(default_factory=set)
    """Requests for files of the page that have no end yet."""

    def follow(self) -> None:
        """Take note of errors and requests of the page from now on."""
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("console", lambda said: self.problems.append(said.text) if said.type == "error" else None)
        self.page.on("request", self._note)
        for end in ("requestfinished", "requestfailed"):
            self.page.on(end, lambda request: self.loading.discard(request))

    def _note(self, request: Any) -> None:
        self.requests.append(request.url.removeprefix(self.url))
        if "/page/" in request.url:
            self.loading.add(request)

    def open(self, address: str = "/") -> Desk:
        self.page.goto(self.url + address)
        self.page.wait_for_selector("body.ready")
        self.page.wait_for_selector("#results:not([aria-busy=true])", state="attached")  # an answer may come later
        self.until_styled()
        return self

    def until_styled(self) -> None:
        """Wait until the style sheets that were asked for are there: parts of the page ask for theirs as they open."""
        self.until("[...document.querySelectorAll('link[rel=stylesheet]')].every(one => one.sheet)")

    def search(self, text: str = QUERY, **more: str) -> Desk:
        """Results of a text, none hidden for their relevance."""
        extra = "".join(f"&{name}={quote(value)}" for name, value in {"min": "0", **more}.items())
        self.open(f"/?q={quote(text)}{extra}")
        self.page.wait_for_selector(".card .open")
        return self

    def settle(self) -> None:
        """Wait until the page has loaded all its modules, so that its service can end without an error in it."""
        self.page.wait_for_selector("body.ready")
        count = -1
        while self.loading or count != len(self.requests):
            count = len(self.requests)
            self.page.wait_for_timeout(300)

    def cards(self) -> Any:
        """Those below the window have no text yet: the browser does not lay them out before they come near it."""
        return self.page.locator("#cards .card:not([hidden])")

    def shot_ids(self) -> list[str]:
        return [str(one) for one in self.cards().evaluate_all("cards => cards.map(card => card.dataset.shot)")]

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def player(self, card: int = 0) -> Any:
        """Open a card in the player, standing still at its first frame."""
        self.cards().nth(card).locator(".open").click()
        dialog = self.page.locator("dialog.player[open]")
        dialog.locator(".details").wait_for()
        self.until_playable()
        self.keys("k", "Home")
        return dialog

    def until_playable(self) -> None:
        """Wait until the player has a frame and has moved to its shot, which it does as soon as it knows the video."""
        self.until("(one => one?.readyState >= 2 && one.currentTime > 0)(document.querySelector('.stage-video'))")

    def answer(self, path: str, act: Callable[[Any], Any], times: int | None = None) -> None:
        """Answer requests of the page that is open in the service's place, each one that is made after this returns.

        Chromium is told to ask, and goes on sending on its own for a while (one in ten times, on a busy machine).
        """
        asked: list[Any] = []

        def seen(route: Any) -> None:
            asked.append(route)
            route.fulfill()

        self.page.route("**/healthz?asked", seen)
        end = time.monotonic() + 20
        while not asked:
            assert time.monotonic() < end, "Chromium does not ask"
            self.page.evaluate("fetch('/healthz?asked').then(answer => answer.text())")
        self.page.route(f"**{path}", act, times=times)

    def first_of(self, held: list[Any]) -> Any:
        """Wait for the first of the requests that a route holds back in this list."""
        end = time.monotonic() + 20
        while not held:
            assert time.monotonic() < end, "the page does not ask"
            self.page.wait_for_timeout(20)
        return held[0]

    def until(self, condition: str) -> None:
        """Wait for a condition in the page. Playwright's own waiting needs `eval`, which the page's policy forbids."""
        end = time.monotonic() + 20
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"waited 20 s for {condition}"
            self.page.wait_for_timeout(40)

    def serious_violations(self) -> list[tuple[str, str, str]]:
        """Rule, element and what to do, of what axe finds serious or critical in the page as it stands."""
        from axe_playwright_python.sync_playwright import Axe

        self.until_styled()
        return [
            (one["id"], node["html"][:150], node.get("failureSummary", "")[:200])
            for one in Axe().run(self.page).response["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    def shows_frame(self, selector: str, frame: int) -> None:
        """Wait until a video shows the frame with this barcode; a busy machine composes it late."""
        end = time.monotonic() + 15
        while (shown := read_barcode(self.picture(selector))) != frame:
            assert time.monotonic() < end, f"frame {shown} is shown, and {frame} reported"

    def picture(self, selector: str) -> Picture:
        """What a video shows, uint8 RGB (H, W, 3), once it has stopped seeking."""
        from PIL import Image

        self.until(f"!document.querySelector('{selector}').seeking")
        self.page.wait_for_timeout(120)  # until the frame that was sought is composed
        script = """selector => {
            const video = document.querySelector(selector);
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
            canvas.getContext("2d").drawImage(video, 0, 0);
            return canvas.toDataURL("image/png");
        }"""
        data = self.page.evaluate(script, selector)
        image = Image.open(io.BytesIO(base64.b64decode(data.split(",")[1]))).convert("RGB")
        return np.asarray(image, np.uint8)


Texts = str | re.Pattern[str] | list[str | re.Pattern[str]]


def shows(locator: Any, text: Texts) -> None:
    """Wait until the text that a reader sees there contains this one; a break of lines counts as a space."""
    from playwright.sync_api import expect

    expect(locator).to_contain_text(text, use_inner_text=True, timeout=20_000)


def reads(locator: Any, text: Texts) -> None:
    """Wait until the text that a reader sees there is this one; a list is the texts of all that is found, in order."""
    from playwright.sync_api import expect

    expect(locator).to_have_text(text, use_inner_text=True, timeout=20_000)


@dataclass(frozen=True)
class Served:
    """A home and the address at which it is served."""

    home: Home
    url: str
    films: dict[str, Film]


@contextmanager
def serving(home: Home, *, films: dict[str, Film] | None = None, **extra: str) -> Iterator[Served]:
    """``needle serve`` on a free port until the block ends."""
    log = home.path.parent / f"serve-{os.getpid()}-{time.monotonic_ns()}.log"
    with log.open("wb") as errors, open(os.devnull, "wb") as nothing:
        process = ForkedCommand(["serve", "--port", "0"], home.environment(**extra), nothing, errors)
    try:
        yield Served(home, _address(process, log), films or {})
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=15)


def _address(process: ForkedCommand, log: Path) -> str:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        found = re.search(r"http://[\d.]+:\d+", log.read_text())
        if found and _is_warm(found[0]):
            return found[0]
        time.sleep(0.2)
    raise AssertionError(f"the service did not come up: {log.read_text()}")


def _is_warm(url: str) -> bool:
    try:
        with urlopen(f"{url}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def make_footage(folder: Path) -> dict[str, Film]:
    """Three shows in three rates, one with names that would be HTML, one with more shots than a page of results."""
    series, hostile = folder / "A Series", folder / HOSTILE.replace("/", "")
    series.mkdir(parents=True)
    hostile.mkdir()
    subtitle = f"1\n00:00:00,500 --> 00:00:01,500\n{LINE}\n\n2\n00:00:02,500 --> 00:00:03,500\nGood night\n"
    (hostile / "<b>one.srt").write_text(subtitle)
    ntsc, drop = Fraction(24000, 1001), Fraction(30000, 1001)
    return {
        "series": make_film(series / "one.mp4", cuts=(60, 110), frames=170, fps=ntsc, seed=3),
        "hostile": make_film(hostile / "<b>one.mp4", cuts=(50,), frames=110, fps=25, audio=True, seed=2),
        "drop": make_film(folder / "Drop.mov", cuts=(70,), frames=150, fps=drop, timecode="00:00:59;00", seed=5),
        "many": make_film(folder / "Many.mp4", cuts=range(20, 1400, 20), frames=1400, width=160, height=90, seed=11),
    }


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The generated footage, ingested and served."""
    folder = tmp_path_factory.mktemp("browser")
    films = make_footage(folder / "footage")
    home = Home(folder / "home", frames=None)
    home.fork("ingest", str(folder / "footage"))
    with serving(home, films=films) as service:
        yield service


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A module's own browser: while it runs, its event loop is in the way of tests that start one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


OpenDesk = Callable[..., Desk]


@pytest.fixture
def open_desk(browser: Any) -> Iterator[OpenDesk]:
    """Opens tabs of their own profile; afterwards no script may have failed, and nothing broken the page's policy."""
    opened: list[tuple[Desk, bool]] = []
    contexts: list[Any] = []

    def make(url: str, *, size: tuple[int, int] = WIDE, may_fail: bool = False, **options: Any) -> Desk:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        context.set_default_timeout(90_000)
        contexts.append(context)
        desk = Desk(context.new_page(), url)
        desk.follow()
        opened.append((desk, may_fail))
        return desk

    yield make
    hacked = [desk.page.evaluate("window.hacked ?? null") for desk, _ in opened]
    for context in contexts:
        context.close()
    assert not any(hacked), "text from the service ran as a script"
    for desk, may_fail in opened:
        bad = [one for one in desk.problems if not (may_fail and "Failed to load resource" in one)]
        assert not bad, bad


@pytest.fixture
def desk(open_desk: OpenDesk, served: Served) -> Desk:
    return open_desk(served.url)
