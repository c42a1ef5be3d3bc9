"""``/api/people``: who is in the picture, names, merges and splits, faces like a face, and pictures of faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response

from ops.core.errors import UsageError
from ops.core.settings import Settings
from ops.people import editing
from ops.people.assignment import assign_faces
from ops.people.pictures import cut_face
from ops.people.similar import SimilarFace, find_faces_like_face, find_faces_like_picture
from ops.search.query_encoding import read_image_bytes
from ops.serve.answers import FacesLikeAnswer, PeopleAnswer, PersonAnswer
from ops.serve.answers.people import ComparedPicture, FaceLike, PersonEntry, PersonFace, PersonShots
from ops.serve.documents import send_json
from ops.serve.fields import FACE_ID, PERSON_ID
from ops.serve.picture_body import PICTURE_BODY, read_picture_body
from ops.serve.problems import describe_problems
from ops.serve.roles import choose_author
from ops.serve.schemas import NewPersonBody, PersonChangeBody
from ops.serve.service import Service

T = TypeVar("T")
MOST_FACES = 200
PersonPath = Annotated[str, Path(pattern=PERSON_ID, description="p and 12 hexadecimal digits")]
FacePath = Annotated[str, Path(pattern=FACE_ID)]


def build_people_routes(service: Service) -> APIRouter:
    """Return the routes of this service."""
    router = APIRouter(tags=["people"])

    @router.get(
        "/api/people",
        response_model=None,
        responses={200: {"model": PeopleAnswer}, **describe_problems()},
        summary="The people of the catalogue, with their shots of each show",
    )
    async def people(request: Request) -> Response:
        return send_json(request, await service.queues.lookup.run(_list, service))

    @router.post(
        "/api/people",
        response_model=None,
        responses={200: {"model": PeopleAnswer}, **describe_problems(404)},
        summary="Make a person of faces that have none",
    )
    async def create(request: Request, body: NewPersonBody) -> Response:
        author = choose_author(request, body.author)
        return send_json(request, await service.queues.lookup.run(_create, service, body, author))

    @router.get(
        "/api/people/{person_id}",
        response_model=None,
        responses={200: {"model": PersonAnswer}, **describe_problems(404)},
        summary="The faces of a person; the id of one who was merged finds the other",
    )
    async def person(request: Request, person_id: PersonPath) -> Response:
        return send_json(request, await service.queues.lookup.run(_read, service, person_id))

    @router.post(
        "/api/people/{person_id}",
        response_model=None,
        responses={200: {"model": PeopleAnswer}, **describe_problems(400, 404)},
        summary="Name a person, merge another into them, undo a merge, split faces off, take faces away, or give faces",
    )
    async def change(request: Request, person_id: PersonPath, body: PersonChangeBody) -> Response:
        author = choose_author(request, body.author)
        return send_json(request, await service.queues.lookup.run(_change, service, person_id, body, author))

    _add_similar_routes(router, service)
    _add_picture_route(router, service)
    return router


def _add_similar_routes(router: APIRouter, service: Service) -> None:
    @router.get(
        "/api/faces/{face_id}/similar",
        response_model=None,
        responses={200: {"model": FacesLikeAnswer}, **describe_problems(404)},
        summary="The clear faces most like a face",
    )
    async def similar(
        request: Request, face_id: FacePath, limit: Annotated[int, Query(ge=1, le=MOST_FACES)] = 24
    ) -> Response:
        return send_json(request, await service.queues.lookup.run(_find_similar, service, face_id, limit))

    @router.post(
        "/api/faces/similar",
        response_model=None,
        responses={200: {"model": FacesLikeAnswer}, **describe_problems(409)},
        openapi_extra=PICTURE_BODY,
        summary="The clear faces most like the clearest or another face of a picture, which is not kept",
    )
    async def similar_to_picture(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MOST_FACES)] = 24,
        face: Annotated[int | None, Query(ge=1, le=MOST_FACES, description="from left to right")] = None,
    ) -> Response:
        data = await read_picture_body(request)
        return send_json(
            request, await service.queues.pictures.run(_find_similar_to_picture, service, data, limit, face)
        )


def _add_picture_route(router: APIRouter, service: Service) -> None:
    @router.get(
        "/media/faces/{face_id}.jpg",
        response_model=None,
        response_class=Response,
        responses={
            200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
            **describe_problems(404),
        },
        summary="A picture of a face, which no cache may keep",
    )
    async def face_picture(request: Request, face_id: FacePath) -> Response:
        content = await service.queues.pictures.run(cut_face, service.settings, face_id)
        return Response(content, media_type="image/jpeg", headers={"cache-control": "private, no-store"})


def _list(service: Service) -> PeopleAnswer:
    return PeopleAnswer(
        people=[
            PersonEntry(
                person_id=row["person_id"],
                name=row["name"] or "",
                faces=row["faces"],
                shots=row["shots"],
                videos=row["videos"],
                face_id=row["face_id"],
                shows=[
                    PersonShots(show=show, shots=shots)
                    for show, shots in sorted(shows.items(), key=lambda each: (-each[1], each[0]))
                ],
            )
            for row, shows in service.searcher.people.list_people()
        ]
    )


def _read(service: Service, person_id: str) -> PersonAnswer:
    person_id = editing.find_person(service.settings, person_id)["person_id"]
    faces = editing.read_person_faces(service.settings, person_id)
    best = sorted(faces, key=lambda face: (-face["quality"], face["face_id"]))[:MOST_FACES]
    return PersonAnswer(
        person_id=person_id,
        faces=[
            PersonFace(
                face_id=face["face_id"],
                shot_id=face["shot_id"],
                show=face["show"],
                frame=face["frame"],
                quality=round(face["quality"], 3),
            )
            for face in best
        ],
    )


def _change(service: Service, person_id: str, body: PersonChangeBody, author: str) -> PeopleAnswer:
    settings, now = service.settings, datetime.now(UTC)
    if body.action == "name":
        editing.name_person(settings, person_id, _require(body.name, "name"), author, now)
    elif body.action == "merge":
        editing.merge_people(settings, person_id, _require(body.other_id, "other_id"), author, now)
    elif body.action == "unmerge":
        editing.unmerge_people(settings, person_id, _require(body.other_id, "other_id"), author, now)
    else:
        edits: dict[str, Callable[[Settings, str, Sequence[str], str, datetime], object]]
        edits = {"split": editing.split_faces, "reject": editing.reject_faces, "assign": assign_faces}
        edits[body.action](settings, person_id, _require(body.faces, "faces"), author, now)
    service.searcher.people.forget()
    return _list(service)


def _create(service: Service, body: NewPersonBody, author: str) -> PeopleAnswer:
    assign_faces(service.settings, body.name, body.faces, author, datetime.now(UTC), must_be_new=True)
    service.searcher.people.forget()
    return _list(service)


def _require(value: T | None, field: str) -> T:
    if value is None:
        raise UsageError(f"this action needs the field {field}")
    return value


def _find_similar(service: Service, face_id: str, limit: int) -> FacesLikeAnswer:
    return FacesLikeAnswer(faces=_describe(find_faces_like_face(service.settings, face_id, limit)))


def _find_similar_to_picture(service: Service, data: bytes, limit: int, face: int | None) -> FacesLikeAnswer:
    found = find_faces_like_picture(service.settings, read_image_bytes(data), limit, face)
    return FacesLikeAnswer(
        faces=_describe(found.faces),
        picture=ComparedPicture(faces=found.count, used=found.used, usable=list(found.usable)),
    )


def _describe(faces: Sequence[SimilarFace]) -> list[FaceLike]:
    return [FaceLike(**vars(each)) for each in faces]
