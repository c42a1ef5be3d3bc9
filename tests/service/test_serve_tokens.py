"""Named tokens: their list, what each role may do over HTTP, who an answer is stored for, and the rate limit."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fastapi import FastAPI
from starlette.testclient import TestClient

from ops.cli.main import cli
from ops.core.errors import NotFoundError, StorageError, UsageError
from ops.core.settings import Settings, load_settings
from ops.serve import token_list
from ops.serve.roles import ACCESS, AccessRules, Role, format_access_table
from ops.serve.server import require_safe_address
from ops.serve.token_list import TokenList, check_name, parse_expiry
from ops.serve.tokens import COOKIE
from tests.builders.colours import shot
from tests.builders.lakes import video_id
from tests.builders.served import client_of, fill_desk

CHECKOUT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SETTING = "a-token-of-the-setting"
LABEL = {"label": "closeup", "shots": [shot(0, 0)], "value": True, "annotator": "mallory"}

pytestmark = pytest.mark.home(fill=fill_desk)


@pytest.fixture(scope="module")
def secrets(module_settings: Settings) -> dict[Role, str]:
    tokens = TokenList(module_settings)
    return {role: tokens.add(f"{role} person", role, None, datetime.now(UTC))[1] for role in Role}


@pytest.fixture(scope="module")
def client(module_settings: Settings, secrets: dict[Role, str]) -> Iterator[TestClient]:
    settings = module_settings.model_copy(update={"tokens": load_settings(tokens=SETTING).tokens})
    with client_of(settings) as client:
        yield client


@pytest.fixture(autouse=True)
def check_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_list, "CHECK_S", 0.0)


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def requests_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]


def fill_path(path: str) -> str:
    values = {"shot_id": shot(0, 0), "video_id": video_id(0), "label": "closeup", "key": "k" * 8, "name": "0" * 32}
    values |= {"collection_id": "0" * 16, "search_id": "0" * 16}
    values |= {"person_id": f"p{'0' * 12}", "face_id": f"{shot(0, 0)}:face0"}
    return re.sub(r"{(\w+)}", lambda match: values[match[1]], path)


def test_every_route_for_every_role_and_without_a_token(client: TestClient, secrets: dict[Role, str]) -> None:
    document = client.get("/openapi.json", headers=bearer(SETTING)).json()
    listed = requests_of(document)
    assert len(listed) > 25
    people = {**secrets, None: "needle_wrong"}
    for method, path in listed:
        needed = ACCESS[f"{method} {path}"]  # a route that is not in the table fails here
        security = document["paths"][path][method.lower()].get("security")
        assert security == (needed and [{"token": [needed]}, {"session": [needed]}])
        for role, secret in people.items():
            # the body is not valid: what is allowed is answered with 422, and changes nothing
            answer = client.request(method, fill_path(path), headers=bearer(secret))
            is_allowed = needed is None or (role is not None and role.includes(needed))
            expected = () if is_allowed else (403,) if role else (401,)
            assert (answer.status_code in expected) if expected else answer.status_code not in (401, 403), (
                f"{method} {path} as {role}: {answer.status_code}"
            )
            if answer.status_code == 403 and method != "HEAD":
                assert f"the role {needed}" in answer.json()["detail"] and f"{role} person" in answer.json()["detail"]


def test_pages_that_the_document_does_not_list_need_their_role(client: TestClient, secrets: dict[Role, str]) -> None:
    listed = {" ".join(each) for each in requests_of(client.app.openapi())}  # type: ignore[attr-defined]
    unlisted = [(*route.split(" "), role) for route, role in ACCESS.items() if route not in listed]
    assert len(unlisted) > 8
    for method, path, needed in unlisted:
        address = re.sub(r"{(\w+)(:path)?}", "x", path)
        refused = client.request(method, address, headers=bearer("needle_wrong")).status_code
        allowed = client.request(method, address, headers=bearer(secrets[Role.LOOK])).status_code
        assert (refused == 401) == (needed is not None) and allowed in (200, 404), (
            f"{method} {path}: {refused} {allowed}"
        )


def test_a_route_without_a_row_stops_the_start() -> None:
    app = FastAPI()
    app.get("/api/new")(lambda: None)
    with pytest.raises(LookupError, match="GET /api/new"):
        AccessRules([route for route in app.routes if getattr(route, "path", "") == "/api/new"])


def test_the_table_has_no_row_too_many(client: TestClient) -> None:
    listed = {f"{method} {path}" for method, path in requests_of(client.app.openapi())}  # type: ignore[attr-defined]
    unlisted = {"GET /", "GET /page/{name}", "GET /docs", "GET /docs.css", "GET /openapi.json", "HEAD /openapi.json"}
    unlisted |= {"GET /how", "GET /reports", "GET /reports/{path:path}"}
    unlisted |= {"GET /reports/latest/{name}", "GET /reports/latest/{name}/{subject}"}
    assert set(ACCESS) == listed | unlisted


def test_the_docs_have_the_table() -> None:
    assert format_access_table() in (CHECKOUT / "docs/security.md").read_text()


def test_an_unknown_address_is_as_hidden_as_the_others(client: TestClient, secrets: dict[Role, str]) -> None:
    for path in ("/api/tokens", "/api/labels/", "//api/labels", "/api/probes/closeup/fit/"):
        assert client.get(path).status_code == 401
        assert client.post(path, headers=bearer(secrets[Role.LOOK])).status_code in (404, 405), path
    assert client.post("/api%2Flabels", headers=bearer(secrets[Role.LOOK])).status_code == 403


def test_answers_are_stored_under_the_name_of_the_token(client: TestClient, secrets: dict[Role, str]) -> None:
    def stored(secret: str) -> set[str]:
        answer = client.post("/api/labels", json=LABEL, headers=bearer(secret))
        return {vote["annotator"] for each in answer.json()["shots"] for vote in each["votes"]}

    assert stored(secrets[Role.LABEL]) == {"label person"}
    assert stored(SETTING) == {"label person", "mallory"}
    path = f"/api/videos/{video_id(0)}/corrections"
    body = {"action": "cut", "frame": 12, "author": "mallory"}
    answer = client.post(path, json=body, headers=bearer(secrets[Role.LABEL]))
    assert [each["author"] for each in answer.json()["corrections"]] == ["label person"]


def test_exports_carry_who_made_them(client: TestClient, secrets: dict[Role, str]) -> None:
    body = {"format": "json", "picks": [{"shot_id": shot(0, 0)}]}
    named = client.post("/api/export", json=body, headers=bearer(secrets[Role.LOOK])).text
    assert '"exported_by": "look person"' in named
    assert "exported_by" not in client.post("/api/export", json=body, headers=bearer(SETTING)).text


def test_a_browser_signs_in_and_out(client: TestClient, secrets: dict[Role, str]) -> None:
    client.cookies.clear()
    assert client.get("/api/session").json() == {"signed_in": False, "needed": True, "name": "", "role": None}
    signed_in = {"signed_in": True, "needed": True, "name": "look person", "role": "look"}
    answer = client.post("/api/session", json={"token": secrets[Role.LOOK]})
    assert answer.json() == signed_in and client.get("/api/session").json() == signed_in
    cookie = answer.headers["set-cookie"]
    assert secrets[Role.LOOK] not in cookie and "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert client.post("/api/labels", json=LABEL).status_code == 403
    assert client.delete("/api/session").json()["signed_in"] is False
    assert client.get("/api/labels").status_code == 401 and COOKIE not in client.cookies


def test_a_running_service_follows_the_list(module_settings: Settings, client: TestClient) -> None:
    tokens = TokenList(module_settings)
    _, secret = tokens.add("guest", Role.LOOK, None, datetime.now(UTC))
    assert client.get("/api/labels", headers=bearer(secret)).status_code == 200
    client.post("/api/session", json={"token": secret})
    assert client.get("/api/labels").status_code == 200
    tokens.revoke("guest", datetime.now(UTC))
    assert client.get("/api/labels").status_code == 401, "a session ends with its token"
    assert client.get("/api/labels", headers=bearer(secret)).status_code == 401
    client.cookies.clear()


def test_a_damaged_list_opens_nothing(
    module_settings: Settings, client: TestClient, secrets: dict[Role, str], caplog: pytest.LogCaptureFixture
) -> None:
    path = TokenList(module_settings).path
    kept = path.read_bytes()
    try:
        path.write_bytes(kept[:-20])
        answer = client.get("/api/labels", headers=bearer(secrets[Role.LOOK]))
        assert answer.status_code == 503 and str(path) not in answer.text and str(path) in caplog.text
        assert client.get("/api/labels", headers=bearer(SETTING)).status_code == 200
        with pytest.raises(StorageError, match="cannot be read"):
            TokenList(module_settings).add("x", Role.LOOK, None, NOW)
    finally:
        path.write_bytes(kept)
    assert client.get("/api/labels", headers=bearer(secrets[Role.LOOK])).status_code == 200


def test_an_open_service_closes_with_its_first_token_and_stays_closed(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    tokens = TokenList(settings)
    with client_of(settings) as client:
        assert client.get("/api/labels").status_code == 200
        assert client.get("/api/session").json()["needed"] is False
        assert "security" not in client.get("/openapi.json").json()["paths"]["/api/labels"]["get"]
        _, secret = tokens.add("ann", Role.ADMINISTER, None, datetime.now(UTC))
        assert client.get("/api/labels").status_code == 401
        assert client.get("/openapi.json", headers=bearer(secret)).json()["paths"]["/api/labels"]["get"]["security"]
        require_safe_address(settings, "0.0.0.0")
        tokens.revoke("ann", datetime.now(UTC))
        assert client.get("/api/labels").status_code == 401
        with pytest.raises(UsageError, match="needle token add"):
            require_safe_address(settings, "0.0.0.0")


def test_other_machines_find_no_open_service_after_the_list_was_deleted(tmp_path: Path) -> None:
    with client_of(load_settings(home=tmp_path), host="192.168.1.5") as client:
        assert client.get("/api/labels").status_code == 401


def test_no_secret_is_in_an_answer_or_in_the_log(
    client: TestClient, secrets: dict[Role, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = secrets[Role.LABEL]
    answers = [
        client.post("/api/session", json={"token": secret, "more": secret}),
        client.post("/api/session", json={"token": [secret]}),
        client.post("/api/session", content=f"token={secret}"),
        client.post("/api/session", json={"token": f"{secret}x"}),
        client.post("/api/session", json={"token": secret}),
        client.get("/api/session"),
        client.get("/api/labels", headers={"authorization": f"Basic {secret}"}),
        client.post("/api/labels", json={"label": secret}, headers=bearer(secret)),
        client.post("/api/probes/closeup/fit", json={}, headers=bearer(secret)),
    ]
    client.cookies.clear()
    assert [answer.status_code for answer in answers] == [422, 422, 422, 401, 200, 200, 200, 422, 403]
    assert secret not in caplog.text
    for answer in answers:
        assert secret not in answer.text and secret not in str(answer.headers)


def test_two_commands_at_once_lose_nothing(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: TokenList(settings).add(f"p{name}", Role.LOOK, None, NOW), range(12)))
    assert len(TokenList(settings).read()) == 12 and len(list(tmp_path.glob("serve/*"))) == 1


def test_a_token_has_a_rate_limit(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, rate_limit=5)
    tokens = TokenList(settings)
    ann, ben = (tokens.add(name, Role.LOOK, None, datetime.now(UTC))[1] for name in ("ann", "ben"))
    with client_of(settings) as client:
        if (left_s := 60 - time.time() % 60) < 30:  # counts fade from each full minute on, and one must not begin here
            time.sleep(left_s)
        statuses = [client.get("/api/labels", headers=bearer(ann)).status_code for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        refused = client.get("/api/labels", headers=bearer(ann))
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.headers["content-type"] == "application/problem+json"
        assert "more than 5 requests in a minute" in refused.json()["detail"]
        assert client.get("/api/labels", headers=bearer(ben)).status_code == 200
        assert client.get("/healthz").status_code != 429
        media = [
            client.get(f"/media/shots/{shot(0, 0)}/poster.jpg", headers=bearer(ann)).status_code for _ in range(51)
        ]
        assert media[-2:] == [404, 429]


def test_the_file_has_no_secret_and_is_the_owners(tmp_path: Path) -> None:
    tokens = TokenList(load_settings(home=tmp_path))
    token, secret = tokens.add("ann", Role.LABEL, NOW + timedelta(days=1), NOW)
    assert secret.startswith("needle_") and len(secret) >= 50
    assert tokens.path.stat().st_mode & 0o777 == 0o600
    assert secret not in tokens.path.read_text() and secret not in repr(token) and token.sha256 not in repr(token)
    assert token.describe_state(NOW) == "valid" and token.describe_state(NOW + timedelta(days=1)) == "expired"
    with pytest.raises(UsageError, match="revoke it first"):
        tokens.add("ANN", Role.LOOK, None, NOW)
    tokens.revoke("ann", NOW)
    with pytest.raises(UsageError, match="was revoked"):
        tokens.revoke("ann", NOW)
    with pytest.raises(NotFoundError, match="there are ann"):
        tokens.revoke("bob", NOW)
    assert tokens.add("ann", Role.LOOK, None, NOW)[1] != secret and len(tokens.read()) == 1


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\u202eb", "x" * 61, "page", "Me", "-x", "a\x00"])
def test_names_that_cannot_stand_in_labels_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        check_name(name)


def test_names_are_stored_in_one_form() -> None:
    assert check_name(" Zoe\u0308 Müller ") == "Zoë Müller"


def test_ends_of_tokens() -> None:
    assert parse_expiry("2026-12-31", NOW) == datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert parse_expiry("2026-11-28", NOW) > NOW
    assert parse_expiry("2026-12-01T00:00:00+02:00", NOW) == datetime(2026, 11, 30, 22, tzinfo=UTC)
    assert [parse_expiry(text, NOW) - NOW for text in ("12h", "90d", "4w")] == [
        timedelta(hours=12),
        timedelta(days=90),
        timedelta(weeks=4),
    ]
    for wrong in ("tomorrow", "0d", "-3d", "2026-02-30", "", "9999999d"):
        with pytest.raises(UsageError, match="is not a time"):
            parse_expiry(wrong, NOW)
    with pytest.raises(UsageError, match="is over"):
        parse_expiry("2026-11-27", NOW)


def test_the_command_shows_a_secret_once(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        done = CliRunner().invoke(cli, ["token", *arguments, "--home", str(tmp_path)])
        assert done.exit_code == 0, done.output
        return done.stdout

    secret = run("add", "ann", "--role", "label", "--expires", "90d").strip()
    assert re.fullmatch(r"needle_[\w-]{43}", secret)
    listed = json.loads(run("list", "--json"))["tokens"]
    assert [(each["name"], each["role"], each["state"]) for each in listed] == [("ann", "label", "valid")]
    assert secret not in run("list") and re.search(r"ann +label +valid, until 20", run("list"))
    run("revoke", "ann")
    assert "revoked on" in run("list")
