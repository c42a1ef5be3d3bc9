"""Sixty of the mutations of ``make hostile``, opened, cut and read: each is used or set aside with a reason."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ops.core.settings import load_settings
from ops.core.types import SilentProgress
from ops.dialogue.build import build_dialogue
from ops.shots.build import build_shots, read_shots
from ops.shots.checks import check_gapless
from ops.videos.catalogue import read_videos
from ops.videos.describe import describe_videos
from ops.videos.hashes import HashCache
from ops.videos.library import scan
from ops.videos.register import register
from tests.hostile.libraries import write_good, write_kind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FILMS = ("mp4 h264 aac", "mkv h264", "webm vp9 opus", "avi motion jpeg", "ts h264", "mpg mpeg2", "flv", "ogv theora")
SUBTITLES = ("subtitles srt", "subtitles ass", "subtitles ttml")


def test_sixty_mutations_are_used_or_set_aside(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home", detector="content", workers=2, open_seconds=120, film_memory_gb=1)
    library, scratch = tmp_path / "library", tmp_path / "scratch"
    library.mkdir()
    scratch.mkdir()
    write_good(library)
    films = [path for kind in FILMS for path in write_kind(library, scratch, kind, seed=1, most=5)]
    subtitles = [path for kind in SUBTITLES for path in write_kind(library, scratch, kind, seed=1, most=7)]
    register(settings, scan([str(library)], hashes=HashCache(tmp_path / "hashes.db")), NOW)
    partitions = settings.lake.list_partitions("videos")
    for build in (describe_videos, build_shots, build_dialogue):
        build(settings, partitions, NOW, SilentProgress())

    videos = {Path(row["path"]): row for row in read_videos(settings.lake)}
    assert set(films) <= set(videos) and len(films) + len(subtitles) == 61
    for path in films:
        row, shots = videos[path], read_shots(settings, videos[path]["video_id"])
        if row["state"] == "set_aside":
            assert row["reason"] and "internal error" not in row["reason"], row
        else:
            assert row["state"] == "ready" and shots and check_gapless(shots).passed, row
    assert videos[library / "good.mp4"]["state"] == "ready"
    assert sum(videos[path]["state"] == "ready" for path in films) > len(films) / 4, "most mutations leave pictures"
    sources = {Path(row["path"]): row for row in settings.lake.read("subtitles", partitions).to_pylist()}
    for path in subtitles:
        row = sources[path]
        assert row["lines"] or row["reason"] or row["notes"], row
        assert "internal error" not in (row["reason"] or ""), row
