"""Archives that are damaged or hostile: each bad member is named, the rest is read, and nothing grows without limit."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ops.core.errors import MediaError, UsageError
from ops.core.settings import Settings
from ops.core.types import SilentProgress
from ops.training import shard_members, shards, sources
from ops.training.pair_reader import PairReader, decode_image
from ops.training.pairs import PairCollection
from ops.training.recipes import build_recipe
from ops.training.shards import Sample, Shard, read_samples
from ops.training.sources import collect_pairs
from ops.training.train import train
from tests.builders.shards import make_clips, make_images, write_shard
from tests.builders.training import NOW, fill_captioned, jpeg

pytestmark = pytest.mark.home(fill=fill_captioned, encoder="starter")


def read(path: Path) -> tuple[list[Sample], dict[str, str]]:
    """The usable samples of a shard, and the reasons of the rest by the last word of their names."""
    reasons: dict[str, str] = {}
    shard = Shard(address=str(path), size=path.stat().st_size, mark="")
    samples = [sample for sample in read_samples(shard, reasons.__setitem__) if sample]
    return samples, {thing.removeprefix(str(path)).strip(): why for thing, why in reasons.items()}


def numbers(samples: list[Sample]) -> list[int]:
    return [int(sample.captions[0].rpartition(" ")[2]) for sample in samples]


def locate(path: Path, name: str) -> int:
    """The place of a member's header."""
    with tarfile.open(path) as archive:
        return archive.getmember(name).offset


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_an_invalid_header_costs_one_sample(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "web.tar", make_images(0, 6))
    overwrite(path, locate(path, "00002.jpg") + 148, b"garbage!")
    samples, reasons = read(path)
    assert numbers(samples) == [0, 1, 3, 4, 5]
    assert reasons["after 00001.txt"].startswith("is damaged: a header is invalid")
    assert reasons["sample 00002"] == "has no clip and no image"
    found = PairCollection()
    sources._read_shard(path, found)
    assert len(found.learn) == 5 and any("header is invalid" in reason for reason in found.skipped.values())


def test_a_size_that_is_a_lie_ends_the_shard_at_once(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "web.tar", make_images(0, 4))
    header = tarfile.TarInfo("00002.jpg")
    header.size = 1 << 62  # skipping it by 10 KiB would take years
    overwrite(path, locate(path, "00002.jpg"), header.tobuf(tarfile.GNU_FORMAT))
    samples, reasons = read(path)
    assert numbers(samples) == [0, 1]
    assert reasons[""] == "is damaged: it ends in the middle of 00002.jpg"


@pytest.mark.parametrize("left", [0, 512, 700])
def test_a_truncated_shard_keeps_what_is_whole(tmp_path: Path, left: int) -> None:
    path = write_shard(tmp_path / "web.tar", make_images(0, 4))
    path.write_bytes(path.read_bytes()[: locate(path, "00002.jpg") + left])
    samples, reasons = read(path)
    assert numbers(samples) == [0, 1]
    assert list(reasons) == [""] and reasons[""].startswith("is damaged: it ends ")


def test_large_members_are_named_and_never_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "MOST_MEDIA_BYTES", 1 << 20)
    monkeypatch.setattr(shards, "MOST_TEXT_BYTES", 1 << 10)
    members = {
        **make_images(0, 2),
        "large.jpg": bytes(8 << 20),
        "large.txt": b"image number 7",
        "wordy.jpg": jpeg((1, 2, 3)),
        "wordy.txt": b"a word " * 1000,
        "wordy.json": b'{"caption": "image number 8"}',
        "parts.txt": b"image number 9",
        "parts.a.jpg": bytes(700 << 10),
        "parts.b.jpg": bytes(700 << 10),
        "unwanted.bin": bytes(8 << 20),
    }
    path = write_shard(tmp_path / "web.tar", members)
    tracemalloc.start()
    samples, reasons = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert numbers(samples) == [0, 1, 8, 9]
    assert reasons == {
        "sample large": "its .jpg has 8,388,608 bytes, and at most 1,048,576 are read",
        "sample wordy": "its .txt has 7,000 bytes, and at most 1,024 are read",
    }
    assert peak < 6 << 20, "the large members were in memory"


@pytest.mark.parametrize("kind", ["long name", "pax"])
def test_headers_of_any_size_are_refused(tmp_path: Path, kind: str) -> None:
    name = f"{'x' * (2 << 20)}.jpg"
    path = tmp_path / "web.tar"
    form = tarfile.PAX_FORMAT if kind == "pax" else tarfile.GNU_FORMAT
    with tarfile.open(path, "w", format=form) as archive:
        for member, data in {**make_images(0, 1), name: b"data", **make_images(1, 1)}.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    samples, reasons = read(path)
    assert numbers(samples) == [0, 1]
    assert any("header is invalid" in reason for reason in reasons.values())


def test_compressed_and_sparse_archives_are_refused_before_they_grow(settings: Settings, tmp_path: Path) -> None:
    plain = write_shard(tmp_path / "plain.tar", make_images(0, 2))
    bomb = tmp_path / "bomb.tar"
    bomb.write_bytes(gzip.compress(plain.read_bytes() + bytes(64 << 20)))
    samples, reasons = read(bomb)
    assert not samples and reasons[""].startswith("is compressed (gzip)")
    with pytest.raises(UsageError, match=r"bomb\.tar cannot be read .* is compressed \(gzip\)"):
        collect_pairs(settings, [bomb])
    header = tarfile.TarInfo("hole.jpg")
    header.type = tarfile.GNUTYPE_SPARSE
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b"%011o\0" % (1 << 32)  # the size with its holes: 4 GB of zeros from one block
    block[148:156] = b"%06o\0 " % sum(block[:148] + b" " * 8 + block[156:])
    sparse = tmp_path / "sparse.tar"
    sparse.write_bytes(bytes(block) + plain.read_bytes())
    samples, reasons = read(sparse)
    assert numbers(samples) == [0, 1] and "sparse" in reasons["sample hole"] + reasons.get("", "")


def test_bad_texts_are_named_and_the_rest_of_their_sample_is_used(tmp_path: Path) -> None:
    picture = jpeg((1, 2, 3))
    members = {
        "latin.jpg": picture,
        "latin.txt": "caf\xe9".encode("latin-1"),
        "marked.jpg": picture,
        "marked.txt": b"\xef\xbb\xbfimage number 2",
        "either.jpg": picture,
        "either.txt": b"\xff\xfe",
        "either.json": b'{"caption": "image number 3"}',
        "cut.jpg": picture,
        "cut.json": b'{"caption": "image',
        "half.jpg": picture,
        "half.json": rb'{"caption": "\ud800 half", "show": "\ud800"}',
        "show.jpg": picture,
        "show.json": rb'{"caption": "image number 4", "show": "\ud800"}',
        "empty.jpg": b"",
        "empty.txt": b"a caption",
    }
    samples, reasons = read(write_shard(tmp_path / "web.tar", members))
    assert numbers(samples) == [2, 3, 4] and {sample.show for sample in samples} == {"web"}
    assert reasons == {
        "sample latin": "its .txt is not UTF-8",
        "sample either": "its .txt is not UTF-8",
        "sample cut": "its .json is not valid JSON",
        "sample half": "has no caption",
        "sample empty": "has no clip and no image",
    }


def test_names_that_are_not_utf_8_can_be_printed(tmp_path: Path) -> None:
    path = tmp_path / "web.tar"
    with tarfile.open(path, "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("caf\xe9.txt")
        archive.addfile(info, io.BytesIO())
    for thing in read(path)[1]:
        thing.encode()


def test_a_fit_goes_on_without_bad_members_and_counts_them(settings: Settings, tmp_path: Path) -> None:
    wide = io.BytesIO()
    Image.fromarray(np.zeros((1, 20_000, 3), np.uint8)).save(wide, "PNG")
    members = {
        **make_clips(0, 6),
        "bad.jpg": b"no picture",
        "bad.txt": b"a caption",
        "latin.jpg": jpeg((1, 2, 3)),
        "latin.txt": b"caf\xe9",
        "wide.png": wide.getvalue(),
        "wide.txt": b"a line",
    }
    folder = tmp_path / "shards"
    folder.mkdir()
    path = write_shard(folder / "web-0.tar", members)
    whole = write_shard(folder / "web-1.tar", make_clips(10, 6))
    whole.write_bytes(whole.read_bytes()[: locate(whole, "clip014.mp4") + 600])
    recipe = build_recipe("debug", pooling="mean", epochs=3)
    made = train(settings, recipe, [folder], NOW, SilentProgress(), threads=1)
    skipped = {thing.removeprefix(str(folder)): why for thing, why in made.lineage["set_aside"].items()}
    assert "cannot be decoded" in skipped[f"/{path.name} sample bad"]
    assert skipped[f"/{path.name} sample latin"] == "its .txt is not UTF-8"
    assert skipped[f"/{whole.name}"].startswith("is damaged: it ends in the middle of clip014.mp4")
    assert made.lineage["steps"] > 0


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    file = io.BytesIO()
    Image.new("1", (30_000, 3_000)).save(file, "PNG")
    assert len(file.getvalue()) < 100_000
    with pytest.raises(MediaError, match="90,000,000 pixels"):
        decode_image("large", file.getvalue())


def test_images_of_a_damaged_shard_are_read_by_name(settings: Settings, tmp_path: Path) -> None:
    path = write_shard(tmp_path / "web.tar", make_images(0, 4))
    overwrite(path, locate(path, "00001.txt") + 148, b"garbage!")
    found = collect_pairs(settings, [path])
    assert [pair.captions[0] for pair in found.learn] == ["image number 0", "image number 2", "image number 3"]
    with PairReader(settings, found.learn, 1) as reader:
        assert abs(int(reader.read(found.learn[2])[0][0, 0, 0]) - 111) < 6
    assert shard_members._MOST_INVALID_BLOCKS > 0
