"""Counts in sentences: "1 shot", "2 shots", "1,204 shots"."""

from __future__ import annotations

import re

_ENDING = re.compile(r"(?<=ch|sh|ss)es$|(?<=x)es$|s$")


def plural(count: int, noun: str, many: str = "") -> str:
    """The count with its noun, singular or plural. ``many`` is the plural if it is not the noun with an s.

    A verb may follow the noun: ``plural(count, "shot is", "shots are")``.
    """
    return f"{count:,} {noun if count == 1 else many or f'{noun}s'}"


def count_units(total: float, unit: str) -> str:
    """The total with its unit, which is a plural: "1 shot", "1 search", "2 graded queries", "1 s of footage"."""
    one = unit if unit.startswith("s ") else _ENDING.sub("", re.sub(r"ies$", "y", unit))
    return plural(round(total), one, unit)
