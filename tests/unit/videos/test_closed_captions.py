"""CEA-608 captions: Scenarist files, tracks of their own, and captions that the pictures carry."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ops.core.errors import MediaError
from ops.videos.closed_captions import CODEC, find_scc_faults, read_scc
from ops.videos.subtitles import look_inside, read_track
from tests.builders.films import make_film, run_ffmpeg

RATE = Fraction(30000, 1001)
POP_ON, BOTTOM_ROW, ERASE, SHOW = b"\x14\x20", b"\x14\x70", b"\x14\x2c", b"\x14\x2f"
ROLL_UP_2, RETURN = b"\x14\x25", b"\x14\x2d"


def odd(pair: bytes) -> bytes:
    """A pair of bytes with the parity that lines of analogue video have."""
    return bytes(byte | (0x80 if byte.bit_count() % 2 == 0 else 0) for byte in pair)


def text(said: str) -> list[bytes]:
    signs = said.encode("ascii") + b"\0" * (len(said) % 2)
    return [signs[at : at + 2] for at in range(0, len(signs), 2)]


def caption(said: str) -> list[bytes]:
    return [POP_ON, POP_ON, BOTTOM_ROW, BOTTOM_ROW, *text(said), SHOW, SHOW]


def scc(rows: list[tuple[str, list[bytes]]]) -> bytes:
    lines = [f"{time}\t{' '.join(odd(pair).hex() for pair in pairs)}\n" for time, pairs in rows]
    return ("Scenarist_SCC V1.0\n\n" + "\n".join(lines)).encode()


CAPTIONS = [
    ("00:00:01;00", caption("The glacier speaks")), ("00:00:03;00", [ERASE, ERASE]),
    ("00:00:03;15", caption("Hello")), ("00:00:04;15", [ERASE, ERASE]),
]  # fmt: skip


def said(packets: list[Any]) -> list[str]:
    return [packet.data.decode().split(",", 8)[-1].rpartition("}")[2] for packet in packets]


def test_a_scenarist_file_is_read() -> None:
    packets = read_scc(scc(CAPTIONS))
    assert said(list(packets)) == ["The glacier speaks", "Hello"]
    assert [packet.start_s for packet in packets] == pytest.approx([1.0, 3.495], abs=0.01)
    assert [packet.end_s for packet in packets] == pytest.approx([3.0, 4.495], abs=0.01)


def test_a_timecode_without_drop_frames_is_slower_than_the_clock() -> None:
    rows = [("01:00:00:00", caption("An hour")), ("01:00:02:00", [ERASE, ERASE])]
    assert read_scc(scc(rows))[0].start_s == pytest.approx(3603.6, abs=0.01)
    dropped = [(f"{time[:8]};{time[9:]}", pairs) for time, pairs in rows]
    assert read_scc(scc(dropped))[0].start_s == pytest.approx(3600, abs=0.01)


def test_a_caption_that_nothing_takes_away_is_read() -> None:
    assert said(list(read_scc(scc(CAPTIONS[:1])))) == ["The glacier speaks"]


def test_lines_that_are_no_captions_are_named_with_their_number() -> None:
    data = scc(CAPTIONS)
    assert find_scc_faults(data) == find_scc_faults(data.replace(b"\n", b"\r\n")) == []
    spoilt = data + b"\nA note of the editor\n00:00:09;00\tzz20 9420\n"
    assert said(list(read_scc(spoilt))) == ["The glacier speaks", "Hello"]
    rows = len(data.splitlines())
    assert [line for line, _ in find_scc_faults(spoilt)] == [rows + 2, rows + 3]
    long = data + b"\n00:00:09;00\t" + b" ".join([b"9420"] * 1400)
    assert said(list(read_scc(long))) == ["The glacier speaks", "Hello"]
    assert [line for line, _ in find_scc_faults(long)] == [rows + 2]


@pytest.mark.parametrize(
    "write",
    [
        lambda time, codes: f" {time[1:]}  {chr(9).join(codes)} ",
        lambda time, codes: f"{time.replace(';', '.')}\t{' '.join(codes).upper()}",
        lambda time, codes: f"{time.replace(';', ',')} {'  '.join(codes)}",
    ],
)
def test_rows_that_libavformat_would_misread_are_read(write: Callable[[str, list[str]], str]) -> None:
    rows = [write(time, [odd(pair).hex() for pair in pairs]) for time, pairs in CAPTIONS]
    data = ("Scenarist_SCC V1.0\n\n" + "\n\n".join(rows)).encode()
    assert find_scc_faults(data) == []
    assert read_scc(data) == read_scc(scc(CAPTIONS))


def test_what_is_not_a_scenarist_file_is_refused() -> None:
    with pytest.raises(MediaError, match="not a Scenarist file"):
        read_scc(b"nothing of the kind")


def test_a_track_of_captions_is_read(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", fps=RATE, frames=180)
    (tmp_path / "film.scc").write_bytes(scc(CAPTIONS))
    path = tmp_path / "captions.mov"
    run_ffmpeg(
        ["-i", str(film.path), "-i", str(tmp_path / "film.scc"), "-map", "0:v", "-map", "1", "-c", "copy", str(path)]
    )
    (track,) = look_inside(str(path)).tracks
    assert (track.codec, track.kind) == (CODEC, "ass")
    assert said(list(read_track(str(path), track, tmp_path))) == ["The glacier speaks", "Hello"]


def with_captions(film: Path, target: Path, pairs: dict[int, list[bytes]], frames: int) -> Path:
    """H.264 whose pictures carry pairs of captions, by picture; every picture without any carries padding."""
    raw = target.with_suffix(".h264")
    run_ffmpeg(["-i", str(film), "-c:v", "libx264", "-bf", "0", "-x264-params", "slices=1", "-an", str(raw)])
    data = raw.read_bytes()
    starts = [at for at in range(len(data) - 4) if data[at : at + 3] == b"\0\0\1"]
    out, picture = bytearray(), 0
    for at, after in pairwise([*starts, len(data)]):
        if data[at + 3] & 0x1F in (1, 5):
            # Pictures are in the order of decoding: without B pictures that is the order of time.
            out += b"\0\0\1" + sei(pairs.get(picture, []))
            picture += 1
        out += data[at:after]
    assert picture == frames
    raw.write_bytes(out)
    timed = target.with_suffix(".timed.mp4")
    run_ffmpeg(["-r", "30000/1001", "-i", str(raw), "-c", "copy", str(timed)])
    run_ffmpeg(["-i", str(timed), "-c", "copy", str(target)])
    return target


def sei(pairs: list[bytes]) -> bytes:
    """A unit of H.264 with user data of ATSC A/53: at least two fields, padded."""
    triplets = [b"\xfc" + odd(pair) for pair in pairs] or [b"\xfc\x80\x80"]
    triplets.append(b"\xfd\x80\x80")
    block = b"\xb5\x00\x31GA94\x03" + bytes([0x40 | len(triplets)]) + b"\xff" + b"".join(triplets) + b"\xff"
    return b"\x06\x04" + bytes([len(block)]) + block + b"\x80"


@pytest.mark.parametrize("name", ["carried.mp4", "carried.ts", "carried.mkv"])
def test_captions_that_the_pictures_carry_are_read(tmp_path: Path, name: str) -> None:
    film = make_film(tmp_path / "film.mp4", fps=RATE, frames=150)
    pairs: dict[int, list[bytes]] = {}
    for start, codes in ((30, caption("The glacier speaks")), (90, caption("Hello")), (120, [ERASE, ERASE])):
        pairs |= {start + n: [pair] for n, pair in enumerate(codes)}
    path = with_captions(film.path, tmp_path / name, pairs, 150)
    (track,) = look_inside(str(path)).tracks
    assert (track.codec, track.kind) == (CODEC, "ass")
    packets = list(read_track(str(path), track, tmp_path))
    assert said(list(packets)) == ["The glacier speaks", "Hello"]
    # Pop-on captions are shown when their last code has come.
    shown = [30 + len(caption("The glacier speaks")) - 1, 90 + len(caption("Hello")) - 1]
    assert [packet.start_s for packet in packets] == pytest.approx([float(n / RATE) for n in shown], abs=0.15)


def test_a_film_without_captions_has_none(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", fps=RATE, frames=30)
    assert look_inside(str(film.path)).tracks == ()
