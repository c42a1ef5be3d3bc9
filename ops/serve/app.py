"""The application: one home behind one guard, every route, and every error as a problem document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ops.core.settings import Settings
from ops.core.stage_metrics import collect_stages
from ops.embeddings.encoder import Encoder
from ops.serve.catalogue_routes import build_catalogue_routes
from ops.serve.collection_routes import build_collection_routes
from ops.serve.export_routes import build_export_routes
from ops.serve.film_routes import build_film_routes
from ops.serve.guard import Guard, is_loopback
from ops.serve.label_routes import build_label_routes
from ops.serve.media_routes import build_media_routes
from ops.serve.metrics import CatalogueMetrics, collect_queues
from ops.serve.page_routes import build_page_routes
from ops.serve.people_routes import build_people_routes
from ops.serve.probe_routes import build_probe_routes
from ops.serve.problems import Problem, install_problems
from ops.serve.report_routes import build_report_routes
from ops.serve.roles import ACCESS, RIGHTS, AccessRules
from ops.serve.sample_routes import build_sample_routes
from ops.serve.saved_search_routes import build_saved_search_routes
from ops.serve.search_routes import build_search_routes
from ops.serve.searchable_since import Runs
from ops.serve.service import Service, WorkQueues
from ops.serve.tokens import COOKIE, load_tokens
from ops.serve.work import WorkQueue

DESCRIPTION = (
    "Find any moment in your footage by describing it. Every error is application/problem+json; "
    "frames are source frame numbers, ranges are half-open."
)


def create_app(
    settings: Settings,
    *,
    runs: Runs | None = None,
    host: str = "127.0.0.1",
    encoder: Encoder | None = None,
    fit: Sequence[str] | None = None,
) -> FastAPI:
    """Build the web service of the home of ``settings``, for the address ``host``.

    ``runs`` looks Dagster runs up. ``encoder`` replaces the one in the settings. ``fit`` is the command that fits the
    probe whose label is appended to it; without it the service starts no fits. ``app.state.service`` is the
    :class:`Service`. Nothing is loaded before the application starts.
    """
    service = Service(settings, encoder, runs, _build_queues(settings.workers), fit)
    tokens = load_tokens(settings, is_exposed=not is_loopback(host))
    app = _build_empty_app(service)
    install_problems(app)
    routers = (
        build_search_routes(service),
        build_catalogue_routes(service),
        build_sample_routes(service),
        build_film_routes(service),
        build_media_routes(service, is_private=lambda: tokens.are_needed),
        build_export_routes(service),
        build_collection_routes(service),
        build_saved_search_routes(service),
        build_people_routes(service),
        build_label_routes(service),
        build_probe_routes(service),
        build_report_routes(service),
        build_page_routes(app, service, tokens),
    )
    app.add_middleware(
        Guard,
        tokens=tokens,
        rules=AccessRules([*app.routes, *(route for router in routers for route in router.routes)]),
        metrics=service.metrics,
        loopback_host=host if is_loopback(host) else None,
        public_url=settings.public_url,
        rate_limit=settings.rate_limit,
    )
    install_openapi(app, lambda: tokens.are_needed)
    for router in routers:
        app.include_router(router)
    _add_metrics(service)
    return app


def _add_metrics(service: Service) -> None:
    """Report the service, its queues, the catalogue, and the stages of the pipeline that write to this home."""
    metrics = service.metrics
    metrics.add_gauge("shots_indexed", "Shots that can be found.", service.count_shots)
    metrics.add_gauge("ready", "1 if searches are answered, as /readyz.", lambda: service.status in ("ok", "empty"))
    queues = [getattr(service.queues, field.name) for field in fields(service.queues)]
    metrics.add_source(lambda: collect_queues(queues))
    metrics.add_source(CatalogueMetrics(service.settings, service.searcher.live_encoder_id).collect)
    metrics.add_source(lambda: collect_stages(service.settings.home))


def _build_queues(workers: int) -> WorkQueues:
    """Return the work queues: a search uses one core, two lookups may wait for storage, one image is heavy enough.

    Clips and sheets take minutes and have a queue of their own, so that a timeline never waits for them.
    """
    threads = max(1, workers)
    return WorkQueues(
        search=WorkQueue("search", threads, 512),
        lookup=WorkQueue("shots", 2 * threads, 512),
        pictures=WorkQueue("pictures", 1, 32),
        export=WorkQueue("exports", 1, 16),
        heavy_export=WorkQueue("exports of pictures", 1, 16),
    )


def _build_empty_app(service: Service) -> FastAPI:
    """Return an application without routes that starts the service; ``app.state.service`` is the service."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        service.stop()

    app = FastAPI(
        title="Needle",
        version=version("needle"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.state.service = service
    return app


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
