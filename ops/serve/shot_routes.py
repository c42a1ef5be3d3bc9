"""``GET /api/shows`` and ``GET /api/shots/{id}``: contents of the catalogue, and the provenance of one shot."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from ops.serve.answers import ShotAnswer, ShowsAnswer
from ops.serve.coverage import Coverage
from ops.serve.documents import send_json
from ops.serve.fields import SHOT_ID
from ops.serve.problems import describe_problems
from ops.serve.provenance import build_shot_document
from ops.serve.service import Service


def build_shot_routes(service: Service) -> APIRouter:
    """Return the two routes of this service."""
    router = APIRouter(tags=["catalogue"])
    coverage = Coverage(service)

    @router.get(
        "/api/shows",
        response_model=None,
        responses={200: {"model": ShowsAnswer}, **describe_problems()},
        summary="Every show: its searchable videos, since when, and those that are still being processed",
    )
    async def shows(request: Request) -> Response:
        return send_json(request, await service.queues.lookup.run(coverage.build_document))

    @router.get(
        "/api/shots/{shot_id}",
        response_model=None,
        responses={200: {"model": ShotAnswer}, **describe_problems(404)},
        summary="One shot, and where it came from",
    )
    async def shot(request: Request, shot_id: Annotated[str, Path(pattern=SHOT_ID)]) -> Response:
        return send_json(request, await service.queues.lookup.run(build_shot_document, service, shot_id))

    return router
