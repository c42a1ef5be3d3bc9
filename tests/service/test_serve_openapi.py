"""The service against its own OpenAPI document: whatever is sent and whoever sends it, every answer is as documented.

NEEDLE_TEST_EXAMPLES=240 sends ten times as many requests to each operation.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ops.core.settings import Settings
from ops.serve.roles import ACCESS, Role
from ops.serve.token_list import TokenList
from ops.serve.tokens import COOKIE
from tests.builders.colours import shot
from tests.builders.lakes import video_id
from tests.builders.served import desk_home, served

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own imports
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        allow_header_conformance,
        content_type_conformance,
        negative_data_rejection,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
        unsupported_method,
    )

EXAMPLES = int(os.environ.get("NEEDLE_TEST_EXAMPLES", "24"))
FORM = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
"""Checks that hold for every answer, also for a refusal."""
CHECKS = [*FORM, negative_data_rejection, unsupported_method, allow_header_conformance]
STRANGER = "needle_" + "0" * 43
SENDERS = ("nobody", "stranger", "session", *Role)
"""Who sends a request to the service with tokens; ``session`` is a browser with a session of the role ``look``."""
OPERATIONS = [
    ("POST", "/api/search"),
    ("GET", "/api/shots/{shot_id}/similar"),
    ("GET", "/api/shots/{shot_id}"),
    ("GET", "/api/samples"),
    ("GET", "/api/shows"),
    ("GET", "/api/shows/posters"),
    ("GET", "/api/videos"),
    ("GET", "/api/videos/{video_id}"),
    ("GET", "/api/videos/{video_id}/dialogue"),
    ("GET", "/api/videos/{video_id}/corrections"),
    ("POST", "/api/videos/{video_id}/corrections"),
    ("GET", "/media/shots/{shot_id}/proxy.mp4"),
    ("HEAD", "/media/shots/{shot_id}/proxy.mp4"),
    ("GET", "/media/shots/{shot_id}/poster.jpg"),
    ("HEAD", "/media/shots/{shot_id}/poster.jpg"),
    ("GET", "/media/shots/{shot_id}/thumb.jpg"),
    ("GET", "/media/videos/{video_id}/sheet.jpg"),
    ("GET", "/media/images/{name}.jpg"),
    ("HEAD", "/media/images/{name}.jpg"),
    ("POST", "/api/images"),
    ("POST", "/api/export"),
    ("GET", "/api/exports/{key}"),
    ("GET", "/api/export/formats"),
    ("POST", "/api/labels"),
    ("GET", "/api/labels"),
    ("GET", "/api/labels/{label}"),
    ("GET", "/api/probes"),
    ("GET", "/api/probes/{label}"),
    ("GET", "/api/probes/{label}/feeds"),
    ("POST", "/api/probes/{label}/fit"),
    ("GET", "/api/collections"),
    ("POST", "/api/collections"),
    ("GET", "/api/collections/{collection_id}"),
    ("PATCH", "/api/collections/{collection_id}"),
    ("DELETE", "/api/collections/{collection_id}"),
    ("GET", "/api/people"),
    ("POST", "/api/people"),
    ("GET", "/api/people/{person_id}"),
    ("POST", "/api/people/{person_id}"),
    ("POST", "/api/faces/similar"),
    ("GET", "/api/faces/{face_id}/similar"),
    ("GET", "/media/faces/{face_id}.jpg"),
    ("GET", "/api/searches"),
    ("POST", "/api/searches"),
    ("POST", "/api/searches/{search_id}/seen"),
    ("DELETE", "/api/searches/{search_id}"),
    ("POST", "/api/session"),
    ("GET", "/api/session"),
    ("DELETE", "/api/session"),
    ("GET", "/healthz"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service without tokens."""
    with labelled(desk_home(tmp_path_factory.mktemp("fuzzed") / "home"), {}) as client:
        yield client


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Mapping[str, dict[str, str]]]]:
    """A service with a token for each role, and the headers of each of :data:`SENDERS`."""
    home = desk_home(tmp_path_factory.mktemp("guarded") / "home", rate_limit=0)
    tokens = TokenList(home)
    secrets = {role: tokens.add(f"{role} person", role, None, datetime.now(UTC))[1] for role in Role}
    headers = {role: {"authorization": f"Bearer {secret}"} for role, secret in secrets.items()}
    with labelled(home, headers[Role.ADMINISTER]) as client:
        answer = client.post("/api/session", json={"token": secrets[Role.LOOK]})
        headers |= {"session": {"cookie": f"{COOKIE}={answer.cookies[COOKIE]}"}, "nobody": {}}
        client.cookies.clear()
        yield client, headers | {"stranger": {"authorization": f"Bearer {STRANGER}"}}


@contextmanager
def labelled(home: Settings, headers: dict[str, str]) -> Iterator[httpx.Client]:
    """The service on a home with two labels."""
    with served(home, fit=(sys.executable, "-c", "pass")) as client:  # what a fit does is tested elsewhere
        body = {"label": "closeup", "shots": [shot(0, 0), shot(1, 0)], "value": True}
        assert client.post("/api/labels", json=body, headers=headers).status_code == 200
        yield client


@pytest.fixture(scope="module")
def schema(client: httpx.Client) -> Any:
    return schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")


def test_every_operation_is_fuzzed(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == set(OPERATIONS)


def make_sensible(case: Any) -> None:
    """Let the case speak of what there is, so that more than the first check of a route is reached."""
    if "shot_id" in case.path_parameters:
        case.path_parameters["shot_id"] = shot(0, 0)
    if "video_id" in case.path_parameters:
        case.path_parameters["video_id"] = video_id(0)
    if "label" in case.path_parameters:
        case.path_parameters["label"] = "closeup"
    if isinstance(case.query, dict):
        case.query.pop("cursor", None)
        case.query.pop("show", None)
    if isinstance(case.body, dict):
        for name in ("cursor", "shows", "where", "unlike", "then", "index_version"):
            case.body.pop(name, None)
        if "picks" in case.body:
            case.body["picks"] = [{"shot_id": shot(0, 0)}, {"shot_id": shot(3, 7)}]
            case.body.pop("search", None)
        elif case.path == "/api/search":
            case.body |= {"text": "red", "like": [shot(1, 0)]}


TOO_LONG = "Invalid HTTP request received."


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(each) for each in OPERATIONS])
def test_whatever_is_sent_the_answer_is_as_documented(
    schema: Any, guarded: tuple[httpx.Client, Mapping[str, dict[str, str]]], method: str, path: str
) -> None:
    """Half of the requests go to the service without tokens, half to the other, from each sender in turn."""
    operation = schema[path][method]
    kinds = [operation.as_strategy(), operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)]
    senders = st.one_of(st.none(), st.sampled_from(SENDERS))

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(kinds), known=st.booleans(), sender=senders)
    def fuzz(case: Any, known: bool, sender: str | None) -> None:
        checks = CHECKS
        if known:
            make_sensible(case)
            checks = [check for check in CHECKS if check is not negative_data_rejection]  # it may be right now
        if sender is None:
            response = case.call()
            if not is_address_too_long(response):
                case.validate_response(response, checks=checks)
            return
        client, headers = guarded
        response = case.call(base_url=str(client.base_url), headers=headers[sender])
        if not is_address_too_long(response):
            case.validate_response(response, checks=FORM)
            require_refusal(method, path, sender, response.status_code)

    fuzz()


def is_address_too_long(response: Any) -> bool:
    """Return True if the HTTP server refused an address of more than 64 kB, before the service saw the request."""
    return len(response.request.url) >= 1 << 16 and (response.status_code, response.text) == (400, TOO_LONG)


def require_refusal(method: str, path: str, sender: str, status: int) -> None:
    """Fail if a request was answered for which the sender has not the role, or refused for it in spite of the role."""
    needed = ACCESS[f"{method} {path}"]
    role = Role.LOOK if sender == "session" else Role(sender) if sender in list(Role) else None
    if needed is None:
        return
    if role is None:
        assert status == 401, f"{method} {path} answered {status} to {sender}"
    elif not role.includes(needed):
        # 404: an address that fits no route, such as one with an empty id
        assert status in (403, 404), f"{method} {path} answered {status} to {sender}"
    else:
        assert status not in (401, 403), f"{method} {path} answered {status} to {sender}"


ABOVE = sorted(route for route, role in ACCESS.items() if role not in (None, Role.LOOK))
VALID_BODIES = {
    "POST /api/labels": {"label": "closeup", "shots": [shot(0, 0)], "value": False},
    "POST /api/collections": {"name": "by a spelling"},
    "POST /api/probes/{label}/fit": {},
}


@st.composite
def spellings(draw: st.DrawFn, path: str) -> str:
    """Other spellings of an address: percent signs, dots, slashes, capitals, parameters."""
    signs = [f"%{ord(sign):02x}" if draw(st.integers(0, 5)) == 0 else sign for sign in path[1:]]
    spelt = draw(st.sampled_from(["/", "//", "/./", "/page/../", "/%2e/", "/\\"])) + "".join(signs)
    spelt += draw(st.sampled_from(["", "/", "//", "/.", "%2f", ";x=1", "?x=1", "%00", "%20", "#x"]))
    return spelt.upper() if draw(st.integers(0, 9)) == 0 else spelt


@settings(max_examples=5 * EXAMPLES, derandomize=True, database=None, deadline=None)
@given(data=st.data())
def test_no_spelling_of_an_address_gets_around_the_role(
    guarded: tuple[httpx.Client, Mapping[str, dict[str, str]]], data: st.DataObject
) -> None:
    client, headers = guarded
    route = data.draw(st.sampled_from(ABOVE))
    method, path = route.split(" ")
    values = {"{video_id}": video_id(0), "{label}": "closeup", "{person_id}": f"p{'0' * 12}"}
    values |= {"{collection_id}": "0" * 16, "{search_id}": "0" * 16}
    for name, value in values.items():
        path = path.replace(name, value)
    target = data.draw(spellings(path))
    connection = HTTPConnection("127.0.0.1", client.base_url.port, timeout=30)
    fields = {"content-type": "application/json", "x-http-method-override": method, "x-original-url": path}
    verb = data.draw(st.sampled_from([method, method, method.lower()]))
    connection.request(verb, target, body=json.dumps(VALID_BODIES.get(route, {})), headers=headers["session"] | fields)
    status = connection.getresponse().status
    connection.close()
    assert 400 <= status < 500, f"{verb} {target}: {status}"


def test_what_the_document_allows_is_not_refused_for_its_form(schema: Any, client: httpx.Client) -> None:
    """Bodies made by hand from the document's own examples are answered."""
    document = client.get("/openapi.json").json()
    search = document["components"]["schemas"]["SearchBody"]["examples"][0]
    assert client.post("/api/search", json=search).status_code == 200
    export = document["components"]["schemas"]["ExportBody"]["examples"][0]
    export["picks"] = [{"shot_id": f"{video_id(0)}:0"}]
    assert client.post("/api/export", json=export).status_code == 200
