"""Which frames a clip has, and what timelines make of them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.core.errors import NotFoundError, UsageError
from ops.core.media import MediaInfo
from ops.core.settings import Settings
from ops.core.time import make_timecode, parse_timecode
from ops.exports.clip import Pick, select_clips
from ops.exports.film import TIMELINE_RATES, Film
from ops.exports.format import collect_warnings
from ops.shots.segment import segment_video
from ops.videos.probe import probe
from tests.builders.films import make_film
from tests.builders.lakes import FILMED, shot_rows, video_id, video_row
from tests.builders.timelines import fill_lake, film_rows, frames_of

DROP = [Fraction(30000, 1001), Fraction(60000, 1001)]


def film(fps: Fraction, start: str = "00:00:00:00", **changes: object) -> Film:
    known: dict[str, object] = {"video_id": "0" * 16, "path": "/a.mov", "show": "", "title": "", "content_hash": ""}
    known |= {"bytes": 1, "width": 640, "height": 360, "codec": "h264", "has_audio": False, "frames": 100_000}
    return Film(**(known | {"fps": fps, "start_timecode": start} | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fps", "start", "frame", "timecode"),
    [
        (Fraction(24000, 1001), "00:00:00:00", 86_400, "01:00:00:00"),
        (Fraction(24), "01:00:00:00", 25, "01:00:01:01"),
        (Fraction(25), "10:00:00:00", 1_501, "10:01:00:01"),
        (Fraction(30000, 1001), "00:00:00;00", 1_799, "00:00:59;29"),
        (Fraction(30000, 1001), "00:00:00;00", 1_800, "00:01:00;02"),
        (Fraction(30000, 1001), "00:00:00;00", 17_982, "00:10:00;00"),
        (Fraction(30000, 1001), "00:00:00;00", 107_892, "01:00:00;00"),
        (Fraction(30000, 1001), "00:00:00:00", 108_000, "01:00:00:00"),
        (Fraction(30000, 1001), "09:59:59;29", 1, "10:00:00;00"),
        (Fraction(30), "00:00:00:00", 1_800, "00:01:00:00"),
        (Fraction(50), "00:00:00:00", 3_001, "00:01:00:01"),
        (Fraction(60000, 1001), "00:00:00;00", 3_599, "00:00:59;59"),
        (Fraction(60000, 1001), "00:00:00;00", 3_600, "00:01:00;04"),
        (Fraction(60000, 1001), "00:00:00;00", 35_964, "00:10:00;00"),
        (Fraction(60000, 1001), "00:00:00;00", 215_784, "01:00:00;00"),
        (Fraction(60000, 1001), "00:00:00:00", 216_000, "01:00:00:00"),
    ],
)
def test_known_answers_of_each_rate(fps: Fraction, start: str, frame: int, timecode: str) -> None:
    source = film(fps, start)
    assert source.is_exact
    assert source.rate == fps
    assert source.format_timecode(frame) == timecode
    assert frames_of(timecode, round(fps)) == frames_of(start, round(fps)) + frame


@given(rate=st.sampled_from(DROP), frame=st.integers(0, 24 * 3600 * 59), start=st.integers(0, 1_000_000))
def test_drop_frame_labels_and_frames_are_inverse_from_any_start(rate: Fraction, frame: int, start: int) -> None:
    per_day = 24 * parse_timecode("01:00:00;00", rate)
    began = make_timecode(start, rate, "00:00:00;00")
    label = make_timecode(frame, rate, began)
    assert parse_timecode(label, rate) == (start + frame) % per_day
    assert frames_of(label, round(rate)) == (start + frame) % per_day


@given(rate=st.sampled_from(DROP), frame=st.integers(1, 5_000_000))
def test_drop_frame_labels_rise_and_skip_none_that_exist(rate: Fraction, frame: int) -> None:
    one, two = (make_timecode(at, rate, "00:00:00;00") for at in (frame - 1, frame))
    base, skipped = round(rate), 2 * round(rate) // 30
    if not two.endswith(f";{skipped:02d}") or one.endswith(f";{skipped - 1:02d}"):
        assert int(two[-2:]) == (int(one[-2:]) + 1) % base
    with pytest.raises(UsageError):
        parse_timecode(f"{two[:3]}{frame % 9 + 1:02d}:00;0{frame % skipped}", rate)


@pytest.mark.parametrize("bad", ["", "25:99:00:00", "nonsense", "00:01:00;00", None])
def test_a_start_that_is_no_timecode_counts_from_zero(bad: str | None) -> None:
    source = film(Fraction(30000, 1001), bad)  # type: ignore[arg-type]
    assert source.start == 0
    assert source.format_timecode(1) in ("00:00:00:01", "00:00:00;01")


def test_a_pick_is_the_shot_or_its_marks_and_handles_stop_at_the_film(settings: Settings) -> None:
    shots = fill_lake(settings, 1, Fraction(24))
    whole, marked, last = select_clips(
        settings,
        [Pick(shot_id=shots[1]), Pick(shot_id=shots[2], in_frame=10, out_frame=6000), Pick(shot_id=shots[3])],
        handles=24,
    )
    assert (whole.in_frame, whole.out_frame, whole.head_frame, whole.tail_frame) == (1000, 5000, 976, 5024)
    assert (marked.in_frame, marked.out_frame, marked.head_frame, marked.tail_frame) == (10, 6000, 0, 6024)
    assert (marked.shot_start, marked.shot_end) == (5000, 5001)
    assert last.tail_frame == last.out_frame == last.film.frames == 43_200


def test_provenance_is_what_the_caller_and_the_lake_know(settings: Settings) -> None:
    shot = fill_lake(settings, 1, Fraction(24))[0]
    told = {"query": "a car", "score": 0.3, "relevance": 0.9, "encoder_id": "e", "index_version": "v", "lines": ["x"]}
    facts = select_clips(settings, [Pick(shot_id=shot)], {shot: told})[0].list_facts()
    assert {name: facts[name] for name in told} == told
    assert facts["detector"] == "test"
    assert facts["content_hash"] == video_row(1)["content_hash"]
    bare = select_clips(settings, [Pick(shot_id=shot)])[0].list_facts()
    assert bare["query"] is None
    assert bare["detector"] == "test"


def test_the_line_that_was_found_is_told_with_its_time_and_source(settings: Settings) -> None:
    shot, other, *_ = fill_lake(settings, 1, Fraction(25), start_timecode="10:00:00:00")
    row = {"video_id": video_id(1), "show": "show", "index": 0, "shot_ids": [shot], "start_s": 4.0, "end_s": 5.0}
    row |= {"start_frame": 100, "end_frame": 125, "language": "en", "source": "sidecar"}
    row |= {"event_timestamp": FILMED, "created_timestamp": FILMED}
    texts = {"one": "Where are\nthe bicycles?", "two": "Nowhere."}
    settings.lake.write(
        "dialogue", video_id(1), [row | {"line_id": name, "text": text} for name, text in texts.items()]
    )
    found = select_clips(settings, [Pick(shot_id=shot, line_ids=("one", "gone")), Pick(shot_id=other)])
    assert found[0].list_facts()["dialogue"] == '10:00:04:00 - 10:00:05:00 "Where are the bicycles?" (sidecar, en)'
    assert "dialogue" not in found[1].list_facts()


def test_marks_of_a_shot_that_was_merged_away_are_a_clip_of_the_shot_that_holds_them(settings: Settings) -> None:
    shots = fill_lake(settings, 1, Fraction(24))
    gone = f"{video_id(1)}:7"
    (clip,) = select_clips(settings, [Pick(shot_id=gone, in_frame=7, out_frame=40)])
    assert (clip.shot_id, clip.in_frame, clip.out_frame) == (shots[0], 7, 40)
    assert clip.list_facts()["picked_as"] == gone
    assert "picked_as" not in select_clips(settings, [Pick(shot_id=shots[0])])[0].list_facts()


@pytest.mark.parametrize("marks", [(5, 5), (9, 3), (-1, 4), (0, 43_201)])
def test_marks_that_hold_no_frame_of_the_film_are_refused(settings: Settings, marks: tuple[int, int]) -> None:
    shot = fill_lake(settings, 1, Fraction(24))[0]
    with pytest.raises(UsageError, match=f"{shot}: frames {marks[0]} to {marks[1]}"):
        select_clips(settings, [Pick(shot_id=shot, in_frame=marks[0], out_frame=marks[1])])


def test_unknown_shots_and_senseless_requests_are_refused(settings: Settings) -> None:
    shot = fill_lake(settings, 1, Fraction(24))[0]
    for unknown in (f"{video_id(1)}:7", f"{video_id(2)}:0", "../../etc/passwd", ""):
        with pytest.raises(NotFoundError, match="no shot"):
            select_clips(settings, [Pick(shot_id=shot), Pick(shot_id=unknown)])
    with pytest.raises(UsageError, match="nothing to export"):
        select_clips(settings, [])
    with pytest.raises(UsageError, match="handles = -1"):
        select_clips(settings, [Pick(shot_id=shot)], handles=-1)


def test_a_variable_rate_is_placed_by_time(settings: Settings) -> None:
    """10 frames a second for 100 frames, then 30 for 300: the mean is 20, and no timeline runs at that by number."""
    rows = shot_rows(5, 3)
    spans = [(0, 100, 0.0, 10.0), (100, 250, 10.0, 15.0), (250, 400, 15.0, 20.0)]
    for row, (start, end, start_s, end_s) in zip(rows, spans, strict=True):
        row |= {"shot_id": f"{video_id(5)}:{start}", "start_frame": start, "end_frame": end}
        row |= {"start_s": start_s, "end_s": end_s}
    settings.lake.write("videos", video_id(5), [video_row(5, fps_num=20, fps_den=1, frames=400)])
    settings.lake.write("shots", video_id(5), rows)
    picks = [Pick(shot_id=row["shot_id"]) for row in rows] + [Pick(shot_id=rows[1]["shot_id"], in_frame=130)]
    clips = select_clips(settings, picks)
    assert clips[0].film.variable_rate
    assert clips[0].film.rate in TIMELINE_RATES
    rate = float(clips[0].film.rate)
    expected = [(0.0, 10.0), (10.0, 15.0), (15.0, 20.0), (11.0, 15.0)]
    for clip, (start_s, end_s) in zip(clips, expected, strict=True):
        assert (clip.source_in, clip.source_out) == (round(start_s * rate), round(end_s * rate))
    # Shots that follow each other in the film do so in the timeline.
    assert clips[0].source_out == clips[1].source_in


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(15)])
def test_missing_pictures_do_not_make_the_rate_vary(settings: Settings, fps: Fraction) -> None:
    media = MediaInfo(
        fps=fps, frames=72, width=640, height=360, codec="mjpeg", has_audio=False, start_timecode="00:00:00:00",
        variable_rate=False, duration_s=4.0,
    )  # fmt: skip
    rows = shot_rows(5, 3)
    for row, start in zip(rows, (0, 24, 68), strict=True):
        row |= {"start_s": float(start / fps), "end_s": float((start + 24) / fps)}
    rows[1]["end_s"] = rows[2]["start_s"]
    video = video_row(5, fps_num=fps.numerator, fps_den=1, frames=72, facts=media.to_json(), start_timecode=None)
    settings.lake.write("videos", video_id(5), [video])
    settings.lake.write("shots", video_id(5), rows)
    clip = select_clips(settings, [Pick(shot_id=rows[2]["shot_id"])])[0]
    assert not clip.film.variable_rate
    assert (clip.film.rate, clip.source_in) == ((25, 68) if fps == 25 else (30, 136))
    (warning,) = [text for text in collect_warnings(settings, [clip]) if "rate" in text]
    assert f"its rate is {fps}, but pictures are missing" in warning


def test_a_rate_that_varies_between_even_cuts_is_told_by_the_frames(settings: Settings, tmp_path: Path) -> None:
    """Durations of 1, 2 and 4 ticks in turn: after each third frame the film is where a constant rate has it."""
    film = make_film(tmp_path / "a.mp4", frames=60, cuts=(30,), vfr=True)
    shots, info = film_rows(settings, film), probe(film.path)
    identifier = shots[0].partition(":")[0]
    rows = settings.lake.read("shots", [identifier]).to_pylist()
    rows[-1]["end_s"] = float(60 / info.fps)
    settings.lake.write("shots", identifier, rows)
    segment_video(film.path, identifier, info, settings.store, detector="content", scratch=settings.scratch)
    clip = select_clips(settings, [Pick(shot_id=shots[1], in_frame=32, out_frame=55)])[0]
    assert clip.film.variable_rate
    assert [clip.film.find_seconds(frame) for frame in (32, 55)] == pytest.approx(
        [float(film.times[frame]) for frame in (32, 55)], abs=1e-3
    )


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (Fraction(15), Fraction(30)),
        (Fraction(12), Fraction(24)),
        (Fraction(10), Fraction(30)),
        (Fraction(25, 2), Fraction(25)),
        (Fraction(15000, 1001), Fraction(30000, 1001)),
        (Fraction(1), Fraction(24)),
        (Fraction(16), Fraction(48)),
        (Fraction(18), Fraction(24000, 1001)),
        (Fraction(29), Fraction(30000, 1001)),
        (Fraction(2973, 100), Fraction(30000, 1001)),
    ],
)
def test_a_rate_that_no_timeline_has_is_counted_at_a_multiple_or_the_next_higher(fps: Fraction, rate: Fraction) -> None:
    assert (film(fps).is_exact, film(fps).rate) == (False, rate)
    assert film(fps, frames=125).length == round(125 / fps * rate)
    assert film(fps, variable_rate=True, frames=125).rate >= fps * Fraction(999, 1000)


@pytest.mark.parametrize("fps", [24, 25, 30, 48, 50, 60, 72, 90, 100, Fraction(120_000, 1001), 120, 80, 240])
def test_a_rate_that_timelines_have_is_kept(fps: int | Fraction) -> None:
    assert (film(Fraction(fps)).is_exact, film(Fraction(fps)).rate) == (True, fps)
