"""Report subtitles and speech without usable dialogue."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from ops.core.known_rows import read_rows
from ops.core.settings import Settings
from ops.dialogue.sources import SPEECH
from ops.videos import catalogue
from ops.videos.sidecar_names import is_news
from ops.videos.subtitles import find_subtitles_beside, find_unowned_subtitles, select_ownerless_subtitles

BESIDE_COPY = "it is beside {copy}, a copy of {video}: put it beside that file"
NO_VIDEO = "it belongs to no video: rename it to <video>.<language>.{suffix}"


def list_unusable_subtitles(settings: Settings, video_ids: Collection[str]) -> list[dict[str, str]]:
    """Return ``{"path", "reason"}``, sorted by path, of each subtitle file of these videos that holds no dialogue.
    Includes each video whose dialogue or speech could not be read."""
    existing = set(settings.lake.list_partitions("subtitles"))
    partitions = sorted({settings.resolve_partition(video_id) for video_id in video_ids} & existing)
    rows = read_rows(settings.lake, "subtitles", partitions)
    refused_rows = [
        row for row in rows if row["video_id"] in video_ids and row["source"] != "embedded" and row["reason"]
    ]
    paths = (
        {row["video_id"]: row["path"] for row in catalogue.read_videos(settings.lake, partitions)}
        if refused_rows
        else {}
    )
    entries = [
        {"path": paths.get(row["video_id"], "") if row["source"] == SPEECH else row["path"], "reason": row["reason"]}
        for row in refused_rows
    ]
    return sorted(entries, key=lambda row: row["path"])


def list_unread_subtitles(
    settings: Settings,
    video_ids: Collection[str],
    found_paths: Collection[str] = (),
    copies: Mapping[str, str] = MappingProxyType({}),
) -> tuple[list[dict[str, str]], list[str]]:
    """Return ``{"path", "reason"}`` of subtitle files without a fault that are not used, sorted by path.

    These are next to the videos, or among ``found_paths``, those of a scan. They belong to no video, or to a copy of
    one (``copies``: path of the copy -> path of the video), or are of a kind that is not read (images of text). Second
    are the paths of files that may not be subtitles, because other kinds of files have their ending too. Raises
    ``StorageError`` if a store cannot be reached.
    """
    partitions = sorted({settings.resolve_partition(video_id) for video_id in video_ids})
    existing = sorted(set(settings.lake.list_partitions("subtitles")) & set(partitions))
    rows = read_rows(settings.lake, "subtitles", existing)
    unread = [
        {"path": row["path"], "reason": row["notes"][0]}
        for row in rows
        if row["video_id"] in video_ids
        and row["source"] == "sidecar"
        and not (row["lines"] or row["reason"])
        and row["notes"]
    ]
    videos = [row for row in catalogue.read_videos(settings.lake, partitions) if row["video_id"] in video_ids]
    present = [row for row in videos if row["state"] != "removed"]
    ownerless = select_ownerless_subtitles(found_paths, present)
    unowned_paths = {*find_unowned_subtitles(present), *filter(is_news, ownerless)}
    unread += [{"path": path, "reason": explain_unowned(path)} for path in unowned_paths]
    used_paths = {row["path"] for row in rows}
    unread += [
        {"path": path, "reason": BESIDE_COPY.format(copy=copy, video=copies[copy])}
        for copy, paths in find_subtitles_beside(copies).items()
        for path in paths
        if path not in used_paths
    ]
    return sorted(unread, key=lambda row: row["path"]), [path for path in ownerless if not is_news(path)]


def explain_unowned(path: str) -> str:
    """Return why a subtitle file that belongs to no video is not used, and how to change that."""
    return NO_VIDEO.format(suffix=path.rpartition(".")[2])


def read_dialogue(settings: Settings, video_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return ``(lines, sources)`` of one video as rows without stamps, lines in the order of time."""
    partition = settings.resolve_partition(video_id)
    columns = ("line_id", "video_id", "index", "shot_ids", "start_frame", "end_frame", "start_s", "end_s", "text")
    rows = settings.lake.read("dialogue", [partition], (*columns, "language", "source", "certainty")).to_pylist()
    lines = sorted((row for row in rows if row.pop("video_id") == video_id), key=lambda row: row.pop("index"))
    names = ("video_id", "path", "source", "language", "lines", "reason", "notes")
    sources = settings.lake.read("subtitles", [partition], names).to_pylist()
    return lines, [row for row in sources if row.pop("video_id") == video_id]
