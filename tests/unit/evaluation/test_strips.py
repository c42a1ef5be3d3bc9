"""Strips of real frames: the numbers in the pictures are those under them; and the page that shows them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ops.core.media import MediaInfo
from ops.evaluation.clip_cuts import ClipCuts, ClipFault, CutEvaluation, SetAsideClip, compare_clip
from ops.evaluation.cuts import Fault, ShotAnnotation
from ops.evaluation.fault_page import render_fault_page
from ops.evaluation.strips import COLUMNS, SEPARATOR, Strips, choose_faults, make_strips, strip_frames
from ops.shots.detector import TinyImage
from ops.videos.probe import probe
from tests.builders.films import make_film, read_barcode

FRAMES = 120
HOSTILE = "a\x1b[31m<img src=x onerror=alert(1)>\u202egpj.mp4"


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> CutEvaluation:
    """A clip with a false cut near its start, a missed one in its middle, a missed dissolve, and one after its end."""
    path = tmp_path_factory.mktemp("clips") / "a.mp4"
    make_film(path, cuts=(60,), frames=FRAMES, width=320, height=180)
    info = probe(path)
    annotation = ShotAnnotation(hard=(60, 119, 130), gradual=((80, 104),), frames=140)
    return CutEvaluation(
        detector="content",
        clips=(_clip(path, info, [(2, False), (30, True)], annotation),),
        set_aside=(SetAsideClip(name=HOSTILE, reason="not <b>a film</b>"),),
    )


def _clip(
    path: Path, info: MediaInfo, boundaries: list[tuple[int, bool]], annotation: ShotAnnotation, name: str = "a.mp4"
) -> ClipCuts:
    times_s = [float(frame / info.fps) for frame in range(FRAMES)]
    return compare_clip(
        name=name, path=path, fps=info.fps, times_s=times_s, boundaries=boundaries, annotation=annotation
    )


def network(asked: list[int]) -> Callable[[list[TinyImage]], tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Probabilities that rise from frame to frame of a window; ``asked`` collects the lengths."""

    def judge(pictures: list[TinyImage]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        asked.append(len(pictures))
        rising_T = np.linspace(0, 1, len(pictures), dtype=np.float32)
        return rising_T, rising_T / 2

    return judge


def numbers_in(jpeg: bytes, count: int) -> list[int]:
    """The frame numbers that the tiles of a strip carry in their pictures."""
    picture = cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return [read_barcode(np.ascontiguousarray(tile[:, SEPARATOR:])) for tile in np.split(picture, count, axis=1)]


def test_the_frames_of_a_strip_are_those_under_it(evaluation: CutEvaluation) -> None:
    asked: list[int] = []
    found = make_strips(evaluation, network=network(asked))
    by_fault = {(own.fault.kind, own.fault.first): strip for own, strip in found.strips.items()}
    assert set(by_fault) == {("false", 2), ("false", 30), ("missed", 60), ("missed", 80), ("missed", 119)}
    for strip in by_fault.values():
        assert numbers_in(strip.jpeg, len(strip.frames)) == list(strip.frames)
    assert by_fault["false", 2].frames == (0, 1, 2, 3, 4, 5, 6) and by_fault["false", 2].begins == 2
    assert by_fault["missed", 60].frames == tuple(range(56, 65)) and by_fault["missed", 60].begins == 4
    assert by_fault["missed", 119].frames == (115, 116, 117, 118, 119)
    dissolve = by_fault["missed", 80]
    assert dissolve.frames[0] == 77 and dissolve.frames[-1] == 107 and len(dissolve.frames) == COLUMNS
    assert dissolve.begins is None and sum(dissolve.inside) == 7
    assert by_fault["false", 30].frames == tuple(range(18, 43, 3))
    real, quiet = by_fault["missed", 60].evidence, by_fault["false", 30].evidence
    assert real.change > 10 * real.surroundings and real.across > 20
    assert quiet.change < 1.5 * quiet.surroundings
    assert real.probability is not None and real.anywhere == pytest.approx(real.probability / 2)
    assert sorted(asked) == [26, 28, 51, 51, 65]  # 25 frames to each side, where the clip has them
    assert list(found.reasons.values()) == ["the clip ends before it"]


def test_with_more_faults_than_strips_every_clip_has_some(evaluation: CutEvaluation) -> None:
    clip = evaluation.clips[0]
    other = replace(clip, name="b.mp4", faults=tuple(replace(own, clip="b.mp4") for own in clip.faults))
    both = replace(evaluation, clips=(clip, other))
    chosen = choose_faults(both.faults, 5)
    assert [own.clip for own in chosen] == ["a.mp4"] * 3 + ["b.mp4"] * 2
    found = make_strips(both, limit=5, network=None)
    assert set(found.strips) == set(chosen) and len(found.reasons) == len(both.faults) - 5
    assert {own.evidence.probability for own in found.strips.values()} == {None}
    page = render_fault_page(both, found)
    assert page.count("data:image/jpeg") == 5 and page.count("only 5 faults have pictures") == len(found.reasons)


def test_a_clip_that_is_gone_gives_a_page_without_pictures(evaluation: CutEvaluation, tmp_path: Path) -> None:
    gone = replace(evaluation, clips=(replace(evaluation.clips[0], path=tmp_path / "gone.mp4"),))
    found = make_strips(gone, network=None)
    assert not found.strips and sum("cannot be read again" in own for own in found.reasons.values()) == 5


@pytest.mark.parametrize(
    ("fault", "frames", "expected"),
    [
        (Fault(first=0, last=0, kind="missed", transition="cut"), 3, (0, 1, 2)),
        (Fault(first=1, last=3, kind="missed", transition="gradual"), 5, (0, 1, 2, 3, 4)),
        (Fault(first=10, last=100_000, kind="missed", transition="gradual"), 50, (7, 12, 18, 23, 28, 33, 38, 44, 49)),
    ],
)
def test_strips_stay_in_the_clip(fault: Fault, frames: int, expected: tuple[int, ...]) -> None:
    assert strip_frames(fault, frames) == expected


def test_an_endless_transition_needs_no_endless_memory(evaluation: CutEvaluation) -> None:
    clip = evaluation.clips[0]
    annotation = ShotAnnotation(hard=(), gradual=((1, 10**9),), frames=10**9)
    asked: list[int] = []
    endless = replace(evaluation, clips=(_clip(clip.path, probe(clip.path), [], annotation),))
    strip = next(iter(make_strips(endless, network=network(asked)).strips.values()))
    assert strip.frames[-1] == FRAMES - 1 and asked == [FRAMES]


def test_the_page_is_whole_in_itself_and_shows_names_as_text(evaluation: CutEvaluation) -> None:
    clip = evaluation.clips[0]
    named = replace(clip, name=HOSTILE, faults=tuple(replace(own, clip=HOSTILE) for own in clip.faults))
    evil = replace(evaluation, clips=(named,))
    page = render_fault_page(evil, make_strips(evil, network=None), measured_at="2026-11-28")
    assert "<script" not in page and "<img src=x" not in page and "\x1b" not in page and "\u202e" not in page
    assert "a\\x1b[31m&lt;img src=x onerror=alert(1)&gt;\\u202egpj.mp4" in page and "not &lt;b&gt;a film" in page
    addresses = re.findall(r"""(?:src|href)=["']?([^"'> ]*)""", page)
    assert all(own.startswith(("data:image/jpeg;base64,", "#clip-")) for own in addresses if own != "x")
    assert "default-src &#x27;none&#x27;" not in page and "default-src 'none'" in page
    for words in ("missed hard cut", "false gradual transition", "frames 80 to 104", "0:02.500", "after the end"):
        assert words in page
    assert "the annotation is of 140 frames, the clip has 120" in page


def test_a_page_without_faults_says_so(evaluation: CutEvaluation) -> None:
    clip = evaluation.clips[0]
    fine = _clip(clip.path, probe(clip.path), [], ShotAnnotation(hard=(), gradual=(), frames=FRAMES))
    page = render_fault_page(replace(evaluation, clips=(fine,)), Strips())
    assert "No boundary is false, and none is missed." in page and "data:image" not in page


def test_faults_of_clips_are_hashable() -> None:
    fault = Fault(first=1, last=1, kind="false", transition="cut")
    assert len({ClipFault(clip="a", fault=fault, time_s=0.1, nearest=None) for _ in range(2)}) == 1
