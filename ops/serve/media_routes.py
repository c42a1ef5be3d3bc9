"""Moving previews and posters of shots, and uploaded images, by id only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from PIL import UnidentifiedImageError

from ops.core.addresses import THUMB_PX
from ops.core.storage import ObjectStore
from ops.search.shot_details import ShotDetail
from ops.serve.fields import SHOT_ID, VIDEO_ID
from ops.serve.media import Stored, hold_small_poster, look_up, send_media
from ops.serve.problems import ProblemError, Responses, describe_problems
from ops.serve.service import Service
from ops.shots.segment import make_poster_key, make_proxy_key
from ops.shots.sheet import make_sheet_key
from ops.shots.thumbnails import shrink_poster

ShotPath = Annotated[str, Path(pattern=SHOT_ID)]
Version = Annotated[
    str | None, Query(max_length=40, description="as in the address that a hit has; then cached permanently")
]
PosterSize = Annotated[Literal["full", "small"], Query(description="`small`: at most 320 pixels wide and high")]
KeyOf = Callable[[str, int, int], str]


def build_media_routes(service: Service, *, is_private: Callable[[], bool]) -> APIRouter:
    """Return the routes below ``/media``. ``is_private()``: only the browser may cache answers, not a proxy."""
    router = APIRouter(tags=["media"])

    def add(
        path: str, answer: Callable[..., Any], media_type: str, summary: str, methods: Sequence[str] = ("GET", "HEAD")
    ) -> None:
        name = answer.__name__
        for method in methods:
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

    async def serve_shot(request: Request, shot_id: str, v: str | None, key_of: KeyOf, media_type: str) -> Response:
        entry, version = await service.queues.lookup.run(_look_up_shot, service, request, shot_id, key_of)
        return send_media(request, entry, media_type, version_is_right=v == version, is_private=is_private())

    async def proxy(request: Request, shot_id: ShotPath, v: Version = None) -> Response:
        return await serve_shot(request, shot_id, v, make_proxy_key, "video/mp4")

    async def poster(request: Request, shot_id: ShotPath, v: Version = None, size: PosterSize = "full") -> Response:
        if size == "full":
            return await serve_shot(request, shot_id, v, make_poster_key, "image/jpeg")
        entry, version = await service.queues.lookup.run(_look_up_small, service, shot_id)
        return send_media(request, entry, "image/jpeg", version_is_right=v == version, is_private=is_private())

    async def thumb(request: Request, shot_id: ShotPath) -> Response:
        return await _serve_thumb(request, service, shot_id)

    async def contact_sheet(request: Request, video_id: Annotated[str, Path(pattern=VIDEO_ID)]) -> Response:
        store, key = service.settings.store, make_sheet_key(video_id)
        entry = await service.queues.lookup.run(look_up, request, store, key)
        answer = send_media(request, entry, "image/jpeg", version_is_right=False, is_private=is_private())
        answer.headers.update(share_with_same_site(request))
        return answer

    async def picture(request: Request, name: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]) -> Response:
        entry = await service.queues.lookup.run(_look_up_image, service, request, name)
        return send_media(request, entry, "image/jpeg", version_is_right=True, is_private=is_private())

    add("/media/shots/{shot_id}/proxy.mp4", proxy, "video/mp4", "A shot as a small mp4")
    add("/media/shots/{shot_id}/poster.jpg", poster, "image/jpeg", "A still of a shot")
    add("/media/shots/{shot_id}/thumb.jpg", thumb, "image/jpeg", "A small still of a shot, for other pages", ["GET"])
    add("/media/videos/{video_id}/sheet.jpg", contact_sheet, "image/jpeg", "The contact sheet of a video", ["GET"])
    add("/media/images/{name}.jpg", picture, "image/jpeg", "A picture that was uploaded")
    return router


async def _serve_thumb(request: Request, service: Service, shot_id: str) -> Response:
    shot = await service.queues.lookup.run(_find_shot, service, shot_id)
    key = make_poster_key(shot.video_id, shot.start_frame, shot.end_frame)
    data = await service.queues.pictures.run(_shrink_poster, service.settings.store, key)
    headers = {**share_with_same_site(request), "cache-control": "private, max-age=3600"}
    return Response(data, headers=headers, media_type="image/jpeg")


def share_with_same_site(request: Request) -> dict[str, str]:
    """Return headers with which pages of the same site may show a picture, such as Dagster's on another port.

    ``same-site`` would be the policy for it, but Chromium 150 refuses that between ports of one IP address. So the
    policy is open unless the browser reports that another site asks.
    """
    is_foreign = request.headers.get("sec-fetch-site") == "cross-site"
    policy = "same-origin" if is_foreign else "cross-origin"
    return {"cross-origin-resource-policy": policy, "vary": "sec-fetch-site"}


def _shrink_poster(store: ObjectStore, key: str) -> bytes:
    """Return the poster as a small JPEG. Raises ``ProblemError`` 404 if it is missing or is not a picture."""
    try:
        return shrink_poster(store.read_bytes(key), THUMB_PX)
    except (FileNotFoundError, UnidentifiedImageError):
        raise ProblemError(404, "the poster of this shot is gone from storage: run `needle ingest` again") from None


def _look_up_small(service: Service, shot_id: str) -> tuple[Stored, str]:
    """Return the small poster of a shot, and the version of its files. Raises ``ProblemError`` 404."""
    shot = _find_shot(service, shot_id)
    key = make_poster_key(shot.video_id, shot.start_frame, shot.end_frame)
    entry = hold_small_poster(service.settings.store, key, service.small_posters.find(key))
    return entry, _find_version(service, shot_id)


def _find_version(service: Service, shot_id: str) -> str:
    """Return the version of a shot's files; empty if the shot was deleted in the meantime."""
    return service.details.compute_media_versions([shot_id]).get(shot_id, "")


def _find_shot(service: Service, shot_id: str) -> ShotDetail:
    shots = service.details.read([shot_id])
    if not shots:
        raise ProblemError(404, f"no shot {shot_id!r} in the catalogue")
    return shots[shot_id]


def _look_up_shot(service: Service, request: Request, shot_id: str, key_of: KeyOf) -> tuple[Stored, str]:
    """Return the file of a shot, and the version of its files."""
    shot = _find_shot(service, shot_id)
    entry = look_up(request, service.settings.store, key_of(shot.video_id, shot.start_frame, shot.end_frame))
    return entry, _find_version(service, shot_id)


def _look_up_image(service: Service, request: Request, name: str) -> Stored:
    return look_up(request, *service.uploads.locate(name))


def _describe_responses(media_type: str | None) -> Responses:
    content = {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}} if media_type else {}
    return {
        200: {"description": "The whole file", **content},
        206: {"description": "The part that Range asks for", **content},
        304: {"description": "Not changed since the ETag that was given"},
        **describe_problems(404, 416),
    }
