"""Lakes to export from, and readers of what was exported that share no code with the writers."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ops.core.media import MediaInfo, StartTimecode
from ops.core.settings import Settings
from ops.core.types import make_video_id
from ops.videos.probe import probe
from tests.builders.films import Film
from tests.builders.lakes import shot_rows, video_id, video_row

EVENT = re.compile(
    r"^(\d{3,})  ([A-Z0-9_]{1,8}) {1,8} ?(V|B|AA/V) +C {8}"
    r"(\d\d:\d\d:\d\d[:;]\d\d) (\d\d:\d\d:\d\d[:;]\d\d) (\d\d:\d\d:\d\d[:;]\d\d) (\d\d:\d\d:\d\d[:;]\d\d)$"
)


MARKER = re.compile(r"^([A-Za-z][^|]*) \|C:ResolveColor([A-Z][a-z]+) \|M:([^|]+) \|D:(\d+)$")
LOCATOR = re.compile(r"^\* LOC: (\d\d:\d\d:\d\d[:;]\d\d) [A-Z ]{7} (.+)$")


@dataclass(frozen=True, kw_only=True)
class ReadMarker:
    """A marker as a reader understood it; ``span`` in the frames of its list."""

    name: str
    comment: str
    span: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class ReadClip:
    """A clip as a reader understood it: frames from timecode zero, half-open, and where the media begins and ends."""

    source: tuple[int, int]
    record: tuple[int, int]
    rate: Fraction
    media: tuple[int, int] | None = None
    url: str = ""
    name: str = ""
    notes: str = ""
    marker: ReadMarker | None = None


def fill_lake(settings: Settings, number: int, fps: Fraction, **changes: Any) -> list[str]:
    """A film of 30 minutes with four shots, one over the first minute, as rows; the shot ids."""
    frames = round(1800 * fps)
    edges = [0, 1000, 5000, 5001, frames]
    video = video_row(number, fps_num=fps.numerator, fps_den=fps.denominator, frames=frames, **changes)
    rows = shot_rows(number, 4)
    for row, start, end in zip(rows, edges, edges[1:], strict=False):
        row |= {"shot_id": f"{video_id(number)}:{start}", "start_frame": start, "end_frame": end}
        row |= {"start_s": float(start / fps), "end_s": float(end / fps), "show": video["show"]}
    partition = settings.resolve_partition(video_id(number))
    settings.lake.write("videos", partition, [video])
    settings.lake.write("shots", partition, rows)
    return [row["shot_id"] for row in rows]


def fill_lake_with_reel(
    settings: Settings, number: int, fps: Fraction, start: str, reel: str, path: str, *, has_audio: bool = False
) -> list[str]:
    """:func:`fill_lake` for a 1920 x 1080 film whose file names its reel; ``start`` is a timecode or empty."""
    start_s = frames_of(start, round(fps)) / fps if start else Fraction(0)
    begin = StartTimecode(label=start, rate=fps, start_s=start_s, source="test") if start else None
    media = MediaInfo(
        fps=fps, frames=round(1800 * fps), width=1920, height=1080, codec="h264", has_audio=has_audio,
        start_timecode=start, variable_rate=False, duration_s=1800, timecode=begin, reel=reel,
    )  # fmt: skip
    facts = media.to_json()
    return fill_lake(
        settings, number, fps, start_timecode=start, facts=facts, path=path, height=1080, has_audio=has_audio
    )


def film_rows(settings: Settings, film: Film, **changes: Any) -> list[str]:
    """The rows that an ingest of ``film`` would leave; its shot ids."""
    data, info, now = film.path.read_bytes(), probe(film.path), datetime(2026, 1, 1, tzinfo=UTC)
    content_hash = hashlib.sha256(data).hexdigest()
    identifier = make_video_id(content_hash)
    stamps = {"event_timestamp": now, "created_timestamp": now}
    video = {
        "video_id": identifier,
        "path": str(film.path),
        "show": "Films",
        "title": film.path.stem,
        "content_hash": content_hash,
        "bytes": len(data),
        "fps_num": info.fps.numerator,
        "fps_den": info.fps.denominator,
        "frames": film.frames,
        "width": info.width,
        "height": info.height,
        "codec": info.codec,
        "has_audio": info.has_audio,
        "start_timecode": info.start_timecode,
        "facts": info.to_json(),
        "notes": list(info.notes),
        "state": "ready",
        "available_at": now,
    }
    times = film.times or tuple(frame / film.fps for frame in range(film.frames))
    ends = (*times, 2 * times[-1] - times[-2])
    rows = [
        {
            "shot_id": f"{identifier}:{start}",
            "video_id": identifier,
            "show": "Films",
            "index": index,
            "start_frame": start,
            "end_frame": end,
            "start_s": float(ends[start]),
            "end_s": float(ends[end]),
            "transition": "cut",
            "proxy_uri": "",
            "poster_uri": "",
            "mean_luma": 1.0,
            "is_blank": False,
            "detector": "auto-1",
        }
        | stamps
        for index, (start, end) in enumerate(film.shots)
    ]
    settings.lake.write("videos", identifier, [video | stamps | changes])
    settings.lake.write("shots", identifier, rows)
    return [str(row["shot_id"]) for row in rows]


def frames_of(timecode: str, base: int) -> int:
    """Frame count of a timecode, by walking the rule: each minute but each tenth, the first labels are left out."""
    hours, minutes, seconds, frames = map(int, re.split("[:;]", timecode))
    count = ((hours * 60 + minutes) * 60 + seconds) * base + frames
    if ";" in timecode:
        skipped_per_minute = base // 15
        count -= skipped_per_minute * sum(1 for minute in range(1, hours * 60 + minutes + 1) if minute % 10)
    return count


def read_edl(path: Path, rate: Fraction) -> list[ReadClip]:
    """A reader of CMX3600: a title, a frame code mode, events of one line with comments. Anything else fails."""
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines[0].startswith("TITLE: ")
    assert lines[1] in ("FCM: DROP FRAME", "FCM: NON-DROP FRAME")
    mark = ";" if lines[1] == "FCM: DROP FRAME" else ":"
    clips: list[ReadClip] = []
    for line in lines[2:]:
        if not line:
            continue
        if match := MARKER.match(line):  # a remark to other readers, so it must not begin like an event
            last = clips.pop()
            span = (last.record[0], last.record[0] + int(match[4]))
            assert last.marker is None
            clips.append(replace(last, marker=ReadMarker(name=match[3], comment=match[1], span=span)))
            continue
        if match := LOCATOR.match(line):
            marker = clips[-1].marker
            assert marker and match[2] == f"{marker.name}; {marker.comment}"
            assert frames_of(match[1], round(rate)) == clips[-1].record[0]
            continue
        if line.startswith("* ") or line in ("AUD   3", "AUD   3     4"):
            last = clips.pop()
            name = line.removeprefix("* FROM CLIP NAME: ") if line.startswith("* FROM CLIP NAME: ") else last.name
            url = line.removeprefix("* SOURCE FILE: ") if line.startswith("* SOURCE FILE: ") else last.url
            notes = f"{last.notes}{line}\n"
            clips.append(ReadClip(**(vars(last) | {"name": name, "url": url, "notes": notes})))
            continue
        event = EVENT.match(line)
        assert event, line
        assert int(event[1]) == len(clips) + 1
        assert all(event[at][8] == mark for at in range(4, 8))
        times = [frames_of(event[at], round(rate)) for at in range(4, 8)]
        clips.append(
            ReadClip(source=(times[0], times[1]), record=(times[2], times[3]), rate=rate, notes=f"{event[2]}\n")
        )
    return clips


def exact(text: str) -> Fraction:
    """FCPXML time: ``n/ds`` or ``ns``."""
    assert re.fullmatch(r"\d+(/\d+)?s", text), text
    return Fraction(text[:-1])


def whole(value: Fraction) -> int:
    assert value.denominator == 1, f"{value} is no whole number of frames"
    return int(value)


def read_fcpxml(path: Path) -> list[list[ReadClip]]:
    """Clips by project, read with nothing but the rules of the format."""
    root = ElementTree.parse(path).getroot()
    assert root.tag == "fcpxml"
    by_id = {element.get("id"): element for element in root.find("resources") or []}
    projects = []
    for sequence in root.findall("library/event/project/sequence"):
        rate = 1 / exact(by_id[sequence.get("format")].get("frameDuration", ""))
        clips = []
        for item in sequence.findall("spine/asset-clip"):
            asset = by_id[item.get("ref")]
            clip_rate = 1 / exact(by_id[item.get("format")].get("frameDuration", ""))
            assert item.get("format") == asset.get("format")
            start, length, offset = (exact(item.get(name, "")) for name in ("start", "duration", "offset"))
            media = exact(asset.get("start", "")), exact(asset.get("start", "")) + exact(asset.get("duration", ""))
            clips.append(
                ReadClip(
                    source=(whole(start * clip_rate), whole((start + length) * clip_rate)),
                    record=(whole(offset * rate), whole((offset + length) * rate)),
                    rate=clip_rate,
                    media=(whole(media[0] * clip_rate), whole(media[1] * clip_rate)),
                    url=asset.find("media-rep").get("src", ""),  # type: ignore[union-attr]
                    name=item.get("name", ""),
                    notes="\n".join(f"{md.get('key')}={md.get('value')}" for md in item.findall("metadata/md")),
                )
            )
        assert exact(sequence.get("duration", "")) * rate == clips[-1].record[1] - clips[0].record[0]
        assert exact(sequence.get("tcStart", "")) * rate == clips[0].record[0]
        projects.append(clips)
    return projects


def read_xmeml(path: Path) -> list[list[ReadClip]]:
    """Picture clips by sequence, read with nothing but the rules of the format; sound must lie under its picture."""
    root = ElementTree.parse(path).getroot()
    assert root.tag == "xmeml"
    files: dict[str, ElementTree.Element] = {}
    sequences = []
    for sequence in root.iter("sequence"):
        base = frames_of(sequence.findtext("timecode/string", ""), int(sequence.findtext("rate/timebase", "")))
        assert base == int(sequence.findtext("timecode/frame", ""))
        clips = []
        for item in sequence.findall("media/video/track/clipitem"):
            file = item.find("file")
            assert file is not None
            file = files.setdefault(file.get("id", ""), file)
            rate = _rate(item)
            assert rate == _rate(file)
            label = file.findtext("timecode/string", "")
            zero = int(file.findtext("timecode/frame", ""))
            assert frames_of(label, round(rate)) == zero
            assert (";" in label) == (file.findtext("timecode/displayformat") == "DF")
            first, last, start, end = (int(item.findtext(name, "")) for name in ("in", "out", "start", "end"))
            clips.append(
                ReadClip(
                    source=(zero + first, zero + last),
                    record=(base + start, base + end),
                    rate=rate,
                    media=(zero, zero + int(file.findtext("duration", ""))),
                    url=file.findtext("pathurl", ""),
                    name=item.findtext("name", ""),
                    notes=item.findtext("logginginfo/lognote", ""),
                )
            )
            _check_links(sequence, item)
        sequences.append(clips)
    return sequences


def _rate(element: ElementTree.Element) -> Fraction:
    base = int(element.findtext("rate/timebase", ""))
    return Fraction(base * 1000, 1001) if element.findtext("rate/ntsc") == "TRUE" else Fraction(base)


def _check_links(sequence: ElementTree.Element, item: ElementTree.Element) -> None:
    items = {other.get("id"): other for other in sequence.iter("clipitem")}
    tracks = {
        (kind, at): track.findall("clipitem")
        for kind in ("video", "audio")
        for at, track in enumerate(sequence.findall(f"media/{kind}/track"), start=1)
    }
    for link in item.findall("link"):
        other = items[link.findtext("linkclipref")]
        kind, track, index = (link.findtext(name, "") for name in ("mediatype", "trackindex", "clipindex"))
        assert tracks[(kind, int(track))][int(index) - 1] is other
        for name in ("start", "end", "in", "out"):
            assert other.findtext(name) == item.findtext(name)
