"""Find the show, title, season and episode of a file: by its path, or by ``catalogue.csv``."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import PurePosixPath

CATALOGUE = "catalogue.csv"
COLUMNS = ("path", "show", "title", "season", "episode")
MAX_NUMBER = 1_000_000

_EPISODE = re.compile(r"(?i)(?<![a-z0-9])s(\d{1,2})[ ._-]?e(\d{1,4})(?![0-9])")
_WORD_GAP = re.compile(r"_+|(?<!\d)\.+|\.+(?!\d)|\s+")


@dataclass(frozen=True, kw_only=True)
class Description:
    """The description of a file; an empty text or ``None`` means unknown."""

    show: str = ""
    title: str = ""
    season: int | None = None
    episode: int | None = None


@dataclass
class CatalogueFile:
    """A read ``catalogue.csv``: rows by relative path (NFC), their lines, and problems as (line, reason)."""

    rows: dict[str, Description] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)


def read_catalogue(data: bytes) -> CatalogueFile:
    """Read ``path,show,title,season,episode``; only ``path`` is needed. A bad row is noted, the others count."""
    result = CatalogueFile()
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        header = [name.strip().lower() for name in next(reader, [])]
        if "path" not in header:
            result.problems.append((1, f"no column named path: the first line must be {','.join(COLUMNS)}"))
            return result
        if unknown := [name for name in header if name not in COLUMNS]:
            result.problems.append((1, f"unknown columns {', '.join(map(repr, unknown))} are not read"))
        start = reader.line_num + 1
        for cells in reader:
            line, start = start, reader.line_num + 1
            if any(cell.strip() for cell in cells):
                _read_row(result, line, header, cells)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        result.problems.append((line, "not UTF-8 text: save the table as UTF-8"))
    except csv.Error as error:
        result.problems.append((reader.line_num, f"not readable as comma-separated values: {error}"))
    return result


def _read_row(result: CatalogueFile, line: int, header: list[str], cells: list[str]) -> None:
    if len(cells) > len(header):
        result.problems.append((line, f"{len(cells)} values for {len(header)} columns: put quotes round commas"))
        return
    row = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
    path = normalise_path(row.get("path", ""))
    try:
        if not path or path.startswith("/") or ".." in path.split("/") or "://" in path:
            raise ValueError(f"path {row.get('path', '')!r} is not relative to the library")
        if path in result.rows:
            raise ValueError(f"path {path!r} was already described in line {result.lines[path]}")
        description = Description(
            show=row.get("show", ""),
            title=row.get("title", ""),
            season=_read_number(row, "season"),
            episode=_read_number(row, "episode"),
        )
    except ValueError as error:
        result.problems.append((line, str(error)))
        return
    result.rows[path] = description
    result.lines[path] = line


def _read_number(row: dict[str, str], name: str) -> int | None:
    text = row.get(name, "")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,7}", text) or int(text) > MAX_NUMBER:
        raise ValueError(f"{name} {text!r} is not a whole number")
    return int(text)


def describe(relative: str, catalogue: CatalogueFile) -> Description:
    """Return show, title, season and episode of the file at ``relative`` (with ``/``, below the library root)."""
    path = PurePosixPath(relative)
    description = catalogue.rows.get(normalise_path(relative), Description())
    season, episode = _parse_numbers(path.stem)
    return Description(
        show=description.show or (path.parts[0] if len(path.parts) > 1 else path.stem),
        title=description.title or make_title(path.stem),
        season=season if description.season is None else description.season,
        episode=episode if description.episode is None else description.episode,
    )


def make_title(stem: str) -> str:
    """Return a readable form of a file's stem: ``big_buck.bunny`` becomes ``Big buck bunny``."""
    text = _WORD_GAP.sub(" ", stem).strip()
    return text[:1].upper() + text[1:] or stem


def normalise_path(relative: str) -> str:
    """Return one spelling of a relative path: NFC (macOS writes names decomposed), forward slashes, no ``./``."""
    text = unicodedata.normalize("NFC", relative.replace("\\", "/"))
    while text.startswith("./"):
        text = text[2:]
    return text


def _parse_numbers(stem: str) -> tuple[int | None, int | None]:
    match = _EPISODE.search(stem)
    return (int(match[1]), int(match[2])) if match else (None, None)
