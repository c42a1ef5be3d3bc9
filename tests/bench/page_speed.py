"""How long the page takes from Enter until the first cards are on screen, pictures painted, in the system's Chromium.

Chromium reports when it painted each picture (Element Timing). A query counts from the key's own time stamp until the
last picture of the cards in the window is painted.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ops.core.settings import Settings
from ops.shots.segment import make_poster_key
from ops.shots.thumbnails import add_thumbnail, shrink_poster
from tests.builders.lakes import shot_rows, video_id

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WINDOW = (1440, 900)
POSTERS = 64
POSTER_SIZE = (640, 360)
BUSY_S = 240
WARM_UP_PAGES = 8

# Marks each poster before it is painted, and notes when Chromium painted it.
_WATCH = """
let enter = 0;
let finish = null;
const paints = new Map();
const POSTERS = "#cards .card:not([hidden]) .poster img";
const firstPictures = () => [...document.querySelectorAll(POSTERS)].filter((picture) => {
  const { top, bottom } = picture.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
});
const check = () => {
  if (!finish || document.querySelector("#results[aria-busy=true]")) return;
  const times = firstPictures().map((picture) => paints.get(picture) ?? 0);
  if (!times.length || Math.min(...times) < enter) return;
  finish([Math.max(...times) - enter, times.length]);
  finish = null;
};
addEventListener("keydown", (event) => { if (event.key === "Enter") enter = event.timeStamp; }, true);
new MutationObserver((records) => {
  for (const node of records.flatMap(({ addedNodes }) => [...addedNodes])) {
    for (const picture of node.querySelectorAll?.(".poster img") ?? []) picture.setAttribute("elementtiming", "poster");
  }
}).observe(document, { childList: true, subtree: true });
new PerformanceObserver((list) => {
  for (const { element, renderTime } of list.getEntries()) paints.set(element, renderTime);
  check();
}).observe({ type: "element", buffered: true });
globalThis.nextPictures = () => new Promise((done) => { finish = done; });
"""


@dataclass(frozen=True, kw_only=True)
class PageTimes:
    """Milliseconds from Enter to painted first cards, one for each query, and the least number of their pictures."""

    milliseconds: Sequence[float]
    pictures: int


def write_posters(settings: Settings, shots: int, shots_a_film: int) -> None:
    """Give each generated shot a poster: links to a few as large as those of real films (35 KB, small 10 KB)."""
    pool = []
    generator = np.random.default_rng(7)
    for number in range(POSTERS):
        path = Path(settings.store.path(f"pool/{number}.jpg"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_draw_poster(generator))
        pool.append(path)
    for film, start in enumerate(range(0, shots, shots_a_film)):
        for row in shot_rows(film, min(shots_a_film, shots - start)):
            path = Path(settings.store.path(make_poster_key(video_id(film), row["start_frame"], row["end_frame"])))
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(pool[(start + row["index"]) % POSTERS], path)


def _draw_poster(generator: np.random.Generator) -> bytes:
    coarse = generator.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(POSTER_SIZE, Image.Resampling.BICUBIC), np.int16)
    grain = generator.normal(0, 6, (*smooth.shape[:2], 1))
    target = io.BytesIO()
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(target, "JPEG", quality=75)
    return add_thumbnail(target.getvalue(), shrink_poster(target.getvalue()))


@contextmanager
def keep_core_busy(seconds: float = BUSY_S) -> Iterator[None]:
    """Keep one core busy during the block; the process ends by itself after ``seconds``."""
    loop = f"import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
    with subprocess.Popen([sys.executable, "-c", loop]) as process:
        try:
            yield
        finally:
            process.terminate()


def measure_page(port: int, texts: Sequence[str]) -> PageTimes:
    """Type each text into the search box of one page, press Enter, and wait until its first pictures are painted."""
    from playwright.sync_api import sync_playwright

    times, counts = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WINDOW[0], "height": WINDOW[1]})
        page.add_init_script(_WATCH)
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("body.ready")
        for text in texts:
            page.fill("#q", text)
            painted = page.evaluate_handle("() => ({ times: nextPictures() })")
            page.keyboard.press("Enter")
            milliseconds, count = painted.evaluate("(painted) => painted.times")
            times.append(float(milliseconds))
            counts.append(int(count))
        browser.close()
    return PageTimes(milliseconds=times[WARM_UP_PAGES:], pictures=min(counts))
