"""One pass over generated films whose frames carry their number: every proxy holds exactly its shot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from ops.core.errors import MediaError
from ops.core.storage import ObjectStore
from ops.core.types import DetectedShot
from ops.embeddings.frames import import_decord
from ops.shots import thresholds
from ops.shots.detectors.choice import describe_parameters
from ops.shots.processes import Segmentation, SegmentJob, segment_videos
from ops.shots.scratch import open_working_folder
from ops.shots.segment import (
    compute_detector_version,
    make_poster_key,
    make_proxy_key,
    segment_video,
)
from ops.videos.probe import probe
from tests.builders.films import Film, make_film, read_barcode

VIDEO = "00112233aabbccdd"

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "closed gop, b-frames": ("film.mp4", {}),
    "open gop": ("film.mp4", {"open_gop": True, "bframes": 3}),
    "hevc open gop": ("film.mp4", {"codec": "libx265", "open_gop": True, "bframes": 3}),
    "hevc 10 bit": ("film.mp4", {"codec": "libx265", "pix_fmt": "yuv420p10le"}),
    "av1": ("film.mkv", {"codec": "libsvtav1"}),
    "vp9": ("film.webm", {"codec": "libvpx-vp9"}),
    "mpeg-ts": ("film.ts", {"open_gop": True}),
    "edit list": ("film.mp4", {"preroll": 7, "audio": True}),
    "late video": ("film.mp4", {"delay_s": 0.5, "audio": True}),
    "variable rate": ("film.mp4", {"vfr": True, "audio": True}),
    "variable rate mkv": ("film.mkv", {"vfr": True}),
    "quarter turn": ("film.mp4", {"rotation": 90}),
    "three quarters": ("film.mp4", {"rotation": 270}),
    "upside down": ("film.mp4", {"rotation": 180}),
    "odd size": ("film.mkv", {"codec": "ffv1", "pix_fmt": "yuv444p", "width": 325, "height": 187}),
    "wide pixels": ("film.mp4", {"sar": "4:3"}),
    "larger than a proxy": ("film.mp4", {"width": 1280, "height": 720}),
    "ntsc": ("film.mov", {"fps": Fraction(30000, 1001)}),
    "full range": ("film.mp4", {"pix_fmt": "yuvj420p"}),
}


def segment(film: Film, store: ObjectStore, **options: Any) -> list[DetectedShot]:
    scratch = film.path.parent / "scratch"
    shots = segment_video(film.path, VIDEO, probe(film.path), store, scratch=scratch, **{"threads": 1, **options})
    assert not list(scratch.iterdir()), "scratch is left clean"
    return shots


def numbers_by_pyav(path: Path, quarters: int) -> list[int]:
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [read_barcode(np.rot90(picture, quarters)) for picture in pictures]


def numbers_by_decord(path: Path, quarters: int) -> list[int]:
    decord, _ = import_decord()
    reader = decord.VideoReader(str(path), num_threads=1)
    order = np.random.default_rng(0).permutation(len(reader))
    found = {int(place): read_barcode(np.rot90(reader[int(place)].asnumpy(), quarters)) for place in order}
    return [found[place] for place in range(len(reader))]


def assert_exact(film: Film, shots: list[DetectedShot], store: ObjectStore, folder: Path, rotation: int = 0) -> None:
    """Shots are the film's, and both readers find exactly the numbers of each shot in its proxy.

    The barcode was stored upright, so in a proxy of a turned film it is turned clockwise.
    """
    quarters = rotation // 90
    assert [(shot.start_frame, shot.end_frame) for shot in shots] == film.shots
    assert [shot.index for shot in shots] == list(range(len(shots)))
    for shot in shots:
        with store.fetch_local_file(make_proxy_key(VIDEO, shot.start_frame, shot.end_frame), folder) as proxy:
            expected = list(range(shot.start_frame, shot.end_frame))
            assert numbers_by_pyav(proxy, quarters) == expected
            assert numbers_by_decord(proxy, quarters) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_every_proxy_holds_exactly_its_frames(kind: str, tmp_path: Path) -> None:
    name, options = KINDS[kind]
    film = make_film(tmp_path / name, cuts=(31, 60), frames=80, **options)
    store = ObjectStore(str(tmp_path / "store"))
    shots = segment(film, store, threads=2)
    assert_exact(film, shots, store, tmp_path, options.get("rotation", 0))
    times = film.times or [Fraction(n) / film.fps for n in range(film.frames)]
    for shot in shots:
        assert shot.start_s == pytest.approx(float(times[shot.start_frame]), abs=0.0011)
        assert not shot.is_blank


def frames_of(path: Path) -> list[tuple[float, bool]]:
    with av.open(str(path)) as container:
        return [(float(frame.time or 0), frame.key_frame) for frame in container.decode(video=0)]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_proxy_keeps_the_timing_of_a_variable_rate(suffix: str, tmp_path: Path) -> None:
    film = make_film(tmp_path / f"film.{suffix}", cuts=(31,), frames=60, vfr=True)
    store = ObjectStore(str(tmp_path / "store"))
    for shot in segment(film, store):
        proxy = Path(store.path(make_proxy_key(VIDEO, shot.start_frame, shot.end_frame)))
        wanted = [float(time - film.times[shot.start_frame]) for time in film.times[shot.start_frame : shot.end_frame]]
        assert [time for time, _ in frames_of(proxy)] == pytest.approx(wanted, abs=0.0011)


@pytest.mark.parametrize(("frames", "cuts"), [(1, ()), (2, (1,)), (40, (1, 39)), (60, (20, 21, 40)), (3, ())], ids=str)
def test_very_short_films_and_shots(frames: int, cuts: tuple[int, ...], tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", cuts=cuts, frames=frames)
    store = ObjectStore(str(tmp_path / "store"))
    shots = segment(film, store)
    assert_exact(film, shots, store, tmp_path)
    assert all(shot.end_s > shot.start_s for shot in shots)


def bytes_of(store: ObjectStore) -> dict[str, bytes]:
    return {key: store.read_bytes(key) for key in store.list()}


def test_threads_and_repetition_change_nothing(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", cuts=(20, 41, 42, 100, 150), frames=200, audio=True)
    results = []
    for number, threads in enumerate((1, 2, 5, 5)):
        store = ObjectStore(str(tmp_path / f"store{number}"))
        shots = segment(film, store, threads=threads)
        results.append((shots, bytes_of(store)))
    assert len(results[0][1]) == 2 * 6
    assert all(result == results[0] for result in results)


def test_proxies_are_normalised(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", cuts=(60,), frames=130, width=1280, height=720, audio=True)
    store = ObjectStore(str(tmp_path / "store"))
    for shot in segment(film, store):
        data = store.read_bytes(make_proxy_key(VIDEO, shot.start_frame, shot.end_frame))
        assert data.index(b"moov") < data.index(b"mdat"), "faststart"
        assert b"ctts" not in data, "frames are stored as they are shown"
        with av.open(store.path(make_proxy_key(VIDEO, shot.start_frame, shot.end_frame))) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert (video.width, video.height) == (640, 360)
            assert video.average_rate == film.fps
            assert audio.codec_context.name == "aac"
            assert float(video.duration * video.time_base) == pytest.approx(shot.end_s - shot.start_s, abs=1e-6)
            keys = [number for number, frame in enumerate(container.decode(video)) if frame.key_frame]
            assert keys == list(range(0, shot.frames, 12)), "a key frame every half second"
        poster = store.read_bytes(make_poster_key(VIDEO, shot.start_frame, shot.end_frame))
        assert poster[:3] == b"\xff\xd8\xff"
        assert shot.start_frame <= number_of_poster(poster) < shot.end_frame


def number_of_poster(data: bytes) -> int:
    import cv2

    return read_barcode(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


def test_blank_shots_are_marked(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", cuts=(40, 70), frames=100, blank=(1,))
    shots = segment(film, ObjectStore(str(tmp_path / "store")))
    assert [shot.is_blank for shot in shots] == [False, True, False]
    assert shots[1].mean_luma < 2
    assert shots[0].mean_luma > 40
    assert [shot.transition for shot in shots] == ["start", "cut", "cut"]


def test_an_earlier_segmentation_is_cleared_away(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", cuts=(20,), frames=50)
    store = ObjectStore(str(tmp_path / "store"))
    store.write_bytes(make_proxy_key(VIDEO, 0, 33), b"old")
    store.write_bytes(make_poster_key(VIDEO, 0, 33), b"old")
    store.write_bytes(make_proxy_key("ffffffffffffffff", 0, 33), b"another film")
    segment(film, store)
    spans = [(0, 20), (20, 50)]
    own = [make_proxy_key(VIDEO, *span) for span in spans] + [make_poster_key(VIDEO, *span) for span in spans]
    assert store.list() == sorted([*own, make_proxy_key("ffffffffffffffff", 0, 33)])


@pytest.mark.parametrize("threads", [1, 3])
def test_a_film_without_a_useful_picture_leaves_nothing_in_the_store(threads: int, tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", cuts=(50, 90), frames=130)
    info = probe(film.path)
    data = bytearray(film.path.read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    film.path.write_bytes(data)
    store = ObjectStore(str(tmp_path / "store"))
    with pytest.raises(MediaError):
        segment_video(film.path, VIDEO, info, store, threads=threads, scratch=tmp_path / "scratch")
    assert store.list() == []
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.parametrize("threads", [1, 3])
def test_a_full_disk_is_reported_and_leaves_nothing(threads: int, tmp_path: Path) -> None:
    """An error in an encoding thread ends the film; here the folder of the proxies disappears."""
    import shutil

    film = make_film(tmp_path / "film.mp4", cuts=(50, 90), frames=130)
    scratch = tmp_path / "scratch"

    def vanish(frames: int) -> None:
        shutil.rmtree(next(scratch.iterdir()), ignore_errors=True)

    store = ObjectStore(str(tmp_path / "store"))
    with pytest.raises(OSError):
        segment_video(film.path, VIDEO, probe(film.path), store, threads=threads, scratch=scratch, on_progress=vanish)
    assert store.list() == []


KILLED = """
import os, signal, sys
from pathlib import Path
from ops.core.storage import ObjectStore
from ops.shots.segment import segment_video
from ops.videos.probe import probe

film, folder = Path(sys.argv[1]), Path(sys.argv[2])
segment_video(
    film, "00112233aabbccdd", probe(film), ObjectStore(str(folder / "store")), threads=3, scratch=folder / "scratch",
    on_progress=lambda frames: os.kill(os.getpid(), signal.SIGKILL) if frames >= 300 else None,
)
"""


def test_a_killed_run_leaves_scratch_only_and_the_next_one_clears_it(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", cuts=(50, 90), frames=330)
    command = [sys.executable, "-c", KILLED, str(film.path), str(tmp_path)]
    assert subprocess.run(command, timeout=120, check=False).returncode == -signal.SIGKILL
    store = ObjectStore(str(tmp_path / "store"))
    assert store.list() == []
    left = list((tmp_path / "scratch").iterdir())
    assert len(left) == 1
    os.utime(left[0], (0, 0))
    shots = segment(film, store)
    assert [(shot.start_frame, shot.end_frame) for shot in shots] == film.shots


def test_the_folder_of_a_running_process_is_left_alone(tmp_path: Path) -> None:
    with open_working_folder(tmp_path, VIDEO) as mine:
        os.utime(mine, (0, 0))
        with open_working_folder(tmp_path, VIDEO) as other:
            assert mine.exists()
            assert mine != other
    assert not list(tmp_path.iterdir())


def test_progress_counts_frames(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", frames=230, cuts=())
    seen: list[int] = []
    segment(film, ObjectStore(str(tmp_path / "store")), on_progress=seen.append)
    assert seen == [100, 200, 230]


def test_versions_name_detector_and_recipe() -> None:
    versions = {name: compute_detector_version(name) for name in ("auto", "adaptive", "content", "transnetv2")}
    assert len({version.split("-")[1] for version in versions.values()}) == 4
    assert all(version.startswith(f"{name}-") for name, version in versions.items())


def test_any_number_of_the_default_detector_changes_its_version_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("auto", "adaptive", "content", "transnetv2")
    before = {name: describe_parameters(name) for name in names}
    for changed in (
        replace(thresholds.AUTO, revision=2),
        replace(thresholds.AUTO, cut_bias=2.0),
        replace(thresholds.AUTO, gradual=replace(thresholds.AUTO.gradual, evidence=0.9)),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(thresholds, "AUTO", changed)
            after = {name: describe_parameters(name) for name in names}
        assert {name for name in names if after[name] != before[name]} == {"auto"}


@pytest.mark.parametrize("workers", [1, 2])
def test_many_films_and_a_bad_one(workers: int, tmp_path: Path) -> None:
    films = [make_film(tmp_path / f"{n}.mkv", cuts=(30,), frames=50 + 10 * n, seed=n) for n in range(3)]
    store = ObjectStore(str(tmp_path / "store"))
    jobs = [
        SegmentJob(path=str(film.path), video_id=f"{n:016x}", frames=film.frames, store=store, scratch=tmp_path / "s")
        for n, film in enumerate(films)
    ]
    whole = films[1].path.read_bytes()
    films[1].path.write_bytes(whole[: whole.index(bytes.fromhex("1f43b675"))])  # up to the first cluster
    films[2].path.write_bytes(films[2].path.read_bytes()[:-1500])
    seen: dict[str, int] = {}
    results = {job.video_id: result for job, result in segment_videos(jobs, workers, on_progress=seen.__setitem__)}
    assert isinstance(results[jobs[1].video_id], MediaError)
    first, last = results[jobs[0].video_id], results[jobs[2].video_id]
    assert isinstance(first, Segmentation)
    assert isinstance(last, Segmentation)
    assert [(shot.start_frame, shot.end_frame) for shot in first.shots] == films[0].shots
    assert first.notes == []
    assert last.shots[0].end_frame == 30
    assert 50 < last.shots[-1].end_frame < 70
    assert ["cut short" in note for note in last.notes] == [True]
    ready = {jobs[0].video_id: 50, jobs[2].video_id: last.shots[-1].end_frame}
    assert {video_id: seen[video_id] for video_id in ready} == ready
    assert {key.split("/")[1] for key in store.list()} == ready.keys()
