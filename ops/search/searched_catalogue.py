"""The names and dates of the catalogue that a query may mean: of shows, titles and files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from pathlib import PurePosixPath

from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.search.dates import read_date
from ops.search.named import CatalogueWords, split_name

NAMED_SHOWS = 5
"""Maximum number of shows that a message names."""
COLUMNS = ("video_id", "path", "show", "title", "available_at")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The videos of a search: those of ``shows``, or all; ``videos`` are exactly these instead, and may be none."""

    shows: tuple[str, ...] = ()
    videos: frozenset[str] | None = None

    @property
    def is_empty(self) -> bool:
        """Return True if no video is left."""
        return self.videos is not None and not self.videos

    @property
    def video_ids(self) -> tuple[str, ...]:
        """Return the videos as a filter of an index takes them: empty for all. Not for an empty scope."""
        return tuple(sorted(self.videos or ()))

    def has(self, show: str, video_id: str) -> bool:
        """Return True if shots of this video may be found."""
        return (not self.shows or show in self.shows) and (self.videos is None or video_id in self.videos)


@dataclass(frozen=True, kw_only=True)
class SearchedVideo:
    """A video with indexed shots. ``day`` is the date in its path if there is one, else the day it became available."""

    video_id: str
    show: str
    title: str
    path: str
    day: date

    @property
    def file_name(self) -> str:
        """Return the name of the file."""
        return PurePosixPath(self.path).name


class SearchedCatalogue:
    """The shows and videos of one version of the index; ``videos`` are read when they are first needed."""

    def __init__(self, shows: Sequence[str], videos: Callable[[], Sequence[SearchedVideo]]) -> None:
        self._shows = tuple(shows)
        self._read = videos

    def shows(self) -> Sequence[str]:
        """Return the names of the shows."""
        return self._shows

    def files(self) -> Sequence[tuple[str, str]]:
        """Return titles and file names without their endings, each with its show."""
        return [
            (name, each.show) for each in self.videos for name in (each.title, PurePosixPath(each.path).stem) if name
        ]

    @cached_property
    def videos(self) -> Sequence[SearchedVideo]:
        """Return every video with indexed shots."""
        return self._read()

    @cached_property
    def show_words(self) -> CatalogueWords:
        """Return the names of the shows by their words, without a look at the videos."""
        return CatalogueWords(self._shows, ())

    @cached_property
    def words(self) -> CatalogueWords:
        """Return the names of shows, titles and files by their words."""
        names = [
            (name, each.video_id)
            for each in self.videos
            for name in (each.title, PurePosixPath(each.path).stem)
            if name
        ]
        return CatalogueWords(self._shows, names)

    def find_shows(self, value: str) -> tuple[str, ...]:
        """Return the shows that a typed value names: exactly, but for case, or by words in a row.

        Raises ``NotFoundError``, with similar names, if there is none.
        """
        if value in self._shows:
            return (value,)
        same = tuple(show for show in self._shows if show.casefold() == value.casefold())
        if "*" in value:
            same = tuple(show for show in self._shows if _matches(show, value))
        if matches := same or self.show_words.with_words(split_name(value), "show"):
            return matches
        raise unknown_show(value, self._shows)

    def find_files(self, value: str) -> frozenset[str]:
        """Return the ids of the videos that a value names, by file name, path or title.

        A ``*`` stands for any characters. Raises ``NotFoundError``, with similar names, if there is none.
        """
        pattern = value.casefold()
        for names in (_names_exactly, _ends_with, _matches_pattern):
            if matches := [each.video_id for each in self.videos if names(each, pattern)]:
                return frozenset(matches)
        if matches := list(self.words.with_words(split_name(value), "file")):
            return frozenset(matches)
        file_names = {each.file_name.casefold(): each.file_name for each in self.videos}
        near = [file_names[name] for name in get_close_matches(pattern, list(file_names), n=3, cutoff=0.5)]
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "`needle status` lists the files"
        raise NotFoundError(f"no file {value!r} in the catalogue: {hint}")

    def find_file_name(self, video_id: str) -> str:
        """Return the name of a video's file."""
        return self._file_names.get(video_id, video_id)

    @cached_property
    def _file_names(self) -> Mapping[str, str]:
        return {each.video_id: each.file_name for each in self.videos}

    def find_dated(self, first: date | None, end_day: date | None) -> frozenset[str]:
        """Return the videos with a date from ``first`` until before ``end_day``; ``None`` for no bound."""
        return frozenset(
            each.video_id
            for each in self.videos
            if (first is None or first <= each.day) and (end_day is None or each.day < end_day)
        )


def read_catalogue(settings: Settings, shots: Mapping[str, int]) -> list[SearchedVideo]:
    """Return the videos of the register that have indexed ``shots``, a number by video id."""
    rows = settings.lake.read("videos", columns=COLUMNS).to_pylist()
    return [
        SearchedVideo(
            video_id=row["video_id"],
            show=row["show"],
            title=row["title"] or "",
            path=row["path"],
            day=read_date(row["path"]) or row["available_at"].date(),
        )
        for row in rows
        if row["video_id"] in shots
    ]


def unknown_show(show: str, names: Sequence[str]) -> NotFoundError:
    """Return the error for a show that is not in the catalogue, with similar names."""
    names_by_folded = {name.casefold(): name for name in names}
    parts = [name for name in names_by_folded if show.casefold() in name] if show.strip() else []
    close = get_close_matches(show.casefold(), list(names_by_folded), n=3, cutoff=0.5)
    near = [names_by_folded[name] for name in dict.fromkeys([*parts, *close])][:3]
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else _list_some(names)
    return NotFoundError(f"no show {show!r} in the catalogue: {hint}")


def _list_some(shows: Sequence[str]) -> str:
    more = f" and {len(shows) - NAMED_SHOWS} more" if len(shows) > NAMED_SHOWS else ""
    return f"it has {', '.join(map(repr, shows[:NAMED_SHOWS]))}{more}" if shows else "it has none yet"


def _names_exactly(video: SearchedVideo, pattern: str) -> bool:
    return pattern in (
        video.video_id,
        video.title.casefold(),
        video.path.casefold(),
        video.file_name.casefold(),
        PurePosixPath(video.path).stem.casefold(),
    )


def _ends_with(video: SearchedVideo, pattern: str) -> bool:
    return video.path.casefold().endswith(f"/{pattern.lstrip('/')}")


def _matches_pattern(video: SearchedVideo, pattern: str) -> bool:
    return "*" in pattern and any(
        _matches(name, pattern) for name in (video.file_name, video.title, PurePosixPath(video.path).stem)
    )


def _matches(name: str, pattern: str) -> bool:
    """Return True if a name fits a pattern in which only ``*`` is special: names of files have ``[`` and ``?``."""
    parts = map(re.escape, pattern.casefold().split("*"))
    return re.fullmatch(".*".join(parts), name.casefold(), re.DOTALL) is not None
