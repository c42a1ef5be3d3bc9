"""Moving previews and posters of shots, and uploaded images, by id only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from ops.core.storage import ObjectStore
from ops.search.shot_details import ShotDetail
from ops.serve.fields import SHOT_ID
from ops.serve.media import serve_media
from ops.serve.problems import ProblemError, Responses, describe_problems
from ops.serve.service import Service
from ops.shots.segment import make_poster_key, make_proxy_key

ShotPath = Annotated[str, Path(pattern=SHOT_ID)]
Version = Annotated[
    str | None, Query(max_length=40, description="as in the address that a hit has; then cached permanently")
]


def build_media_routes(service: Service, *, is_private: Callable[[], bool]) -> APIRouter:
    """Return the routes below ``/media``. ``is_private()``: only the browser may cache answers, not a proxy."""
    router = APIRouter(tags=["media"])

    def add(path: str, answer: Callable[..., Any], media_type: str, summary: str) -> None:
        name = answer.__name__
        for method in ("GET", "HEAD"):
            router.add_api_route(
                path,
                answer,
                methods=[method],
                response_model=None,
                response_class=Response,
                responses=_describe_responses(media_type if method == "GET" else None),
                summary=summary,
                name=name,
                operation_id=f"{method.lower()}_{name}",
            )

    async def serve_shot(request: Request, shot_id: str, v: str | None, key_of: Any, media_type: str) -> Response:
        shot, version = await service.queues.lookup.run(_find_shot, service, shot_id)
        key = key_of(shot.video_id, shot.start_frame, shot.end_frame)
        return await serve_media(
            request, service.settings.store, key, media_type, version_is_right=v == version, is_private=is_private()
        )

    async def proxy(request: Request, shot_id: ShotPath, v: Version = None) -> Response:
        return await serve_shot(request, shot_id, v, make_proxy_key, "video/mp4")

    async def poster(request: Request, shot_id: ShotPath, v: Version = None) -> Response:
        return await serve_shot(request, shot_id, v, make_poster_key, "image/jpeg")

    async def picture(request: Request, name: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]) -> Response:
        path = await service.queues.lookup.run(service.uploads.find_path, name)
        store = ObjectStore(str(path.parent))
        return await serve_media(
            request, store, path.name, "image/jpeg", version_is_right=True, is_private=is_private()
        )

    add("/media/shots/{shot_id}/proxy.mp4", proxy, "video/mp4", "A shot as a small mp4")
    add("/media/shots/{shot_id}/poster.jpg", poster, "image/jpeg", "A still of a shot")
    add("/media/images/{name}.jpg", picture, "image/jpeg", "A picture that was uploaded")
    return router


def _find_shot(service: Service, shot_id: str) -> tuple[ShotDetail, str]:
    shots = service.details.read([shot_id])
    if not shots:
        raise ProblemError(404, f"no shot {shot_id!r} in the catalogue")
    return shots[shot_id], service.details.compute_media_versions([shot_id])[shot_id]


def _describe_responses(media_type: str | None) -> Responses:
    content = {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}} if media_type else {}
    return {
        200: {"description": "The whole file", **content},
        206: {"description": "The part that Range asks for", **content},
        304: {"description": "Not changed since the ETag that was given"},
        **describe_problems(404, 416),
    }
