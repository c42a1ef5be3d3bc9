"""A damaged film is read to the end of what decodes; numbers and times hold, and notes name each place."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import av
import pytest

from ops.core.errors import MediaError
from ops.videos.clips import ClipSpan, cut_clips
from ops.videos.damage import Damage
from ops.videos.probe import probe
from ops.videos.reader import DecodedFrame, read_media
from tests.builders.films import make_film, read_barcode
from tests.conftest import SHARED

SHORT: dict[str, Any] = {"frames": 64, "cuts": (21, 40), "gop": 12, "width": 192, "height": 108}


def read(path: Path, *, threads: int = 1, audio: bool = False) -> tuple[list[DecodedFrame], list[int | None], Damage]:
    """Pictures, their barcodes (``None`` if unreadable) and the damage; the pictures are numbered without a gap."""
    damage = Damage()
    items = read_media(path, threads=threads, audio=audio, damage=damage)
    pictures = [item for item in items if isinstance(item, DecodedFrame)]
    assert [picture.index for picture in pictures] == list(range(len(pictures)))
    assert all(one.time_s < other.time_s for one, other in itertools.pairwise(pictures))
    return pictures, [barcode(picture) for picture in pictures], damage


def barcode(picture: DecodedFrame) -> int | None:
    try:
        return read_barcode(picture.frame.to_ndarray(format="gray"))
    except ValueError:
        return None


def require_same_with_threads(path: Path) -> None:
    """The same film gives the same numbers, times, pictures and notes, however many threads decode it."""
    pictures, numbers, damage = read(path, audio=True)
    for threads in (2, 4):
        others, other_numbers, other_damage = read(path, threads=threads, audio=True)
        assert other_numbers == numbers
        assert [picture.time_s for picture in others] == [picture.time_s for picture in pictures]
        assert other_damage.notes() == damage.notes()


def spoil(path: Path, *, at: float = 0.5, count: int = 300) -> Path:
    data = bytearray(path.read_bytes())
    start = int(len(data) * at)
    data[start : start + count] = bytes(byte ^ 0x5A for byte in data[start : start + count])
    spoiled = path.with_name(f"spoiled-{path.name}")
    spoiled.write_bytes(data)
    return spoiled


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mov", {"open_gop": True}),
        ("a.mkv", {}),
        ("a.ts", {"codec": "mpeg2video", "fps": 25}),
        ("av1.mp4", {"codec": "libsvtav1"}),
        ("av1.mkv", {"codec": "libsvtav1"}),
        ("a.avi", {"codec": "mpeg4"}),
        ("mpeg4.mp4", {"codec": "mpeg4"}),
    ],
)
def test_damage_in_the_middle_is_noted_and_the_rest_is_read(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    film = make_film(tmp_path / name, **(SHORT | {"gop": 25} | options))
    # Small pictures: spoil enough to reach the picture data whatever lies at the place.
    path = spoil(film.path, count=film.path.stat().st_size // 12)
    pictures, numbers, damage = read(path)
    # The second group of pictures is hit; the first and the last are whole and in their places.
    assert numbers[:24] == list(range(24))
    assert numbers[-14:] == list(range(50, 64))
    assert damage.notes()
    assert damage.undamaged > 38
    if name != "a.avi":  # which carries no times
        step = 1 / float(film.fps)
        assert [float(picture.time_s) for picture in pictures[-14:]] == pytest.approx(
            [n / float(film.fps) for n in range(50, 64)], abs=step / 4
        )
    require_same_with_threads(path)


def test_what_is_missing_and_what_came_out_is_all_that_was_stored(tmp_path: Path) -> None:
    film = make_film(tmp_path / "a.mp4", codec="libsvtav1", **SHORT)
    pictures, _, damage = read(spoil(film.path, count=900))
    missing = sum(place.count for place in damage.missing)
    assert missing
    assert len(pictures) + missing == film.frames == probe(film.path).frames
    assert any(note.startswith(f"{missing} pictures are missing after frame ") for note in damage.notes())


@pytest.mark.parametrize(("shift", "reason"), [(-4, "damaged at byte"), (0, "tracks that it does not name")])
@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9"])
def test_damage_between_two_blocks_of_matroska_is_noted(tmp_path: Path, codec: str, shift: int, reason: str) -> None:
    """The library searches for the next cluster and goes on: what it gives has other numbers, but the right times."""
    film = make_film(tmp_path / "a.mkv", codec=codec, **SHORT)
    with av.open(str(film.path)) as container:
        at = [packet.pos for packet in container.demux(video=0) if packet.size][30]
    data = bytearray(film.path.read_bytes())
    data[at + shift : at + shift + 4] = b"\0\0\0\0"
    film.path.write_bytes(data)
    pictures, numbers, damage = read(film.path)
    assert numbers[:27] == list(range(27))
    assert numbers[-16:] == list(range(48, 64))
    assert [round(picture.time_s * film.fps) for picture in pictures[-16:]] == list(range(48, 64))
    notes = " ".join(damage.notes())
    assert reason in notes
    assert "0.8 s after frame" in notes


@pytest.mark.parametrize("codec", ["libx265", "libvpx-vp9"])
def test_damage_that_the_decoder_cannot_see_moves_no_frame(tmp_path: Path, codec: str) -> None:
    """HEVC and VP9 decoders turn damaged bits into damaged pictures; the numbering must hold all the same."""
    film = make_film(tmp_path / "a.mp4", codec=codec, **SHORT)
    for at in (0.3, 0.5, 0.7):
        pictures, _, damage = read(spoil(film.path, at=at, count=3))
        assert len(pictures) + sum(place.count for place in damage.missing) == film.frames
        assert round(pictures[-1].time_s * film.fps) == film.frames - 1


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.avi", "fragmented.mp4", "front.mp4", "front.mov"])
@pytest.mark.parametrize("part", [0.6, 0.9])
def test_a_file_that_ends_early_is_taken_up_to_its_end(tmp_path: Path, name: str, part: float) -> None:
    flags = {"fragmented.mp4": "frag_keyframe+empty_moov", "front.mp4": "faststart", "front.mov": "faststart"}.get(name)
    codec = {"a.webm": "libvpx-vp9", "a.avi": "mpeg4"}.get(name, "libx264")
    audio = {"audio": True} if name == "front.mov" else {}
    film = make_film(tmp_path / name, codec=codec, options=("-movflags", flags) if flags else (), **SHORT, **audio)
    data = film.path.read_bytes()
    film.path.write_bytes(data[: int(len(data) * part)])
    pictures, numbers, damage = read(film.path)
    assert film.frames * (part - 0.25) < len(pictures) < film.frames
    assert numbers[: len(numbers) - 3] == list(range(len(numbers) - 3))
    note = damage.notes()[0]
    assert "cut short" in note
    if name != "fragmented.mp4":
        assert f"{float(pictures[-1].time_s + 1 / film.fps):.1f} of about 2.7 s are there" in note
    require_same_with_threads(film.path)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video"])
@pytest.mark.parametrize("lost", [1, 20])
def test_a_lost_stretch_of_a_broadcast_is_noted(tmp_path: Path, codec: str, lost: int) -> None:
    film = make_film(tmp_path / "a.ts", codec=codec, fps=25, **SHORT)
    packets = [film.path.read_bytes()[at : at + 188] for at in range(0, film.path.stat().st_size, 188)]
    pictures_pid = 0x100
    ours = [n for n, packet in enumerate(packets) if int.from_bytes(packet[1:3], "big") & 0x1FFF == pictures_pid]
    gone = set(ours[len(ours) // 2 :][:lost])
    film.path.write_bytes(b"".join(packet for n, packet in enumerate(packets) if n not in gone))
    pictures, numbers, damage = read(film.path)
    assert numbers[:24] == list(range(24))
    assert numbers[-12:] == list(range(52, 64))
    assert [round(picture.time_s * 25) for picture in pictures[-12:]] == list(range(52, 64))
    assert damage.notes()
    require_same_with_threads(film.path)


@pytest.mark.parametrize(("which", "missing"), [(30, "6 pictures are"), (63, "1 picture is")])
def test_a_picture_that_the_decoder_leaves_out_is_missed(tmp_path: Path, which: int, missing: str) -> None:
    """A sample that holds nothing but metadata is no error to the HEVC decoder: it goes on at the next key picture."""
    film = make_film(tmp_path / "a.mp4", codec="libx265", **(SHORT | {"bframes": 0}))
    with av.open(str(film.path)) as container:
        entry = container.streams.video[0].index_entries[which]
    sample = (entry.size - 4).to_bytes(4, "big") + b"\x4c\x01"
    data = bytearray(film.path.read_bytes())
    data[entry.pos : entry.pos + entry.size] = sample + b"\xff" * (entry.size - len(sample) - 1) + b"\x80"
    film.path.write_bytes(data)
    damage = read(film.path)[2]
    time_s = (which - 1) / 24
    expected = f"{missing} missing after frame {which - 1} ({time_s:.1f} s); numbers go on without them"
    assert damage.notes() == [expected]


def test_pictures_that_the_file_announces_and_does_not_give_are_missed(tmp_path: Path) -> None:
    avi = make_film(tmp_path / "a.avi", codec="mjpeg", pix_fmt="yuvj420p", **SHORT)
    with av.open(str(avi.path)) as container:
        at = container.streams.video[0].index_entries[30].pos
    data = bytearray(avi.path.read_bytes())
    data[at : at + 8] = bytes(8)
    avi.path.write_bytes(data)
    assert "only 63 of 64 pictures are found in the file" in read(avi.path)[2].notes()[0]
    mkv = make_film(tmp_path / "a.mkv", codec="libvpx-vp9", **SHORT)
    with av.open(str(mkv.path)) as container:
        at = [packet.pos for packet in container.demux(video=0) if packet.size][30]
    data = bytearray(mkv.path.read_bytes())
    data[at + 3] |= 0x06  # the flags now say that several frames lie in the block
    mkv.path.write_bytes(data)
    assert read(mkv.path)[2].notes()


def test_damaged_sound_does_not_cost_the_pictures(tmp_path: Path) -> None:
    film = make_film(tmp_path / "a.mp4", audio=True, **SHORT)
    with av.open(str(film.path)) as container:
        entries = list(container.streams.audio[0].index_entries)
    data = bytearray(film.path.read_bytes())
    for entry in entries[30:60]:
        data[entry.pos : entry.pos + entry.size] = b"\xff" * entry.size
    film.path.write_bytes(data)
    _, numbers, damage = read(film.path, audio=True)
    assert numbers == list(range(film.frames))
    assert [note for note in damage.notes() if note.startswith("sound cannot be decoded near frame")]


def test_a_film_of_damaged_pictures_only_is_refused(tmp_path: Path) -> None:
    film = make_film(tmp_path / "a.mp4", **(SHORT | {"gop": 1, "bframes": 0}))
    with av.open(str(film.path)) as container:
        entries = list(container.streams.video[0].index_entries)
    data = bytearray(film.path.read_bytes())
    for entry in entries:
        middle = entry.pos + entry.size // 2
        data[middle : middle + 40] = bytes(40)
    film.path.write_bytes(data)
    with pytest.raises(MediaError, match=r"\d+ of its \d+ pictures are damaged: copy the file again"):
        read(film.path)


def test_a_hole_among_fragments_is_noted(tmp_path: Path) -> None:
    options = ("-movflags", "frag_keyframe+empty_moov")
    data = bytearray(make_film(tmp_path / "a.mp4", options=options, **SHORT).path.read_bytes())
    second = data.index(b"moof", data.index(b"moof") + 4) - 4
    data[second : second + 400] = bytes(400)
    path = tmp_path / "hole.mp4"
    path.write_bytes(data)
    _, numbers, damage = read(path)
    assert numbers == list(range(len(numbers)))
    assert damage.notes() == [
        f"the file is damaged at byte {second:,} of {len(data):,}: the rest is not read; copy it again"
    ]


@pytest.mark.parametrize("name", ["a.wmv", "a.mxf"])
def test_containers_that_announce_their_size_are_held_to_it(tmp_path: Path, name: str) -> None:
    film = make_film(tmp_path / name, codec="wmv2" if name == "a.wmv" else "mpeg2video", **(SHORT | {"fps": 25}))
    assert read(film.path)[2].notes() == []
    data = film.path.read_bytes()
    film.path.write_bytes(data[: len(data) * 2 // 3])
    pictures, numbers, damage = read(film.path)
    assert numbers[:-2] == list(range(len(pictures) - 2))
    assert "the file is cut short" in damage.notes()[0]


def test_clips_of_joined_and_damaged_films_hold_the_frames_that_were_counted(tmp_path: Path) -> None:
    one = make_film(tmp_path / "one.ts", fps=25, **SHORT).path.read_bytes()
    (tmp_path / "joined.ts").write_bytes(one + one)
    film = make_film(tmp_path / "a.mp4", **(SHORT | {"gop": 25}))
    for path, span in ((tmp_path / "joined.ts", (60, 70)), (spoil(film.path, count=900), (45, 52))):
        _, numbers, _ = read(path)
        clip = ClipSpan(start_frame=span[0], end_frame=span[1], target=tmp_path / "clip.mov")
        assert list(cut_clips(path, [clip], frames=len(numbers))) == [clip]
        assert read(clip.target)[1] == numbers[slice(*span)]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
def test_random_damage_gives_the_same_with_more_threads(tmp_path: Path, name: str) -> None:
    codec = "mpeg4" if name == "a.avi" else "libx264"
    data = make_film(tmp_path / name, codec=codec, **SHORT).path.read_bytes()
    chance = random.Random(name)
    path = tmp_path / f"spoiled-{name}"
    for _ in range(8):
        spoiled = bytearray(data[: chance.choice([len(data), chance.randrange(len(data) // 2, len(data))])])
        for _ in range(chance.choice([1, 10])):
            at = chance.randrange(len(spoiled) // 3, len(spoiled))
            spoiled[at : at + 4] = chance.randbytes(4)
        path.write_bytes(spoiled)
        try:
            read(path)
        except MediaError:
            continue
        require_same_with_threads(path)


def test_a_stream_joined_on_between_two_key_pictures_begins_at_its_next_one(tmp_path: Path) -> None:
    film = make_film(tmp_path / "a.ts", fps=25, **SHORT)
    with av.open(str(film.path)) as container:
        at = [packet.pos for packet in container.demux(video=0) if packet.size][17]
    data = film.path.read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(data + data[: 3 * 188] + data[at:])
    pictures, numbers, damage = read(path)
    assert numbers == [*range(64), *range(24, 64)]
    assert [float(picture.time_s) for picture in pictures] == pytest.approx([n / 25 for n in range(104)])
    notes = damage.notes()
    assert notes[0] == "7 pictures are missing after frame 63 (2.5 s); numbers go on without them"
    assert notes[1].startswith("another recording is joined on at frame 64 (2.6 s)")
    assert len(notes) == 2
    require_same_with_threads(path)


CASES: dict[str, tuple[int, list[str]]] = {
    "join_forward.ts": (2, ["another recording is joined on at frame 130 (5.2 s)"]),
    "join_same.ts": (2, ["another recording is joined on at frame 130 (5.2 s)"]),
    "box_PICT.mov": (1, []),
    "box_frea.mov": (1, []),
    "riff_plus1.avi": (1, []),
    "wrap.ts": (1, []),
}


@pytest.mark.shared
@pytest.mark.parametrize("name", CASES)
def test_shared_cases_are_read_whole(name: str) -> None:
    path = SHARED / "cases/media" / name
    times, notes = CASES[name]
    pictures, numbers, damage = read(path)
    assert numbers == [*range(130)] * times
    assert [float(picture.time_s) for picture in pictures] == pytest.approx([n / 25 for n in range(130 * times)])
    assert [note.split(":")[0] for note in damage.notes()] == notes
    info = probe(path)
    assert info.fps == 25
    assert info.frames == pytest.approx(130 * times, rel=0.02)  # what progress counts before the film was decoded
