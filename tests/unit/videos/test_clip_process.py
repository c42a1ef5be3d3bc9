"""Clips are cut in a process of its own: one that crashes or hangs costs only the clips that are not done."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.core.cancellation import CancelToken
from ops.core.errors import JobCancelledError, MediaError
from ops.core.process_limits import ProcessLimits
from ops.videos.clip_process import ClipProcess, CutRequest, cut_request
from ops.videos.clips import ClipSpan, cut_clips
from tests.builders.crashes import crash_after_a_clip, hang_after_a_clip
from tests.builders.films import Film, make_film

GENEROUS = ProcessLimits(memory_bytes=4 << 30, file_bytes=1 << 30, total_s=120)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    folder = tmp_path_factory.mktemp("films")
    return make_film(folder / "a.mp4", frames=60, cuts=(20, 40), width=160, height=90, audio=True)


def make_spans(folder: Path) -> list[ClipSpan]:
    folder.mkdir(exist_ok=True)
    return [ClipSpan(start_frame=at, end_frame=at + 12, target=folder / f"{at}.mov") for at in (0, 20, 40)]


def cut(
    film: Film,
    spans: list[ClipSpan],
    limits: ProcessLimits = GENEROUS,
    by: CutRequest = cut_request,
    stop: CancelToken | None = None,
) -> Iterator[ClipSpan]:
    with ClipProcess(limits, by) as process:
        yield from process.cut(
            film.path, spans, name="a film", frames=60, threads=1, stop=stop or CancelToken(), info=None
        )


def test_the_clips_are_those_of_this_process(film: Film, tmp_path: Path) -> None:
    spans, own = make_spans(tmp_path / "there"), make_spans(tmp_path / "here")
    assert list(cut(film, spans)) == spans and list(cut_clips(film.path, own, frames=60)) == own
    assert [span.target.read_bytes() for span in spans] == [span.target.read_bytes() for span in own]
    assert not multiprocessing.active_children()


def test_one_process_cuts_several_films(film: Film, tmp_path: Path) -> None:
    with ClipProcess(GENEROUS) as process:
        for name in ("first", "second"):
            spans = make_spans(tmp_path / name)
            done = process.cut(film.path, spans, name=name, frames=60, threads=1, stop=CancelToken(), info=None)
            assert list(done) == spans
            assert len(multiprocessing.active_children()) == 1


def test_a_crash_costs_the_clips_that_are_not_done(film: Film, tmp_path: Path) -> None:
    spans = make_spans(tmp_path)
    cutting = cut(film, spans, by=crash_after_a_clip)
    assert next(cutting) == spans[0] and spans[0].target.stat().st_size
    with pytest.raises(MediaError, match=r"the process that cut clips of it crashed \(SIGSEGV\): convert it"):
        next(cutting)
    assert not multiprocessing.active_children()


def test_the_time_of_a_film_is_limited(film: Film, tmp_path: Path) -> None:
    limits = ProcessLimits(total_s=5)
    with pytest.raises(MediaError, match=r"took longer than 5 seconds \(NEEDLE_FILM_HOURS\)"):
        list(cut(film, make_spans(tmp_path), limits, hang_after_a_clip))
    assert not multiprocessing.active_children()


def test_the_size_of_a_clip_is_limited(film: Film, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="larger file than NEEDLE_FILM_FILE_GB allows"):
        list(cut(film, make_spans(tmp_path), ProcessLimits(file_bytes=20_000, total_s=60)))


def test_a_cut_that_nobody_needs_any_more_ends_at_once(film: Film, tmp_path: Path) -> None:
    stop = CancelToken()
    cutting = cut(film, make_spans(tmp_path), by=hang_after_a_clip, stop=stop)
    next(cutting)
    stop.set()
    began = time.monotonic()
    with pytest.raises(JobCancelledError):
        next(cutting)
    assert time.monotonic() - began < GENEROUS.total_s / 2, "it ended by its own limit"
    assert not multiprocessing.active_children()


def test_errors_of_a_film_come_from_the_other_process(film: Film, tmp_path: Path) -> None:
    spans = [ClipSpan(start_frame=50, end_frame=90, target=tmp_path / "late.mov")]
    with pytest.raises(MediaError, match="frame"):
        list(cut(film, spans))
    assert list(tmp_path.iterdir()) == []
