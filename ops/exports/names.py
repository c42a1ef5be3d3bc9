"""Make foreign text safe for each format: XML, EDL lines, table cells, file names, URLs."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import quote

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""
_NO_FILE_NAME = re.compile(r'[<>:"/\\|?*\s]+')
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""First characters that make Excel, LibreOffice or Sheets compute a cell (OWASP, CSV injection)."""
MAX_NAME = 80
REEL_SIGNS = 8
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def strip_xml_text(text: str) -> str:
    """``text`` without the characters that no XML 1.0 document may hold; a writer of XML escapes the rest."""
    return _NO_XML.sub("\ufffd", text)


def join_lines(text: str) -> str:
    """``text`` on one line, without control or formatting characters, so that it cannot start another line."""
    characters = (" " if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") else sign for sign in text)
    return " ".join("".join(characters).split())


def escape_cell(value: object) -> object:
    """``value`` for a table: an apostrophe precedes text that a spreadsheet would compute; numbers stay."""
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def make_file_stem(text: str) -> str:
    """A file or folder name on any system: no path or reserved characters, 80 bytes at most; ``clip`` if empty."""
    name = _NO_FILE_NAME.sub("_", join_lines(text)).strip("._-")
    name = name.encode("utf-8", "ignore")[:MAX_NAME].decode("utf-8", "ignore").strip("._-")
    return name or "clip"


def build_file_url(path: str, *, host: str = "") -> str:
    """URL of a source: ``file://<host>/...`` percent-encoded for a path, the address itself for an object."""
    if "://" in path and not path.startswith("file://"):
        scheme, _, rest = path.partition("://")
        return f"{scheme}://{quote(rest)}"
    return f"file://{host}{quote(path.removeprefix('file://'))}"


def extract_file_name(path: str) -> str:
    """The last part of a path or address."""
    return PurePosixPath(path.rstrip("/")).name or path


def make_reel_name(video_id: str, path: str) -> str:
    """The reel name of a video: up to four letters of its file's name, filled up to eight characters from its id.

    It depends on nothing else, because lists that were exported on different days are conformed together. CMX3600
    allows eight of A-Z, 0-9 and _; if names of videos begin alike, the probability of the same reel name is 1 in 1.7
    million.
    """
    return f"{_select_stem_letters(path)}{_format_digits(int(video_id, 16))}"[:REEL_SIGNS]


def make_reel_names(films: Mapping[str, str], file_reels: Mapping[str, str] | None = None) -> dict[str, str]:
    """Reel names for an EDL by video id for ``films`` (path by video id); ``file_reels`` are reel names in the files.

    A video keeps its own name, as :func:`shorten_reel`: several videos may be of one reel. Each other video gets its
    :func:`make_reel_name`; if that is taken, the next free one. The video with the lower id gets it first.
    """
    file_reels = {video_id: name for video_id, name in (file_reels or {}).items() if name}
    names: dict[str, str] = {}
    full: dict[str, str] = {}
    for video_id, name in sorted(file_reels.items(), key=lambda item: (item[1], item[0])):
        short = shorten_reel(name)
        if full.setdefault(short, name) != name:  # two long names that begin alike
            number = int(hashlib.sha256(name.encode("utf-8", "replace")).hexdigest(), 16)
            short = f"{short[:4]}{_format_digits(number)}"[:REEL_SIGNS]
            full.setdefault(short, name)
        names[video_id] = short
    used_names = set(names.values())
    for video_id, path in sorted(films.items()):
        if video_id in names:
            continue
        letters, number, name = _select_stem_letters(path), int(video_id, 16), make_reel_name(video_id, path)
        while name in used_names:
            number += 1
            name = f"{letters}{_format_digits(number)}"[:REEL_SIGNS]
        names[video_id] = name
        used_names.add(name)
    return {video_id: names[video_id] for video_id in films}


def shorten_reel(name: str) -> str:
    """A reel name that CMX3600 allows: eight of A-Z, 0-9 and _; long names lose their separators before their end."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().upper()
    short = re.sub(r"[^A-Z0-9]+", "_", plain).strip("_")
    if len(short) > REEL_SIGNS:
        short = short.replace("_", "")
    return (
        short[:REEL_SIGNS]
        or f"R{_format_digits(int(hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest(), 16))}"[:8]
    )


def _select_stem_letters(path: str) -> str:
    stem = unicodedata.normalize("NFKD", PurePosixPath(extract_file_name(path)).stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Z0-9]+", "_", stem.upper()).strip("_")[:4]


def _format_digits(number: int) -> str:
    """The last eight digits of a number to base 36, the last first, because these differ most."""
    digits = []
    for _ in range(REEL_SIGNS):
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "".join(digits)
