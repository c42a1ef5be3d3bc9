"""The routes of the service through the application itself: answers, paging, errors, hostile input."""

from __future__ import annotations

import base64
import errno
import json
import logging
import os
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ops.core.settings import Settings, load_settings
from ops.exports.registry import export_formats, find_format
from ops.index.index import open_index
from ops.serve import problems
from tests.builders.colours import index_lake, lean, shot, write_video
from tests.builders.lakes import ENCODER, video_id
from tests.builders.served import client_of, desk_home, fill_desk, jpeg

PROBLEM = "application/problem+json"


pytestmark = pytest.mark.home(fill=fill_desk)


def search(client: TestClient, expect: int = 200, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/search", json=body)
    assert answer.status_code == expect, answer.text
    if expect >= 400:
        require_problem(answer)
    document: dict[str, Any] = answer.json()
    return document


def require_problem(answer: Any) -> str:
    """The detail of a well-formed problem that tells nothing of the inside."""
    assert answer.headers["content-type"] == PROBLEM
    document = answer.json()
    assert set(document) == {"type", "title", "status", "detail"} and document["status"] == answer.status_code
    assert "Traceback" not in answer.text and "site-packages" not in answer.text
    detail: str = document["detail"]
    assert detail
    return detail


def ids(answer: dict[str, Any]) -> list[str]:
    return [hit["shot_id"] for hit in answer["hits"]]


def test_a_search_has_addresses_instead_of_places(client: TestClient) -> None:
    answer = search(client, text="something red", limit=3)
    assert ids(answer) == [shot(0, 0), shot(1, 0), shot(2, 0)]
    first = answer["hits"][0]
    assert first["poster"].startswith(f"/media/shots/{shot(0, 0)}/poster.jpg?v=")
    assert first["proxy"].startswith(f"/media/shots/{shot(0, 0)}/proxy.mp4?v=")
    poster = client.get(first["poster"])
    assert poster.status_code == 200 and poster.headers["content-type"] == "image/jpeg"
    assert poster.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "file:" not in json.dumps(answer)


def test_pages_follow_each_other_without_gap_or_repeat(client: TestClient) -> None:
    whole = ids(search(client, text="red", limit=40))
    pages: list[str] = []
    cursor = None
    for _ in range(20):
        answer = search(client, text="red", limit=7, cursor=cursor)
        assert [hit["rank"] - len(pages) for hit in answer["hits"]] == list(range(1, len(answer["hits"]) + 1))
        pages += ids(answer)
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert cursor is None and pages == whole and len(set(pages)) == len(pages)


def test_a_cursor_belongs_to_its_search_and_is_not_taken_damaged(client: TestClient) -> None:
    cursor = search(client, text="red", limit=2)["next_cursor"]
    assert ids(search(client, text="red", limit=5, cursor=cursor))  # another size of page is the same search
    assert "another search" in search(client, 422, text="blue", limit=2, cursor=cursor)["detail"]
    forged = [[-1, "v", None, "q"], [1, 2], [10**9, "v", None, "q"], "x", [1.5, "v", None, "q"], [True, "v", None, "q"]]
    encoded = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in forged]
    for text in (cursor[:-4], "%%%", "AAAA", *encoded):
        assert "damaged" in search(client, 422, text="red", limit=2, cursor=text)["detail"]


def test_a_cursor_stays_good_for_one_newer_version_and_then_tells_the_way_out(tmp_path: Path) -> None:
    settings = desk_home(tmp_path / "home")
    with client_of(settings) as client:
        first = search(client, text="red", limit=5)
        rest = ids(search(client, text="red", limit=40, cursor=first["next_cursor"]))
        write_video(settings, 4, [lean((1, 0, 0), 0.05)], show="New")
        newer = index_lake(settings)
        fresh = search(client, text="red", limit=5)
        assert fresh["index_version"] == newer != first["index_version"] and shot(4, 0) in ids(fresh)
        again = search(client, text="red", limit=40, cursor=first["next_cursor"])
        assert again["index_version"] == first["index_version"] and ids(again) == rest
        write_video(settings, 5, [lean((1, 0, 0), 0.15)], show="Newer")
        index_lake(settings)
        search(client, text="red")
        assert "search again" in search(client, 410, text="red", limit=40, cursor=first["next_cursor"])["detail"]


def test_similar_shots_leave_out_the_shot_itself(client: TestClient) -> None:
    answer = client.get(f"/api/shots/{shot(0, 0)}/similar", params={"limit": 2, "show": ["Red Dawn", "Grey"]}).json()
    assert len(answer["hits"]) == 2 and shot(0, 0) not in ids(answer)
    assert {hit["show"] for hit in answer["hits"]} <= {"Red Dawn", "Grey"}
    following = client.get(
        f"/api/shots/{shot(0, 0)}/similar",
        params={"limit": 2, "show": ["Red Dawn", "Grey"], "cursor": answer["next_cursor"]},
    ).json()
    assert len(following["hits"]) == 2 and not set(ids(following)) & set(ids(answer))


def test_where_a_shot_came_from(module_settings: Settings) -> None:
    asked: list[Any] = []

    def runs(made: Any) -> list[dict[str, Any]]:
        asked.extend(made)
        return [{"asset": "search_index", "partition": None, "run_id": "r-1", "at": "2026-01-02T12:00:01+00:00"}]

    with client_of(module_settings, runs=runs) as client:
        answer = client.get(f"/api/shots/{shot(1, 1)}").json()
    assert (answer["previous"], answer["next"]) == (shot(1, 0), shot(1, 2))
    assert answer["video"]["frames"] == 240 and answer["video"]["codec"] == "h264"
    told = answer["provenance"]
    assert told["source"] == {
        "path": "/footage/film 1.mp4",
        "content_hash": told["source"]["content_hash"],
        "bytes": 5_000_000_001,
    }
    assert told["source"]["content_hash"].startswith(video_id(1))
    assert told["detector"] == "test" and told["encoder_id"] == ENCODER and told["frames_used"] == 8
    with open_index(module_settings, ENCODER) as index:
        assert (told["index_version"], told["indexed_at"]) == (index.version, index.created)
    assert told["feature_views"][:3] == ["video_metadata", "shot_metadata", "shot_embedding__test_encoder_v1"]
    assert told["searchable_since"] == "2026-01-02T12:00:01+00:00" and told["runs"][0]["run_id"] == "r-1"
    assert {(asset, partition) for asset, partition, _ in asked} >= {
        ("videos", video_id(1)),
        ("shots", video_id(1)),
        ("shot_embeddings", video_id(1)),
        ("search_index", ""),
    }


def test_the_first_and_the_last_shot_have_one_neighbour(client: TestClient) -> None:
    first, last = (client.get(f"/api/shots/{shot(2, at)}").json() for at in (0, 3))
    assert first["previous"] is None and first["next"] == shot(2, 1)
    assert last["previous"] == shot(2, 2) and last["next"] is None


def test_shows_tell_what_can_be_searched_and_what_is_in_the_works(tmp_path: Path) -> None:
    settings = desk_home(tmp_path / "home")
    write_video(settings, 5, [lean((1, 0, 0))], show="Red Dawn", state="pending")
    write_video(settings, 6, [], show="Broken", state="set_aside", reason="no picture", frames=None)
    with client_of(settings) as client:
        answer = client.get("/api/shows").json()
    by_name = {each["show"]: each for each in answer["shows"]}
    assert by_name["Red Dawn"] == {
        "show": "Red Dawn",
        "videos": 2,
        "ready": 1,
        "pending": 1,
        "set_aside": 0,
        "shots": 4,
        "footage_s": 20.02,
        "searchable_since": "2026-01-02T12:00:00+00:00",
    }
    assert by_name["Broken"]["set_aside"] == 1 and by_name["Broken"]["searchable_since"] is None
    assert answer["totals"]["videos"] == 6 and answer["totals"]["shots"] == 42 and answer["hint"] == ""


def test_before_anything_was_ingested_everything_says_what_to_do(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    with client_of(settings) as client:
        shows = client.get("/api/shows").json()
        assert shows["shows"] == [] and "needle ingest" in shows["hint"] and shows["index_version"] is None
        assert client.get("/healthz").json()["status"] == "empty"
        assert "needle ingest" in search(client, 409, text="red")["detail"]
        assert client.get(f"/api/shots/{shot(0, 0)}").status_code == 404
        desk_home(tmp_path / "home")
        assert ids(search(client, text="red", limit=1)) == [shot(0, 0)]
        assert client.get("/healthz").json() == {
            "status": "ok",
            "encoder_id": ENCODER,
            "index_version": search(client, text="red")["index_version"],
            "shots": 42,
        }


def test_a_picture_is_kept_scaled_and_searched_by(client: TestClient) -> None:
    sent = client.post("/api/images", files={"file": ("../../x.jpg", jpeg("blue", (3000, 1000)), "text/html")})
    assert sent.status_code == 200, sent.text
    name = sent.json()["image"]
    assert client.post("/api/images", content=jpeg("blue", (3000, 1000))).json()["image"] == name
    assert ids(search(client, like=[name], limit=3)) == [shot(0, 3), shot(1, 3), shot(2, 3)]
    kept = client.get(f"/media/images/{name.removeprefix('image:')}.jpg")
    assert kept.status_code == 200 and kept.headers["content-type"] == "image/jpeg" and len(kept.content) < 60_000
    inside = "data:image/jpeg;base64," + base64.b64encode(jpeg("blue", (3000, 1000))).decode()
    answer = search(client, like=[inside], limit=3)
    assert ids(answer) == [shot(0, 3), shot(1, 3), shot(2, 3)] and answer["query"]["like"] == [name]


def test_pictures_that_were_not_used_for_longest_go(tmp_path: Path) -> None:
    import os

    from ops.core.errors import NotFoundError
    from ops.core.storage import ObjectStore
    from ops.serve.uploads import Uploads

    uploads = Uploads(tmp_path, ObjectStore(str(tmp_path / "store")), most=3)
    names = [uploads.keep(jpeg("red", (10 + at, 10))) for at in range(3)]
    for age, name in enumerate(names):
        os.utime(tmp_path / f"{name[6:]}.jpg", (age, age))
    uploads.read_picture(names[0])
    newest = uploads.keep(jpeg("red", (99, 10)))
    assert all(uploads.locate(name[6:]) for name in (names[0], names[2], newest))
    with pytest.raises(NotFoundError):
        uploads.locate(names[1][6:])


def png_bomb(side: int) -> bytes:
    """A PNG of ``side`` x ``side`` black pixels in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(1 + side // 8) * 64, 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


BAD_PICTURES = {
    "empty": b"",
    "text": b"not a picture",
    "truncated": jpeg()[:100],
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "postscript": b"%!PS\n",
    "bomb": png_bomb(200_000),
    "small bomb": png_bomb(11_000),
}


@pytest.mark.parametrize(
    ("number", "status", "detail"),
    [(errno.ENOSPC, 503, "make room"), (errno.EDQUOT, 503, "quota"), (errno.EIO, 500, "its log has the details")],
)
def test_a_disk_without_room_is_named(
    client: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
    status: int,
    detail: str,
) -> None:
    caplog.set_level(logging.CRITICAL, logger=problems.__name__)  # another error is logged as unexpected

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    content = jpeg("green", (300 + number, 100))
    for address, sent in (
        ("/api/images", {"content": content}),
        ("/api/export", {"json": {"format": "edl", "picks": [{"shot_id": shot(0, 0)}]}}),
    ):
        answer = client.post(address, **sent)  # type: ignore[arg-type]
        assert answer.status_code == status and detail in answer.json()["detail"], address


@pytest.mark.parametrize("data", BAD_PICTURES.values(), ids=BAD_PICTURES.keys())
def test_a_bad_picture_is_refused_and_the_service_goes_on(client: TestClient, data: bytes) -> None:
    answer = client.post("/api/images", content=data)
    assert answer.status_code == 422
    require_problem(answer)
    inside = {"like": ["data:image/png;base64," + base64.b64encode(data).decode()]}
    assert client.post("/api/search", json=inside).status_code == 422
    assert ids(search(client, text="red", limit=1)) == [shot(0, 0)]


def test_a_body_that_is_too_large_is_refused_before_it_is_read(client: TestClient) -> None:
    answer = client.post("/api/images", content=bytes(33 * 1024 * 1024))
    assert answer.status_code == 413
    assert "32 MB" in require_problem(answer)
    piece = bytes(1024 * 1024)
    assert client.post("/api/images", content=iter([piece] * 40)).status_code == 413  # chunked: no length is told
    assert client.post("/api/session", content=iter([piece] * 3)).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": ""},
        {"text": "   "},
        {"text": "x" * 10_000},
        {"text": 5},
        {"text": "red", "limit": "5"},
        {"text": "red", "limit": 0},
        {"text": "red", "limit": 501},
        {"text": "red", "limit": True},
        {"text": "red", "colour": "red"},
        {"text": "red", "offset": 3},
        {"text": "red", "exact": 1},
        {"text": "red", "shows": "Red Dawn"},
        {"text": "red", "shows": ["x"] * 1001},
        {"text": "red", "like": ["/etc/passwd"]},
        {"text": "red", "like": ["file:///etc/passwd"]},
        {"text": "red", "like": ["data:text/html;base64,AAAA"]},
        {"like": [f"{'0' * 16}:{'9' * 5000}"]},
        {"text": "red", "min_relevance": 2},
        {"text": "red", "dialogue": "loud"},
        {"text": "red", "where": ["closeup"]},
        {"text": "red", "then": {}},
        {"text": "red", "all": [{"text": "a", "dialogue": "b"}]},
        {"text": "red", "any": [{}]},
        {"unlike": [f"{'0' * 16}:0"]},
        [],
        "red",
        None,
    ],
)
def test_a_body_that_makes_no_sense_is_refused(client: TestClient, body: Any) -> None:
    answer = client.post("/api/search", json=body)
    assert answer.status_code == 422, answer.text
    assert len(require_problem(answer)) < 2_100


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"text": "\\ud800"}', b'{"text": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_json_is_refused(client: TestClient, content: bytes) -> None:
    answer = client.post("/api/search", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    told = require_problem(answer)
    assert content != b"{" or told.startswith("the body is not JSON (at character 1: ")


@pytest.mark.parametrize(
    "headers", [{}, {"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}]
)
def test_a_body_of_another_type_is_refused_with_the_header_that_is_missing(
    client: TestClient, headers: dict[str, str]
) -> None:
    plain = client.post("/api/search", content=b'{"text": "red"}', headers=headers)
    assert plain.status_code == 422  # what a form of another page could send
    assert require_problem(plain).endswith("send the header content-type: application/json")


def test_unknown_shots_shows_and_probes_are_named(client: TestClient) -> None:
    assert "no show 'Red Down'" in search(client, 404, text="red", shows=["Red Down"])["detail"]
    assert "0123456789abcdef" in search(client, 404, like=["0123456789abcdef:0"])["detail"]
    assert "no probe 'closeup'" in search(client, 404, text="red", where=["closeup>=0.5"])["detail"]
    assert search(client, 404, like=["image:" + "0" * 32])["status"] == 404
    for path in ("0123456789abcdef:0", f"{video_id(0)}:1"):
        for tail in ("", "/similar"):
            require_problem(client.get(f"/api/shots/{path}{tail}"))
            assert client.get(f"/api/shots/{path}{tail}").status_code == 404
        assert client.get(f"/media/shots/{path}/poster.jpg").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/media/shots/..%2f..%2fencoder.json/poster.jpg",
        "/media/shots/%2e%2e/%2e%2e/poster.jpg",
        f"/media/shots/{video_id(0)}:0%00/poster.jpg",
        f"/media/shots/{video_id(0)}:%D9%A3/poster.jpg",
        "/media/images/..%2f..%2fsecret.jpg",
        "/media/images/" + "a" * 31 + ".jpg",
        "/page/..%2fapp.py",
        "/page/%2e%2e%2fapp.py",
        "/page/.hidden",
        "/page//etc/passwd",
        "/page/%2fetc%2fpasswd",
        "/page/index.html%00.js",
        "/api/shots/" + "a" * 9_000,
        "/etc/passwd",
        "//etc/passwd",
    ],
)
def test_no_path_leads_to_other_files(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (404, 422), answer.text
    require_problem(answer)


def test_titles_with_markup_are_data_and_never_a_page(tmp_path: Path) -> None:
    settings = desk_home(tmp_path / "home")
    evil = "<script>alert(1)</script>\"' onerror=x"
    write_video(settings, 7, [lean((1, 0, 0), 0.01)], show=evil, title=evil, path=f"/footage/{evil}.mp4")
    index_lake(settings)
    with client_of(settings) as client:
        answer = client.post("/api/search", json={"text": "red", "shows": [evil]})
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.json()["hits"][0]["title"] == evil
        refused = client.post("/api/search", json={"text": "red", "shows": [evil + "x"]})
        assert refused.status_code == 404 and refused.headers["content-type"] == PROBLEM
        exported = client.post(
            "/api/export", json={"format": "json", "title": evil + "\r\nx: y", "picks": [{"shot_id": shot(7, 0)}]}
        )
        assert exported.status_code == 200, exported.text
        assert "\n" not in exported.headers["content-disposition"] and "x" not in exported.headers


def test_every_answer_keeps_browsers_safe(client: TestClient) -> None:
    for path in ("/", "/api/shows", "/nothing", "/docs", f"/media/shots/{shot(0, 0)}/poster.jpg"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"


def test_names_that_resolve_to_this_machine_and_pages_of_others_are_refused(client: TestClient) -> None:
    for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "[", "localhost.evil"):
        answer = client.get("/api/shows", headers={"host": host})
        assert answer.status_code == 400, host
        require_problem(answer)
    for host in ("localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080"):
        assert client.get("/api/shows", headers={"host": host}).status_code == 200
    body = {"text": "red"}
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"origin": "http://localhost", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        answer = client.post("/api/search", json=body, headers=headers)
        assert answer.status_code == 403, headers
        require_problem(answer)
    own = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client.post("/api/search", json=body, headers=own).status_code == 200


def test_exports_come_as_attachments(client: TestClient, module_settings: Settings) -> None:
    for name in ("edl", "csv", "json", "otio"):
        picks = [{"shot_id": shot(0, 1)}, {"shot_id": shot(1, 0), "in_frame": 3, "out_frame": 20}]
        answer = client.post("/api/export", json={"format": name, "title": "Häse/1", "picks": picks})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-disposition"].startswith('attachment; filename="H_se_1.')
        assert answer.headers["content-type"] == find_format(name).media_type
        assert json.loads(answer.headers["needle-export"])["clips"] == 2
        assert answer.content
    found = client.post("/api/export", json={"format": "json", "search": {"text": "green", "limit": 2}})
    assert found.status_code == 200 and shot(0, 1) in found.text and "green" in found.text
    assert list((module_settings.home / "serve" / "exports").iterdir()) == []


def exported(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/export", json={"format": "json", **body})
    assert answer.status_code == 200, answer.text
    clips: list[dict[str, Any]] = answer.json()["clips"]
    return clips


def test_every_pick_keeps_what_found_it_and_no_search_is_run_again(client: TestClient) -> None:
    found = search(client, text="something red", limit=1)
    stamps = {name: found[name] for name in ("encoder_id", "index_version")}
    first = {"shot_id": shot(0, 0), "query": "something red", "score": found["hits"][0]["score"], "relevance": 0.25}
    gone = {"text": "a car", "shows": ["a show that was deleted"], "like": [f"image:{'0' * 32}"], "limit": 60}
    composed = {"shot_id": shot(1, 1), "query": gone, "index_version": "older", "encoder_id": "other"}
    again = {"shot_id": shot(0, 0), "in_frame": 3, "out_frame": 9}
    picks = [first | stamps, composed, again]
    clips = exported(client, picks=picks, search={"text": "red", "shows": ["none"]})
    told = [{name: clip[name] for name in ("query", "score", "relevance", *stamps)} for clip in clips]
    assert told[0] == {name: first[name] for name in ("query", "score", "relevance")} | stamps
    assert told[1]["query"] == f"a car; like image:{'0' * 32}; in a show that was deleted"
    assert (told[1]["index_version"], told[1]["encoder_id"], told[1]["score"]) == ("older", "other", None)
    assert set(told[2].values()) == {None}, "the same shot, found by nothing"
    assert all(clip["detector"] for clip in clips)


def test_an_exported_search_leaves_out_what_most_likely_was_not_meant(client: TestClient) -> None:
    body: dict[str, Any] = {"text": "blue", "limit": 40, "shows": ["Red Dawn", "Ünder <the> Sea", "Bikes"]}
    found = search(client, **body)
    meant = [hit["shot_id"] for hit in found["hits"] if not hit["is_weak"]]
    assert 0 < len(meant) < len(found["hits"])
    clips = exported(client, search=body)
    assert [clip["shot_id"] for clip in clips] == meant
    assert [clip["score"] for clip in clips] == [hit["score"] for hit in found["hits"][: len(meant)]]
    everything = exported(client, search=body | {"min_relevance": 0.0})
    assert [clip["shot_id"] for clip in everything] == ids(found)


def test_an_export_that_makes_no_sense_is_refused(client: TestClient) -> None:
    for expect, body in (
        (422, {"format": "edl"}),
        (422, {"format": "exe", "picks": [{"shot_id": shot(0, 0)}]}),
        (422, {"format": "edl", "picks": [{"shot_id": "../x"}]}),
        (422, {"format": "edl", "picks": [{"shot_id": shot(0, 0), "in_frame": 9, "out_frame": 3}]}),
        (422, {"format": "edl", "picks": [{"shot_id": shot(0, 0)}] * 5_001}),
        (422, {"format": "edl", "picks": [{"shot_id": shot(0, 0), "query": "x" * 4_001}]}),
        (422, {"format": "edl", "picks": [{"shot_id": shot(0, 0), "query": {"txt": "red"}}]}),
        (422, {"format": "edl", "picks": [{"shot_id": shot(0, 0), "relevance": 1.5}]}),
        (422, {"format": "edl", "picks": [{"shot_id": shot(0, 0), "score": "high"}]}),
        (422, {"format": "edl", "picks": [{"shot_id": shot(0, 0)}], "index_version": "1"}),
        (404, {"format": "edl", "picks": [{"shot_id": "0123456789abcdef:0"}]}),
        (404, {"format": "edl", "search": {"text": "red", "shows": ["none"]}}),
    ):
        answer = client.post("/api/export", json=body)
        assert answer.status_code == expect, answer.text
        require_problem(answer)


def test_the_page_and_the_documentation_know_every_format(client: TestClient) -> None:
    listed = client.get("/api/export/formats").json()["formats"]
    assert [each["format"] for each in listed] == list(export_formats())
    assert all(each["label"] and each["handles_note"] for each in listed)
    assert {each["format"] for each in listed if each["has_one_rate"]} == {"edl", "markers", "ale"}
    document = client.get("/openapi.json").json()
    assert document["components"]["schemas"]["ExportBody"]["properties"]["format"]["enum"] == list(export_formats())
    types = document["paths"]["/api/export"]["post"]["responses"]["200"]["content"]
    assert {each["media_type"].split(";")[0] for each in listed} == set(types)


def test_methods_and_addresses_that_are_not_there(client: TestClient) -> None:
    answer = client.get("/api/search")
    assert answer.status_code == 405 and answer.headers["allow"] == "POST"
    require_problem(answer)
    assert client.delete(f"/api/shots/{shot(0, 0)}").status_code == 405
    assert client.get("/api").status_code == 404
    require_problem(client.get("/api"))


def test_the_documentation_names_every_route_and_needs_nobody_else(client: TestClient) -> None:
    page = client.get("/docs").text
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page and "<script" not in page
    assert client.get("/docs.css").headers["content-type"].startswith("text/css")


def test_metrics_count_requests_by_route(client: TestClient) -> None:
    search(client, text="red")
    client.get(f"/api/shots/{shot(0, 0)}")
    text = client.get("/metrics").text
    assert 'needle_http_requests_total{method="POST",route="/api/search",status="200"}' in text
    assert 'route="/api/shots/{shot_id}"' in text and video_id(0) not in text
    assert "needle_shots_indexed 42.0" in text and 'needle_http_request_seconds_bucket{le="+Inf"' in text


def test_an_error_that_nobody_foresaw_tells_an_id_only(
    module_settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: Any) -> Any:
        raise RuntimeError("secret inside")

    with client_of(module_settings) as client:
        monkeypatch.setattr(client.app.state.service.details, "find_neighbours", broken)  # type: ignore[attr-defined]
        answer = client.get(f"/api/shots/{shot(0, 0)}")
        assert answer.status_code == 500 and "secret" not in answer.text
        number = require_problem(answer).rsplit(" ", 1)[1]
        assert number in caplog.text and "secret inside" in caplog.text
        assert client.get("/healthz").status_code == 200
    caplog.clear()  # it was meant
