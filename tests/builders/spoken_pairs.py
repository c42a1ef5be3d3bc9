"""The table of ``spoken_pairs.txt``: lines of many languages, with texts that say them and texts that do not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """One line in a language (ISO 639-1), with texts that say it and texts that do not."""

    language: str
    line: str
    true: tuple[str, ...]
    false: tuple[str, ...]


def read_pairs(text: str) -> list[Pairs]:
    """The pairs of a table; blocks are parted by an empty line."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    blocks = "\n".join(lines).strip().split("\n\n")
    return [_pairs(*block.split("\n")) for block in blocks]


def _pairs(line: str, true: str, false: str) -> Pairs:
    assert (true[:2], false[:2]) == ("+ ", "- "), line
    language, _, text = line.partition(": ")
    return Pairs(language=language, line=text, true=_texts(true[2:]), false=_texts(false[2:]))


def _texts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|"))


LINES = read_pairs(Path(__file__).with_suffix(".txt").read_text(encoding="utf-8"))
LANGUAGES = sorted({each.language for each in LINES})
