"""Subtitles against the film: what a person sets, what speech proposes, and what follows from it."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops.cli.dialogue import _apply_options, _parse_ratio
from ops.core.errors import UsageError
from ops.core.settings import Settings
from ops.core.types import SilentProgress
from ops.dialogue.build import build_dialogue, find_due
from ops.dialogue.lines import DialogueLine
from ops.dialogue.report import read_dialogue
from ops.dialogue.timing import SubtitleTiming, propose_timing, read_timing, set_timing
from ops.index.dialogue import build_lines, has_current_lines
from ops.index.lines import open_lines
from tests.builders.films import make_film
from tests.builders.lakes import shot_rows, video_id, video_row
from tests.builders.subtitles import srt

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PARTITION = video_id(0)
PAL = 25 / (24000 / 1001)


def line(start_s: float, text: str, source: str = "sidecar", length_s: float = 2.0) -> DialogueLine:
    return DialogueLine(start_s=start_s, end_s=start_s + length_s, text=text, language="en", source=source)


def script(length_s: float, seed: int = 0, every_s: float = 6.0) -> list[DialogueLine]:
    """Lines of words as frequent as in language: few words often, many seldom."""
    rng = random.Random(seed)
    words = [f"word{min(int(rng.paretovariate(0.5)), 3000)}" for _ in range(20_000)]
    starts = [at * every_s + rng.random() for at in range(int(length_s / every_s))]
    return [line(start, " ".join(words[5 * at : 5 * at + 5])) for at, start in enumerate(starts)]


def heard(
    lines: list[DialogueLine], shift_s: float, stretch: float, seed: int = 1, lost: float = 0.2
) -> list[DialogueLine]:
    """What a model hears: at other times, in other pieces, some words wrong or not at all."""
    rng = random.Random(seed)
    spoken = []
    for each in lines:
        words = [word if rng.random() > lost else f"noise{rng.randrange(50)}" for word in each.text.split()]
        if rng.random() > lost / 2:
            start = each.start_s * stretch + shift_s + rng.gauss(0, 0.15)
            spoken.append(line(start, " ".join(words), "asr", 2.0 * stretch))
    return spoken


@pytest.mark.parametrize(
    ("shift_s", "stretch"),
    [(2.0, 1.0), (-7.5, 1.0), (0.0, PAL), (3.25, 1 / PAL), (-1.0, 25 / 24), (40.0, 1.0), (0.5, 1.0135)],
)
def test_a_shift_and_a_stretch_are_proposed_from_speech(shift_s: float, stretch: float) -> None:
    written = script(1800)
    proposal = propose_timing(heard(written, shift_s, stretch), written)
    assert proposal is not None and proposal.confidence > 0.6
    for time in (0.0, 900.0, 1800.0):
        assert proposal.timing.apply(time) == pytest.approx(time * stretch + shift_s, abs=0.4)
    assert (proposal.timing.stretch == 1.0) == (stretch == 1.0)
    assert "needle dialogue 'a film.mp4' --shift" in proposal.note("a film.mp4")


def test_a_proposal_replaces_the_timing_that_is_set() -> None:
    written = script(900)
    current = SubtitleTiming(shift_s=-4.0, stretch=PAL)
    shown = [line(current.apply(each.start_s), each.text) for each in written]
    proposal = propose_timing(heard(written, 1.5, 1.0), shown, current)
    assert proposal is not None
    assert proposal.timing.apply(500.0) == pytest.approx(501.5, abs=0.4)


def test_nothing_is_proposed_without_a_reason() -> None:
    written = script(900)
    assert propose_timing(heard(written, 0.05, 1.0), written) is None  # they are in step
    assert propose_timing(script(900, seed=7), written) is None  # another film
    assert propose_timing([], written) is None and propose_timing(written, []) is None
    assert propose_timing(heard(written[:1], 2.0, 1.0, lost=0.0), written[:1]) is None  # too few words
    rng = random.Random(3)
    shuffled = [line(rng.random() * 900, each.text, "asr") for each in written]
    assert propose_timing(shuffled, written) is None


def test_a_short_film_gets_a_shift_only() -> None:
    written = script(50, every_s=3.0)
    proposal = propose_timing(heard(written, 2.0, 1.0, lost=0.0), written)
    assert proposal is not None
    assert proposal.timing.stretch == 1.0 and proposal.timing.shift_s == pytest.approx(2.0, abs=0.2)


def test_what_is_given_is_set_and_the_rest_stays() -> None:
    before = SubtitleTiming(shift_s=1.0, stretch=1.01)
    assert _apply_options(before, -2.0, None, None) == SubtitleTiming(shift_s=-2.0, stretch=1.01)
    assert _apply_options(before, None, None, "25:23.976") == SubtitleTiming(shift_s=1.0, stretch=PAL)
    assert _parse_ratio("24000/1001:25") == pytest.approx(0.95904, abs=1e-5)
    for wrong in ("25", "25:0", "a:b", "25:24:23"):
        with pytest.raises(UsageError, match="FROM:TO"):
            _parse_ratio(wrong)
    with pytest.raises(UsageError, match="not both"):
        _apply_options(before, None, 1.1, "25:24")
    for values in ({"shift_s": 1e9}, {"shift_s": float("nan")}, {"stretch": 0.0}, {"stretch": float("nan")}):
        with pytest.raises(UsageError):
            SubtitleTiming(**values)


def fill_with_subtitles(settings: Settings) -> None:
    """Two films of one catalogue, each in four shots of 24 frames at 24000/1001, with subtitles."""
    library = Path(settings.library)
    library.mkdir()
    for number in range(2):
        path = library / f"film{number}.mkv"
        make_film(path, frames=96, cuts=(24, 48, 72))
        row = video_row(number, path=str(path), has_audio=False, frames=96)
        settings.lake.write("videos", video_id(number), [row])
        settings.lake.write("shots", video_id(number), shot_rows(number))
        cues = [(0.2, 0.8, "Good morning, captain."), (1.2, 1.8, "The ferry is late."), (3.2, 3.8, "Farewell.")]
        (library / f"film{number}.en.srt").write_text(srt(cues))


pytestmark = pytest.mark.home(fill=fill_with_subtitles, library=Path("library"))


def build(settings: Settings) -> int:
    partitions = [video_id(number) for number in range(2)]
    changed = build_dialogue(settings, partitions, NOW, SilentProgress()).changed
    build_lines(settings, SilentProgress())
    return changed


def times(settings: Settings, number: int = 0) -> list[tuple[float, float]]:
    return [(each["start_s"], each["end_s"]) for each in read_dialogue(settings, video_id(number))[0]]


def test_a_timing_moves_the_lines_of_its_video_only_and_stays(settings: Settings) -> None:
    build(settings)
    assert set_timing(settings, video_id(0), SubtitleTiming(shift_s=1.0), NOW)
    assert not set_timing(settings, video_id(0), SubtitleTiming(shift_s=1.0), NOW)
    due = find_due(settings, [video_id(number) for number in range(2)])
    assert [video["video_id"] for video, _, _ in due] == [video_id(0)]
    build(settings)
    assert times(settings) == [(1.2, 1.8), (2.2, 2.8), (4.2, 4.8)]
    assert times(settings, 1) == [(0.2, 0.8), (1.2, 1.8), (3.2, 3.8)]
    shots = [each["shot_ids"] for each in read_dialogue(settings, video_id(0))[0]]
    assert [len(each) for each in shots] == [1, 1, 0] and shots[0] == [shot_rows(0)[1]["shot_id"]]
    assert has_current_lines(settings) and build(settings) == 0
    index = open_lines(settings)
    assert index is not None
    with index:
        found = index.search("", phrases=["ferry is late"], limit=9)
    assert {hit.video_id: hit.start_s for hit in found} == {video_id(0): 2.2, video_id(1): 1.2}
    assert set_timing(settings, video_id(0), SubtitleTiming(), NOW)
    build(settings)
    assert times(settings) == times(settings, 1)


def test_a_stretch_comes_before_the_shift_and_what_starts_before_the_film_is_cut(settings: Settings) -> None:
    set_timing(settings, video_id(0), SubtitleTiming(shift_s=-1.0, stretch=1.25), NOW)
    build(settings)
    assert times(settings) == [(0.5, 1.25), (3.0, 3.75)]
    assert "before the start of the film" in str(read_dialogue(settings, video_id(0))[1])
    assert read_timing(settings, video_id(0)).stretch == 1.25


def test_subtitles_that_come_after_speech_was_recognised_get_a_note(settings: Settings) -> None:
    library = Path(settings.library)
    written = script(60, every_s=0.4)[:9]
    shown = [(0.1 + 0.4 * at, 0.4 + 0.4 * at, each.text) for at, each in enumerate(written)]
    (library / "film0.en.srt").unlink()
    build(settings)
    stamps = {
        "event_timestamp": NOW,
        "created_timestamp": NOW,
        "video_id": video_id(0),
        "language": "en",
        "source": "asr",
    }
    rows: list[dict[str, Any]] = [
        {"line_id": f"asr{at}", "show": "show", "index": at, "shot_ids": [], "start_frame": 0, "end_frame": 1,
         "start_s": start + 0.6, "end_s": end + 0.6, "text": text} | stamps
        for at, (start, end, text) in enumerate(shown)
    ]  # fmt: skip
    source = {"subtitle_id": "x", "path": "model", "content_hash": "model", "lines": 9, "reason": None, "notes": []}
    settings.lake.update("dialogue", PARTITION, video_id(0), rows)
    settings.lake.update("subtitles", PARTITION, video_id(0), [source | stamps])
    (library / "film0.en.srt").write_text(srt(shown))
    build(settings)
    (note,) = [note for each in read_dialogue(settings, video_id(0))[1] for note in each["notes"]]
    assert "do not agree with recognised speech" in note and "--shift 0.60" in note
    assert times(settings)[0][0] == pytest.approx(0.1)


def test_the_command_lists_and_sets(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    from ops.cli.main import main

    build(settings)

    def needle(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["dialogue", "film0.mkv", *arguments, "--home", str(settings.home)])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    status, out, err = needle()
    assert status == 0 and "Good morning, captain. (sidecar, en)" in out and "3 lines of" in err
    set_timing(settings, video_id(0), SubtitleTiming(shift_s=-0.1), NOW)
    build(settings)
    document = json.loads(needle("--json")[1])
    assert document["timing"] == {"shift_s": -0.1, "stretch": 1.0}
    assert [each["start_s"] for each in document["lines"]] == [0.1, 1.1, 3.1]
    assert "subtitles: times x 1.000000, then -0.100 s" in needle()[2]
    assert needle("--fps", "25")[0] == 2 and needle("--stretch", "9")[0] == 2
