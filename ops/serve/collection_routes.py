"""``/api/collections``: trays with a name, kept on the server. An editor never overwrites what another one saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from ops.collections.entries import PickedShot, ResolvedEntry, resolve_entries
from ops.collections.store import (
    Collection,
    CollectionFacts,
    SavedCollection,
    change_collection,
    create_collection,
    delete_collection,
    list_collections,
    read_collection,
)
from ops.core.errors import DamagedTableError
from ops.exports.picks import describe_query
from ops.serve.answers import CollectionAnswer, CollectionsAnswer
from ops.serve.answers.collections import CollectionChanged, CollectionItem, CollectionSummary
from ops.serve.answers.labels import Refused
from ops.serve.answers.shots import Shot
from ops.serve.documents import send_json
from ops.serve.fields import VIDEO_ID, VersionName
from ops.serve.problems import describe_problems
from ops.serve.roles import choose_author
from ops.serve.schemas import Author, CollectionChangeBody, NewCollectionBody, PickBody
from ops.serve.service import Service

CollectionPath = Annotated[str, Path(pattern=VIDEO_ID, description="16 hexadecimal digits")]


def build_collection_routes(service: Service) -> APIRouter:
    """Return the five routes of this service."""
    router = APIRouter(tags=["collections"])
    _add_reading_routes(router, service)

    @router.post(
        "/api/collections",
        response_model=None,
        responses={200: {"model": CollectionAnswer}, **describe_problems(404, 409)},
        summary="Keep shots under a name",
    )
    async def create(request: Request, body: NewCollectionBody) -> Response:
        author = choose_author(request, body.author)
        return send_json(request, await service.queues.lookup.run(_create, service, body, author))

    @router.patch(
        "/api/collections/{collection_id}",
        response_model=None,
        responses={200: {"model": CollectionAnswer}, **describe_problems(404, 409)},
        summary="Rename a collection, or replace its shots; 409 if somebody else has changed it since",
    )
    async def change(request: Request, collection_id: CollectionPath, body: CollectionChangeBody) -> Response:
        author = choose_author(request, body.author)
        return send_json(request, await service.queues.lookup.run(_change, service, collection_id, body, author))

    @router.delete(
        "/api/collections/{collection_id}",
        response_model=None,
        responses={200: {"model": CollectionsAnswer}, **describe_problems(404, 409)},
        summary="Delete a collection; 409 if somebody else has changed it since",
    )
    async def delete(
        request: Request,
        collection_id: CollectionPath,
        version: Annotated[VersionName, Query(description="`version` of the collection that was opened")],
        author: Annotated[Author, Query()] = "page",
    ) -> Response:
        name = choose_author(request, author)
        return send_json(request, await service.queues.lookup.run(_delete, service, collection_id, version, name))

    return router


def _add_reading_routes(router: APIRouter, service: Service) -> None:
    @router.get(
        "/api/collections",
        response_model=None,
        responses={200: {"model": CollectionsAnswer}, **describe_problems()},
        summary="Every collection, the last changed first",
    )
    async def collections(request: Request) -> Response:
        return send_json(request, await service.queues.lookup.run(_list, service))

    @router.get(
        "/api/collections/{collection_id}",
        response_model=None,
        responses={200: {"model": CollectionAnswer}, **describe_problems(404)},
        summary="One collection with its shots, found again if their video was cut again",
    )
    async def collection(request: Request, collection_id: CollectionPath) -> Response:
        return send_json(request, await service.queues.lookup.run(_read, service, collection_id))


def _list(service: Service) -> CollectionsAnswer:
    damage: list[DamagedTableError] = []
    collections = list_collections(service.settings, damage)
    first_ids = [each.entries[0].shot_id for each in collections if each.entries]
    shots = service.details.read(first_ids)
    return CollectionsAnswer(
        collections=[CollectionSummary(**_summarise(each, shots)) for each in collections],
        notes=[str(error) for error in damage],
    )


def _read(service: Service, collection_id: str) -> CollectionAnswer:
    return _describe(service, SavedCollection(collection=read_collection(service.settings, collection_id)))


def _create(service: Service, body: NewCollectionBody, author: str) -> CollectionAnswer:
    picks = [_convert(pick) for pick in body.entries]
    return _describe(
        service, create_collection(service.settings, body.name, picks, author=author, now=datetime.now(UTC))
    )


def _change(service: Service, collection_id: str, body: CollectionChangeBody, author: str) -> CollectionAnswer:
    picks = None if body.entries is None else [_convert(pick) for pick in body.entries]
    saved_collection = change_collection(
        service.settings,
        collection_id,
        body.version,
        name=body.name,
        picks=picks,
        author=author,
        now=datetime.now(UTC),
    )
    return _describe(service, saved_collection)


def _delete(service: Service, collection_id: str, version: str, author: str) -> CollectionsAnswer:
    delete_collection(service.settings, collection_id, version, author=author, now=datetime.now(UTC))
    return _list(service)


def _convert(pick: PickBody) -> PickedShot:
    """The shot of a request; its search becomes words."""
    return PickedShot(
        shot_id=pick.shot_id,
        in_frame=pick.in_frame,
        out_frame=pick.out_frame,
        note=pick.note,
        query=pick.query if isinstance(pick.query, str | None) else describe_query(pick.query),
        score=pick.score,
        relevance=pick.relevance,
        encoder_id=pick.encoder_id,
        index_version=pick.index_version,
        matched=tuple(pick.matched),
        dialogue_version=pick.dialogue_version,
        line_ids=tuple(pick.line_ids),
    )


def _describe(service: Service, saved_collection: SavedCollection) -> CollectionAnswer:
    collection = saved_collection.collection
    entries = resolve_entries(service.settings, collection.entries)
    shots = service.details.read([each.shot_id for each in entries if not each.missing_reason])
    return CollectionAnswer(
        **_summarise(collection, shots),
        entries=[_describe_entry(each, shots.get(each.shot_id)) for each in entries],
        history=[
            CollectionChanged(**asdict(change) | {"created_at": change.created_at.isoformat()})
            for change in collection.history
        ],
        notes=list(collection.notes),
        set_aside=[Refused(shot_id=each.shot_id, reason=each.reason) for each in saved_collection.refused],
    )


def _describe_entry(resolved_entry: ResolvedEntry, shot: Shot | None) -> CollectionItem:
    entry = resolved_entry.entry
    return CollectionItem(
        **asdict(entry)
        | {
            "shot_id": resolved_entry.shot_id,
            "stored_id": entry.shot_id,
            "matched": list(entry.matched),
            "line_ids": list(entry.line_ids),
            "added_at": entry.added_at.isoformat(),
        },
        missing_reason=resolved_entry.missing_reason,
        is_recut=resolved_entry.is_recut,
        shot=None if resolved_entry.missing_reason else shot,
    )


class SummaryFields(CollectionFacts):
    poster: str | None


def _summarise(collection: Collection, shots: Mapping[str, Shot]) -> SummaryFields:
    posters = [shots[each.shot_id].poster for each in collection.entries[:1] if each.shot_id in shots]
    return {**collection.summarise(), "poster": posters[0] if posters else None}
