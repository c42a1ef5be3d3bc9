"""Lines of one sign are joined; columns, far, small, later and crooked lines are not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ops.index.text_blocks import MOST_FOLLOWING, PlacedLine, join_blocks
from tests.builders.subtitles import line_row

Box = tuple[int, int, int, int]
SIGN: Box = (300, 400, 500, 480)


def place(text: str, box: Box, start: int = 0, end: int = 48, shot: str = "a:0") -> PlacedLine:
    row = line_row(0, text)
    values = vars(row) | {"line_id": text, "shot_ids": (shot,), "start_frame": start, "end_frame": end}
    return PlacedLine(row=type(row)(**values), box=box)


def follow(lines: Sequence[PlacedLine]) -> dict[str, list[str]]:
    """The texts that continue each line, by its text, and only for lines that are continued."""
    joined = join_blocks(lines)
    return {row.text: [each.text for each in row.following] for row in joined if row.following}


@pytest.mark.parametrize(
    "below",
    [
        (300, 490, 380, 570), (350, 490, 450, 570), (420, 490, 500, 570), (300, 460, 380, 540), (290, 540, 520, 640),
        (200, 490, 600, 640),
    ],
)  # fmt: skip
def test_the_line_below_continues_a_line_if_it_is_near_and_aligned(below: Box) -> None:
    assert follow([place("MIND THE", SIGN), place("GAP", below)]) == {"MIND THE": ["GAP"]}
    assert follow([place("GAP", below), place("MIND THE", SIGN)]) == {"MIND THE": ["GAP"]}, "in any order"


@pytest.mark.parametrize(
    "other",
    [
        (520, 400, 700, 480), (300, 580, 380, 660), (520, 490, 700, 570), (450, 490, 900, 570), (300, 490, 380, 520),
        (300, 490, 700, 700), (300, 410, 500, 490),
    ],
)  # fmt: skip
def test_lines_beside_far_away_of_another_size_or_crooked_are_other_texts(other: Box) -> None:
    assert follow([place("MIND THE", SIGN), place("GAP", other)]) == {}


def test_lines_that_are_not_on_screen_together_or_in_another_shot_are_other_texts() -> None:
    below = (350, 490, 450, 570)
    assert follow([place("MIND THE", SIGN, 0, 24), place("GAP", below, 24, 48)]) == {}
    assert follow([place("MIND THE", SIGN, 0, 24), place("GAP", below, 15, 48)]) == {}
    assert follow([place("MIND THE", SIGN, 0, 24), place("GAP", below, 8, 48)]) == {"MIND THE": ["GAP"]}
    assert follow([place("MIND THE", SIGN), place("GAP", below, shot="a:48")]) == {}


def test_columns_stay_apart_and_a_head_above_them_continues_in_neither() -> None:
    columns = [
        place("Anna", (100, 490, 280, 570)), place("Berg", (100, 580, 280, 660)),
        place("Carl", (320, 490, 500, 570)), place("Dean", (320, 580, 500, 660)),
    ]  # fmt: skip
    assert follow(columns) == {"Anna": ["Berg"], "Carl": ["Dean"]}
    assert follow([place("Cast", (100, 400, 500, 480)), *columns]) == {"Anna": ["Berg"], "Carl": ["Dean"]}
    assert "Dean" not in follow([*columns, place("The end", (100, 670, 500, 750))])


def test_a_long_text_is_followed_for_some_lines() -> None:
    lines = [place(str(number), (100, 90 * number, 500, 90 * number + 80)) for number in range(9)]
    followed = follow(lines)
    assert followed["0"] == ["1", "2", "3"] and len(followed["0"]) == MOST_FOLLOWING
    assert followed["7"] == ["8"] and "8" not in followed
