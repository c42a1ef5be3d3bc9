"""What cannot be used is refused at once, in words that a person understands, and nothing leads out of the file."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ops.core.errors import MediaError
from ops.videos.probe import probe
from ops.videos.reader import read_media
from tests.builders.films import Film, make_film, run_ffmpeg

JARGON = ("libav", "ffmpeg", "av.error", "errno", "traceback", "invaliddata", "avcodec", "pyav")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    folder = tmp_path_factory.mktemp("film")
    make_film(folder / "film.ts", frames=30, cuts=(15,), gop=12)
    return make_film(folder / "film.mp4", frames=30, cuts=(15,), gop=12)


def reasons(path: Path) -> set[str]:
    """What probing and reading say against the file; both must refuse it."""
    told = set()
    for use in (probe, lambda file: list(read_media(file, audio=True))):
        with pytest.raises(MediaError) as caught:
            use(path)
        told.add(str(caught.value))
    assert not [word for word in JARGON for reason in told if word in reason.lower()]
    return told


def picture(kind: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        from PIL import Image

        Image.effect_noise((64, 64), 50).save(path, format=kind)

    return write


def sound(kind: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        run_ffmpeg(["-f", "lavfi", "-t", "0.5", "-i", "sine", "-f", kind, str(path)])

    return write


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.mp4": (lambda path: path.touch(), "empty"),
    "text.mp4": (lambda path: path.write_text("not a film, über\n" * 500), "it is text"),
    "one byte.mp4": (lambda path: path.write_bytes(b"\x47"), "not a film"),
    "zeros.mov": (lambda path: path.write_bytes(bytes(100_000)), "zeros"),
    "noise.mkv": (lambda path: path.write_bytes(random.Random(1).randbytes(200_000)), "not a film"),
    "picture.mp4": (picture("jpeg"), "still picture"),
    "picture.mkv": (picture("png"), "still picture"),
    "archive.avi": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(range(256)) * 9), "archive"),
    "sound.mp4": (sound("mp4"), "sound but no pictures"),
    "sound.mkv": (sound("matroska"), "sound but no pictures"),
    "sound.avi": (sound("wav"), "sound file"),
    "folder.mp4": (lambda path: path.mkdir(), "folder"),
    "pipe.mp4": (os.mkfifo, "not a regular file"),
    "gone.mp4": (lambda path: None, "does not exist"),
    "dangling.mp4": (link_to("nowhere.mp4"), "link to 'nowhere.mp4', which does not exist"),
    "loop.mp4": (link_to("loop.mp4"), "leads back to itself"),
    "long" * 80: (lambda path: None, "too long"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.timeout(20)
def test_bad_files_are_refused_in_plain_words(tmp_path: Path, name: str) -> None:
    write, reason = BAD[name]
    path = tmp_path / name
    write(path)
    told = reasons(path)
    assert len(told) == 1
    assert reason in told.pop()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path, film: Film) -> None:
    path = tmp_path / "secret.mp4"
    path.write_bytes(film.path.read_bytes())
    path.chmod(0)
    assert reasons(path) == {"it may not be read: give this user permission to read it"}


def test_denied_access_is_told_as_such() -> None:
    from ops.videos.container import explain_os_error

    assert "permission" in explain_os_error("/a.mp4", PermissionError(13, "Permission denied"))


def test_a_recording_without_its_index_says_so(tmp_path: Path, film: Film) -> None:
    data = film.path.read_bytes()
    path = tmp_path / "a.mp4"
    path.write_bytes(data[: data.index(b"moov") - 4])
    assert "no index (moov)" in reasons(path).pop()
    path.write_bytes(data[: data.index(b"moov") + 200])
    assert "cut short within its index" in reasons(path).pop()


def test_no_picture_can_be_decoded(tmp_path: Path, film: Film) -> None:
    data = bytearray(film.path.read_bytes())
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    assert all("damaged" in reason for reason in reasons(path))


@pytest.mark.timeout(60)
def test_a_list_of_other_files_is_never_followed(tmp_path: Path, film: Film) -> None:
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/a.ts"
    lists = {
        "hls.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
        "concat.mp4": "ffconcat version 1.0\nfile '{}'\n",
        "dash.mp4": '<?xml version="1.0"?><MPD><Period><BaseURL>{}</BaseURL></Period></MPD>',
        "sdp.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n# {}\n",
    }
    for name, text in lists.items():
        # A neighbour by its bare name is what the formats themselves hold for safe.
        (tmp_path / "a.ts").write_bytes(film.path.with_suffix(".ts").read_bytes())
        for target in (url, film.path.as_uri(), str(film.path), "a.ts"):
            path = tmp_path / name
            path.write_text(text.format(target))
            assert "film" in reasons(path).pop()
    server.shutdown()
    server.server_close()
    assert asked == []


@pytest.mark.parametrize(
    "name", ["http:--host-a.mp4", "pipe:0", "concat:a.mp4|b.mp4", "-i.mp4", "%03d.mp4", "a?b#c.mp4", "tab\there.mp4"]
)
def test_a_name_is_never_read_as_an_address_or_a_pattern(
    tmp_path: Path, film: Film, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(film.path.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert probe(Path(name)).frames == 30


@pytest.mark.parametrize("size", ["16400x16", "16x16400"])
def test_monstrous_pictures_are_refused(tmp_path: Path, size: str) -> None:
    path = tmp_path / "wide.mkv"
    run_ffmpeg(["-f", "lavfi", "-i", f"color=s={size}:d=0.04", "-c:v", "ffv1", str(path)])
    assert size in reasons(path).pop()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
@pytest.mark.timeout(120)
def test_random_damage_gives_pictures_or_reasons_and_nothing_else(tmp_path: Path, name: str) -> None:
    codec = "mpeg4" if name == "a.avi" else "libx264"
    whole = make_film(tmp_path / name, codec=codec, frames=30, cuts=(15,), gop=12, audio=True, width=160, height=90)
    data = whole.path.read_bytes()
    chance = random.Random(name)
    path = tmp_path / f"spoiled{whole.path.suffix}"
    for _ in range(40):
        spoiled = bytearray(data[: chance.choice([len(data), chance.randrange(len(data))])])
        for _ in range(chance.choice([1, 20])):
            at = chance.randrange(max(len(spoiled), 1))
            spoiled[at : at + 4] = chance.randbytes(4)
        path.write_bytes(spoiled)
        for use in (probe, lambda file: list(read_media(file, audio=True))):
            try:
                use(path)
            except MediaError as error:
                assert not [word for word in JARGON if word in str(error).lower()]
