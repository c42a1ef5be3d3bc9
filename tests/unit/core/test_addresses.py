"""Addresses of the service in other programs."""

from pathlib import Path

from ops.core.addresses import build_page_address, build_report_address, render_sheet, render_thumbs
from ops.core.settings import load_settings

SHOT = "91028f9d6c72cc81:242"


def test_addresses_are_those_of_the_setting_or_of_a_service_on_this_machine(tmp_path: Path) -> None:
    here, public = load_settings(home=tmp_path), load_settings(home=tmp_path, public_url="https://needle.example/")
    assert build_page_address(here, shot=SHOT) == f"http://127.0.0.1:8080/?shot={SHOT}"
    assert build_page_address(here) == "http://127.0.0.1:8080/"
    assert build_report_address(public, "latest", "downstream", "a b/c") == (
        "https://needle.example/reports/latest/downstream/a%20b%2Fc"
    )


def test_pictures_are_links_and_their_titles_cannot_end_early(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    base = "http://127.0.0.1:8080"
    assert render_thumbs(settings, [(SHOT, "0.98")]) == (
        f'[![{SHOT}]({base}/media/shots/{SHOT}/thumb.jpg "0.98")]({base}/?shot={SHOT})'
    )


def test_names_of_videos_cannot_be_markdown(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    hostile = "a](http://elsewhere) \n\n<img> ![x](http://elsewhere)"
    sheet = render_sheet(settings, "91028f9d6c72cc81", hostile, [(SHOT, "10.1 s"), (SHOT, 'a "b" \\')])
    name, _, thumbs = sheet.partition("\n\n")
    base = "http://127.0.0.1:8080"
    assert name == (
        "[a\\](http://elsewhere) \\<img\\> !\\[x\\](http://elsewhere)]"
        f"({base}/?film=91028f9d6c72cc81) · [contact sheet]({base}/media/videos/91028f9d6c72cc81/sheet.jpg)"
    )
    assert thumbs.count("thumb.jpg") == 2 and '"a \\"b\\" \\\\")' in thumbs and "\n" not in thumbs
