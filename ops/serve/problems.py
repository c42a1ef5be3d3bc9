"""Every error as ``application/problem+json`` (RFC 9457): the error, and its remedy.

Stands alone because it maps the tree of ``ops.core.errors`` to HTTP, and decides which details a stranger may read. The
project's own messages are written for users and are shown; for any other error only an id is sent.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from ops.core.errors import (
    NO_ROOM,
    ConflictError,
    EncoderError,
    LakeError,
    MediaError,
    NeedleError,
    NotFoundError,
    StorageError,
    UsageError,
    VectorIndexError,
)
from ops.search.schema import simplify_message
from ops.serve.fields import EXAMPLE, LABEL, ONE_LINE, SHOT_ID, VIDEO_ID, WORDS

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
# The most specific class first.
STATUS_OF: tuple[tuple[type[NeedleError], int], ...] = (
    (UsageError, 422),
    (NotFoundError, 404),
    (ConflictError, 409),
    (MediaError, 409),
    (StorageError, 503),
    (LakeError, 503),
    (EncoderError, 503),
    (VectorIndexError, 503),
    (NeedleError, 500),
)
# Descriptions that replace a regular expression in messages.
FORMS = {
    SHOT_ID: "is not a shot id: 16 hexadecimal digits, a colon and a frame number",
    VIDEO_ID: "is not an id: 16 hexadecimal digits",
    LABEL: "cannot be a label: use small letters, digits and _, a letter first",
    WORDS: "must be one line that is not blank, without control characters",
    ONE_LINE: "must be one line, without control characters",
    EXAMPLE: "is neither a shot id nor a picture that was sent, by its name or as a data URI of an image",
}
SHOWN_ERRORS = 5
LONGEST_DETAIL = 2_000


class Problem(BaseModel):
    """An error in the form of RFC 9457."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "detail": "no shot '0123456789abcdef:0': the catalogue has no video 0123456789abcdef",
            }
        }
    )
    type: str
    title: str = Field(description="The name of the status.")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What happened, to which thing, and what to do next.")


class ProblemError(HTTPException):
    """An answer that is a problem: ``status`` 400 to 599, ``detail`` for users, and extra ``headers``.

    An ``HTTPException``, because FastAPI turns any other error during the reading of a body into a 400.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)

    def build_response(self) -> Response:
        return build_problem_response(self.status_code, self.detail, self.headers)


def build_problem_response(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the problem document. Lone surrogates of a request are escaped, not an error."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail[:LONGEST_DETAIL],
    }
    headers = {"cache-control": "no-store", **(headers or {})}
    return Response(json.dumps(document).encode(), status, headers, media_type=MEDIA_TYPE)


Responses = dict[int | str, dict[str, Any]]
"""The ``responses`` of a route, as FastAPI and OpenAPI have them: by status, with descriptions and schemas."""


def describe_problems(*statuses: int) -> Responses:
    """Return the ``responses`` of a route that can end in these statuses, besides those of every route."""
    always = (400, 401, 403, 408, 413, 422, 429, 500, 503)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted({*always, *statuses})
    }


def report_unexpected(error: BaseException, what: str) -> Response:
    """Log an unexpected error under an id, and return the id only."""
    number = uuid.uuid4().hex[:12]
    log.error("%s failed unexpectedly (id %s)", what, number, exc_info=error)
    return build_problem_response(
        500, f"the service failed in a way that nobody foresaw; its log has the details under {number}"
    )


def install_problems(app: FastAPI) -> None:
    """Make every error of the app's routes a problem document."""
    app.add_exception_handler(ProblemError, _handle_problem)
    app.add_exception_handler(NeedleError, _handle_needle_error)
    app.add_exception_handler(OSError, _handle_os_error)
    app.add_exception_handler(HTTPException, _handle_http_error)
    app.add_exception_handler(RequestValidationError, _handle_invalid_request)


async def _handle_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return error.build_response()


async def _handle_needle_error(request: Request, error: Exception) -> Response:
    status = next(status for kind, status in STATUS_OF if isinstance(error, kind))
    if status >= 500:
        # The template, because addresses hold names of labels and people.
        log.warning("%s %s: %s", request.method, getattr(request.scope.get("route"), "path", "none"), error)
    return build_problem_response(status, str(error))


async def _handle_os_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    if error.errno not in NO_ROOM:
        raise error  # an unexpected one
    log.warning("%s %s: %s", request.method, getattr(request.scope.get("route"), "path", "none"), error)
    remedy = "whoever runs it has to make room there, or let it write"
    return build_problem_response(503, f"the service cannot write to its disk ({error.strerror}): {remedy}")


async def _handle_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == 404:
        detail = "there is nothing at this address: /docs lists the addresses"
    if error.status_code == 405:
        detail = f"{request.method} is not possible here: /docs lists what is possible"
    return build_problem_response(error.status_code, detail, error.headers)


async def _handle_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(each["loc"] == ("body",) for each in found) and "json" not in request.headers.get("content-type", ""):
        return build_problem_response(
            422, "the body is not read as JSON: send the header content-type: application/json"
        )
    return build_problem_response(422, "; ".join(_list_messages(found)))


def _list_messages(errors: Sequence[Any]) -> list[str]:
    """Return ``location: message`` of the first errors, without the input, which may be huge or private."""
    messages = []
    for error in errors[:SHOWN_ERRORS]:
        where = ".".join(str(part) for part in error["loc"][1:])
        what = simplify_message(error)
        if error["type"] == "json_invalid":  # the location is that of a character, not of a field
            where, what = "", f"the body is not JSON (at character {where}: {error['ctx']['error']})"
        if error["type"] == "string_pattern_mismatch":
            what = FORMS.get(error["ctx"]["pattern"], "does not have the form that /docs describes")
        messages.append(f"{where}: {what}" if where else str(what))
    if len(errors) > SHOWN_ERRORS:
        messages.append(f"and {len(errors) - SHOWN_ERRORS} more")
    return messages
