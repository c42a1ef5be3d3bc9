"""What each role may do: the one table from which the guard, the OpenAPI document and the docs are made.

A route that is not in the table stops the service at its start, so that no route is open by accident.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Scope


class Role(StrEnum):
    """Roles, each with the rights of those before it."""

    LOOK = "look"
    LABEL = "label"
    ADMINISTER = "administer"

    def includes(self, other: Role) -> bool:
        """Return True if this role has the rights of ``other``."""
        order = list(Role)
        return order.index(self) >= order.index(other)


RIGHTS: Mapping[Role, str] = {
    Role.LOOK: "search, watch and export",
    Role.LABEL: "search, watch, export, label shots, correct cuts and keep collections",
    Role.ADMINISTER: "everything, also fit probes, which changes what everybody's searches answer",
}

ACCESS: Mapping[str, Role | None] = {
    "GET /": None,
    "GET /how": None,
    "GET /page/{name}": None,
    "POST /api/session": None,
    "GET /api/session": None,
    "DELETE /api/session": None,
    "GET /healthz": None,
    "GET /livez": None,
    "GET /readyz": None,
    "GET /docs": Role.LOOK,
    "GET /docs.css": Role.LOOK,
    "GET /openapi.json": Role.LOOK,
    "HEAD /openapi.json": Role.LOOK,
    "GET /metrics": Role.LOOK,
    "POST /api/search": Role.LOOK,
    "GET /api/samples": Role.LOOK,
    "GET /api/shows": Role.LOOK,
    "GET /api/shows/posters": Role.LOOK,
    "GET /api/videos": Role.LOOK,
    "GET /api/shots/{shot_id}": Role.LOOK,
    "GET /api/shots/{shot_id}/similar": Role.LOOK,
    "GET /api/videos/{video_id}": Role.LOOK,
    "GET /api/videos/{video_id}/dialogue": Role.LOOK,
    "GET /api/videos/{video_id}/corrections": Role.LOOK,
    "POST /api/videos/{video_id}/corrections": Role.LABEL,
    "GET /media/shots/{shot_id}/proxy.mp4": Role.LOOK,
    "HEAD /media/shots/{shot_id}/proxy.mp4": Role.LOOK,
    "GET /media/shots/{shot_id}/poster.jpg": Role.LOOK,
    "HEAD /media/shots/{shot_id}/poster.jpg": Role.LOOK,
    "GET /media/shots/{shot_id}/thumb.jpg": Role.LOOK,
    "GET /media/videos/{video_id}/sheet.jpg": Role.LOOK,
    "GET /media/images/{name}.jpg": Role.LOOK,
    "HEAD /media/images/{name}.jpg": Role.LOOK,
    "POST /api/images": Role.LOOK,
    "POST /api/export": Role.LOOK,
    "GET /api/exports/{key}": Role.LOOK,
    "GET /api/export/formats": Role.LOOK,
    "GET /api/labels": Role.LOOK,
    "POST /api/labels": Role.LABEL,
    "GET /api/labels/{label}": Role.LOOK,
    "GET /api/collections": Role.LOOK,
    "POST /api/collections": Role.LABEL,
    "GET /api/collections/{collection_id}": Role.LOOK,
    "PATCH /api/collections/{collection_id}": Role.LABEL,
    "DELETE /api/collections/{collection_id}": Role.LABEL,
    "GET /api/searches": Role.LOOK,
    "POST /api/searches": Role.LABEL,
    "POST /api/searches/{search_id}/seen": Role.LABEL,
    "DELETE /api/searches/{search_id}": Role.LABEL,
    "GET /api/people": Role.LOOK,
    "POST /api/people": Role.LABEL,
    "GET /api/people/{person_id}": Role.LOOK,
    "POST /api/people/{person_id}": Role.LABEL,
    "GET /api/faces/{face_id}/similar": Role.LOOK,
    "POST /api/faces/similar": Role.LOOK,
    "GET /media/faces/{face_id}.jpg": Role.LOOK,
    "GET /api/probes": Role.LOOK,
    "GET /api/probes/{label}": Role.LOOK,
    "GET /api/probes/{label}/feeds": Role.LOOK,
    "POST /api/probes/{label}/fit": Role.ADMINISTER,
    "GET /reports": Role.LOOK,
    "GET /reports/latest/{name}": Role.LOOK,
    "GET /reports/latest/{name}/{subject}": Role.LOOK,
    "GET /reports/{path:path}": Role.LOOK,
}
"""The role that each route needs; ``None``: nobody needs to sign in for it."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who sends a request. ``name`` is empty for a token of NEEDLE_TOKENS, and if the service needs no token."""

    name: str
    role: Role


ANYBODY = Identity(name="", role=Role.ADMINISTER)
"""The identity of every request to a service that needs no token."""
_IDENTITY = "needle.identity"


@dataclass(frozen=True, kw_only=True)
class _Rule:
    methods: frozenset[str]
    path: re.Pattern[str]
    roles: Mapping[str, Role | None]


class AccessRules:
    """The table for the routes of one application, matched by the routes' own patterns and in their order.

    Raises ``LookupError`` for a route without a row in the table.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._rules = [_build_rule(route) for route in routes if isinstance(route, Route)]

    def find_role(self, scope: Scope) -> Role | None:
        """Return the role that a request needs. An address that does not exist needs the first one."""
        for rule in self._rules:
            if scope["method"] in rule.methods and rule.path.match(scope["path"]):
                return rule.roles[scope["method"]]
        # Answered with 404 or 405: by the page's own file names, or to those who are signed in.
        is_open = scope["path"] == "/favicon.ico"
        return None if is_open else Role.LOOK


def _build_rule(route: Route) -> _Rule:
    methods = frozenset(route.methods or ())
    missing = sorted(f"{method} {route.path}" for method in methods if f"{method} {route.path}" not in ACCESS)
    if missing:
        raise LookupError(f"no role for {', '.join(missing)}: add a row to ACCESS in ops/serve/roles.py")
    roles = {method: ACCESS[f"{method} {route.path}"] for method in methods}
    return _Rule(methods=methods, path=route.path_regex, roles=roles)


def remember_identity(scope: Scope, identity: Identity) -> None:
    """Store the identity of a request for its route."""
    scope[_IDENTITY] = identity


def read_identity(request: Request) -> Identity:
    """Return who sends the request, as the guard found it."""
    identity = request.scope[_IDENTITY]
    assert isinstance(identity, Identity)
    return identity


def choose_author(request: Request, typed_name: str) -> str:
    """Return the name under which an answer is stored: that of the token, or the entered one if it has none."""
    return read_identity(request).name or typed_name


def format_access_table() -> str:
    """Return the table as Markdown, for the docs: each route with the role that it needs."""
    rows = [f"| `{route}` | {role or 'none: open to all'} |" for route, role in ACCESS.items()]
    return "\n".join(("| request | role |", "| --- | --- |", *rows))
