"""The record of facts is printed for any file, and its notes are reported when a video is described."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli.main import cli
from ops.core.errors import MediaError, NotFoundError
from ops.core.settings import load_settings
from ops.core.types import SilentProgress
from ops.videos.describe import describe_videos
from tests.builders.films import make_film, run_ffmpeg
from tests.builders.lakes import video_id, video_row


class Notes(SilentProgress):
    """Keeps the notes that are reported, and the number of videos that were to be opened each time."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.totals: list[float] = []

    def start(self, stage: str, total: float, unit: str) -> None:
        self.totals.append(total)

    def note(self, stage: str, text: str) -> None:
        self.notes.append(text)


def two_tracks(folder: Path) -> Path:
    """A film whose first track is a small proxy; the second is marked as default."""
    small = make_film(folder / "small.mp4", frames=12, cuts=(), fps=25, width=64, height=64).path
    large = make_film(folder / "large.mp4", frames=12, cuts=(), fps=25, width=160, height=90).path
    target = folder / "film.mkv"
    order = ["-map", "0:v", "-map", "1:v", "-c", "copy", "-disposition:0", "0", "-disposition:1", "default"]
    run_ffmpeg(["-i", str(small), "-i", str(large), *order, str(target)])
    return target


def run(home: Path, *arguments: str) -> str:
    options = [*arguments, "--home", str(home)]
    return CliRunner().invoke(cli, options, standalone_mode=False, catch_exceptions=False).stdout


def test_the_record_of_a_file_is_printed_without_ingesting_it(tmp_path: Path) -> None:
    path = two_tracks(tmp_path)
    document = json.loads(run(tmp_path / "home", "doctor", str(path), "--json"))
    assert (document["fps"], document["frames"], document["video_stream"]) == ("25", 12, 1)
    track = next(fact for fact in document["facts"] if fact["name"] == "video track")
    assert track["evidence"] == "marked as default"
    assert "video track 1 (h264 64x64) is not marked as default" in track["contradictions"]
    table = run(tmp_path / "home", "doctor", str(path))
    for text in ("frame rate", "25 frames per second", "but video track 1", "notes", "several video tracks"):
        assert text in table
    assert not (tmp_path / "home" / "media" / "lake" / "videos").exists()


def test_what_has_parts_is_printed_with_them(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mov", frames=5, cuts=(), audio=True, rotation=90, timecode="01:00:00:00")
    record, _ = run(tmp_path / "home", "doctor", str(film.path)).split("facts and their evidence")
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in record.splitlines() if line.startswith("  ")}
    assert lines["orientation"].startswith("quarter_turns 1, is_mirrored no")
    assert "sample_rate 48000" in lines["sound_tracks"]


def test_the_record_of_a_registered_video_is_found_by_its_id(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    path = two_tracks(tmp_path)
    row = video_row(0) | {"path": str(path), "state": "pending", "frames": None}
    settings.lake.write("videos", settings.resolve_partition(video_id(0)), [row])
    progress = Notes()
    describe_videos(settings, [settings.resolve_partition(video_id(0))], datetime.now(UTC), progress)
    assert len(progress.notes) == 1 and str(path) in progress.notes[0]
    describe_videos(settings, [settings.resolve_partition(video_id(0))], datetime.now(UTC), progress)
    assert len(progress.notes) == 1, "a note is reported once"
    assert progress.totals == [1, 0], "videos that were opened before, here or by another home, do not count"
    shown = run(tmp_path / "home", "shots", video_id(0), "--facts", "--json")
    path.unlink()
    kept = run(tmp_path / "home", "doctor", "film.mkv", "--json")
    assert json.loads(shown) == json.loads(kept) | {"video_id": video_id(0)}


def test_a_file_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_text("no film")
    with pytest.raises(MediaError, match="it is text"):
        run(tmp_path / "home", "doctor", str(tmp_path / "film.mp4"))
    with pytest.raises(NotFoundError):
        run(tmp_path / "home", "doctor", "nothing.mp4")
