"""``GET /api/shows`` and ``GET /api/shots/{id}``: contents of the catalogue, and the provenance of one shot."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from ops.serve.answers import ShotAnswer, ShowsAnswer
from ops.serve.coverage import Coverage
from ops.serve.documents import json_answer
from ops.serve.fields import SHOT_ID
from ops.serve.problems import problems
from ops.serve.provenance import shot_document
from ops.serve.service import Service


def shot_routes(service: Service) -> APIRouter:
    """Return the two routes of this service."""
    router = APIRouter(tags=["catalogue"])
    coverage = Coverage(service)

    @router.get(
        "/api/shows",
        response_model=None,
        responses={200: {"model": ShowsAnswer}, **problems()},
        summary="Every show: its searchable videos, since when, and those that are still being processed",
    )
    async def shows(request: Request) -> Response:
        return json_answer(request, await service.lanes.lookup.run(coverage.document))

    @router.get(
        "/api/shots/{shot_id}",
        response_model=None,
        responses={200: {"model": ShotAnswer}, **problems(404)},
        summary="One shot, and where it came from",
    )
    async def shot(request: Request, shot_id: Annotated[str, Path(pattern=SHOT_ID)]) -> Response:
        return json_answer(request, await service.lanes.lookup.run(shot_document, service, shot_id))

    return router
