"""Text from outside made safe for each format: XML, EDL lines, table cells, file names, URLs."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""
_NO_FILE_NAME = re.compile(r'[<>:"/\\|?*\s]+')
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""First signs that make Excel, LibreOffice or Sheets compute a cell (OWASP, CSV injection)."""
MAX_NAME = 80


def xml_text(text: str) -> str:
    """``text`` without the characters that no XML 1.0 document may hold; a writer of XML escapes the rest."""
    return _NO_XML.sub("\ufffd", text)


def one_line(text: str) -> str:
    """``text`` on one line, without control or formatting characters, so that it cannot start a line of its own."""
    kept = (" " if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") else sign for sign in text)
    return " ".join("".join(kept).split())


def cell(value: object) -> object:
    """``value`` for a table: text that a spreadsheet would compute gets an apostrophe before it; numbers stay."""
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def file_stem(text: str) -> str:
    """A name for a file or folder on any system: no path, no reserved signs, at most 80 bytes; ``clip`` if empty."""
    name = _NO_FILE_NAME.sub("_", one_line(text)).strip("._-")
    name = name.encode("utf-8", "ignore")[:MAX_NAME].decode("utf-8", "ignore").strip("._-")
    return name or "clip"


def file_url(path: str, *, host: str = "") -> str:
    """URL of a source: ``file://<host>/...`` percent-encoded for a path, the address itself for an object."""
    if "://" in path and not path.startswith("file://"):
        scheme, _, rest = path.partition("://")
        return f"{scheme}://{quote(rest)}"
    return f"file://{host}{quote(path.removeprefix('file://'))}"


def file_name(path: str) -> str:
    """The last part of a path or address."""
    return PurePosixPath(path.rstrip("/")).name or path


def reel_names(films: dict[str, str]) -> dict[str, str]:
    """Reel names by video id for ``films`` (path by video id): at most eight of A-Z, 0-9 and _, all different.

    Stands alone because CMX3600 allows no more, and two films with one reel name would be conformed to each other.
    ``BL`` and ``AX`` are taken: black, and a source without a reel.
    """
    names: dict[str, str] = {}
    for video_id, path in films.items():
        ascii_name = (
            unicodedata.normalize("NFKD", PurePosixPath(file_name(path)).stem).encode("ascii", "ignore").decode()
        )
        stem = re.sub(r"[^A-Z0-9]+", "_", ascii_name.upper()).strip("_")
        choices = [
            stem[:8],
            f"{stem[:4]}{video_id[:4].upper()}",
            f"V{video_id[:7].upper()}",
            f"W{video_id[-7:].upper()}",
        ]
        taken = {"", "BL", "AX", "NONE", *names.values()}
        names[video_id] = next(choice for choice in choices if choice not in taken)
    return names
