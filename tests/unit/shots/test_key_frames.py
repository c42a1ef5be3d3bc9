"""Key frames of a proxy: the nearest to each position, the right ones by their number, and errors with a reason."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av import VideoFrame

from ops.core.errors import MediaError
from ops.shots.proxies import ProxyFormat, ProxyWriter, read_key_frames, read_proxy
from tests.builders.films import draw_frames, read_barcode

FRAMES, GOP = 100, 12


@pytest.fixture
def proxy(tmp_path: Path) -> Path:
    path = tmp_path / "proxy.mp4"
    kind = ProxyFormat(size=(320, 180), fps=Fraction(24), time_base=Fraction(1, 24_000), has_audio=False)
    writer = ProxyWriter(path, kind)
    for number, picture in enumerate(draw_frames(FRAMES, (), 320, 180)):
        writer.add_frame(VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p"), 1000 * number)
    writer.close(1000 * FRAMES)
    return path


def test_the_nearest_key_frames_are_read_by_number(proxy: Path) -> None:
    pictures = dict(read_key_frames(proxy, [3, 8, 50, 53, 99], FRAMES))
    assert list(pictures) == [0, GOP, 4 * GOP, 8 * GOP], "the key frame at 48 stands for 50 and 53"
    assert [read_barcode(picture) for picture in pictures.values()] == list(pictures)
    exact = read_proxy(proxy, list(pictures), FRAMES)
    assert all(np.array_equal(one, other) for one, other in zip(pictures.values(), exact, strict=True))


def test_a_proxy_of_another_length_or_without_frames_is_refused(proxy: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="has 100 frames instead of 99"):
        list(read_key_frames(proxy, [0], 99))
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    with pytest.raises(MediaError, match="cannot be decoded"):
        list(read_key_frames(tmp_path / "broken.mp4", [0], FRAMES))
    assert av.open(str(proxy)).streams.video[0].frames == FRAMES
