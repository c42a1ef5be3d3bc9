"""Every sound track of a source is in every timeline, and which of them proxies hear is on, the others off."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import opentimelineio as otio
import pytest

from ops.core.settings import Settings
from ops.exports.clip import Clip, Pick, select_clips
from ops.exports.export import export
from ops.exports.registry import find_format
from tests.builders.films import Film
from tests.builders.timelines import film_rows, read_edl, read_fcpxml, read_xmeml
from tests.sources.sound import MONO_SILENCE, SILENCE, Track, tone, write

STEREO, SURROUND = tone(440, channels=2), tone(440, channels=6)


def clips_with(settings: Settings, tracks: Sequence[Track], path: Path) -> list[Clip]:
    film = Film(write(path, tracks), frames=25, cuts=(10,), fps=Fraction(25))
    return select_clips(settings, [Pick(shot_id=shot) for shot in film_rows(settings, film)])


def written(settings: Settings, clips: list[Clip], name: str, folder: Path) -> Path:
    target = folder / f"out{find_format(name).suffix}"
    export(settings, clips, name, target, title="Sound")
    return target


def test_four_mono_tracks_are_four_everywhere(settings: Settings, tmp_path: Path) -> None:
    clips = clips_with(settings, [Track(source=tone(300 * at)) for at in range(1, 5)], tmp_path / "film.mov")
    assert [clip.source for clip in read_edl(written(settings, clips, "edl", tmp_path), Fraction(25))] == [
        (0, 10),
        (10, 25),
    ]
    lines = (tmp_path / "out.edl").read_text().splitlines()
    events = [at for at, line in enumerate(lines) if line[:3].isdigit()]
    assert [lines[at].split()[2] for at in events] == ["AA/V", "AA/V"]
    assert [lines[at + 1] for at in events] == ["AUD   3     4"] * 2
    read_fcpxml(written(settings, clips, "fcpxml", tmp_path))
    root = ElementTree.parse(tmp_path / "out.fcpxml").getroot()
    (asset,) = root.iter("asset")
    assert [asset.get(name) for name in ("audioSources", "audioChannels", "audioRate")] == ["4", "1", "48000"]
    sources = [
        [source.get("srcCh") for source in clip.iter("audio-channel-source")] for clip in root.iter("asset-clip")
    ]
    assert sources == [["1", "2", "3", "4"]] * 2
    assert not [source for source in root.iter("audio-channel-source") if source.get("enabled")]
    read_xmeml(written(settings, clips, "xmeml", tmp_path))
    root = ElementTree.parse(tmp_path / "out.xml").getroot()
    tracks = root.findall(".//sequence/media/audio/track")
    assert [[item.findtext("sourcetrack/trackindex") for item in track.findall("clipitem")] for track in tracks] == [
        [str(number)] * 2 for number in range(1, 5)
    ]
    assert [track.findtext("outputchannelindex") for track in tracks] == ["1", "2", "1", "2"]
    assert root.findtext(".//file/media/audio/channelcount") == "4"
    assert {item.findtext("enabled") for item in root.iter("clipitem")} == {"TRUE"}
    timeline = otio.adapters.read_from_file(str(written(settings, clips, "otio", tmp_path)))
    assert [track.name for track in timeline.audio_tracks()] == ["A1", "A2", "A3", "A4"]
    numbers = [
        [item.metadata["needle"]["sound_track"]["number"] for item in track] for track in timeline.audio_tracks()
    ]
    assert numbers == [[number] * 2 for number in range(1, 5)]
    facts = json.loads(written(settings, clips, "json", tmp_path).read_text())["clips"][0]
    assert facts["sound_tracks"].startswith("1: pcm_s16le, mono, 48000 Hz; 2: pcm_s16le")
    assert facts["heard_tracks"] == "1, 2, 3, 4"


def test_tracks_that_are_not_heard_are_there_and_off(settings: Settings, tmp_path: Path) -> None:
    tracks = [
        Track(source=SILENCE, codec="aac", language="eng"),
        Track(source=SURROUND, codec="ac3", language="eng"),
        Track(source=STEREO, codec="aac", title="Director's commentary"),
    ]
    clips = clips_with(settings, tracks, tmp_path / "film.mkv")
    root = ElementTree.parse(written(settings, clips, "fcpxml", tmp_path)).getroot()
    (asset,) = root.iter("asset")
    assert [asset.get(name) for name in ("audioSources", "audioChannels")] == ["10", "1"]
    components = [
        (source.get("srcCh"), source.get("enabled"))
        for source in next(root.iter("asset-clip")).iter("audio-channel-source")
    ]
    assert components == [("1, 2", "0"), ("3, 4, 5, 6, 7, 8", None), ("9, 10", "0")]
    root = ElementTree.parse(written(settings, clips, "xmeml", tmp_path)).getroot()
    enabled = [track.findtext("clipitem/enabled") for track in root.findall(".//sequence/media/audio/track")]
    assert enabled == ["FALSE"] * 2 + ["TRUE"] * 6 + ["FALSE"] * 2
    timeline = otio.adapters.read_from_file(str(written(settings, clips, "otio", tmp_path)))
    assert [[item.enabled for item in track] for track in timeline.audio_tracks()] == [
        [False] * 2,
        [True] * 2,
        [False] * 2,
    ]
    report = export(settings, clips, "edl", tmp_path / "out.edl", title="Sound")
    assert any("it has 10 sound channels and an EDL names 4" in warning for warning in report.warnings)
    facts = json.loads(written(settings, clips, "json", tmp_path).read_text())["clips"][0]
    assert facts["sound_tracks"] == (
        "1: aac, stereo, 48000 Hz, eng, silent; 2: ac3, 5.1(side), 48000 Hz, eng; "
        "3: aac, stereo, 48000 Hz, Director's commentary, commentary"
    )
    assert facts["heard_tracks"] == "2"


def test_a_film_with_fewer_tracks_has_gaps_beside_one_with_more(settings: Settings, tmp_path: Path) -> None:
    more = clips_with(settings, [Track(source=STEREO), Track(source=tone(900))], tmp_path / "more.mov")
    fewer = clips_with(settings, [Track(source=STEREO)], tmp_path / "fewer.mkv")
    none = clips_with(settings, [], tmp_path / "none.mkv")
    clips = [more[0], fewer[0], none[0], more[1]]
    timeline = otio.adapters.read_from_file(str(written(settings, clips, "otio", tmp_path)))
    kinds = [[type(item).__name__ for item in track] for track in timeline.audio_tracks()]
    assert kinds == [["Clip", "Clip", "Gap", "Clip"], ["Clip", "Gap", "Gap", "Clip"]]
    assert [track.duration() for track in timeline.audio_tracks()] == [timeline.video_tracks()[0].duration()] * 2
    read_xmeml(written(settings, clips, "xmeml", tmp_path))
    root = ElementTree.parse(tmp_path / "out.xml").getroot()
    counts = [len(track.findall("clipitem")) for track in root.findall(".//sequence/media/audio/track")]
    assert counts == [3, 3, 2]
    lines = written(settings, clips, "edl", tmp_path).read_text().splitlines()
    assert [line.split()[2] for line in lines if line[:3].isdigit()] == ["AA/V", "AA/V", "V", "AA/V"]
    assert lines.count("AUD   3") == 2


@pytest.mark.parametrize(
    ("tracks", "heard"),
    [
        ([Track(source=SILENCE, codec="aac"), Track(source=STEREO, codec="aac")], [1]),
        ([Track(source=MONO_SILENCE), *[Track(source=tone(300 * at)) for at in (1, 2, 3)]], [1, 2, 3]),
    ],
)
def test_the_clips_of_a_zip_have_all_tracks_and_play_those_with_sound(
    settings: Settings, tmp_path: Path, tracks: list[Track], heard: list[int]
) -> None:
    clips = clips_with(settings, tracks, tmp_path / "film.mkv")
    with zipfile.ZipFile(written(settings, clips[:1], "zip", tmp_path)) as archive:
        manifest = json.loads(archive.read("manifest.json"))["clips"][0]
        (tmp_path / "clip.mov").write_bytes(archive.read(manifest["file"]))
    assert manifest["heard_tracks"] == ", ".join(str(number + 1) for number in heard)
    with av.open(str(tmp_path / "clip.mov")) as container:
        streams = container.streams.audio
        assert len(streams) == len(tracks)
        enabled = [
            number for number, stream in enumerate(streams) if stream.disposition & av.stream.Disposition.default
        ]
        assert enabled == list(range(len(heard)))
    assert manifest["clip_tracks"][: len(heard)] == [number + 1 for number in heard]
    assert sorted(manifest["clip_tracks"]) == list(range(1, len(tracks) + 1))
    for number in range(len(tracks)):
        with av.open(str(tmp_path / "clip.mov")) as container:
            loudest = max(float(np.abs(frame.to_ndarray()).max()) for frame in container.decode(audio=number))
        assert (loudest > 0) == (number < len(heard))


@pytest.mark.shared
def test_the_case_of_four_mono_tracks(settings: Settings, tmp_path: Path, cases: Path) -> None:
    film = Film(cases / "exports" / "mono4.mov", frames=60, cuts=(30,), fps=Fraction(25))
    clips = select_clips(settings, [Pick(shot_id=shot) for shot in film_rows(settings, film)])
    (asset,) = ElementTree.parse(written(settings, clips, "fcpxml", tmp_path)).getroot().iter("asset")
    assert (asset.get("audioSources"), asset.get("audioChannels")) == ("4", "1")
    root = ElementTree.parse(written(settings, clips, "xmeml", tmp_path)).getroot()
    assert root.findtext(".//file/media/audio/channelcount") == "4"
    assert len(root.findall(".//sequence/media/audio/track")) == 4
