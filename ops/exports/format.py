"""The interface of export formats, and code that several of them share.

A format is one module of ``ops/exports/formats``; ``ops/exports/registry.py`` finds it. It is in no list: the command
line, the HTTP schema and the page read theirs from its attributes (``make format`` writes the page's types).
``ops/exports/names.py`` makes titles, paths and notes safe in a file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

from ops.core.cancellation import CancelToken
from ops.core.errors import StorageError
from ops.core.settings import Settings
from ops.core.time import is_drop_frame_rate, parse_timecode
from ops.core.types import Progress
from ops.exports.clip import Clip, Missing
from ops.exports.film import FAST_RATES, TIMELINE_RATES, Film
from ops.exports.names import make_reel_names
from ops.videos.hashes import HashCache, Key, make_key


@dataclass(frozen=True, kw_only=True)
class ExportOutcome:
    """The result of writing a file: clips that are not in it, and warnings for the editor."""

    missing: tuple[Missing, ...] = ()
    warnings: tuple[str, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class ExportContext:
    """The inputs of a format besides the clips. ``title`` is one line, not empty.

    A format that takes longer than a second calls ``stop.check()`` at each clip and reports each one to ``progress``,
    as the stage ``export``. The others ignore both.
    """

    settings: Settings
    title: str
    stop: CancelToken
    progress: Progress


class ExportFormat(ABC):
    """One format. An instance has no state: :meth:`write` may be called from several threads.

    The command line, the service and the page use only the attributes of a format.
    """

    name: ClassVar[str]
    """The value of ``needle export --format NAME``; the name of its module."""
    label: ClassVar[str]
    """Its name on the page and in the command's help."""
    suffix: ClassVar[str]
    """The suffix of its files, with the dot; a file name that ends in it needs no ``--format``."""
    media_type: ClassVar[str]
    """For ``Content-Type``."""
    position: ClassVar[int] = 1000
    """Formats are listed in ascending order of it, then by name."""
    other_suffixes: ClassVar[tuple[str, ...]] = ()
    """More suffixes of this format."""
    shared_suffixes: ClassVar[tuple[str, ...]] = ()
    """Suffixes of another format; ``--format`` with this one's name allows them."""
    summary: ClassVar[str] = ""
    """More than name and label, for the API's documentation: "`NAME` " and this form a sentence."""
    handles_note: ClassVar[str] = (
        "Timelines keep in and out as marked. To trim, each clip refers to the whole film; only a zip has handles cut."
    )
    """The effect of handles in its files, in a sentence on the page."""
    has_one_rate: ClassVar[bool] = False
    """Whether its files count in one frame rate, so that it refuses videos of several."""
    is_slow: ClassVar[bool] = False
    """Whether it reads frames or images, which takes minutes. The service has a separate queue for these formats."""

    @abstractmethod
    def write(self, clips: Sequence[Clip], target: Path, context: ExportContext) -> ExportOutcome:
        """Write ``clips``, at least one, in their order to the local file ``target``, which may exist.

        Raises ``UsageError`` if the format cannot hold the selection without a false statement; ``MediaError`` if none
        of the clips can be written; ``JobCancelledError`` if ``context.stop`` is set meanwhile.
        """


def format_rate(rate: Fraction) -> str:
    """A rate in editors' notation: 23.976, 25, 59.94."""
    return f"{float(rate):.3f}".rstrip("0").rstrip(".")


def group_by_rate(clips: Iterable[Clip]) -> dict[Fraction, list[Clip]]:
    """The clips by the rate of their videos, in the order of the first clip of each; order within a rate is kept."""
    groups: dict[Fraction, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(clip.film.rate, []).append(clip)
    return groups


def choose_clock(rate: Fraction, clips: Iterable[Clip]) -> tuple[bool, int]:
    """Whether a sequence of ``clips`` counts drop-frame (if all their videos do), and its first frame.

    Sequences begin at 01:00:00:00, as in broadcast.
    """
    is_drop = is_drop_frame_rate(rate) and all(clip.film.is_drop for clip in clips)
    return is_drop, parse_timecode("01:00:00;00" if is_drop else "01:00:00:00", rate)


def collect_warnings(settings: Settings, clips: Sequence[Clip]) -> tuple[str, ...]:
    """Warnings about the videos of ``clips``: inexact rates and starts; moved, missing or changed files.

    Reads no video: a file with the size of the ingested one passes unless its hash is known.
    """
    films = {clip.film.video_id: clip.film for clip in clips}.values()
    others = _find_replaced(settings, films)
    warnings = []
    for film in films:
        warnings += [f"{film.path}: {text}" for text in (_check_rate(film), _start_warning(film)) if text]
        if "://" in film.path:
            warnings.append(f"{film.path}: is in an object store; relink it by name after importing")
        elif not Path(film.path).exists():
            warnings.append(f"{film.path}: is not there any more; relink it by name, or ingest it at its new place")
        elif film.path in others:
            warnings.append(
                f"{film.path}: is not the file that was ingested, so its clips may show other pictures; "
                "put that file back, or ingest and search again"
            )
    return tuple(warnings)


def _check_rate(film: Film) -> str:
    """How a timeline treats a rate that editing systems do not support; empty if they support it."""
    if film.is_timed:
        why = (
            "its frame rate varies"
            if film.variable_rate
            else f"its rate is {format_rate(film.fps)}, but pictures are missing or shown longer"
        )
        return (
            f"{why}; its clips are placed by time, to the nearest frame at {format_rate(film.rate)} frames per second"
        )
    if film.fps in (*TIMELINE_RATES, *FAST_RATES):
        return ""
    if film.is_exact:
        return (
            f"no editing system runs {format_rate(film.fps)} frames per second; its frames are counted at that rate, "
            "and yours may ask for another"
        )
    each = film.rate / film.fps
    how = (
        f"each of its frames is {each} at {format_rate(film.rate)}"
        if each.denominator == 1
        else f"its clips are placed by time, to the nearest frame at {format_rate(film.rate)}"
    )
    return f"no editing system runs {format_rate(film.fps)} frames per second; {how}"


def _start_warning(film: Film) -> str:
    """The reason why the start of a video on a timeline is inexact; empty if it is exact."""
    start = film.exact_start
    if start is None:
        return f"its start timecode {film.start_timecode!r} cannot be used; it is counted from 00:00:00:00"
    if start.denominator == 1 or film.is_timed:
        return ""
    rate = format_rate(film.rate)
    return f"its start timecode falls between two frames at {rate} frames per second; the nearest is used"


def choose_source_reels(clips: Iterable[Clip]) -> dict[str, str]:
    """By video id, the reel name in the video's own file, otherwise one derived from the file's name."""
    films = {clip.film.video_id: clip.film for clip in clips}
    short = choose_short_reels(films.values())
    return {video_id: film.reel or short[video_id] for video_id, film in films.items()}


def choose_short_reels(films: Iterable[Film]) -> dict[str, str]:
    """By video id, the reel names of an EDL, of eight characters."""
    by_id = {film.video_id: film for film in films}
    reels = {video_id: film.reel for video_id, film in by_id.items()}
    return make_reel_names({video_id: film.path for video_id, film in by_id.items()}, reels)


def _find_replaced(settings: Settings, films: Collection[Film]) -> set[str]:
    """Paths of videos whose file certainly has other content; a file that cannot be examined is not among them."""
    keys: dict[str, Key] = {}
    for film in films:
        with suppress(OSError, ValueError):  # missing, or a name that no file can have
            keys[film.path] = make_key(film.path)
    try:
        hashes = HashCache(settings.home / "cache" / "hashes.db").read_known(keys.values())
    except StorageError:
        hashes = {}
    existing = [(film, keys[film.path]) for film in films if film.path in keys]
    return {
        film.path
        for film, key in existing
        if key[1] != film.bytes or hashes.get(key, film.content_hash) != film.content_hash
    }
