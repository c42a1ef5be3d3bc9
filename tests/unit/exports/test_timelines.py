"""One contract for all timeline formats: what was marked is what an independent reader finds, at every rate."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import opentimelineio as otio
import pytest

from ops.core.errors import UsageError
from ops.core.media import MediaInfo, StartTimecode
from ops.core.settings import Settings
from ops.exports.clip import Clip, Pick, select_clips
from ops.exports.export import export
from ops.exports.registry import find_format
from ops.videos.hashes import HashCache, make_key
from tests.builders.films import Film
from tests.builders.timelines import ReadClip, fill_lake, film_rows, frames_of, read_edl, read_fcpxml, read_xmeml
from tests.sources import timecode
from tests.sources.kind import Kind

TIMELINES = ("edl", "otio", "fcpxml", "xmeml")
RATES = {
    "23.976": (Fraction(24000, 1001), "01:00:00:00", 86_400),
    "24": (Fraction(24), "00:00:00:00", 0),
    "25": (Fraction(25), "10:00:00:00", 900_000),
    "29.97 DF": (Fraction(30000, 1001), "01:00:00;00", 107_892),
    "29.97 NDF": (Fraction(30000, 1001), "01:00:00:00", 108_000),
    "30": (Fraction(30), "00:59:59:29", 107_999),
    "50": (Fraction(50), "00:00:10:49", 549),
    "59.94 DF": (Fraction(60000, 1001), "00:10:00;00", 35_964),
    "59.94 NDF": (Fraction(60000, 1001), "00:10:00:00", 36_000),
}
PROVENANCE = {
    "query": "a car exploding at night",
    "score": 0.312345,
    "relevance": 0.87,
    "encoder_id": "starter.v1",
    "index_version": "v1-169-74df",
}


def write(settings: Settings, tmp_path: Path, clips: list[Clip], name: str, title: str = "Cars") -> Path:
    target = tmp_path / f"out{find_format(name).suffix}"
    report = export(settings, clips, name, target, title=title)
    assert (report.clips, report.missing, report.bytes) == (len(clips), (), target.stat().st_size)
    return target


def read_otio(timeline: otio.schema.Timeline) -> list[ReadClip]:
    clips, at = [], 0
    track = timeline.video_tracks()[0]
    for clip in track:
        span, media = clip.source_range, clip.media_reference.available_range
        rate = Fraction(span.start_time.rate).limit_denominator(1001)
        assert span.start_time.rate == span.duration.rate == media.start_time.rate == float(rate)
        begin = [time.value for time in (span.start_time, span.duration, media.start_time, media.duration)]
        assert all(value == int(value) for value in begin)
        start, length, first, frames = map(int, begin)
        clips.append(
            ReadClip(
                source=(start, start + length),
                record=(at, at + length),
                rate=rate,
                media=(first, first + frames),
                url=clip.media_reference.target_url,
                name=clip.name,
                notes="\n".join(f"needle.{key}={value}" for key, value in clip.metadata["needle"].items()),
            )
        )
        at += length
    return clips


def read(path: Path, name: str, rate: Fraction) -> list[ReadClip]:
    match name:
        case "edl":
            return read_edl(path, rate)
        case "fcpxml":
            return read_fcpxml(path)[0]
        case "xmeml":
            return read_xmeml(path)[0]
    return read_otio(otio.adapters.read_from_file(str(path)))


@pytest.mark.parametrize("label", RATES)
@pytest.mark.parametrize("name", TIMELINES)
def test_marks_come_back_frame_by_frame(settings: Settings, tmp_path: Path, name: str, label: str) -> None:
    fps, start, zero = RATES[label]
    shots = fill_lake(settings, 1, fps, start_timecode=start, path="/footage/Été #1 100%.mov")
    picks = [
        Pick(shot_id=shots[1]),
        Pick(shot_id=shots[2]),
        Pick(shot_id=shots[0], in_frame=17, out_frame=18_019),
        Pick(shot_id=shots[3]),
    ]
    clips = select_clips(settings, picks, dict.fromkeys(shots, PROVENANCE), handles=12)
    found = read(write(settings, tmp_path, clips, name), name, fps)
    length = round(1800 * fps)
    marks = [(1000, 5000), (5000, 5001), (17, 18_019), (5001, length)]
    assert [clip.source for clip in found] == [(zero + first, zero + last) for first, last in marks]
    assert {clip.rate for clip in found} == {fps}
    hour = frames_of("01:00:00;00" if "DF" in label.split()[1:] else "01:00:00:00", round(fps))
    began = 0 if name == "otio" else hour
    at = began
    for clip, (first, last) in zip(found, marks, strict=True):
        assert clip.record == (at, at + last - first)
        at += last - first
    if name != "edl":
        assert {clip.media for clip in found} == {(zero, zero + length)}
        assert {unquote(urlsplit(clip.url).path) for clip in found} == {"/footage/Été #1 100%.mov"}
        assert {urlsplit(clip.url).scheme for clip in found} == {"file"}
    assert {clip.name for clip in found} == {"Été #1 100%.mov"}


@pytest.mark.parametrize("name", TIMELINES)
def test_provenance_travels_with_each_clip(settings: Settings, tmp_path: Path, name: str) -> None:
    shots = fill_lake(settings, 1, Fraction(25))
    clips = select_clips(settings, [Pick(shot_id=shots[1])], {shots[1]: PROVENANCE})
    notes = read(write(settings, tmp_path, clips, name), name, Fraction(25))[0].notes
    wanted = [str(value) for value in PROVENANCE.values()]
    for value in [*wanted, "test", shots[1], clips[0].film.content_hash]:
        assert value in notes


@pytest.mark.parametrize("label", RATES)
def test_the_library_reads_our_edl_and_xmeml_alike(settings: Settings, tmp_path: Path, label: str) -> None:
    """OpenTimelineIO's own adapters, which share nothing with our writers."""
    fps, start, zero = RATES[label]
    shots = fill_lake(settings, 1, fps, start_timecode=start, has_audio=False)
    clips = select_clips(settings, [Pick(shot_id=shots[1]), Pick(shot_id=shots[2])])
    expected = [(zero + 1000, zero + 5000), (zero + 5000, zero + 5001)]
    edl = otio.adapters.read_from_file(str(write(settings, tmp_path, clips, "edl")), rate=float(fps))
    found = [clip.source_range for clip in edl.find_clips()]
    assert [(span.start_time.value, span.end_time_exclusive().value) for span in found] == expected
    assert [clip.metadata["cmx_3600"]["reel"] for clip in edl.find_clips()] == ["FILMPI48", "FILMPI48"]
    assert [clip.name for clip in edl.find_clips()] == ["film 1.mp4", "film 1.mp4"]
    xmeml = otio.adapters.read_from_file(str(write(settings, tmp_path, clips, "xmeml")), "fcp_xml")
    timelines = (
        [item for item in xmeml if isinstance(item, otio.schema.Timeline)] if not hasattr(xmeml, "tracks") else [xmeml]
    )
    spans = [clip.source_range for clip in timelines[0].find_clips()]
    media = next(iter(timelines[0].find_clips())).media_reference
    assert [(span.start_time.value, span.end_time_exclusive().value) for span in spans] == expected
    assert media.available_range.start_time.value == zero
    assert media.target_url == "file://localhost/footage/film%201.mp4"


@pytest.mark.parametrize("label", ["24", "25", "30", "50"])
def test_the_library_reads_our_fcpxml_alike(settings: Settings, tmp_path: Path, label: str) -> None:
    """At whole rates only: its adapter takes 29.97 for 29."""
    fps, start, zero = RATES[label]
    shots = fill_lake(settings, 1, fps, start_timecode=start, has_audio=False)
    clips = select_clips(settings, [Pick(shot_id=shots[1]), Pick(shot_id=shots[2])])
    found = otio.adapters.read_from_file(str(write(settings, tmp_path, clips, "fcpxml")))
    spans = [clip.source_range for clip in found.find_clips()]
    assert [(span.start_time.value, span.end_time_exclusive().value) for span in spans] == [
        (zero + 1000, zero + 5000),
        (zero + 5000, zero + 5001),
    ]


FCPXML = {
    "fcpxml": ("version", ["resources", "library"]),
    "resources": ("", ["format*", "asset*"]),
    "format": ("id frameDuration width height", []),
    "asset": (
        "id name start duration hasVideo videoSources format hasAudio audioSources audioChannels audioRate",
        ["media-rep", "metadata"],
    ),
    "media-rep": ("kind src", []),
    "metadata": ("", ["md*"]),
    "md": ("key value type displayName", []),
    "library": ("", ["event"]),
    "event": ("name", ["project*"]),
    "project": ("name", ["sequence"]),
    "sequence": ("format duration tcStart tcFormat audioLayout audioRate", ["spine"]),
    "spine": ("", ["asset-clip*"]),
    "asset-clip": (
        "ref offset name start duration format tcFormat audioRole",
        ["note", "marker*", "keyword*", "audio-channel-source*", "metadata"],
    ),
    "marker": ("start duration value note", []),
    "keyword": ("start duration value note", []),
    "audio-channel-source": ("srcCh role enabled", []),
    "note": ("", []),
}
"""What we use of Apple's DTD for FCPXML 1.10: attributes, and children in their order; Final Cut refuses any other."""


def test_fcpxml_keeps_to_its_document_type(settings: Settings, tmp_path: Path) -> None:
    one = fill_lake(settings, 1, Fraction(24000, 1001), has_audio=True)
    two = fill_lake(settings, 2, Fraction(25), has_audio=False, width=1920, height=1080)
    clips = select_clips(settings, [Pick(shot_id=shot) for shot in (one[1], two[1], one[2])], {one[1]: PROVENANCE})
    target = write(settings, tmp_path, clips, "fcpxml")
    assert target.read_text().startswith(
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n<fcpxml version="1.10">'
    )
    root = ElementTree.parse(target).getroot()
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(set(ids)) == len(ids)
    for element in root.iter():
        attributes, children = FCPXML[element.tag]
        assert set(element.keys()) <= set(attributes.split()), element.tag
        order = [name.rstrip("*") for name in children]
        found = [child.tag for child in element]
        if element.tag == "resources":
            assert set(found) <= set(order)
            continue
        assert found == sorted(found, key=order.index), element.tag
        assert all(found.count(name) == 1 for name in children if not name.endswith("*")), element.tag
        for reference in ("ref", "format"):
            assert element.get(reference) in (None, *ids)


def test_xmeml_tells_a_film_once_and_then_by_its_id(settings: Settings, tmp_path: Path) -> None:
    shots = fill_lake(settings, 1, Fraction(60000, 1001), has_audio=True, start_timecode="01:00:00;00")
    clips = select_clips(settings, [Pick(shot_id=shot) for shot in shots])
    target = write(settings, tmp_path, clips, "xmeml")
    assert target.read_text().startswith(
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n<xmeml version="4">'
    )
    root = ElementTree.parse(target).getroot()
    files = list(root.iter("file"))
    assert len(files) == 3 * len(clips)
    assert [bool(len(file)) for file in files] == [True] + [False] * (len(files) - 1)
    assert {file.get("id") for file in files} == {"file-1"}
    items = [item.get("id") for item in root.iter("clipitem")]
    assert len(set(items)) == len(items)
    assert [track.findtext("outputchannelindex") for track in root.findall(".//sequence/media/audio/track")] == [
        "1",
        "2",
    ]
    for item in root.iter("clipitem"):
        assert {child.tag for child in item} >= {"name", "duration", "rate", "start", "end", "in", "out", "file"}


def test_sound_lies_under_its_pictures(settings: Settings, tmp_path: Path) -> None:
    with_sound = fill_lake(settings, 1, Fraction(25), has_audio=True)
    silent = fill_lake(settings, 2, Fraction(25), has_audio=False)
    clips = select_clips(settings, [Pick(shot_id=shot) for shot in (with_sound[1], silent[1], with_sound[2])])
    edl = write(settings, tmp_path, clips, "edl").read_text()
    assert [line.split()[2] for line in edl.splitlines() if line[:3].isdigit()] == ["AA/V", "V", "AA/V"]
    timeline = otio.adapters.read_from_file(str(write(settings, tmp_path, clips, "otio")))
    sound = timeline.audio_tracks()[0]
    assert [type(item).__name__ for item in sound] == ["Clip", "Gap", "Clip"]
    assert sound.duration() == timeline.video_tracks()[0].duration()
    read_xmeml(write(settings, tmp_path, clips, "xmeml"))  # checks every link
    xmeml = (tmp_path / "out.xml").read_text()
    assert xmeml.count("<sourcetrack>") == 4
    fcpxml = write(settings, tmp_path, clips, "fcpxml").read_text()
    assert fcpxml.count('hasAudio="1"') == 1
    assert fcpxml.count('audioRole="dialogue"') == 2


def test_several_rates_are_split_refused_or_carried(settings: Settings, tmp_path: Path) -> None:
    one, two = fill_lake(settings, 1, Fraction(24000, 1001)), fill_lake(settings, 2, Fraction(25))
    clips = select_clips(settings, [Pick(shot_id=shot) for shot in (one[1], two[1], one[2], two[2], two[3])])
    with pytest.raises(UsageError, match=r"23\.976 \(2 clips of film 1\.mp4\), 25 \(3 clips of film 2\.mp4\)"):
        write(settings, tmp_path, clips, "edl")
    assert not (tmp_path / "out.edl").exists()
    for name, reader in (("fcpxml", read_fcpxml), ("xmeml", read_xmeml)):
        groups = reader(write(settings, tmp_path, clips, name))
        assert [[clip.rate for clip in group] for group in groups] == [[Fraction(24000, 1001)] * 2, [Fraction(25)] * 3]
        assert "Cars (23.976)" in (tmp_path / f"out{find_format(name).suffix}").read_text()
    timeline = otio.adapters.read_from_file(str(write(settings, tmp_path, clips, "otio")))
    assert [clip.rate for clip in read_otio(timeline)] == [clip.film.fps for clip in clips]
    assert timeline.global_start_time.rate == 25


def test_drop_frame_and_not_drop_frame_do_not_mix_in_an_edl(settings: Settings, tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    drop = fill_lake(settings, 1, rate, start_timecode="00:00:00;00")
    plain = fill_lake(settings, 2, rate, start_timecode="00:00:00:00")
    clips = select_clips(settings, [Pick(shot_id=drop[1]), Pick(shot_id=plain[1])])
    with pytest.raises(UsageError, match=r"film 1\.mp4 has drop-frame timecode and /footage/film 2\.mp4 has not"):
        write(settings, tmp_path, clips, "edl")
    found = read_xmeml(write(settings, tmp_path, clips, "xmeml"))[0]
    assert [clip.source for clip in found] == [(1000, 5000), (1000, 5000)]
    assert 'tcFormat="DF"' in write(settings, tmp_path, clips, "fcpxml").read_text()


@pytest.mark.parametrize("start", ["23:59:59:00", "23:59:59;00"])
def test_an_edl_says_that_a_source_runs_over_midnight(settings: Settings, tmp_path: Path, start: str) -> None:
    before, *_ = fill_lake(settings, 1, Fraction(30000, 1001), start_timecode=start)
    marks = [(0, 29), (29, 40), (40, 60)]
    clips = select_clips(settings, [Pick(shot_id=before, in_frame=low, out_frame=high) for low, high in marks])
    told = [
        [each for each in export(settings, clips, name, tmp_path / name, title="x").warnings if "midnight" in each]
        for name in ("edl", "otio")
    ]
    assert [each.partition(":")[0] for each in told[0]] == ["event 2"] and not told[1]


@pytest.mark.parametrize("name", TIMELINES)
def test_films_of_one_name_are_told_apart(settings: Settings, tmp_path: Path, name: str) -> None:
    shots = [
        fill_lake(settings, number, Fraction(25), path=f"/{number}/A001C002_long_name.mov")[1] for number in (1, 2, 3)
    ]
    clips = select_clips(settings, [Pick(shot_id=shot) for shot in [*shots, shots[0]]])
    text = write(settings, tmp_path, clips, name).read_text()
    if name == "edl":
        reels = [clip.notes.splitlines()[0] for clip in read_edl(tmp_path / "out.edl", Fraction(25))]
        assert len(set(reels)) == 3
        assert reels[0] == reels[3] and all(reel.startswith("A001") for reel in reels)
    else:
        assert len({clip.url for clip in read(tmp_path / f"out{find_format(name).suffix}", name, Fraction(25))}) == 3
    assert "/3/A001C002_long_name.mov" in text


def test_what_an_editor_must_know_is_said(settings: Settings, tmp_path: Path) -> None:
    shot = fill_lake(settings, 1, Fraction(25), path="s3://bucket/a b/film.mov")[1]
    gone = fill_lake(settings, 2, Fraction(25, 2))[1]
    clips = select_clips(settings, [Pick(shot_id=shot), Pick(shot_id=gone)])
    report = export(settings, clips, "otio", tmp_path / "x.otio", title="x")
    told = "\n".join(report.warnings)
    assert "s3://bucket/a b/film.mov: is in an object store" in told
    assert "film 2.mp4: is not there any more" in told
    assert "film 2.mp4: no editing system runs 12.5" in told
    assert "s3://bucket/a%20b/film.mov" in (tmp_path / "x.otio").read_text()


@pytest.mark.parametrize("name", [*TIMELINES, "csv", "json"])
def test_a_film_that_was_replaced_is_named(settings: Settings, tmp_path: Path, name: str) -> None:
    kept, longer, other = (tmp_path / f"{film}.mp4" for film in ("kept", "longer", "other"))
    shots = [
        fill_lake(settings, number, Fraction(25), path=str(path), bytes=4, has_audio=False)[1]
        for number, path in enumerate((kept, longer, other))
    ]
    clips = select_clips(settings, [Pick(shot_id=shot) for shot in shots])
    for path, content in ((kept, b"film"), (longer, b"films"), (other, b"else")):
        path.write_bytes(content)
    HashCache(settings.home / "cache" / "hashes.db").remember(make_key(str(other)), "another hash")
    told = [line for line in export(settings, clips, name, tmp_path / "x", title="x").warnings if "ingested" in line]
    assert [line.split(": ")[0] for line in told] == [str(longer), str(other)]


def timecode_shots(settings: Settings, tmp_path: Path, name: str) -> tuple[Kind, list[str]]:
    """A source of the corpus by its name, with a cut at frame 6, and its shot ids in the lake."""
    kind = next(kind for kind in timecode.KINDS if kind.name == f"timecode: {name}")
    folder = tmp_path / "source"
    folder.mkdir()
    film = Film(kind.make(folder), timecode.FRAMES, (6,), kind.facts["fps"])
    return kind, film_rows(settings, film)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("25 on 50p", "01:00:00:40"),
        ("29.97 DF on 59.94p", "01:01:00;04"),
        ("DF mark at 24", "01:00:00:00"),
        ("DF mark at 30.00", "00:59:56:12"),
        ("nominal rate for an NTSC one", "01:00:00:00"),
        ("120 on 120p", ""),
        ("29.97 DF on 119.88p", ""),
        ("mxf, 25 on 50p", "01:00:00:40"),
        ("tag of half the rate", "01:01:00;04"),
        ("negative", "23:59:59:00"),
    ],
)
def test_every_format_has_the_start_that_the_source_has(
    settings: Settings, tmp_path: Path, name: str, label: str
) -> None:
    kind, shots = timecode_shots(settings, tmp_path, name)
    clips = select_clips(settings, [Pick(shot_id=shot) for shot in shots])
    fps, start_s = kind.facts["fps"], kind.facts["timecode"].start_s
    for format_name in ("otio", "fcpxml", "xmeml"):
        found = read(write(settings, tmp_path, clips, format_name), format_name, fps)
        assert [clip.source[0] / fps - start_s for clip in found] == [0, 6 / fps], format_name
        assert {clip.media[0] / fps - start_s for clip in found if clip.media} == {0}, format_name
    asset = ElementTree.parse(tmp_path / "out.fcpxml").getroot().find("resources/asset")
    form = ElementTree.parse(tmp_path / "out.fcpxml").getroot().find("resources/format")
    assert asset is not None and form is not None
    assert Fraction(asset.get("start", "").rstrip("s")) == start_s
    assert Fraction(form.get("frameDuration", "").rstrip("s")) == 1 / fps
    if label:
        assert f" {label} " in write(settings, tmp_path, clips, "edl").read_text()
    else:
        with pytest.raises(UsageError, match="an EDL counts at most 60"):
            write(settings, tmp_path, clips, "edl")


def test_a_start_between_two_frames_is_reported(settings: Settings, tmp_path: Path) -> None:
    _, shots = timecode_shots(settings, tmp_path, "between two frames")
    report = export(settings, select_clips(settings, [Pick(shot_id=shots[0])]), "fcpxml", tmp_path / "x", title="x")
    assert [each for each in report.warnings if "its start timecode falls between two frames at 25" in each]


def test_a_start_that_is_unusable_is_reported(settings: Settings, tmp_path: Path) -> None:
    shot = fill_lake(settings, 1, Fraction(24), start_timecode="01:00:00:24")[0]
    report = export(settings, select_clips(settings, [Pick(shot_id=shot)]), "otio", tmp_path / "x", title="x")
    assert [each for each in report.warnings if "'01:00:00:24' cannot be used" in each]


@pytest.mark.parametrize(
    ("fps", "counted", "label", "warning"),
    [
        (
            Fraction(15),
            30,
            "00:00:01:20",
            "no editing system runs 15 frames per second; each of its frames is 2",
        ),
        (Fraction(12), 24, "00:00:02:02", "no editing system runs 12"),
        (Fraction(25, 2), 25, "00:00:02:00", "no editing system runs 12.5"),
        (Fraction(48), 48, "00:00:00:25", "not every system reads an EDL at 48"),
        (Fraction(50), 50, "00:00:00:25", ""),
    ],
)
def test_an_edl_counts_at_a_rate_that_systems_run_or_reports_it(
    settings: Settings, tmp_path: Path, fps: Fraction, counted: int, label: str, warning: str
) -> None:
    shot = fill_lake(settings, 1, fps, start_timecode="00:00:00:00")[0]
    clips = select_clips(settings, [Pick(shot_id=shot, in_frame=25, out_frame=50)])
    report = export(settings, clips, "edl", tmp_path / "x.edl", title="x")
    assert read_edl(tmp_path / "x.edl", Fraction(counted))[0].source == (
        round(25 * counted / fps),
        round(50 * counted / fps),
    )
    assert f" {label} " in (tmp_path / "x.edl").read_text()
    told = [each for each in report.warnings if "editing system" in each or "reads an EDL" in each]
    assert [warning in each for each in told] == ([True] if warning else [])


def with_reel(settings: Settings, number: int, reel: str, start: str = "10:00:00:00") -> str:
    """A shot of a film of 30 minutes at 25 frames per second, whose file names its reel and begins at ``start``."""
    rate = Fraction(25)
    at = frames_of(start, 25)
    found = StartTimecode(label=start, rate=rate, start_s=at / rate, source="test") if at else None
    media = MediaInfo(
        fps=rate, frames=45_000, width=640, height=360, codec="h264", has_audio=False, start_timecode=start,
        variable_rate=False, duration_s=1800, timecode=found, reel=reel,
    )  # fmt: skip
    return fill_lake(settings, number, rate, start_timecode=start, facts=media.to_json(), has_audio=False)[1]


def reels_in(settings: Settings, tmp_path: Path, shots: list[str]) -> tuple[list[str], str, str]:
    """``(reels of an EDL, its text, its warnings)``."""
    report = export(
        settings, select_clips(settings, [Pick(shot_id=shot) for shot in shots]), "edl", tmp_path / "x.edl", title="x"
    )
    reels = [clip.notes.splitlines()[0] for clip in read_edl(tmp_path / "x.edl", Fraction(25))]
    return reels, (tmp_path / "x.edl").read_text(), "\n".join(report.warnings)


@pytest.mark.parametrize(
    ("reel", "short"),
    [
        ("A001C003", "A001C003"),
        ("a1", "A1"),
        ("TAPE 01", "TAPE_01"),
        ("A001_C003_0612AB", "A001C003"),
        ("A001C003_230415_R1AB", "A001C003"),
        ("Bänd 7", "BAND_7"),
    ],
)
def test_an_edl_has_the_reel_of_the_file(settings: Settings, tmp_path: Path, reel: str, short: str) -> None:
    shot = with_reel(settings, 1, reel)
    reels, text, warnings = reels_in(settings, tmp_path, [shot])
    assert reels == [short]
    assert f"* REEL NAME: {reel}" in text
    assert (f"{reel} is {short}" in warnings) == (reel.upper() != short)
    for name in ("otio", "fcpxml", "xmeml"):
        clips = select_clips(settings, [Pick(shot_id=shot)])
        assert reel in write(settings, tmp_path, clips, name).read_text()


def test_long_reels_that_begin_alike_stay_different(settings: Settings, tmp_path: Path) -> None:
    shots = [with_reel(settings, at, f"A001C003_{at}", f"1{at}:00:00:00") for at in (1, 2, 3)]
    reels, _, warnings = reels_in(settings, tmp_path, shots)
    assert len(set(reels)) == 3 and "distinguished" not in warnings
    assert reels == reels_in(settings, tmp_path, shots)[0]


@pytest.mark.parametrize(
    ("films", "mixed"),
    [
        ([("", "00:00:00:00"), ("", "00:00:00:00")], "the files have no reel name"),
        ([("", "10:00:00:00"), ("", "10:29:59:24")], "the files have no reel name"),
        ([("", "10:00:00:00"), ("", "10:30:00:00")], ""),
        ([("A1", "10:00:00:00"), ("A1", "10:10:00:00")], "all are of reel A1"),
        ([("A1", "10:00:00:00"), ("A1", "11:00:00:00")], ""),
        ([("A1", "10:00:00:00"), ("A2", "10:00:00:00")], ""),
        ([("A1", "10:00:00:00"), ("", "10:00:00:00")], ""),
        ([("", "10:00:00:00")], ""),
    ],
)
def test_films_that_an_edl_cannot_tell_apart_are_reported(
    settings: Settings, tmp_path: Path, films: list[tuple[str, str]], mixed: str
) -> None:
    shots = [with_reel(settings, at, *film) for at, film in enumerate(films, start=1)]
    _, _, warnings = reels_in(settings, tmp_path, [*shots, shots[0]])
    assert ("cannot be distinguished by timecode" in warnings) == bool(mixed)
    assert mixed in warnings


@pytest.mark.parametrize(("fps", "reported"), [(120, False), (100, False), (80, True), (240, True)])
def test_a_fast_film_keeps_its_frames(settings: Settings, tmp_path: Path, fps: int, reported: bool) -> None:
    shot = fill_lake(settings, 1, Fraction(fps), start_timecode="01:00:00:01")[1]
    clips = select_clips(settings, [Pick(shot_id=shot)])
    report = export(settings, clips, "fcpxml", tmp_path / "x.fcpxml", title="x")
    (found,) = read_fcpxml(tmp_path / "x.fcpxml")[0]
    assert (found.rate, found.source) == (fps, (3600 * fps + 1001, 3600 * fps + 5001))
    assert any(f"no editing system runs {fps}" in each for each in report.warnings) == reported
