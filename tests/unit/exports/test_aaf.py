"""AAF: pyaaf2's low level and OpenTimelineIO's adapter find each clip by name, reel and timecode, with its marker."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import aaf2
import opentimelineio as otio
import pytest

from ops.core.cancellation import CancelToken
from ops.core.errors import JobCancelledError, UsageError
from ops.core.settings import Settings
from ops.exports.clip import Clip, Pick, select_clips
from ops.exports.export import ExportReport, export
from tests.builders.films import Film
from tests.builders.timelines import fill_lake, fill_lake_with_reel, film_rows, frames_of
from tests.sources.sound import Track, tone
from tests.sources.sound import write as write_sound

RATES = {
    "23.976": (Fraction(24000, 1001), "01:00:00:00", 86_400),
    "25": (Fraction(25), "10:00:00:00", 900_000),
    "29.97 DF": (Fraction(30000, 1001), "00:59:30;00", 106_992),
    "29.97 NDF": (Fraction(30000, 1001), "00:59:30:00", 107_100),
    "50": (Fraction(50), "00:00:10:49", 549),
    "60": (Fraction(60), "", 0),
}
ANY_TEXT = 'tab\t, comma "quote" new\nline \u202ebidi\u202c Ünï 日本 🦬 \x00 <b> ' + "x" * 3000


@dataclass(frozen=True)
class FoundClip:
    """A clip by its chain of mobs: source frames from timecode zero, half-open."""

    name: str
    tape: str
    source: tuple[int, int]
    is_drop: bool
    nominal_rate: int
    url: str
    master_id: str


@dataclass(frozen=True)
class FoundSequence:
    """A sequence: rate, first frame, clips of the picture, markers as (comment, first, length), sound by track."""

    name: str
    rate: Fraction
    start: tuple[int, bool]
    clips: list[FoundClip]
    markers: list[tuple[str, int, int]]
    sound: list[list[FoundClip | int]]


def find_timecode(mob: Any) -> Any:
    (slot,) = [slot for slot in mob.slots if isinstance(slot.segment, aaf2.components.Timecode)]
    return slot.segment


def follow(clip: Any) -> FoundClip:
    """From a clip of a sequence to the master clip, the file, and the tape with its timecode."""
    master, at = clip.mob, clip.start
    assert isinstance(master, aaf2.mobs.MasterMob)
    to_file = clip.slot.segment
    source, at = to_file.mob, at + to_file.start
    (locator,) = source.descriptor["Locator"].value
    to_tape = to_file.slot.segment
    tape, at = to_tape.mob, at + to_tape.start
    assert isinstance(tape.descriptor, aaf2.essence.TapeDescriptor)
    assert to_tape.slot.segment.mob is None, "the end of the chain"
    assert clip.slot.edit_rate == to_file.slot.edit_rate == to_tape.slot.edit_rate
    timecode = find_timecode(tape)
    first = timecode.start + at
    return FoundClip(
        master.name, tape.name, (first, first + clip.length), timecode.drop, timecode.fps,
        locator["URLString"].value, str(master.mob_id),
    )  # fmt: skip


def read_aaf(path: Path) -> list[FoundSequence]:
    with aaf2.open(str(path)) as file:
        ids = [str(mob.mob_id) for mob in file.content.mobs]
        assert len(set(ids)) == len(ids)
        return [read_sequence(mob) for mob in file.content.toplevel()]


def read_sequence(mob: Any) -> FoundSequence:
    kinds: dict[str, list[Any]] = {"Picture": [], "Sound": []}
    markers: list[tuple[str, int, int]] = []
    for slot in mob.slots:
        if slot.media_kind in kinds:
            kinds[slot.media_kind].append(slot)
        elif isinstance(slot, aaf2.mobslots.EventMobSlot):
            markers = list(read_markers(slot))
    (picture,) = kinds["Picture"]
    clips = [follow(clip) for clip in picture.segment.components]
    total = sum(clip.length for clip in picture.segment.components)
    assert all(slot.segment.length == total for slots in kinds.values() for slot in slots)
    sound = [
        [
            follow(each) if isinstance(each, aaf2.components.SourceClip) else each.length
            for each in slot.segment.components
        ]
        for slot in kinds["Sound"]
    ]
    timecode = find_timecode(mob)
    rate = Fraction(picture.edit_rate.numerator, picture.edit_rate.denominator)
    assert timecode.length == total and timecode.fps == round(rate)
    return FoundSequence(mob.name, rate, (timecode.start, timecode.drop), clips, markers, sound)


def read_markers(slot: Any) -> Iterator[tuple[str, int, int]]:
    for marker in slot.segment.components:
        attributes = {tag.name: tag.value for tag in marker["CommentMarkerAttributeList"].value}
        assert marker["DescribedSlots"].value == {1}
        assert attributes["_ATN_CRM_COM"] == marker["Comment"].value
        assert (attributes["_ATN_CRM_COLOR"], attributes["_ATN_CRM_LENGTH"]) == ("Blue", marker.length)
        yield marker["Comment"].value, marker["Position"].value, marker.length


def write(settings: Settings, tmp_path: Path, clips: list[Clip]) -> tuple[list[FoundSequence], ExportReport]:
    report = export(settings, clips, "aaf", tmp_path / "x.aaf", title="Cars")
    assert report.clips == len(clips)
    return read_aaf(tmp_path / "x.aaf"), report


@pytest.mark.parametrize("label", RATES)
def test_an_aaf_has_name_reel_timecode_and_markers(settings: Settings, tmp_path: Path, label: str) -> None:
    fps, start, zero = RATES[label]
    one = fill_lake_with_reel(settings, 1, fps, start, "Band 7 Köln", "/footage/Été #1.mov")
    two = fill_lake_with_reel(settings, 2, fps, start, "", "/footage/日本 two.mxf")
    picks = [
        Pick(shot_id=one[1], note="keep, please"),
        Pick(shot_id=one[0], in_frame=17, out_frame=5003),
        Pick(shot_id=two[2]),
    ]
    clips = select_clips(settings, picks, {one[1]: {"query": "a car", "score": 0.3125, "relevance": 0.875}})
    (sequence,), _ = write(settings, tmp_path, clips)
    is_drop = ";" in start
    assert (sequence.name, sequence.rate) == ("Cars", fps)
    assert sequence.start == (frames_of("01:00:00;00" if is_drop else "01:00:00:00", round(fps)), is_drop)
    spans = [(zero + 1000, zero + 5000), (zero + 17, zero + 5003), (zero + 5000, zero + 5001)]
    assert [clip.source for clip in sequence.clips] == spans
    assert {(clip.is_drop, clip.nominal_rate) for clip in sequence.clips} == {(is_drop, round(fps))}
    assert [clip.name for clip in sequence.clips] == ["Été #1.mov", "Été #1.mov", "日本 two.mxf"]
    assert [clip.tape for clip in sequence.clips][:2] == ["Band 7 Köln"] * 2
    assert sequence.clips[0].url == "file:///footage/%C3%89t%C3%A9%20%231.mov"
    assert sequence.markers == [
        (f"a car; score 0.3125; relevance 0.875; note: keep, please; shot {one[1]}", 0, 4000),
        (f"Film 1; shot {one[0]}", 4000, 4986),
        (f"Film 2; shot {two[2]}", 8986, 1),
    ]
    assert sequence.sound == []
    timeline = otio.adapters.read_from_file(str(tmp_path / "x.aaf"))
    assert timeline.global_start_time.value == sequence.start[0]
    found = [clip.source_range for clip in timeline.video_tracks()[0]]
    assert [(span.start_time.value, span.end_time_exclusive().value) for span in found] == spans
    assert [clip.media_reference.target_url for clip in timeline.video_tracks()[0]] == [
        clip.url for clip in sequence.clips
    ]
    assert sum(len(clip.markers) for clip in timeline.video_tracks()[0]) == 3


def test_each_rate_is_a_sequence_and_master_clips_are_shared(settings: Settings, tmp_path: Path) -> None:
    slow = fill_lake_with_reel(settings, 1, Fraction(24000, 1001), "01:00:00:00", "A1", "/a.mov")
    drop = fill_lake_with_reel(settings, 2, Fraction(30000, 1001), "00:10:00;00", "A1", "/b.mov")
    plain = fill_lake_with_reel(settings, 3, Fraction(30000, 1001), "00:10:00:00", "B1", "/c.mov")
    picks = [Pick(shot_id=shot) for shot in (slow[1], drop[1], slow[2], plain[1], drop[2])]
    clips = select_clips(settings, picks)
    sequences, report = write(settings, tmp_path, clips)
    assert [(each.name, len(each.clips)) for each in sequences] == [("Cars (23.976)", 2), ("Cars (29.97)", 3)]
    assert [clip.is_drop for clip in sequences[1].clips] == [True, False, True]
    assert not sequences[1].start[1]
    assert sequences[1].clips[0].master_id == sequences[1].clips[2].master_id
    assert [each for each in report.warnings if each.startswith("2 frame rates: one sequence for each")]
    again, _ = write(settings, tmp_path, clips[:1])
    assert again[0].clips[0].master_id == sequences[0].clips[0].master_id


def test_every_channel_is_a_track(settings: Settings, tmp_path: Path) -> None:
    tracks = [Track(source=tone(300, channels=2)), Track(source=tone(500))]
    film = Film(write_sound(tmp_path / "film.mov", tracks), frames=25, cuts=(10,), fps=Fraction(25))
    shots = film_rows(settings, film)
    silent = fill_lake(settings, 1, Fraction(25), has_audio=False)[2]
    (sequence,), report = write(settings, tmp_path, select_clips(settings, [Pick(shot_id=s) for s in (*shots, silent)]))
    assert len(sequence.sound) == 3
    for track in sequence.sound:
        assert track[:2] == sequence.clips[:2] and track[2] == 1
    assert [each for each in report.warnings if "every sound track is on in an AAF" in each]
    timeline = otio.adapters.read_from_file(str(tmp_path / "x.aaf"))
    assert len(timeline.audio_tracks()) == 3


def test_any_text_is_kept_on_one_line(settings: Settings, tmp_path: Path) -> None:
    path = "/footage/" + ANY_TEXT[:100].replace("\x00", "") + ".mov"
    shot = fill_lake(settings, 1, Fraction(25), title=ANY_TEXT, show=ANY_TEXT, path=path)[1]
    clips = select_clips(settings, [Pick(shot_id=shot, note=ANY_TEXT, provenance={"query": ANY_TEXT})])
    export(settings, clips, "aaf", tmp_path / "x.aaf", title=ANY_TEXT)
    (sequence,) = read_aaf(tmp_path / "x.aaf")
    for text in (sequence.name, sequence.clips[0].name, sequence.markers[0][0]):
        assert 'tab , comma "quote" new line bidi Ünï 日本 🦬' in text
        assert not any(sign in text for sign in "\t\n\x00\u202e")


def test_a_cancelled_aaf_stops(settings: Settings, tmp_path: Path) -> None:
    clips = select_clips(settings, [Pick(shot_id=fill_lake(settings, 1, Fraction(25))[1])])
    stop = CancelToken()
    stop.set()
    with pytest.raises(JobCancelledError):
        export(settings, clips, "aaf", tmp_path / "x.aaf", title="x", stop=stop)
    assert not (tmp_path / "x.aaf").exists()


def test_a_missing_library_is_reported(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = select_clips(settings, [Pick(shot_id=fill_lake(settings, 1, Fraction(25))[1])])
    monkeypatch.setitem(sys.modules, "aaf2", None)
    with pytest.raises(UsageError, match="an AAF needs the package pyaaf2: run `pip install pyaaf2`"):
        export(settings, clips, "aaf", tmp_path / "x.aaf", title="x")
