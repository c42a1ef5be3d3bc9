"""Lists of videos with posters and facts, in an order that people expect, and posters of shows.

Stands alone because the order of names and the choice of posters are decisions that can be wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum

from ops.search.shot_details import ShotDetail
from ops.serve.answers.videos import Poster, ShowPosters, ShowPostersAnswer, VideoEntry, VideosAnswer
from ops.serve.coverage import ListedVideo
from ops.serve.service import Service

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class VideoOrder(StrEnum):
    """Orders of a list of videos."""

    NAME = "name"
    NEWEST = "newest"


def build_video_list(
    service: Service,
    videos: Iterable[ListedVideo],
    *,
    show: str | None,
    order: VideoOrder,
    offset: int,
    limit: int,
    posters: int,
) -> VideosAnswer:
    """Return ``limit`` videos after the first ``offset``, of one show or of all.

    ``NAME`` sorts by show, season, episode, title and path, numbers in names by value. ``NEWEST`` lists only videos
    with searchable shots, those that became searchable last first.
    """
    selected_videos = [video for video in videos if show is None or video.row.show == show]
    if order is VideoOrder.NEWEST:
        selected_videos = [video for video in selected_videos if video.shots]
    selected_videos.sort(key=_build_name_key)
    if order is VideoOrder.NEWEST:
        selected_videos.sort(key=_find_time, reverse=True)  # stable: of one time by name
    page = selected_videos[offset : offset + limit]
    return VideosAnswer(
        videos=[_build_entry(service, video, posters) for video in page],
        total=len(selected_videos),
    )


def build_show_posters(
    service: Service, videos: Iterable[ListedVideo], shows: Sequence[str], count: int
) -> ShowPostersAnswer:
    """Return ``count`` posters of each of the shows, spread over the show's videos and over the shots of these."""
    by_show: dict[str, list[ListedVideo]] = {show: [] for show in shows}
    known_shows: set[str] = set()
    for video in videos:
        if video.row.show in by_show:
            known_shows.add(video.row.show)
            if video.shots:
                by_show[video.row.show].append(video)
    return ShowPostersAnswer(
        shows=[
            ShowPosters(show=show, posters=_spread_posters(service, sorted(videos_of_show, key=_build_name_key), count))
            for show, videos_of_show in by_show.items()
            if show in known_shows
        ]
    )


def spread(length: int, count: int) -> list[int]:
    """Return up to ``count`` positions in the middles of equal parts of ``length`` items, ascending."""
    count = min(count, length)
    return [(2 * number + 1) * length // (2 * count) for number in range(count)]


def _spread_posters(service: Service, videos: Sequence[ListedVideo], count: int) -> list[Poster]:
    """Return posters of the videos in order; a video that comes up twice gives two of its shots."""
    if not videos:
        return []
    counts = Counter((2 * number + 1) * len(videos) // (2 * count) for number in range(count))
    return [poster for at, posters in sorted(counts.items()) for poster in _list_posters(service, videos[at], posters)]


def _list_posters(service: Service, video: ListedVideo, count: int) -> list[Poster]:
    shots = service.details.list_shots(video.row.video_id)
    visible = [shot for shot in shots if not shot.is_blank] or shots
    return [_build_poster(visible[at]) for at in spread(len(visible), count)]


def _build_poster(shot: ShotDetail) -> Poster:
    return Poster(shot_id=shot.shot_id, start_frame=shot.start_frame, start_s=shot.start_s, poster=shot.poster)


def _build_entry(service: Service, video: ListedVideo, posters: int) -> VideoEntry:
    row = video.row
    return VideoEntry(
        video_id=row.video_id,
        show=row.show,
        title=row.title,
        path=row.path,
        season=row.season,
        episode=row.episode,
        state=video.state,
        reason=row.reason or "",
        shots=video.shots,
        seconds=round(row.seconds, 3),
        fps=f"{row.fps_num}/{row.fps_den}" if row.fps_num and row.fps_den else None,
        width=row.width,
        height=row.height,
        codec=row.codec,
        has_audio=row.has_audio,
        start_timecode=row.start_timecode,
        bytes=row.bytes,
        searchable_since=video.searchable_since.isoformat(timespec="seconds") if video.searchable_since else None,
        posters=_list_posters(service, video, posters) if posters else [],
    )


def _find_time(video: ListedVideo) -> datetime:
    return video.searchable_since or _LONG_AGO


def _build_name_key(video: ListedVideo) -> tuple[object, ...]:
    row = video.row
    return (
        _split_numbers(row.show),
        row.season if row.season is not None else -1,
        row.episode if row.episode is not None else -1,
        _split_numbers(row.title),
        _split_numbers(row.path),
    )


def _split_numbers(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts "part 10" after "part 9": runs of digits by value, between texts without case."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), part) if number % 2 else (0, part) for number, part in enumerate(parts)]
