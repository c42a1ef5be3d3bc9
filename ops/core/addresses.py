"""Addresses of the service's page, pictures and reports, for links from other programs: Dagster, reports, terminals."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, urlencode

from ops.core.settings import Settings

THUMB_PX = 240
"""Width and height, at most, of the small pictures of shots."""


def build_page_address(settings: Settings, **parameters: str) -> str:
    """Return the address of the search page with these parameters, such as ``shot="91028f9d6c72cc81:242"``."""
    return f"{settings.service_url}/?{urlencode(parameters, safe=':,')}" if parameters else f"{settings.service_url}/"


def build_report_address(settings: Settings, *path: str) -> str:
    """Return the address of a report by its path below ``/reports``; each part is quoted."""
    return "/".join((settings.service_url, "reports", *(quote(part, safe="") for part in path)))


def render_thumbs(settings: Settings, shots: Iterable[tuple[str, str]]) -> str:
    """Return small pictures in Markdown, each a link to its shot; a shot is its id and a text for the pointer."""
    return " ".join(
        f'[![{shot_id}]({settings.service_url}/media/shots/{shot_id}/thumb.jpg "{_escape_title(words)}")]'
        f"({build_page_address(settings, shot=shot_id)})"
        for shot_id, words in shots
    )


def render_sheet(settings: Settings, video_id: str, title: str, shots: Iterable[tuple[str, str]]) -> str:
    """Return small pictures of a video's shots in Markdown, under links to the video and to its contact sheet."""
    film = build_page_address(settings, film=video_id)
    sheet = f"{settings.service_url}/media/videos/{video_id}/sheet.jpg"
    name = re.sub(r"([\\\[\]`*_<>])", r"\\\1", " ".join(title.split()))
    return f"[{name}]({film}) · [contact sheet]({sheet})\n\n{render_thumbs(settings, shots)}"


def _escape_title(text: str) -> str:
    """Escape text from people for a title in Markdown, which ends at a quotation mark and has no empty lines."""
    return " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
