"""Annotation files of public test sets: each published form, damaged lines, and pickles that want to do more."""

from __future__ import annotations

import io
import itertools
import os
import pickle
import pickletools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.core.errors import UsageError
from ops.evaluation.cut_sets.pickled_scenes import read_pickled_scenes
from ops.evaluation.cut_sets.protocol import (
    convert_boundaries,
    is_hard,
    list_transitions,
    match_transitions,
    score_kind,
)
from ops.evaluation.cut_sets.transition_files import MOST_BYTES, read_clipshots, read_kuaishou, read_shots
from ops.evaluation.set_files import read_text


@pytest.mark.parametrize(
    ("tolerance", "annotated_end", "is_found"),
    [(0, 5, True), (0, 4, False), (1, 5, True), (1, 4, True), (1, 3, False), (2, 4, True), (2, 3, True), (2, 2, False)],
)
def test_hard_cuts_match_as_far_apart_as_the_tolerance(tolerance: int, annotated_end: int, is_found: bool) -> None:
    """The examples in the docstring of TransNet V2's evaluation."""
    detected = list_transitions([(0, 5), (6, 9)])
    annotated = list_transitions([(0, annotated_end), (annotated_end + 1, 9)])
    assert match_transitions(detected, annotated, tolerance=tolerance).right == is_found


ascending = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5)), max_size=6)


def _transitions(steps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ascending transitions of shots of so many frames, with so many frames of transition behind each."""
    ends = list(itertools.accumulate(length + gap for length, gap in steps))
    return [(end - gap, end + 1) for end, (_, gap) in zip(ends, steps, strict=True)]


@given(ascending, ascending, st.integers(0, 3))
def test_matching_is_a_pass_over_widened_intervals(
    one: list[tuple[int, int]], other: list[tuple[int, int]], tolerance: int
) -> None:
    detected, annotated = _transitions(one), _transitions(other)
    half = tolerance / 2
    mine, theirs = ([(a + 0.5 - half, b - 0.5 + half) for a, b in own] for own in (detected, annotated))
    right = 0
    while mine and theirs:
        if mine[0][1] < theirs[0][0]:
            mine.pop(0)
        elif mine[0][0] > theirs[0][1]:
            theirs.pop(0)
        else:
            mine.pop(0), theirs.pop(0)
            right += 1
    match = match_transitions(detected, annotated, tolerance=tolerance)
    assert match.right == right
    assert match.score.false == len(detected) - right and match.score.missed == len(annotated) - right


def test_transitions_and_kinds() -> None:
    assert list_transitions([(0, 9), (10, 20), (26, 30)]) == [(9, 10), (20, 26)]
    assert [is_hard(own) for own in [(9, 10), (20, 26), (20, 22)]] == [True, False, False]
    assert convert_boundaries([(40, True), (10, False)]) == [(9, 10), (39, 40)]
    score = score_kind([(9, 10), (50, 51), (52, 53)], [(10, 11), (50, 60), (80, 90)])
    assert (score.right, score.false, score.missed) == (2, 1, 1)


def test_shots_are_read_with_every_separator_and_shifted_as_the_bbc_set_is() -> None:
    text = "0\t57\r\n58\t100\n\n105 , 200\n201 300.0\n"
    assert read_shots(text).transitions == [(57, 58), (100, 105), (200, 201)]
    assert read_shots(text, shift=1).transitions == [(58, 59), (101, 106), (201, 202)]
    overlapping = read_shots("0 10\n10 20\n21 30")
    assert overlapping.transitions == [(10, 10), (20, 21)] and "1 shot begins before" in overlapping.notes[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no shots"),
        ("0 10\n11\n", "line 2"),
        ("0 10\n11 20 30", "line 2"),
        ("0 10\n11 x", "line 2"),
        ("0 10\n11 9", "line 2"),
        ("0 10\n0 20", "line 2"),
        ("-1 10", "line 1"),
        ("0 1e9", "line 1"),
        ("0 999999999", "line 1 names frame"),
        ("0 10.5", "line 1"),
        ("0 nan", "line 1"),
    ],
)
def test_damaged_shots_are_refused_by_line(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        read_shots(text)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"0 10\n\xff\xfe 20\n")
    with pytest.raises(UsageError, match="not text in UTF-8"):
        read_text(tmp_path / "latin.txt", MOST_BYTES)
    with (tmp_path / "large.txt").open("wb") as file:
        file.truncate(17 << 20)
    for name, reason in (("large.txt", "more than 16 MiB"), ("none.txt", "cannot be read")):
        with pytest.raises(UsageError, match=reason):
            read_text(tmp_path / name, MOST_BYTES)


def test_clipshots_documents() -> None:
    text = """{"a.mp4": {"transitions": [[0, 1], [311, 334], [502, 503]], "frame_num": 3561.0},
        "none.mp4": {"transitions": [], "frame_num": 10}, "odd.mp4": {"transitions": [[5, 5], [9, 7], [3, 4]],
        "frame_num": 10}, "b.mp4": {"transitions": [[1, 2, 3]], "frame_num": 9}, "c.mp4": {"transitions": [["1", "2"]],
        "frame_num": 9}, "d.mp4": {"transitions": []}, "e.mp4": [1], "f.mp4": {"transitions": [[1, Infinity]],
        "frame_num": 9}, "g.mp4": {"transitions": null, "frame_num": NaN}}"""
    found, reasons = read_clipshots(text)
    assert found["a.mp4"].transitions == [(0, 1), (311, 334), (502, 503)] and found["a.mp4"].frames == 3561
    assert found["none.mp4"].transitions == []
    assert found["odd.mp4"].transitions == [(3, 4)] and "5 to 5, 9 to 7" in found["odd.mp4"].notes[0]
    assert set(reasons) == {"b.mp4", "c.mp4", "d.mp4", "e.mp4", "f.mp4", "g.mp4"}


@pytest.mark.parametrize("text", ["[]", "{}", "{", "[" * 200_000, '"a"'])
def test_what_is_no_clipshots_document_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_clipshots(text)


KUAISHOU = """
31602670982.mp4 1499
130,131
254,255.

338.mp4
480,525
722,57
2959.2960
568,,569
[1160 1161
303 303
267 268592 593

35479067600.mp4 724
242,243

35479067600.mp4 724
242,243
31602670982.mp4 1499
9,10
"""


def test_kuaishou_lists_were_typed_by_hand() -> None:
    found = read_kuaishou(KUAISHOU)
    first, second, third = found["31602670982.mp4"], found["338.mp4"], found["35479067600.mp4"]
    assert first.transitions == [(130, 131)] and first.frames == 1499
    assert any("'254,255.'" in note for note in first.notes) and any("twice" in note for note in first.notes)
    assert second.transitions == [(480, 525), (568, 569), (1160, 1161), (2959, 2960)] and second.frames is None
    assert any("722 to 57, 303 to 303" in note for note in second.notes)
    assert any("'267 268592 593'" in note for note in second.notes)
    assert third.transitions == [(242, 243)] and not third.notes
    for text in ("", "130,131\n"):
        with pytest.raises(UsageError):
            read_kuaishou(text)


SHOTS = {"a": [(0, 57), (58, 100), (105, 200)], "b": [(0, 10)]}
KINDS = ["<i8", "<i4", ">i8", "<u2", "<f4", "<f8", "O"]


def written(folder: Path, document: Any, protocol: int = 4) -> Path:
    path = folder / "gt_scenes_dict_baseline_v2.pickle"
    path.write_bytes(document if isinstance(document, bytes) else pickle.dumps(document, protocol))
    return path


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_kind_are_read(tmp_path: Path, protocol: int, kind: str, order: Any) -> None:
    document = {name: np.array(shots, dtype=kind, order=order) for name, shots in SHOTS.items()}
    found, reasons = read_pickled_scenes(written(tmp_path, document, protocol))
    assert {name: own.transitions for name, own in found.items()} == {"a": [(57, 58), (100, 105)], "b": []}
    assert not reasons


def test_lists_of_numbers_are_read_and_damaged_videos_named(tmp_path: Path) -> None:
    document = {
        "list": SHOTS["a"],
        "scalars": [(np.int64(0), np.int64(5)), (np.int64(6), np.int64(9))],
        "flat": np.arange(6),
        "wide": np.zeros((3, 3)),
        "empty": np.zeros((0, 2)),
        "back": np.array([[0, 5], [3, 2]]),
        "nan": np.array([[0, np.nan]]),
        "half": np.array([[0, 5.5]]),
        "words": [["a", "b"]],
        "none": None,
    }
    found, reasons = read_pickled_scenes(written(tmp_path, document))
    assert found["list"].transitions == [(57, 58), (100, 105)] and found["scalars"].transitions == [(5, 6)]
    assert set(reasons) == {"flat", "wide", "empty", "back", "nan", "half", "words", "none"}


class Evil:
    """Pickled, it runs what it was given."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


def test_a_pickle_that_wants_more_than_numbers_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    array = pickle.dumps(np.zeros((2, 2)), 2)
    evil: list[Any] = [
        {"a": Evil(os.system, f"touch {trace}")},
        {"a": Evil(eval, f"open({str(trace)!r}, 'w')")},
        {"a": Evil(np.load, str(trace))},
        {"a": Evil(np.fromfile, "/dev/zero")},
        {"a": Evil(getattr, 1, "real")},
        {"a": np.array([[object]], dtype=object)},
        {"a": np.datetime64("2026-11-28")},
        {"a": np.array(["0"])},
        [1, 2],
        {1: 2},
        {},
        b"",
        b"no pickle",
        array[:-20],
        b"\x80\x04r\xff\xff\xff\x7f}.",  # a reference at 2 ** 31: 16 GiB if it were followed
        b"\x80\x04cnumpy\nndarray\n}X\x01\x00\x00\x00aK\x01sb.",  # a stand-in that is to be changed
        b"\x80\x04cnumpy\ndtype\n(X\x05\x00\x00\x00V9999tR.",
        b"\x80\x04cnumpy.core.multiarray\n__dict__\n.",
        b"\x80\x04(" * 100_000 + b".",
    ]
    for document in evil:
        path = written(tmp_path, document)
        with pytest.raises(UsageError):
            found, reasons = read_pickled_scenes(path)
            assert found or not reasons, "each of these is refused as a whole, or its video is"
            raise UsageError("its only video was refused") if not found else AssertionError(document)
    assert not trace.exists()


def test_damaged_pickles_raise_nothing_else(tmp_path: Path) -> None:
    """Bytes changed at random: a refusal, or numbers; no crash and no other error."""
    data = pickle.dumps({name: np.array(shots) for name, shots in SHOTS.items()}, 4)
    rng = random.Random(7)
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            read_pickled_scenes(written(tmp_path, bytes(damaged)))
        except UsageError:
            continue


def test_one_array_named_a_million_times_is_refused(tmp_path: Path) -> None:
    many = np.stack([np.arange(0, 60_000, 2), np.arange(1, 60_001, 2)], axis=1)
    document = {str(number): many for number in range(100)}
    path = written(tmp_path, document)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UsageError, match="transitions"):
        read_pickled_scenes(path)


def test_the_generated_pickles_are_of_the_published_form(tmp_path: Path) -> None:
    """What this reader knows of numpy's names is what numpy writes."""
    names = set()
    for protocol in range(2, 6):
        data = pickle.dumps({"a": np.array([[0, 1]])}, protocol)
        strings: list[str] = []
        for opcode, argument, _ in pickletools.genops(io.BytesIO(data)):
            if opcode.name == "GLOBAL":
                names.add(str(argument))
            elif opcode.name in ("SHORT_BINUNICODE", "BINUNICODE"):
                strings.append(str(argument))
            elif opcode.name == "STACK_GLOBAL":
                names.add(" ".join(strings[-2:]))
    assert {name.split()[-1] for name in names} <= {"_reconstruct", "_frombuffer", "ndarray", "dtype", "encode"}
