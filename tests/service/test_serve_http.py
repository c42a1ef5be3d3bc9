"""The service behind a real socket: ranges, caches, tokens, slow and lost clients, new versions, its end."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from ops.core.errors import NeedleError, SettingsError, UsageError
from ops.core.settings import Settings, load_settings
from ops.serve import guard, server
from ops.serve.export_files import ExportFolder
from ops.serve.server import listen, require_safe_address
from ops.serve.tokens import COOKIE, SESSION_S, Tokens, load_session_secret
from tests.builders.colours import index_lake, lean, shot, write_video
from tests.builders.served import FILM, desk_home, fill_desk, jpeg, served

CHECKOUT = Path(__file__).resolve().parents[2]
PROXY = f"/media/shots/{shot(0, 0)}/proxy.mp4"


pytestmark = pytest.mark.home(fill=fill_desk)


@pytest.fixture(scope="module")
def client(module_settings: Settings) -> Iterator[httpx.Client]:
    with served(module_settings) as client:
        yield client


SIZE = len(FILM)


def test_a_poster_answers_like_a_proxy_although_it_is_read_at_once(client: httpx.Client) -> None:
    address, content = PROXY.replace("proxy.mp4", "poster.jpg"), jpeg("red")
    whole = client.get(address)
    assert whole.content == content and whole.headers["content-length"] == str(len(content))
    part = client.get(address, headers={"range": "bytes=2-9"})
    assert (part.status_code, part.content) == (206, content[2:10])
    assert part.headers["content-range"] == f"bytes 2-9/{len(content)}"
    assert client.get(address, headers={"range": f"bytes={len(content)}-"}).status_code == 416
    head = client.head(address)
    assert head.content == b"" and head.headers["content-length"] == str(len(content))
    assert client.get(address, headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    assert client.get(address, headers={"if-none-match": '"other"'}).content == content


def test_a_small_poster_is_read_from_the_poster_or_scaled(client: httpx.Client) -> None:
    address = PROXY.replace("proxy.mp4", "poster.jpg")
    small = client.get(address, params={"size": "small"})
    with Image.open(io.BytesIO(small.content)) as picture, Image.open(io.BytesIO(jpeg("red"))) as full:
        assert max(picture.size) == min(320, max(full.size))
    assert small.headers["cache-control"] == "no-cache" and small.headers["content-type"] == "image/jpeg"
    again = client.get(address, params={"size": "small"}, headers={"if-none-match": small.headers["etag"]})
    assert again.status_code == 304
    assert client.head(address, params={"size": "small"}).headers["content-length"] == str(len(small.content))
    assert client.get(address, params={"size": "tiny"}).status_code == 422


def test_small_posters_come_with_an_answer_that_asks_for_them(client: httpx.Client) -> None:
    body = {"like": [PROXY.split("/")[3]], "include_blank": True, "limit": 3}
    plain = client.post("/api/search", json=body).json()
    assert plain["hits"] and plain["posters"] == {}
    answer = client.post("/api/search", json={**body, "posters": 2}).json()
    small = {
        hit["shot_id"]: client.get(hit["poster"].split("?")[0], params={"size": "small"}) for hit in answer["hits"][:2]
    }
    there = {name: picture.content for name, picture in small.items() if picture.status_code == 200}
    assert there or all(picture.status_code == 404 for picture in small.values())
    assert answer["posters"] == {
        name: f"data:image/jpeg;base64,{b64encode(content).decode()}" for name, content in there.items()
    }
    assert client.post("/api/search", json={**body, "posters": 65}).status_code == 422


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=300000-", 300_000, SIZE),
        ("bytes=-7", SIZE - 7, SIZE),
        (f"bytes=-{SIZE * 9}", 0, SIZE),
        (f"bytes=10-{SIZE * 9}", 10, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
    ],
)
def test_a_range_is_exactly_what_was_asked_for(client: httpx.Client, asked: str, start: int, end: int) -> None:
    answer = client.get(PROXY, headers={"range": asked})
    assert answer.status_code == 206 and answer.content == FILM[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - start) and answer.headers["accept-ranges"] == "bytes"
    head = client.head(PROXY, headers={"range": asked})
    assert head.status_code == 206 and head.content == b"" and head.headers["content-length"] == str(end - start)


@pytest.mark.parametrize(
    "asked", ["bytes=5-4", "bytes=-", "bytes=a-b", "frames=0-1", "bytes=0-1,5-6", "bytes=--1", "x"]
)
def test_a_range_that_is_none_gets_the_whole(client: httpx.Client, asked: str) -> None:
    answer = client.get(PROXY, headers={"range": asked})
    assert answer.status_code == 200 and answer.content == FILM


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE * 2}-{SIZE * 3}", "bytes=-0"])
def test_a_range_beyond_the_end_is_told_the_size(client: httpx.Client, asked: str) -> None:
    answer = client.get(PROXY, headers={"range": asked})
    assert answer.status_code == 416 and answer.headers["content-range"] == f"bytes */{SIZE}"


def test_caches_ask_again_only_when_they_must(client: httpx.Client) -> None:
    hit = client.post("/api/search", json={"text": "red", "limit": 1}).json()["hits"][0]
    named = client.head(hit["proxy"])
    assert "immutable" in named.headers["cache-control"]
    for other in (PROXY, PROXY + "?v=0"):
        assert client.head(other).headers["cache-control"] == "no-cache"
    etag = named.headers["etag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        unchanged = client.get(PROXY, headers={"if-none-match": known})
        assert unchanged.status_code == 304 and unchanged.content == b"" and unchanged.headers["etag"] == etag
    assert client.get(PROXY, headers={"if-none-match": '"x"'}).status_code == 200
    part = {"range": "bytes=0-9"}
    assert client.get(PROXY, headers={**part, "if-range": etag}).status_code == 206
    assert client.get(PROXY, headers={**part, "if-range": '"x"'}).status_code == 200


def test_a_proxy_that_was_made_anew_has_another_tag(tmp_path: Path) -> None:
    from ops.shots.segment import make_proxy_key
    from tests.builders.lakes import video_id

    settings = desk_home(tmp_path / "home")
    with served(settings) as client:
        before = client.head(PROXY).headers["etag"]
        settings.store.write_bytes(make_proxy_key(video_id(0), 0, 24), FILM[::-1])
        after = client.get(PROXY, headers={"if-none-match": before})
        assert after.status_code == 200 and after.content == FILM[::-1]


def test_answers_are_compressed_for_those_who_can_read_that(client: httpx.Client) -> None:
    body = {"text": "red", "limit": 40}
    packed = client.post("/api/search", json=body, headers={"accept-encoding": "gzip"})
    plain = client.post("/api/search", json=body, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert packed.json()["hits"] == plain.json()["hits"]
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 3


@pytest.mark.parametrize(
    ("path", "kind"), [("/", "text/html"), ("/page/app.js", "text/javascript"), ("/page/page.css", "text/css")]
)
def test_files_of_the_page_are_compressed_checked_again_and_guarded(client: httpx.Client, path: str, kind: str) -> None:
    """The tag is the same for both encodings, so ``vary`` keeps caches from mixing them."""
    packed = client.get(path, headers={"accept-encoding": "gzip"})
    plain = client.get(path, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert packed.content == plain.content and plain.headers["content-type"].startswith(kind)
    for answer in (packed, plain):
        assert answer.headers["cache-control"] == "no-cache" and answer.headers["vary"] == "accept-encoding"
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
        assert answer.headers["x-content-type-options"] == "nosniff"
    etag = plain.headers["etag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        unchanged = client.get(path, headers={"if-none-match": known})
        assert unchanged.status_code == 304 and unchanged.content == b"" and unchanged.headers["etag"] == etag
    assert client.get(path, headers={"if-none-match": '"x"'}).status_code == 200


def test_only_who_has_a_token_comes_in(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = desk_home(tmp_path / "home", tokens="first-token, zweites-tökén")
    with served(settings) as client:
        for path in ("/api/shows", "/docs", "/openapi.json", "/metrics", PROXY, f"/api/shots/{shot(0, 0)}", "/nothing"):
            answer = client.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer" and answer.json()["status"] == 401
        for path in ("/", "/healthz"):
            assert client.get(path).status_code == 200
        wrong: list[dict[str, Any]] = [
            {"authorization": "Bearer nope"},
            {"authorization": "Bearer"},
            {"authorization": "Basic first-token"},
            {"authorization": "first-token"},
            {"cookie": f"{COOKIE}=first-token"},
            {"cookie": f"{COOKIE}=99999999999.{'0' * 64}"},
            {"authorization": b"Bearer \xff\xfe"},
        ]
        for headers in wrong:
            assert client.get("/api/shows", headers=headers).status_code == 401, headers
        for token in ("first-token", "zweites-tökén"):
            assert client.get("/api/shows", headers={"authorization": f"bearer {token}".encode()}).status_code == 200
        assert client.post("/api/session", json={"token": "nope"}).status_code == 401
        signed_in = client.post("/api/session", json={"token": "first-token"})
        cookie = signed_in.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "first-token" not in cookie
        assert client.get("/api/shows").status_code == 200  # the client keeps the cookie
        assert client.get(PROXY).headers["cache-control"] == "no-cache"
    told = capfd.readouterr()
    assert "first-token" not in told.out + told.err
    with served(desk_home(tmp_path / "home", tokens="other")) as other:
        assert other.get("/api/shows", headers={"cookie": cookie.split(";")[0]}).status_code == 401
    with served(desk_home(tmp_path / "home", tokens="first-token")) as again:  # a restart ends no session
        assert again.get("/api/shows", headers={"cookie": cookie.split(";")[0]}).status_code == 200


SIGN_IN = {"token": "a-token"}
PUBLIC = "https://needle.example"


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "needle.example"])
def test_behind_a_proxy_people_can_sign_in_and_strangers_cannot(tmp_path: Path, host: str) -> None:
    """A proxy ends TLS, and keeps the Host header or writes its own; old browsers send no Sec-Fetch-Site."""
    allowed = [
        {"origin": PUBLIC, "sec-fetch-site": "same-origin"},
        {"origin": PUBLIC},
        {"origin": f"http://{host}"},
        {"sec-fetch-site": "none"},
        {},
    ]
    refused = [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": PUBLIC, "sec-fetch-site": "cross-site"},
        {"origin": PUBLIC, "sec-fetch-site": "same-site"},
        {"origin": PUBLIC, "sec-fetch-site": "anything"},
        {"origin": "https://evil.example"},
        {"origin": "http://needle.example:81"},
        {"origin": "https://needle.example.evil"},
        {"origin": "null"},
        {"origin": "https://evil.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "https"},
        {"origin": "https://evil.example", "forwarded": "host=evil.example;proto=https"},
    ]
    with served(desk_home(tmp_path / "home", tokens="a-token", public_url=f"{PUBLIC}/")) as client:
        for headers in allowed:
            answer = client.post("/api/session", json=SIGN_IN, headers={"host": host, **headers})
            assert answer.status_code == 200, (headers, answer.text)
            assert "; Secure" in answer.headers["set-cookie"]
        for headers in refused:
            answer = client.post("/api/session", json=SIGN_IN, headers={"host": host, **headers})
            assert answer.status_code == 403 and "NEEDLE_PUBLIC_URL" in answer.text, headers
        assert client.get("/", headers={"host": "evil.example"}).status_code == 400


def test_without_a_public_address_no_forwarded_header_changes_anything(tmp_path: Path) -> None:
    forwarded = {"x-forwarded-proto": "https", "x-forwarded-host": "needle.example", "forwarded": "proto=https"}
    with served(desk_home(tmp_path / "home", tokens="a-token")) as client:
        rewritten = {"origin": PUBLIC, "sec-fetch-site": "same-origin", **forwarded}
        answer = client.post("/api/session", json=SIGN_IN, headers=rewritten)
        assert answer.status_code == 200 and "Secure" not in answer.headers["set-cookie"]
        assert client.post("/api/session", json=SIGN_IN, headers={"origin": PUBLIC, **forwarded}).status_code == 403
        assert client.get("/", headers={"host": "needle.example", **forwarded}).status_code == 400
        with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "url", ["needle.example", "ftp://a", "https://a/b", "https://", "https://a b", "https://u@a", "https://a:x", "*"]
)
def test_a_public_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="NEEDLE_PUBLIC_URL"):
        load_settings(home=tmp_path, public_url=url)


def test_origins_are_compared_as_browsers_write_them() -> None:
    for url, origin in (
        ("https://Needle.Example:443/", "https://needle.example"),
        ("http://needle.example:80", "http://needle.example"),
        ("https://needle.example:8443", "https://needle.example:8443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://a:x", ""),
        ("null", ""),
        ("", ""),
    ):
        assert guard.parse_origin(url) == origin


def test_a_session_ends() -> None:
    tokens = Tokens(["a"], b"k" * 32)
    value = tokens.open_session("a", 1000.0)
    assert value and tokens.identify_session(value, 1000.0 + SESSION_S - 1)
    assert not tokens.identify_session(value, 1000.0 + SESSION_S + 1)
    later = re.sub(r"^\d+", lambda ends: str(int(ends[0]) + 9999), value)
    assert not tokens.identify_session(later, 1000.0)
    assert tokens.open_session("b", 0.0) is None and not Tokens(["a"], b"j" * 32).identify_session(value, 1000.0)


def test_the_secret_is_the_owners(tmp_path: Path) -> None:
    path = tmp_path / "serve" / "secret"
    assert load_session_secret(path) == load_session_secret(path) and path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
def test_sessions_of_a_home_that_cannot_be_written_end_with_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert len(load_session_secret(tmp_path / "serve" / "secret")) == 32
    assert load_session_secret(tmp_path / "serve" / "secret") != load_session_secret(tmp_path / "serve" / "secret")


def test_an_address_that_others_reach_needs_tokens(tmp_path: Path) -> None:
    open_home = load_settings(home=tmp_path)
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(UsageError, match="NEEDLE_TOKENS"):
            require_safe_address(open_home, host)
        require_safe_address(load_settings(home=tmp_path, tokens="x"), host)
    for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9"):
        require_safe_address(open_home, host)
    with command(tmp_path, "--host", "0.0.0.0", "--port", "0") as refused:
        assert refused.wait(60) == 2 and refused.stderr and "NEEDLE_TOKENS" in refused.stderr.read()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(NeedleError, match="choose another --port"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_dagster_starts_nothing_on_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.cli", "dagster", "--port", port, "--home", str(tmp_path)],
            cwd=CHECKOUT,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stderr
            told = process.stderr.readline()  # the first line, for what Dagster starts would keep the pipe open
            assert f"cannot listen on 127.0.0.1 port {port}" in told and "http://" not in told
            assert process.wait(60) == 1
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stderr.close()


def command(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ops.cli", "serve", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, "NEEDLE_HOME": str(home), "NEEDLE_ENCODER": "starter"},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_where_it_is_and_ends_when_told(tmp_path: Path, how: signal.Signals) -> None:
    with command(tmp_path / "home", "--port", "0") as process:
        assert process.stderr
        told = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", told)
        assert found, told
        until = time.monotonic() + 60
        while httpx.get(f"{found[0]}/healthz", timeout=60).status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert httpx.get(f"{found[0]}/api/shows", timeout=60).json()["hint"]
        process.send_signal(how)
        assert process.wait(20) == 0
        rest = process.stderr.read()
        assert "Traceback" not in rest and "stopped" in rest


def raw(client: httpx.Client) -> socket.socket:
    return socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=20)


def posted(length: int) -> bytes:
    """The head of a search whose body has ``length`` bytes."""
    head = "POST /api/search HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: "
    return f"{head}{length}\r\n\r\n".encode()


def test_clients_that_go_away_do_no_harm(client: httpx.Client) -> None:
    body = b'{"text": "red"}'
    film = f"GET {PROXY} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
    for sent in (b"", b"GET", posted(99) + body, posted(len(body)) + body, film):
        for _ in range(5):
            with raw(client) as connection:
                connection.sendall(sent)
    with raw(client) as connection:  # takes nothing of a long answer
        connection.sendall(film)
        assert connection.recv(10)
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /page/../../app.py HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"GET /page/../app.py HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"GET http://evil.example/api/shows HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n",
        b"POST /api/search HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\nconnection: close\r\n\r\n",
        b"POST /api/search HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999999999999\r\nconnection: close\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    ],
)
def test_what_is_no_good_http_gets_a_4xx(client: httpx.Client, sent: bytes) -> None:
    answer = b""
    with raw(client) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        except OSError as error:  # closed before everything was sent or read
            assert error.errno in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)
    assert not answer or re.match(rb"HTTP/1\.1 4\d\d ", answer), answer[:200]
    assert client.get("/healthz").status_code == 200


def test_slow_clients_are_let_go(module_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PIECE_S", 0.5)
    with served(module_settings) as client:
        with monkeypatch.context() as hasty:
            hasty.setattr(server, "HEAD_S", 0.5)
            with raw(client) as connection:  # a head that never ends
                began = time.monotonic()
                connection.sendall(b"GET / HTTP/1.1\r\n")
                assert connection.recv(100) == b"" and time.monotonic() - began < 15
        with raw(client) as connection:  # a body that never ends
            connection.sendall(posted(9) + b"{")
            assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("sent", "piece"),
    [
        (b"GET / HTTP/1.1\r\nhost: localhost\r\n", b"x-a: bbbbbbbbbbbbbbbbb\r\n"),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\nx-a: ", b"a" * 25),
        (b"GET /", b"a" * 25),
        (
            b"POST /api/search HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
            b"x-a: bbbbbb\r\n",
        ),
    ],
    ids=["headers", "header", "address", "trailer"],
)
def test_a_head_that_does_not_end_is_refused_early(client: httpx.Client, sent: bytes, piece: bytes) -> None:
    taken, answer = 0, b""
    with raw(client) as connection:
        connection.settimeout(10)
        try:
            connection.sendall(sent)
            while taken < 20_000_000:
                connection.sendall(piece * 2000)
                taken += 2000 * len(piece)
        except (ConnectionResetError, BrokenPipeError):
            pass  # closed before everything was read
        with suppress(ConnectionResetError):
            answer = connection.recv(65536)
    assert taken < 20_000_000, "all of it is read"
    assert not answer or re.match(rb"HTTP/1\.1 4\d\d ", answer), answer[:200]
    assert client.get("/healthz").status_code == 200


def held_exports(folder: Path) -> list[str]:
    """Files below the folder, or that were there, which this process (the server runs in it) has open."""
    held = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            name = os.readlink(descriptor)
        except OSError:
            continue  # closed meanwhile
        if name.startswith(str(folder)):
            held.append(name)
    return held


def until(holds: Callable[[], bool]) -> bool:
    """Whether it holds within twenty seconds."""
    end = time.monotonic() + 20
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are looked up in /proc")
@pytest.mark.parametrize("goes", [True, False])
def test_an_export_that_nobody_takes_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, goes: bool
) -> None:
    settings = desk_home(tmp_path / "home")
    exports = settings.home / "serve" / "exports"
    left = exports / "of a service that was killed"
    left.mkdir(parents=True)
    (left / "half.zip").write_bytes(b"x")
    monkeypatch.setattr(guard, "UNREAD_S", 60.0 if goes else 8.0)  # long enough to be seen held
    picks = [{"shot_id": shot(0, 0)}] * 5000
    body = json.dumps({"format": "json", "title": "x" * 90, "picks": picks}).encode()
    with served(settings) as client:
        assert not left.exists()
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(60)
            connection.connect(("127.0.0.1", client.base_url.port or 0))
            connection.sendall(posted(len(body)).replace(b"/api/search", b"/api/export") + body)
            assert connection.recv(12) == b"HTTP/1.1 200"
            assert len(held_exports(exports)) == 1 and list(exports.iterdir()) == []
            if goes:
                connection.close()
            assert until(lambda: not held_exports(exports))
        assert client.get("/healthz").status_code == 200
    if not goes:  # uvicorn's word for an answer that was cut off
        assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == [
            "ASGI callable returned without completing response."
        ]
        caplog.clear()


def test_what_another_service_is_writing_is_not_cleared(tmp_path: Path) -> None:
    one, other = (ExportFolder(tmp_path / "exports", tmp_path / "exports.lock") for _ in range(2))
    with one.open_folder() as folder:
        with other.open_folder() as beside:
            assert folder.is_dir() and beside.is_dir() and folder != beside
        other.clear()
        assert folder.is_dir() and not beside.exists()
    assert list((tmp_path / "exports").iterdir()) == []


def test_new_versions_are_taken_up_without_losing_a_request(tmp_path: Path) -> None:
    settings = desk_home(tmp_path / "home")
    versions: set[str] = set()
    failed: list[str] = []
    is_over = threading.Event()
    published: list[str] = []

    def ask(port: int) -> int:
        asked = 0
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as own:
            while not is_over.is_set():
                answer = own.post("/api/search", json={"text": "red", "limit": 10})
                asked += 1
                if answer.status_code == 200 and len(answer.json()["hits"]) == 10:
                    versions.add(answer.json()["index_version"])
                else:
                    failed.append(answer.text)
        return asked

    with served(settings) as client, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, client.base_url.port or 0) for _ in range(8)]
        try:
            for number in range(6):
                write_video(settings, 10 + number, [lean((1, 0, 0), 0.01 * number)], show=f"New {number}")
                published.append(index_lake(settings))
                until = time.monotonic() + 20
                while published[-1] not in versions and time.monotonic() < until:
                    time.sleep(0.01)
        finally:
            is_over.set()
        total = sum(each.result(30) for each in asked)
        assert "New 5" in [each["show"] for each in client.get("/api/shows").json()["shows"]]
    assert not failed and total > 20
    assert set(published) <= versions and len(set(published)) == 6
