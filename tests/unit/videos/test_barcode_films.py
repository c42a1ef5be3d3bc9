"""The generated films themselves: what they claim to be is what they are."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.builders.films import PREROLL_NUMBER, cells_of, draw_frames, make_film, read_barcode


@pytest.mark.parametrize("size", [(64, 64), (114, 64), (64, 114), (427, 180), (1920, 1080)])
def test_a_barcode_survives_rescaling_and_noise(size: tuple[int, int]) -> None:
    import cv2

    noise = np.random.default_rng(0)
    for picture, number in zip(draw_frames(300, (100, 200), 320, 180), range(300), strict=True):
        if number % 61:
            continue
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(int)
        noisy = np.clip(small + noise.integers(-20, 20, small.shape), 0, 255).astype(np.uint8)
        assert read_barcode(noisy) == number


def test_each_frame_changes_two_cells_and_a_wrong_cell_is_noticed() -> None:
    for number in (*range(2000), PREROLL_NUMBER):
        before, after = cells_of(number), cells_of(number + 1)
        assert sum(a != b for a, b in zip(before, after, strict=True)) == 2
    picture = next(draw_frames(1, (), 320, 180))
    picture[: 180 // 8, 320 * 5 // 11 : 320 * 6 // 11] = 235
    with pytest.raises(ValueError, match="check bits"):
        read_barcode(picture)
    with pytest.raises(ValueError, match="no barcode"):
        read_barcode(np.zeros((180, 320, 3), np.uint8))


def test_cuts_are_unmistakable() -> None:
    pictures = [picture.astype(int) for picture in draw_frames(60, (20, 40), 320, 180)]
    steps = [np.abs(a - b).mean() for a, b in itertools.pairwise(pictures)]
    cuts = {19, 39}
    assert min(steps[n] for n in cuts) > 10 * max(step for n, step in enumerate(steps) if n not in cuts)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_open_gops_are_open_and_closed_ones_closed(tmp_path: Path, codec: str) -> None:
    for is_open in (True, False):
        film = make_film(tmp_path / f"{is_open}.mkv", codec=codec, open_gop=is_open, frames=60, gop=12)
        with av.open(str(film.path)) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
        keys = [n for n, packet in enumerate(packets) if packet.is_keyframe and n]
        leading = [n for n in keys if packets[n + 1].pts < packets[n].pts]
        assert keys
        assert bool(leading) is is_open


def test_preroll_is_stored_but_hidden(tmp_path: Path) -> None:
    film = make_film(tmp_path / "edit.mp4", frames=40, cuts=(20,), preroll=10)
    with av.open(str(film.path)) as container:
        assert container.streams.video[0].frames > film.frames
    with av.open(str(film.path), options={"ignore_editlist": "1"}) as container:
        first = next(container.decode(video=0))
        assert read_barcode(first.to_ndarray(format="rgb24")) >= PREROLL_NUMBER


def test_a_film_is_the_same_each_time(tmp_path: Path) -> None:
    one, two = (make_film(tmp_path / f"{n}.mp4", frames=10, cuts=(5,)) for n in (1, 2))
    assert one.path.read_bytes() == two.path.read_bytes()
    assert one.shots == [(0, 5), (5, 10)]
    assert one.fps == Fraction(24)
