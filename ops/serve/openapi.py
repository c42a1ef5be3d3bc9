"""The OpenAPI document: FastAPI's own part, the problem document, and the role of each operation if tokens are set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ops.serve.problems import Problem
from ops.serve.roles import ACCESS, RIGHTS
from ops.serve.tokens import COOKIE


def install_openapi(app: FastAPI, are_tokens_needed: Callable[[], bool]) -> None:
    """Make ``app.openapi()`` and ``/openapi.json`` return the complete document.

    The first named token changes it, while the service runs.
    """
    documents: dict[bool, dict[str, Any]] = {}

    def build_document() -> dict[str, Any]:
        needs_token = are_tokens_needed()
        if needs_token not in documents:
            documents[needs_token] = _build_document(app, needs_token)
        return documents[needs_token]

    app.openapi = build_document  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _build_document(app: FastAPI, tokens_are_needed: bool) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=None
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for schema_name in ("HTTPValidationError", "ValidationError"):  # of FastAPI, for a 422; not used here
        schemas.pop(schema_name, None)
    if tokens_are_needed:
        rights = "; ".join(f"`{role}`: {right}" for role, right in RIGHTS.items())
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": f"Roles: {rights}."},
            "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
        }
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                role = ACCESS[f"{method.upper()} {path}"]
                if role is not None:
                    # OpenAPI 3.1: of schemes without scopes, the list names the roles that are needed
                    operation["security"] = [{"token": [role.value]}, {"session": [role.value]}]
    return document
