"""The service against its own OpenAPI document: whatever is sent, no 5xx, and every answer is as documented."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

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

EXAMPLES = 40
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
    allow_header_conformance,
]
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
    ("GET", "/api/people/{person_id}"),
    ("POST", "/api/people/{person_id}"),
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
    home = desk_home(tmp_path_factory.mktemp("fuzzed") / "home")
    with served(home, fit=(sys.executable, "-c", "pass")) as client:  # what a fit does is tested elsewhere
        body = {"label": "closeup", "shots": [shot(0, 0), shot(1, 0)], "value": True}
        assert client.post("/api/labels", json=body).status_code == 200
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


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(each) for each in OPERATIONS])
def test_whatever_is_sent_the_answer_is_as_documented(schema: Any, method: str, path: str) -> None:
    operation = schema[path][method]
    kinds = [operation.as_strategy(), operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(kinds), known=st.booleans())
    def fuzz(case: Any, known: bool) -> None:
        checks = CHECKS
        if known:
            make_sensible(case)
            checks = [check for check in CHECKS if check is not negative_data_rejection]  # it may be right now
        case.call_and_validate(checks=checks)

    fuzz()


def test_what_the_document_allows_is_not_refused_for_its_form(schema: Any, client: httpx.Client) -> None:
    """Bodies made by hand from the document's own examples are answered."""
    document = client.get("/openapi.json").json()
    search = document["components"]["schemas"]["SearchBody"]["examples"][0]
    assert client.post("/api/search", json=search).status_code == 200
    export = document["components"]["schemas"]["ExportBody"]["examples"][0]
    export["picks"] = [{"shot_id": f"{video_id(0)}:0"}]
    assert client.post("/api/export", json=export).status_code == 200
