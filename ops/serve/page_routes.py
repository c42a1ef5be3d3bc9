"""The page and its files, sessions, and routes for machines: health, metrics, documentation."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
import time
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.responses import HTMLResponse

from ops.serve.answers import Alive, Health, Readiness, SessionAnswer
from ops.serve.docs import render_docs_page, render_docs_style
from ops.serve.documents import send_json
from ops.serve.guard import identify_sender
from ops.serve.media import matches_etag
from ops.serve.problems import ProblemError, Responses, describe_problems
from ops.serve.roles import ANYBODY, Identity
from ops.serve.schemas import SessionBody
from ops.serve.service import Service
from ops.serve.tokens import COOKIE, SESSION_S, Tokens

PAGE = Path(__file__).parent / "page"
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,80}")
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
COMPRESSED_TYPES = ("text/", "image/svg", "application/json")


def build_page_routes(app: FastAPI, service: Service, tokens: Tokens) -> APIRouter:
    """Return the routes of the page, and those that are not about footage."""
    router = APIRouter()
    _add_page(router, app)
    _add_session(router, tokens, is_encrypted=service.settings.public_url.startswith("https:"))
    _add_state(router, service)
    return router


def _add_page(router: APIRouter, app: FastAPI) -> None:
    @router.get("/", include_in_schema=False)
    def page(request: Request) -> Response:
        return _send_file(request, "index.html")

    @router.get("/how", include_in_schema=False)
    def how(request: Request) -> Response:
        return _send_file(request, "how.html")

    @router.get("/page/{name}", include_in_schema=False)
    def page_file(request: Request, name: str) -> Response:
        return _send_file(request, name)

    @router.get("/docs", include_in_schema=False)
    def docs() -> Response:
        return HTMLResponse(render_docs_page(app.openapi()))

    @router.get("/docs.css", include_in_schema=False)
    def style() -> Response:
        return Response(render_docs_style(), media_type="text/css")


def _add_session(router: APIRouter, tokens: Tokens, *, is_encrypted: bool) -> None:
    """Add the session routes.

    ``is_encrypted``: clients use https to a proxy, whatever the proxy uses to this service.
    """

    @router.post(
        "/api/session",
        tags=["access"],
        response_model=None,
        responses={200: {"model": SessionAnswer}, **describe_problems()},
        summary="A token in exchange for a session cookie",
    )
    def session(request: Request, body: SessionBody) -> Response:
        if not tokens.are_needed:
            return send_json(request, _describe_session(ANYBODY, is_needed=False))
        now = time.time()
        value, identity = tokens.open_session(body.token, now), tokens.identify(body.token, now)
        if value is None or identity is None:
            raise ProblemError(401, "this is none of the service's tokens", {"www-authenticate": "Bearer"})
        answer = send_json(request, _describe_session(identity, is_needed=True))
        secure = is_encrypted or request.url.scheme == "https"
        answer.set_cookie(COOKIE, value, max_age=SESSION_S, httponly=True, samesite="strict", secure=secure)
        return answer

    @router.get(
        "/api/session",
        tags=["access"],
        response_model=None,
        responses={200: {"model": SessionAnswer}, **describe_problems()},
        summary="Who is signed in, with which role",
    )
    def signed_in(request: Request) -> Response:
        is_needed = tokens.are_needed
        identity = identify_sender(tokens, request.headers) if is_needed else ANYBODY
        return send_json(request, _describe_session(identity, is_needed=is_needed))

    @router.delete(
        "/api/session",
        tags=["access"],
        response_model=None,
        responses={200: {"model": SessionAnswer}, **describe_problems()},
        summary="Sign out: the browser forgets its session",
    )
    def sign_out(request: Request) -> Response:
        is_needed = tokens.are_needed
        answer = send_json(request, _describe_session(None if is_needed else ANYBODY, is_needed=is_needed))
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer


def _describe_session(identity: Identity | None, *, is_needed: bool) -> SessionAnswer:
    return SessionAnswer(
        signed_in=identity is not None,
        needed=is_needed,
        name=identity.name if identity else "",
        role=identity.role.value if identity else None,
    )


def _add_state(router: APIRouter, service: Service) -> None:
    @router.get(
        "/healthz",
        tags=["access"],
        response_model=None,
        responses={200: {"model": Health}, **describe_problems()} | {503: {"model": Health}},
        summary="Whether the service is ready: 503 until the encoder is warm",
    )
    def healthz(request: Request) -> Response:
        document = describe_health(service)
        answer = send_json(request, document)
        answer.status_code = 200 if document.status in ("ok", "empty") else 503
        return answer

    @router.get(
        "/livez",
        tags=["access"],
        response_model=None,
        responses={200: {"model": Alive}, **describe_problems()},
        summary="Whether the process answers; a restart helps if it does not",
    )
    async def livez(request: Request) -> Response:
        # In the event loop, not in a thread: busy threads are no reason for a restart.
        return send_json(request, Alive(status="ok"))

    @router.get(
        "/readyz",
        tags=["access"],
        response_model=None,
        responses={200: {"model": Readiness}, **describe_problems()} | {503: {"model": Readiness}},
        summary="Whether requests can be sent here: 503 until the encoder is warm; reads no index",
    )
    def readyz(request: Request) -> Response:
        status = service.status
        answer = send_json(request, Readiness(status=status))
        answer.status_code = 200 if status in ("ok", "empty") else 503
        return answer

    @router.get("/metrics", tags=["access"], response_class=Response, responses=_TEXT, summary="For Prometheus")
    def metrics() -> Response:
        return Response(service.metrics.render(), media_type="text/plain; version=0.0.4")


_TEXT: Responses = {
    200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}},
    **describe_problems(),
}


def describe_health(service: Service) -> Health:
    """Return the document of ``/healthz``."""
    status = service.status
    if status in ("warming", "failed"):
        return Health(status=status, encoder_id=None, index_version=None, shots=0)
    retriever = service.searcher.retriever
    index = retriever.index() if status == "ok" else None
    return Health(
        status=status,
        encoder_id=retriever.encoder_id,
        index_version=index.version if index else None,
        shots=index.count() if index else 0,
    )


def _send_file(request: Request, name: str) -> Response:
    """Return a file of the page's folder, which is flat: a name cannot escape from it.

    Its tag is of its content. Starlette's ``StaticFiles`` makes one of date and size, and an installed package may give
    every file of every version the same date; its overrides for tag, caching, types and hidden names are longer than
    this function (16 lines to 15, measured in November 2026).
    """
    path = PAGE / name
    if not _FILE.fullmatch(name) or not path.is_file():
        raise ProblemError(404, "the page has no such file")
    data = path.read_bytes()
    etag = f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'
    headers = {"etag": etag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if matches_etag(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    if kind.startswith(COMPRESSED_TYPES) and "gzip" in request.headers.get("accept-encoding", ""):
        data = gzip.compress(data, 6, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(data, headers=headers, media_type=kind)
