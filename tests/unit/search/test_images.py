"""Pictures as examples: upright, small, and never a way to hurt the machine."""

from __future__ import annotations

import os
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ops.core.errors import NotFoundError, UsageError
from ops.search.query_encoding import MAX_BYTES, MAX_PIXELS, read_image


def save(path: Path, **options: object) -> Path:
    """Left half red, right half blue, 40 x 20."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20, 0] = pixels[:, 20:, 2] = 255
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("name", ["a.jpg", "b.png", "c.webp", "d.gif", "e.bmp", "f.tif", 'g "h\n ü.jpg'])
def test_usual_formats_are_read(tmp_path: Path, name: str) -> None:
    picture = read_image(save(tmp_path / name))
    assert picture.shape == (20, 40, 3) and picture.dtype == np.uint8
    assert picture[10, 8, 0] > 200 > 60 > picture[10, 8, 2] and picture[10, 32, 2] > 200


def test_the_cameras_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_image(save(tmp_path / "a.jpg", exif=exif)).shape == (40, 20, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_other_colour_models_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.new(mode, (5, 4)).save(path)
    assert read_image(path).shape == (4, 5, 3)


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png") == 255).all()


def test_large_pictures_are_scaled_down(tmp_path: Path) -> None:
    Image.new("RGB", (3000, 1500)).save(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg").shape == (512, 1024, 3)


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes that say they are a picture of any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "size", [(10_100, 10_100), (12_000, 12_000), (30_000, 30_000), (2**31 - 1, 2**31 - 1), (MAX_PIXELS + 1, 1)]
)
def test_decompression_bombs_are_refused_unopened(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(*size))
    with pytest.raises(UsageError, match="more than 100 million pixels"):
        read_image(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\x10\x00\x00\x00WEBPVP8 ",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.4",
        png_that_claims(50, 50),
        png_that_claims(0, 0),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is not a picture that can be read"):
        read_image(path)


def test_truncated_at_any_point_it_is_refused_or_read(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.jpg").read_bytes()
    for length in range(0, len(whole) - 2, 23):
        (tmp_path / "b.jpg").write_bytes(whole[:length])
        with pytest.raises(UsageError):
            read_image(tmp_path / "b.jpg")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.jpg", Path("a\x00b"), Path("x" * 5000)):
        with pytest.raises(NotFoundError, match="neither a shot id nor a file"):
            read_image(path)
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "s"))
        for path in (tmp_path, tmp_path / "pipe", tmp_path / "s", Path("/dev/zero")):
            with pytest.raises(UsageError, match="is not a file"):
                read_image(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as handle:
        handle.truncate(MAX_BYTES + 1)
    with pytest.raises(UsageError, match="64"):
        read_image(tmp_path / "a.jpg")
