"""The OpenAPI document: FastAPI's own part, the problem document, and authentication if tokens are set."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ops.serve.problems import Problem
from ops.serve.tokens import COOKIE


def install_openapi(app: FastAPI, *, tokens_are_needed: bool) -> None:
    """Make ``app.openapi()`` and ``/openapi.json`` return the complete document."""

    def build_document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build_document(app, tokens_are_needed)
        return app.openapi_schema

    app.openapi = build_document  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _build_document(app: FastAPI, tokens_are_needed: bool) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=None
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):  # of FastAPI, for a 422; not used here
        schemas.pop(unused, None)
    if tokens_are_needed:
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"},
            "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
        }
        for path, methods in document["paths"].items():
            if path not in ("/api/session", "/healthz"):
                for operation in methods.values():
                    operation["security"] = [{"token": []}, {"session": []}]
    return document
