"""Posters of mirrored, interlaced, HDR and untagged films, each made from pictures that are known."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from ops.core.storage import ObjectStore
from ops.core.types import DetectedShot
from ops.shots.segment import make_poster_key, segment_video
from ops.videos.probe import probe

VIDEO = "00112233aabbccdd"
Floats = npt.NDArray[np.float64]

pytestmark = pytest.mark.shared


def posters(path: Path, folder: Path) -> tuple[list[DetectedShot], list[Floats]]:
    """The shots of a film, and their posters as RGB (H, W, 3)."""
    store = ObjectStore(str(folder / f"store-{path.stem}"))
    shots = segment_video(path, VIDEO, probe(path), store, scratch=folder / "scratch")
    keys = [make_poster_key(VIDEO, shot.start_frame, shot.end_frame) for shot in shots]
    return shots, [np.asarray(cv2.imread(store.path(key)), float)[..., ::-1] for key in keys]


def starts(shots: list[DetectedShot]) -> list[int]:
    return [shot.start_frame for shot in shots]


@pytest.mark.parametrize(("name", "axis"), [("mirror_h.mp4", 1), ("mirror_v.mp4", 0)])
def test_mirrors(cases: Path, tmp_path: Path, name: str, axis: int) -> None:
    path = cases / "media" / name
    shots, pictures = posters(path, tmp_path)
    assert starts(shots) == [0, 50, 90]
    with av.open(str(path)) as container:
        stored = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for shot, picture in zip(shots, pictures, strict=True):
        shown = [np.flip(frame, axis).astype(float) for frame in stored[shot.start_frame : shot.end_frame]]
        assert min(np.abs(picture - frame).mean() for frame in shown) < 6


@pytest.mark.parametrize("name", ["hd_tagged.mp4", "hd_untagged.mp4"])
def test_colours_of_hd(cases: Path, tmp_path: Path, name: str) -> None:
    shots, pictures = posters(cases / "media" / name, tmp_path)
    assert starts(shots) == [0, 25]
    for picture, colour in zip(pictures, ([255, 0, 0], [0, 160, 0]), strict=True):
        assert np.abs(np.median(picture, axis=(0, 1)) - colour).max() <= 8


def test_hdr_looks_like_the_standard_range_that_it_was_made_from(cases: Path, tmp_path: Path) -> None:
    (shots, ours), (others, theirs) = (
        posters(cases / "media" / "hdr" / name, tmp_path) for name in ("pq.mov", "sdr.mp4")
    )
    assert starts(shots) == starts(others) == [0, 30, 76, 137]
    for one, other in zip(ours, theirs, strict=True):
        assert abs(one.mean() - other.mean()) < 8
        assert one.mean(axis=2).std() > 0.9 * other.mean(axis=2).std()
        assert colourfulness(one) > 0.9 * colourfulness(other)


def colourfulness(picture: Floats) -> float:
    """Hasler and Suesstrunk 2003."""
    red, green, blue = np.moveaxis(picture, 2, 0)
    one, other = red - green, (red + green) / 2 - blue
    return float(np.hypot(one.std(), other.std()) + 0.3 * np.hypot(one.mean(), other.mean()))


@pytest.mark.parametrize(("name", "cuts"), [("i1080_25.mts", [0, 12]), ("i576_prores.mov", [0, 6])])
def test_interlaced_films_are_not_combed(cases: Path, tmp_path: Path, name: str, cuts: list[int]) -> None:
    """A poster is nearer to one field of its shot, with the lines between interpolated, than to any whole frame."""
    path = cases / "media" / name
    shots, pictures = posters(path, tmp_path)
    assert starts(shots) == cuts
    with av.open(str(path)) as container:
        frames = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]
    for shot, picture in zip(shots, pictures, strict=True):
        size = (picture.shape[1], picture.shape[0])
        stored = frames[shot.start_frame : shot.end_frame]
        whole = min(distance(picture, frame, size) for frame in stored)
        field = min(distance(picture, frame[parity::2], size) for frame in stored for parity in (0, 1))
        assert field < whole


def distance(picture: Floats, stored: npt.NDArray[np.uint8], size: tuple[int, int]) -> float:
    return float(np.abs(picture - cv2.resize(stored, size, interpolation=cv2.INTER_AREA)).mean())
