"""The poster is from the middle of the shot, sharp, not black, and choosing it needs bounded memory."""

from __future__ import annotations

import io

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from ops.core.media import Orientation
from ops.shots.pictures import encode_poster, look_at, make_detector_frame, measure_sharpness, split_planes
from ops.shots.posters import MOST, PosterChoice
from ops.shots.scaling import compute_proxy_size, orient
from ops.shots.thumbnails import SMALL_PX, add_thumbnail, read_thumbnail, shrink_poster


def frame_of(luma: int, *, texture: int = 0, width: int = 64, height: int = 36) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    random = np.random.default_rng(luma)
    y, u, v = split_planes(frame)
    y[:] = luma + random.integers(0, texture + 1, y.shape)
    u[:] = v[:] = 128
    return frame


@pytest.mark.parametrize("frames", [1, 2, 3, 50, 1000])
def test_the_middle_is_chosen_where_all_are_alike(frames: int) -> None:
    choice = PosterChoice()
    kept = [frame_of(100, texture=50) for _ in range(min(frames, 1))]
    order: dict[int, int] = {}
    for number in range(frames):
        frame = kept[0] if frames == 1 else frame_of(100, texture=50)
        order[id(frame)] = number
        choice.add(frame)
        assert len(choice._candidates) <= MOST
        kept.append(frame)
    place = order[id(choice.choose_best())]
    assert abs(place - (frames - 1) / 2) <= max(frames / 8, 1)


def test_black_and_blurred_frames_are_passed_over() -> None:
    choice = PosterChoice()
    sharp = frame_of(100, texture=80)
    for number in range(9):
        choice.add(sharp if number == 5 else frame_of(16))
    assert choice.choose_best() is sharp


def test_sharpness_falls_with_blur() -> None:
    crisp = frame_of(60, texture=120, width=320, height=180)
    soft = frame_of(60, width=320, height=180)
    split_planes(soft)[0][:] = cv2.GaussianBlur(split_planes(crisp)[0], (9, 9), 3)
    assert measure_sharpness(crisp) > 4 * measure_sharpness(soft) > 0 == measure_sharpness(frame_of(16))


@pytest.mark.parametrize(
    ("display", "expected"),
    [
        ((1920, 1080), (640, 360)),
        ((1080, 1920), (360, 640)),
        ((3840, 1600), (864, 360)),
        ((640, 360), (640, 360)),
        ((325, 187), (324, 186)),
        ((1, 1), (2, 2)),
        ((720, 576), (450, 360)),
        ((480, 204), (480, 204)),
    ],
)
def test_proxy_sizes(display: tuple[int, int], expected: tuple[int, int]) -> None:
    assert compute_proxy_size(*display) == expected


def test_one_colour_is_told_from_a_picture() -> None:
    assert look_at(make_detector_frame(frame_of(16, texture=6))) == (pytest.approx(2, abs=4), True)
    assert look_at(make_detector_frame(frame_of(235)))[1]
    text = frame_of(16, width=640, height=360)
    cv2.putText(split_planes(text)[0], "The End", (240, 190), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 235, 2)
    assert not look_at(make_detector_frame(text))[1]


def test_turning_goes_clockwise() -> None:
    frame = frame_of(16)
    split_planes(frame)[0][:2, :2] = 235
    for quarters, corner in ((1, (0, -1)), (2, (-1, -1)), (3, (-1, 0))):
        assert split_planes(orient(frame, Orientation(quarter_turns=quarters)))[0][corner] == 235
        mirrored = orient(frame, Orientation(quarter_turns=quarters, is_mirrored=True))
        assert split_planes(mirrored)[0][corner[0], {0: -1, -1: 0}[corner[1]]] == 235


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (864, 360), (642, 482)])
def test_a_poster_has_a_small_version_in_its_file(size: tuple[int, int]) -> None:
    frame = frame_of(60, texture=120, width=size[0], height=size[1])
    split_planes(frame)[0][:] = cv2.GaussianBlur(split_planes(frame)[0], (0, 0), 6)
    poster = encode_poster(frame)
    small = read_thumbnail(poster)
    assert small is not None
    with Image.open(io.BytesIO(poster)) as full, Image.open(io.BytesIO(small)) as picture:
        assert full.size == size
        assert max(picture.size) == SMALL_PX
        assert picture.width / picture.height == pytest.approx(size[0] / size[1], rel=0.02)
        shrunk = full.convert("L").resize(picture.size, Image.Resampling.BOX)
        difference = np.abs(np.asarray(shrunk, float) - np.asarray(picture.convert("L"), float)).mean()
        assert difference < 4
        # an independent reader of Exif finds it in the same place
        directory = full.getexif().get_ifd(-1)
        start = poster.index(b"MM\0*") + directory[0x0201]
        assert poster[start : start + directory[0x0202]] == small


def test_small_posters_are_scaled_only_if_they_need_it() -> None:
    large = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (360, 640, 3), np.uint8)).save(large, "JPEG", quality=95)
    earlier, small = large.getvalue(), encode_poster(frame_of(60, width=320, height=240))
    assert read_thumbnail(earlier) is None
    assert read_thumbnail(small) is None
    assert shrink_poster(small) == small
    with Image.open(io.BytesIO(shrink_poster(earlier))) as picture:
        assert picture.size == (320, 180)
    assert add_thumbnail(earlier, b"x" * 70_000) == earlier, "a segment of a JPEG file could not hold it"
    whole = add_thumbnail(earlier, small)
    assert read_thumbnail(whole) == small
    assert read_thumbnail(whole[:200]) is None
    with pytest.raises(OSError):
        shrink_poster(b"not a picture")
