"""Check the language of docstrings and comments: ``python -m tests.house.plain_english [FOLDER...]``.

In November 2026 the code had 0.5 "if" and 10.4 "where" per 1,000 words of docstrings and comments; twelve projects of
this field have 2.4 to 22 and 0 to 2.4. So a few phrases must be absent, and "where" must be rarer than "if".
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDERS = ("assets", "feature_repo", "ops")
ABSENT = {
    r"\banew\b": "again",
    r"\bfor ever\b": "permanently, or until ...",
    r"\bto be had\b": "available",
    r"\bso many\b": "the number of",
    r"\blies in\b": "is in",
    r"(?<!there )\bis no (?!longer\b|more\b)": "is not a",
}
"""Pattern of an avoided phrase, and what to write instead."""


@dataclass(frozen=True)
class Fault:
    """An avoided phrase, with its place."""

    path: Path
    line: int
    phrase: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.phrase!r}; write {self.instead!r}"


@cache  # tokenize takes most of the time of a check, and each module is asked for three times
def read_prose(source: str) -> tuple[tuple[int, str], ...]:
    """Return the line number and the text of every docstring, attribute docstring and comment of a module."""
    return tuple(_iterate_prose(source))


def _iterate_prose(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def find_faults(path: Path) -> list[Fault]:
    """Return the avoided phrases in one module."""
    return [
        Fault(path, line + text[: match.start()].count("\n"), match[0].strip(), instead)
        for line, text in read_prose(path.read_text())
        for pattern, instead in ABSENT.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]


def count_word(folder: Path, word: str) -> int:
    """Return how often ``word`` occurs in the prose of all modules of a folder."""
    texts = (text for path in folder.rglob("*.py") for _, text in read_prose(path.read_text()))
    return sum(len(re.findall(rf"\b{word}\b", text, re.IGNORECASE)) for text in texts)


def check(folder: Path) -> list[str]:
    """Return one message for each fault of a folder, and one if "where" is not rarer than "if"."""
    messages = [str(fault) for path in sorted(folder.rglob("*.py")) for fault in find_faults(path)]
    where, if_ = count_word(folder, "where"), count_word(folder, "if")
    if where and where >= if_:
        messages.append(f"{folder}: 'where' {where} times, 'if' {if_} times; write 'if' unless a place is meant")
    return messages


def main(names: list[str]) -> int:
    """Print the messages for the named folders, or for all that are checked; return 1 if there are any."""
    folders = [Path(name) for name in names] or [CHECKOUT / name for name in FOLDERS]
    messages = [message for folder in folders for message in check(folder)]
    sys.stdout.writelines(f"{message}\n" for message in messages)
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
