"""The film view: every shot in order, its cuts corrected by hand, by pointer and keyboard, with thousands of shots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ops.core.settings import load_settings
from ops.shots.corrections import read_history
from tests.browser.conftest import LINE, NARROW, Desk, OpenDesk, Served, reads, serving, shows
from tests.builders.colours import index_lake, lean, write_video
from tests.builders.films import make_film
from tests.builders.homes import Home
from tests.builders.lakes import video_id
from tests.builders.served import served as served_lake

TILES = ".storyboard > li"
MANY = 5_000


def open_film(desk: Desk, film: str, **more: str) -> Any:
    extra = "".join(f"&{name}={value}" for name, value in more.items())
    desk.open(f"/?film={film}{extra}")
    desk.page.wait_for_selector(f"#film {TILES}")
    return desk.page.locator("#film")


def id_of(service: Served, name: str) -> str:
    shots = service.home.json("shots", str(service.films[name].path))
    return str(shots[0]["shot_id"].split(":")[0])


def said(service: Served, video: str) -> list[tuple[str, int, str, str]]:
    settings = load_settings(home=str(service.home.path))
    return [(each.action, each.frame, each.author, each.note) for each in read_history(settings, video)]


def tile(desk: Desk, frame: int) -> Any:
    return desk.page.locator(f'{TILES}[data-shot$=":{frame}"]')


@pytest.fixture
def clean(served: Served) -> Iterator[Served]:
    """The shared home, without corrections before and after."""
    table = served.home.path / "media" / "lake" / "shot_corrections"
    yield served
    for file in table.glob("*.parquet"):
        file.unlink()


def test_every_shot_stands_in_order_with_its_frames(desk: Desk, served: Served) -> None:
    film = open_film(desk, id_of(served, "drop"))
    reads(film.locator("h1"), "Drop")
    shows(film.locator(".film-head .muted"), "2 shots")
    assert desk.page.locator(TILES).count() == 2
    shows(tile(desk, 0), "00:00:59;00")
    shows(tile(desk, 0), "0–69")
    assert tile(desk, 0).get_attribute("aria-setsize") == "2"
    assert tile(desk, 0).locator(".merge").count() == 0 and tile(desk, 70).locator(".merge").count() == 1
    assert desk.serious_violations() == []


def test_two_shots_are_merged_and_that_is_taken_back(desk: Desk, clean: Served) -> None:
    video = id_of(clean, "series")
    film = open_film(desk, video)
    film.locator("#film-author").fill("ann")
    tile(desk, 60).locator(".merge").click()
    tile(desk, 60).locator(".cut-mark.waits").wait_for()
    reads(film.get_by_role("status"), "No shot will begin at frame 60 after the next ingest.")
    shows(film.locator(".film-waiting"), "1 change will be searchable after the next ingest")
    assert said(clean, video) == [("no_cut", 60, "ann", "")]
    assert desk.serious_violations() == []
    desk.page.reload()
    desk.page.wait_for_selector(f"{TILES} .cut-mark.waits")
    tile(desk, 60).locator(".undo").click()
    tile(desk, 60).locator(".cut-mark").wait_for(state="detached")
    assert film.locator(".film-waiting").is_hidden()
    assert [one[0] for one in said(clean, video)] == ["no_cut", "withdrawn"]


def test_a_shot_is_split_at_the_very_frame_that_is_shown(open_desk: OpenDesk, clean: Served) -> None:
    desk = open_desk(clean.url, may_fail=True)  # one request is refused
    video = id_of(clean, "drop")
    open_film(desk, video)
    tile(desk, 70).locator(".split").click()
    dialog = desk.page.locator("dialog.splitter[open]")
    desk.until("[...document.querySelectorAll('.splitter video')].every(video => video.readyState >= 2)")
    assert dialog.locator("#splitter-frame").input_value() == "110"
    desk.keys("ArrowRight", "Shift+ArrowRight", "ArrowLeft")
    assert dialog.locator("#splitter-frame").input_value() == "120"
    for place, frame in ((".splitter figure:nth-child(1) video", 119), (".splitter figure:nth-child(2) video", 120)):
        desk.shows_frame(place, frame)
    reads(dialog.locator("figcaption").first.locator("span"), ["ends 00:01:03;01", "frame 119"])
    assert desk.serious_violations() == []
    dialog.locator("#splitter-note").fill("a new scene")
    desk.keys("Enter")
    desk.page.wait_for_selector("dialog.splitter", state="hidden")
    tile(desk, 70).locator(".cut-mark.waits").wait_for()
    shows(tile(desk, 70), "will split at 120")
    assert said(clean, video) == [("cut", 120, "page", "a new scene")]
    tile(desk, 70).locator(".split").click()
    desk.page.locator("#splitter-frame").fill("121")
    desk.keys("Enter")
    dialog.get_by_text("would leave a shot of 1 frame,").wait_for()
    desk.keys("Escape")
    assert len(said(clean, video)) == 1


def test_everything_works_by_keyboard(desk: Desk, clean: Served) -> None:
    video = id_of(clean, "series")
    open_film(desk, video)
    desk.keys("ArrowDown", "ArrowRight")
    assert desk.page.evaluate("document.activeElement.closest('li').dataset.shot") == f"{video}:60"
    desk.keys("m")
    tile(desk, 60).locator(".cut-mark").wait_for()
    assert desk.page.evaluate("document.activeElement.closest('li').dataset.shot") == f"{video}:60"
    desk.keys("u")
    tile(desk, 60).locator(".cut-mark").wait_for(state="detached")
    desk.keys("End", "s")
    desk.page.wait_for_selector("dialog.splitter[open]")
    desk.keys("Escape", "Enter")
    desk.page.wait_for_selector("dialog.player[open] .details")
    desk.keys("[")
    desk.page.wait_for_selector(f'dialog.player[data-shot="{video}:60"]')
    desk.keys("Escape")
    desk.page.wait_for_selector("dialog.player", state="hidden")
    desk.keys("Home", "Escape")
    desk.page.wait_for_selector("#film", state="hidden")
    assert said(clean, video)[-1][0] == "withdrawn"


def test_the_player_leads_to_the_film_and_back(desk: Desk, served: Served) -> None:
    desk.search(show="Many", fold="0")
    dialog = desk.player()
    frame = int(dialog.locator(".number").inner_text().removeprefix("frame "))
    desk.keys("w")
    desk.page.wait_for_selector(f"#film {TILES}")
    assert desk.page.locator("dialog.player[open]").count() == 0
    assert desk.page.evaluate("document.activeElement.closest('li').dataset.shot").endswith(f":{frame}")
    desk.page.locator("#cards").wait_for(state="hidden")
    assert f"frame={frame}" in desk.page.url
    desk.page.go_back()
    desk.page.wait_for_selector("#film", state="hidden")
    assert desk.page.locator("#cards").is_visible()


def current_frame(desk: Desk) -> int:
    return int(desk.page.locator(".film-stage .timecode").inner_text().split(" · ")[1])


def test_timeline_picture_and_dialogue_stand_at_the_same_frame(desk: Desk, served: Served) -> None:
    open_film(desk, id_of(served, "hostile"))
    lines = desk.page.locator(".transcript .line")
    lines.nth(1).wait_for()
    reads(lines.locator(".said"), [LINE, "Good night"])
    assert desk.serious_violations() == []
    lines.nth(1).click()
    frame = current_frame(desk)
    assert 62 <= frame <= 63, "the line begins after 2.5 s"
    desk.until("document.querySelector('.film-stage video').readyState >= 2")
    desk.shows_frame(".film-stage video", frame)
    reads(desk.page.locator(".transcript .current .said"), "Good night")
    desk.page.locator(".film-bar").focus()
    desk.keys("End")
    assert current_frame(desk) == 50 and "shot 2 of 2" in str(desk.page.get_attribute(".film-bar", "aria-valuetext"))
    assert desk.page.locator(".film-tile.current").get_attribute("data-shot").endswith(":50")
    box = desk.page.locator(".film-bar").bounding_box()
    desk.page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 10)
    assert abs(current_frame(desk) - 55) <= 1
    desk.page.locator(".film-bar").focus()
    desk.keys("+", "+", "Home", " ")
    desk.until("document.querySelector('.film-tile.current')?.dataset.index === '1'")  # it has played on
    desk.keys(" ")


def test_words_are_marked_in_the_dialogue_only_if_it_was_searched(desk: Desk, served: Served) -> None:
    marks = desk.page.locator(".transcript mark")
    open_film(desk, id_of(served, "hostile"), q="said:night")
    marks.first.wait_for()
    reads(marks, ["night"])
    open_film(desk, id_of(served, "hostile"), q="a+pattern+at+night")
    desk.page.locator(".transcript .line").nth(1).wait_for()
    desk.page.get_by_text("hit").first.wait_for()
    assert marks.count() == 0, "only the pictures were searched"


def test_hits_of_the_query_are_marked_and_a_key_goes_to_the_next(desk: Desk, served: Served) -> None:
    video = id_of(served, "many")
    open_film(desk, video, q="a+colourful+pattern", fold="0")
    desk.until("document.querySelectorAll('.film-tile.found').length > 0")
    marked = desk.page.locator(".film-tile.found").evaluate_all("tiles => tiles.map(tile => +tile.dataset.index)")
    assert desk.serious_violations() == []
    desk.keys("ArrowDown")
    for index in [each for each in marked if each > 0][:2]:
        desk.keys(".")
        assert desk.page.evaluate("+document.activeElement.closest('li').dataset.index") == index
    shows(desk.page.locator(".film-finds"), "relevance")
    desk.keys("Home", ",")
    shows(desk.page.locator(".film-finds"), "No more before this shot")


def test_a_range_of_shots_goes_into_the_tray_as_one_clip(desk: Desk, served: Served) -> None:
    video = id_of(served, "many")
    open_film(desk, video)
    desk.keys("ArrowDown", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
    assert desk.page.locator(".film-tile.in-range").count() == 3
    shows(desk.page.locator(".film-range"), "3 shots, 2.5 s, frames 20–79")
    assert desk.serious_violations() == []
    desk.keys("Escape")
    assert desk.page.locator(".film-range").is_hidden() and desk.page.locator("#film").is_visible()
    desk.keys("Shift+ArrowLeft", "x")
    reads(desk.page.locator("#film").get_by_role("status"), "2 shots are in the tray as one clip.")
    tile(desk, 200).locator(".open").focus()
    tile(desk, 260).locator(".open").click(modifiers=["Shift"])
    assert desk.page.locator(".film-tile.in-range").count() == 4
    desk.page.get_by_role("button", name="Into the tray as one clip").click()
    desk.page.get_by_role("button", name="Choose several shots").click()  # as by touch
    for frame in (320, 300):
        tile(desk, frame).locator(".open").click()
    desk.page.get_by_role("button", name="Into the tray as one clip").click()
    kept = desk.page.evaluate("JSON.parse(localStorage.getItem('needle.tray')).picks")
    assert [(one["in_frame"], one["out_frame"]) for one in kept] == [(40, 80), (200, 280), (300, 340)]
    tick = tile(desk, 80).get_by_role("button", name="Select for the tray")
    tile(desk, 80).hover()
    tick.click()
    desk.page.mouse.move(0, 0)
    assert tick.get_attribute("aria-pressed") == "true" and tick.is_visible()
    tick.click()
    assert tick.get_attribute("aria-pressed") == "false"
    assert "selected" not in str(tile(desk, 80).get_attribute("class"))


def test_neighbours_of_a_hit_are_one_key_away(desk: Desk, served: Served) -> None:
    desk.search(show="A Series", fold="0")
    desk.keys("ArrowDown")
    at = int(desk.shot_ids()[0].split(":")[1])
    starts = [0, 60, 110]
    way, expected = ("]", starts[starts.index(at) + 1]) if at < 110 else ("[", 60)
    desk.keys(way)
    desk.page.wait_for_selector(f'dialog.player[data-shot$=":{expected}"]')
    desk.keys("Escape")
    desk.page.wait_for_selector("dialog.player", state="hidden")
    desk.cards().first.locator(".open").focus()
    desk.keys("w")
    desk.page.wait_for_selector(f"#film {TILES}")
    assert desk.page.evaluate("document.activeElement.closest('li').dataset.shot").endswith(f":{at}")


def test_a_label_that_is_concerned_is_named(desk: Desk, clean: Served) -> None:
    video = id_of(clean, "drop")
    clean.home.run("label", "sky", f"{video}:70", "--value", "yes")
    open_film(desk, video)
    tile(desk, 70).locator(".merge").click()
    desk.page.wait_for_selector(".cut-mark.waits")
    shows(desk.page.locator(".film-news"), "Label sky (yes): kept, and not used")
    clean.home.run("label", "sky", f"{video}:70", "--value", "withdrawn")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_at_390_pixels_nothing_is_cut_off(open_desk: OpenDesk, clean: Served, theme: Any) -> None:
    desk = open_desk(clean.url, size=NARROW, color_scheme=theme)
    open_film(desk, id_of(clean, "hostile"))
    tile(desk, 50).locator(".merge").click()
    desk.page.wait_for_selector(".cut-mark.waits")
    assert desk.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert desk.serious_violations() == []
    tile(desk, 0).locator(".split").click()
    desk.page.wait_for_selector("dialog.splitter[open]")
    assert desk.page.evaluate(
        "(box => box.left >= 0 && box.right <= innerWidth)(document.querySelector('.splitter').getBoundingClientRect())"
    )
    assert desk.serious_violations() == []


def test_of_thousands_of_shots_only_those_near_the_screen_are_drawn(
    open_desk: OpenDesk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = load_settings(home=tmp_path_factory.mktemp("thousands") / "home")
    write_video(settings, 0, [lean((1, 0, 0), 0.0)] * MANY, show="Long")
    index_lake(settings)
    with served_lake(settings) as client:
        desk = open_desk(str(client.base_url).rstrip("/"), may_fail=True)  # there are no pictures
        open_film(desk, video_id(0))
        shows(desk.page.locator(".film-head .muted"), f"{MANY:,} shots")
        assert desk.page.locator(TILES).count() < 100
        desk.keys("ArrowDown", "End")
        last = f"{video_id(0)}:{(MANY - 1) * 24}"
        assert desk.page.evaluate("document.activeElement.closest('li').dataset.shot") == last
        assert desk.page.locator(TILES).count() < 150
        desk.page.locator("#film-goto").fill(str(2_000 * 24 + 5))
        desk.keys("Enter")
        assert desk.page.evaluate("document.activeElement.closest('li').dataset.shot") == f"{video_id(0)}:{2_000 * 24}"
        most = desk.page.evaluate(
            """async (tiles) => {
            let most = 0;
            for (let step = 0; step < 40; step += 1) {
                scrollTo(0, step * 2500);
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                most = Math.max(most, document.querySelectorAll(tiles).length);
            }
            return most;
        }""",
            TILES,
        )
        assert most < 200, f"{most} tiles are drawn while the page is scrolled"
        shots = desk.page.locator(TILES).evaluate_all("tiles => tiles.map((tile) => Number(tile.dataset.index))")
        assert shots == sorted(shots), "tiles stand in the order of the film, also for who hears them"


def test_an_ingest_shows_by_itself(open_desk: OpenDesk, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("corrected")
    film = make_film(folder / "film.mp4", cuts=(30, 60), frames=90, width=160, height=90)
    home = Home(folder / "home", frames=None)
    home.fork("ingest", str(film.path), "--detector", "adaptive")
    with serving(home, films={"film": film}, NEEDLE_DETECTOR="adaptive") as service:
        desk = open_desk(service.url)
        open_film(desk, id_of(service, "film"))
        tile(desk, 30).locator(".merge").click()
        desk.page.wait_for_selector(".cut-mark.waits")
        home.fork("ingest", str(film.path), "--detector", "adaptive")
        tile(desk, 30).wait_for(state="detached")
        assert desk.page.locator(TILES).count() == 2
        shows(tile(desk, 0), "no cut at 30, page")
        assert desk.page.locator(".film-waiting").is_hidden()
        tile(desk, 0).locator(".open").click()
        desk.page.wait_for_selector("dialog.player[open] .details")
        shows(desk.page.locator(".details"), "no_cut@30")
        desk.settle()
