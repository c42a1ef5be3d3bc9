"""Counts in sentences: "1 shot", "2 shots", "1,204 shots"."""

from __future__ import annotations


def plural(count: int, noun: str, many: str = "") -> str:
    """The count with its noun, singular or plural. ``many`` is the plural if it is not the noun with an s.

    A verb may follow the noun: ``plural(count, "shot is", "shots are")``.
    """
    return f"{count:,} {noun if count == 1 else many or f'{noun}s'}"
