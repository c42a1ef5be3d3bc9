"""The check of language finds what it is meant to find, and nothing in our own code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.plain_english import CHECKOUT, FOLDERS, check


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings_and_comments_are_plain_english(folder: str) -> None:
    assert check(CHECKOUT / folder) == []


@pytest.mark.parametrize(
    "prose",
    [
        '"""That is no number."""',
        "x = 1  # computed anew",
        'x = 1\n"""Where there is no model to be had."""',
        'def f():\n    """``None`` where nothing is found."""',
    ],
)
def test_avoided_phrases_are_found(prose: str, tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text(prose + "\n")
    assert check(tmp_path)


@pytest.mark.parametrize(
    "prose",
    [
        '"""There is no number, and it is no longer needed."""',
        'text = "that is no number"',
        '"""The folder where segments are. ``None`` if it is missing, or if it is empty."""',
    ],
)
def test_plain_sentences_pass(prose: str, tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text(prose + "\n")
    assert check(tmp_path) == []
