"""What the catalogue has: its shows, its videos with posters, and one shot with its provenance."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from ops.serve.answers import ShotAnswer, ShowPostersAnswer, ShowsAnswer, VideosAnswer
from ops.serve.coverage import Coverage
from ops.serve.documents import send_json
from ops.serve.fields import MAX_PAGE, SHOT_ID, ShowName
from ops.serve.problems import describe_problems
from ops.serve.provenance import build_shot_document
from ops.serve.service import Service
from ops.serve.video_list import VideoOrder, build_show_posters, build_video_list

MAX_SHOWS = 50
MAX_POSTERS = 12
MAX_VIDEOS = 1_000_000
Posters = Annotated[int, Query(ge=1, le=MAX_POSTERS)]


def build_catalogue_routes(service: Service) -> APIRouter:
    """Return the four routes of this service."""
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
        "/api/shows/posters",
        response_model=None,
        responses={200: {"model": ShowPostersAnswer}, **describe_problems()},
        summary="Posters of some shows, spread over their videos",
    )
    async def show_posters(
        request: Request,
        show: Annotated[list[ShowName], Query(min_length=1, max_length=MAX_SHOWS)],
        count: Posters = 6,
    ) -> Response:
        def build() -> ShowPostersAnswer:
            return build_show_posters(service, coverage.list_videos(), show, count)

        return send_json(request, await service.queues.lookup.run(build))

    @router.get(
        "/api/shots/{shot_id}",
        response_model=None,
        responses={200: {"model": ShotAnswer}, **describe_problems(404)},
        summary="One shot, and where it came from",
    )
    async def shot(request: Request, shot_id: Annotated[str, Path(pattern=SHOT_ID)]) -> Response:
        return send_json(request, await service.queues.lookup.run(build_shot_document, service, shot_id))

    _add_videos(router, service, coverage)
    return router


def _add_videos(router: APIRouter, service: Service, coverage: Coverage) -> None:
    @router.get(
        "/api/videos",
        response_model=None,
        responses={200: {"model": VideosAnswer}, **describe_problems()},
        summary="Videos of a show, or the newest of all, with facts and posters",
    )
    async def videos(
        request: Request,
        show: Annotated[ShowName | None, Query(description="only this show; unknown: no videos")] = None,
        order: Annotated[VideoOrder, Query(description="newest: only videos with searchable shots")] = VideoOrder.NAME,
        offset: Annotated[int, Query(ge=0, le=MAX_VIDEOS)] = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 60,
        posters: Posters = 5,
    ) -> Response:
        def build() -> VideosAnswer:
            return build_video_list(
                service,
                coverage.list_videos(),
                show=show,
                order=order,
                offset=offset,
                limit=limit,
                posters=posters,
            )

        return send_json(request, await service.queues.lookup.run(build))
