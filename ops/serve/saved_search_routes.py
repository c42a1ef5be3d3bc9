"""``/api/searches``: searches that people saved, and the shots of new footage that match them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi import Query as Parameter

from ops.search.query_problems import find_problem
from ops.search.saved_searches import (
    SavedSearch,
    SearchState,
    delete_search,
    list_searches,
    mark_seen,
    read_search_state,
    save_search,
)
from ops.search.schema import Query
from ops.serve.answers import SavedSearchesAnswer
from ops.serve.answers.saved_searches import FoundMatch, SavedSearchEntry
from ops.serve.documents import send_json
from ops.serve.fields import VIDEO_ID
from ops.serve.problems import describe_problems
from ops.serve.roles import choose_author
from ops.serve.schemas import Author, SavedSearchBody
from ops.serve.search_body import SearchBody
from ops.serve.search_routes import store_images
from ops.serve.service import Service

MOST_SHOWN = 24
SearchPath = Annotated[str, Path(pattern=VIDEO_ID, description="16 hexadecimal digits")]


def build_saved_search_routes(service: Service) -> APIRouter:
    """Return the four routes of this service."""
    router = APIRouter(tags=["searches"])

    @router.get(
        "/api/searches",
        response_model=None,
        responses={200: {"model": SavedSearchesAnswer}, **describe_problems()},
        summary="Every saved search, with the shots of new footage that match it",
    )
    async def searches(request: Request) -> Response:
        return send_json(request, await service.queues.lookup.run(_list, service))

    @router.post(
        "/api/searches",
        response_model=None,
        responses={200: {"model": SavedSearchesAnswer}, **describe_problems(404, 409)},
        summary="Save a search; all footage that is searchable now counts as known",
    )
    async def save(request: Request, body: SavedSearchBody) -> Response:
        author = choose_author(request, body.author)
        search = await store_images(service, body.search)
        return send_json(request, await service.queues.lookup.run(_save, service, body.name, search, author))

    @router.post(
        "/api/searches/{search_id}/seen",
        response_model=None,
        responses={200: {"model": SavedSearchesAnswer}, **describe_problems(404)},
        summary="Count the new matches of a search as seen, for everybody",
    )
    async def seen(request: Request, search_id: SearchPath) -> Response:
        return send_json(request, await service.queues.lookup.run(_mark_seen, service, search_id))

    @router.delete(
        "/api/searches/{search_id}",
        response_model=None,
        responses={200: {"model": SavedSearchesAnswer}, **describe_problems(404)},
        summary="Delete a saved search",
    )
    async def delete(
        request: Request, search_id: SearchPath, author: Annotated[Author, Parameter()] = "page"
    ) -> Response:
        name = choose_author(request, author)
        return send_json(request, await service.queues.lookup.run(_delete, service, search_id, name))

    return router


def _list(service: Service) -> SavedSearchesAnswer:
    searches = [
        (search, read_search_state(service.settings, search.search_id)) for search in list_searches(service.settings)
    ]
    entries = [_describe(service, search, state) for search, state in searches]
    return SavedSearchesAnswer(searches=entries, new_matches=sum(entry.new_matches for entry in entries))


def _save(service: Service, name: str, search: SearchBody, author: str) -> SavedSearchesAnswer:
    save_search(
        service.settings,
        service.searcher.encoder_id,
        name,
        Query.build(search),
        author=author,
        now=datetime.now(UTC),
        pictures=service.uploads.read_picture,
    )
    return _list(service)


def _mark_seen(service: Service, search_id: str) -> SavedSearchesAnswer:
    mark_seen(service.settings, search_id)
    return _list(service)


def _delete(service: Service, search_id: str, author: str) -> SavedSearchesAnswer:
    delete_search(service.settings, search_id, author=author, now=datetime.now(UTC))
    return _list(service)


def _describe(service: Service, search: SavedSearch, state: SearchState) -> SavedSearchEntry:
    """The search as an answer; matches whose shots are gone since are left out until the next ingest looks again."""
    shots = service.details.read([match.shot_id for match in state.matches])
    matches = [match for match in state.matches if match.shot_id in shots]
    return SavedSearchEntry(
        search_id=search.search_id,
        name=search.name,
        search=search.query,
        author=search.author,
        created_at=search.created_at.isoformat(),
        new_matches=len(matches),
        matches=[
            FoundMatch(shot_id=match.shot_id, relevance=match.relevance, shot=shots[match.shot_id])
            for match in matches[:MOST_SHOWN]
        ],
        problem=state.problem or find_problem(service.settings, service.searcher, search.query),
    )
