"""WebDataset shards of generated clips and images with captions."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from tests.builders.training import jpeg, make_proxies


def write_shard(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def make_images(first: int, count: int) -> dict[str, bytes]:
    """Members of samples that are images of one colour each, with a caption that names their number."""
    numbers = range(first, first + count)
    images = {f"{n:05d}.jpg": jpeg(((37 * n) % 256, (91 * n) % 256, (53 * n) % 256)) for n in numbers}
    return dict(sorted({**images, **{f"{n:05d}.txt": f"image number {n}".encode() for n in numbers}}.items()))


def make_clips(first: int, count: int) -> dict[str, bytes]:
    """Members of samples that are clips of 24 frames (ten different ones), with two captions each."""
    members: dict[str, bytes] = {}
    for number in range(first, first + count):
        members[f"clip{number:03d}.mp4"] = make_proxies()[number % 10]
        members[f"clip{number:03d}.txt"] = f"clip number {number}\nthe clip {number}\n".encode()
    return members
