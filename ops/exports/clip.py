"""Clips of videos for an export: the editor's marks, handles, exact times, and provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ops.core.errors import NeedleError, NotFoundError, UsageError
from ops.core.media import MediaInfo
from ops.core.rows import LakeShot, LakeVideo
from ops.core.settings import Settings
from ops.core.types import parse_shot_id
from ops.exports.film import NO_TIMECODE, Film

MAX_LINE = 500
"""Maximum number of characters of one line in an export."""
_COLUMNS = ("line_id", "text", "start_frame", "end_frame", "language", "source")
MAX_HANDLES = 100_000
SAMPLE_SHOTS = 3
"""Number of shots of a video that are opened to find out if its rate varies."""


@dataclass(frozen=True, kw_only=True)
class Pick:
    """A wanted clip: a shot, or half-open source frames ``[in_frame, out_frame)`` that may extend beyond it.

    ``provenance`` describes its origin: query, score, relevance, encoder_id, index_version. If spoken lines matched, it
    has the dialogue_version and the ``line_ids`` of these lines too.
    """

    shot_id: str
    in_frame: int | None = None
    out_frame: int | None = None
    provenance: Mapping[str, Any] | None = None
    line_ids: tuple[str, ...] = ()
    is_spoken: bool = False
    """Whether the frames are those of spoken lines: frames outside the video are cut off, not refused."""
    note: str = ""
    """The editor's note for the clip, which its marker carries."""


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A clip that is not in the export, with the reason; ``path`` is empty if the video is unknown."""

    shot_id: str
    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Frames ``[in_frame, out_frame)`` of a video, with ``handles`` more frames on both sides.

    ``[head_frame, tail_frame)`` is the clip with its handles, within the video. ``provenance`` holds query, score,
    relevance, encoder_id, index_version, detector and any other facts of the caller. ``note`` is the editor's own.
    """

    shot_id: str
    film: Film
    shot_start: int
    shot_end: int
    in_frame: int
    out_frame: int
    handles: int = 0
    provenance: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def head_frame(self) -> int:
        return max(self.in_frame - self.handles, 0)

    @property
    def tail_frame(self) -> int:
        return min(self.out_frame + self.handles, self.film.frames)

    @property
    def source_in(self) -> int:
        """First frame at the video's timeline rate, from the first frame of the video."""
        return self.film.find_position(self.in_frame)

    @property
    def source_out(self) -> int:
        """The frame after the last, at the video's timeline rate; at least one frame after the first."""
        return max(self.film.find_position(self.out_frame), self.source_in + 1)

    @property
    def length(self) -> int:
        """Frames in a timeline at the video's rate."""
        return self.source_out - self.source_in

    def list_facts(self) -> dict[str, object]:
        """All facts about the clip, flat and in a fixed order: numbers, text, true and false, or ``None``."""
        film = self.film
        facts: dict[str, object] = {
            "shot_id": self.shot_id,
            "show": film.show,
            "title": film.title,
            "path": film.path,
            "in_frame": self.in_frame,
            "out_frame": self.out_frame,
            "fps": f"{film.fps.numerator}/{film.fps.denominator}",
            "in_timecode": film.format_timecode(self.in_frame),
            "out_timecode": film.format_timecode(self.out_frame),
            "in_s": round(film.find_seconds(self.in_frame), 6),
            "out_s": round(film.find_seconds(self.out_frame), 6),
            "head_frame": self.head_frame,
            "tail_frame": self.tail_frame,
            "shot_start_frame": self.shot_start,
            "shot_end_frame": self.shot_end,
            "variable_rate": film.variable_rate,
            "film_frames": film.frames,
            "film_start_timecode": film.start_timecode or NO_TIMECODE,
            "reel": film.reel or None,
            "width": film.width,
            "height": film.height,
            "codec": film.codec,
            "has_audio": film.has_audio,
            "sound_tracks": film.sound_summary,
            "heard_tracks": film.heard_summary,
        }
        return facts | self.describe_origin()

    def describe_origin(self) -> dict[str, object]:
        """The origin of the clip: its search, shot and video. Known keys first, always all of them."""
        first = {name: self.provenance.get(name) for name in ("query", "score", "relevance", "note")}
        first["note"] = self.note or first["note"]
        second = {name: self.provenance.get(name) for name in ("encoder_id", "index_version", "detector")}
        identity = {"shot_id": self.shot_id, "video_id": self.film.video_id, "content_hash": self.film.content_hash}
        rest = {name: value for name, value in self.provenance.items() if name not in first | second | identity}
        return first | second | identity | rest


def select_clips(
    settings: Settings,
    picks: Sequence[Pick],
    provenance: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    handles: int = 0,
) -> list[Clip]:
    """The clips of ``picks``, all of them, in their order, with their facts from the lake.

    ``provenance`` by shot id holds query, score, relevance, encoder_id and index_version of the picks without
    provenance; the detector is added. ``handles`` are frames on both sides, cut off at the ends of the video.

    Raises ``NotFoundError`` if a shot is not in the catalogue, ``UsageError`` if marks are outside the video or hold no
    frame.
    """
    return [_require(each) for each in _build_clips(settings, picks, provenance or {}, handles)]


def select_existing_clips(
    settings: Settings, picks: Sequence[Pick], *, handles: int = 0
) -> tuple[list[Clip], tuple[Missing, ...]]:
    """:func:`select_clips` of the picks that have a clip, and the others with the reason.

    Shots disappear if a video is forgotten or cut again; one of them must not cost the rest of a selection. Raises the
    error of the first pick if no clip is left.
    """
    results = _build_clips(settings, picks, {}, handles)
    clips = [each for each in results if isinstance(each, Clip)]
    if not clips:
        _require(results[0])
    missing = [
        Missing(shot_id=pick.shot_id, path="", reason=str(each))
        for pick, each in zip(picks, results, strict=True)
        if not isinstance(each, Clip)
    ]
    return clips, tuple(missing)


def _require(result: Clip | NeedleError) -> Clip:
    if isinstance(result, Clip):
        return result
    raise result


def _build_clips(
    settings: Settings, picks: Sequence[Pick], provenance: Mapping[str, Mapping[str, Any]], handles: int
) -> list[Clip | NeedleError]:
    """For each pick its clip, or the error that explains its absence."""
    if not picks:
        raise UsageError("there is nothing to export: name at least one shot")
    if not 0 <= handles <= MAX_HANDLES:
        raise UsageError(f"handles = {handles}: give 0 to {MAX_HANDLES} frames")
    shots, films = _read(settings, picks)
    lines = read_lines(settings, [(pick.shot_id, pick.line_ids) for pick in picks])
    results: list[Clip | NeedleError] = []
    for pick in picks:
        shot = shots.get(pick.shot_id)
        film = films.get(shot["video_id"]) if shot else None
        if shot is None or film is None:
            results.append(
                NotFoundError(f"no shot {pick.shot_id!r} in the catalogue: `needle shots VIDEO` lists those of a video")
            )
            continue
        origin = pick.provenance if pick.provenance is not None else provenance.get(pick.shot_id)
        facts = {"detector": shot["detector"], **(origin or {})}
        if shot["shot_id"] != pick.shot_id:
            facts["picked_as"] = pick.shot_id
        if line_texts := [format_line(lines[name], film.format_timecode) for name in pick.line_ids if name in lines]:
            facts["dialogue"] = "; ".join(line_texts)
        try:
            results.append(_build_clip(pick, shot, film, handles, facts))
        except UsageError as error:
            results.append(error)
    return results


def _build_clip(pick: Pick, shot: LakeShot, film: Film, handles: int, facts: dict[str, object]) -> Clip:
    first = shot["start_frame"] if pick.in_frame is None else pick.in_frame
    last = shot["end_frame"] if pick.out_frame is None else pick.out_frame
    if pick.is_spoken:
        last = min(last, film.frames)
    if not 0 <= first < last <= film.frames:
        raise UsageError(
            f"shot {pick.shot_id}: frames {first} to {last} are not a clip of {film.name!r}: in must be before out, "
            f"and both within 0 to {film.frames}"
        )
    return Clip(
        shot_id=shot["shot_id"],
        film=film,
        shot_start=shot["start_frame"],
        shot_end=shot["end_frame"],
        in_frame=first,
        out_frame=last,
        handles=handles,
        provenance=facts,
        note=pick.note,
    )


def _read(settings: Settings, picks: Sequence[Pick]) -> tuple[dict[str, LakeShot], dict[str, Film]]:
    """The row of the shot of each pick, by the pick's id, and the videos of these shots by id.

    Marks are source frames: if a pick's shot was merged away, its shot is the one that holds its first frame.
    """
    from ops.videos.catalogue import read_videos

    video_ids = {id_parts[0] for pick in picks if (id_parts := parse_shot_id(pick.shot_id))}
    partitions = sorted({settings.resolve_partition(video_id) for video_id in video_ids})
    table = settings.lake.read("shots", partitions)
    rows = table.filter(pc.is_in(table["video_id"], pa.array(sorted(video_ids), pa.string()))).to_pylist()
    by_film: dict[str, list[LakeShot]] = {}
    for row in sorted(rows, key=lambda row: (row["video_id"], row["start_frame"])):
        by_film.setdefault(row["video_id"], []).append(row)
    shots = {row["shot_id"]: row for row in rows}
    for pick in picks:
        if pick.shot_id not in shots and pick.in_frame is not None:
            video_rows = by_film.get(pick.shot_id.partition(":")[0], [])
            holder = next((row for row in video_rows if row["start_frame"] <= pick.in_frame < row["end_frame"]), None)
            shots |= {pick.shot_id: holder} if holder else {}
    shot_ids = {shots[pick.shot_id]["shot_id"] for pick in picks if pick.shot_id in shots}
    films = {
        row["video_id"]: _build_film(settings, row, by_film[row["video_id"]], shot_ids)
        for row in read_videos(settings.lake, partitions)
        if row["video_id"] in by_film and row["frames"]
    }
    return shots, films


def _build_film(settings: Settings, video: LakeVideo, shots: list[LakeShot], shot_ids: set[str]) -> Film:
    fps = Fraction(video["fps_num"], video["fps_den"])
    cuts = {row["start_frame"]: row["start_s"] for row in shots} | {shots[-1]["end_frame"]: shots[-1]["end_s"]}
    cuts |= _read_frame_times(settings, fps, [row for row in shots if row["shot_id"] in shot_ids], cuts)
    knots = tuple(sorted(cuts.items()))
    # Frames get their times in a player: at a constant rate that is frame / rate, to the last digit.
    is_timed = _has_variable_rate(cuts, fps)
    media = MediaInfo.from_json(video["facts"]) if video["facts"] else None
    assert video["content_hash"] is not None and video["bytes"] is not None, "the file was opened"
    is_constant = media is not None and not media.variable_rate
    return Film(
        video_id=video["video_id"],
        path=video["path"],
        show=video["show"],
        title=video["title"],
        content_hash=video["content_hash"],
        bytes=video["bytes"],
        frames=video["frames"],
        width=video["width"],
        height=video["height"],
        codec=video["codec"],
        fps=fps,
        has_audio=bool(video["has_audio"]),
        start_timecode=video["start_timecode"] or NO_TIMECODE,
        variable_rate=is_timed and not is_constant,
        has_gaps=is_timed and is_constant,
        knots=knots,
        media=media,
    )


def _has_variable_rate(times: Mapping[int, float], fps: Fraction) -> bool:
    """Whether any of the frames is shown half a frame or more away from its time at a constant rate."""
    return any(abs(seconds - float(frame / fps)) > 0.5 / float(fps) for frame, seconds in times.items())


def _read_frame_times(
    settings: Settings, fps: Fraction, shots: Sequence[LakeShot], cuts: Mapping[int, float]
) -> dict[int, float]:
    """Times of the frames of the exported shots, if the rate of their video varies; otherwise empty.

    Cuts alone do not show it: durations of 1, 2 and 4 ticks in turn come out even at every cut. So the few longest
    shots are opened, and all of them only if the rate varies, because each is a file to open.
    """
    longest = sorted(shots, key=lambda shot: shot["start_frame"] - shot["end_frame"])
    times = _read_proxy_times(settings, fps, longest[:SAMPLE_SHOTS])
    if not _has_variable_rate(times, fps) and not _has_variable_rate(cuts, fps):
        return {}
    return times | _read_proxy_times(settings, fps, longest[SAMPLE_SHOTS:])


def _read_proxy_times(settings: Settings, fps: Fraction, shots: Sequence[LakeShot]) -> dict[int, float]:
    from ops.shots.proxy_times import read_proxy_times

    frame_times: dict[int, float] = {}
    for shot in shots:
        start = shot["start_frame"]
        times = read_proxy_times(settings.store, shot["video_id"], start, shot["end_frame"], fps) or []
        frame_times |= {start + at: shot["start_s"] + seconds for at, seconds in enumerate(times)}
    return frame_times


def read_lines(settings: Settings, matches: Iterable[tuple[str, Sequence[str]]]) -> dict[str, Mapping[str, Any]]:
    """Rows of ``dialogue`` by line id. ``matches`` are shot ids, each with the ids of its matched lines.

    Lines that no longer exist are not in the result.
    """
    names: dict[str, set[str]] = {}
    for shot_id, line_ids in matches:
        if line_ids and (id_parts := parse_shot_id(shot_id)):
            names.setdefault(settings.resolve_partition(id_parts[0]), set()).update(line_ids)
    return {
        row["line_id"]: row
        for partition, ids in sorted(names.items())
        for row in settings.lake.read("dialogue", [partition], _COLUMNS).to_pylist()
        if row["line_id"] in ids
    }


def format_line(line: Mapping[str, Any], timecode: Callable[[int], str]) -> str:
    """A line for people: first and last timecode, the words, their source and language."""
    text = " ".join(line["text"].split())
    short = text if len(text) <= MAX_LINE else f"{text[: MAX_LINE - 1]}\u2026"
    origin = ", ".join(filter(None, (line["source"], line["language"])))
    return f'{timecode(line["start_frame"])} - {timecode(line["end_frame"])} "{short}" ({origin})'
