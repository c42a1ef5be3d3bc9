"""``POST /api/search`` and ``GET /api/shots/{id}/similar``: one page of a ranking, with the cursor of the next."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from ops.core.errors import NotFoundError
from ops.search.schema import LikenessBy, SearchFields
from ops.search.schema import Query as SearchQuery
from ops.serve.answers import SearchAnswer
from ops.serve.cursors import MAX_OFFSET, Cursor, hash_of_query, read_cursor
from ops.serve.documents import send_json
from ops.serve.fields import MAX_PAGE, SHOT_ID
from ops.serve.problems import ProblemError, describe_problems
from ops.serve.search_body import SearchBody, get_description
from ops.serve.service import Service
from ops.shots.segment import make_poster_key

EMPTY_PAGES = 20


def build_search_routes(service: Service) -> APIRouter:
    """Return the two routes of this service."""
    router = APIRouter(tags=["search"])

    @router.post(
        "/api/search",
        response_model=None,
        responses={200: {"model": SearchAnswer}, **describe_problems(404, 409, 410)},
        summary="Find shots by describing them, by examples, or by both",
    )
    async def search(request: Request, body: SearchBody) -> Response:
        fields = await store_images(service, body)
        return await service.queues.search.run(_run_search, service, request, fields, body.cursor, body.posters)

    @router.get(
        "/api/shots/{shot_id}/similar",
        response_model=None,
        responses={200: {"model": SearchAnswer}, **describe_problems(404, 409, 410)},
        summary="Shots that look like this one, or that could follow or precede it",
    )
    async def similar(
        request: Request,
        shot_id: Annotated[str, Path(pattern=SHOT_ID)],
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        cursor: Annotated[str | None, Query(max_length=400)] = None,
        show: Annotated[list[str] | None, Query(max_length=1_000)] = None,
        by: Annotated[LikenessBy, Query(description=get_description(SearchFields, "by"))] = "look",
    ) -> Response:
        query = SearchQuery(like=(shot_id,), by=by, shows=tuple(show or ()), limit=limit)
        return await service.queues.search.run(_run_search, service, request, query, cursor)

    return router


async def store_images(service: Service, body: SearchBody) -> SearchBody:
    """Store every inline image of the search and replace it by its name: answers and cursors stay short."""
    pictures = [example for example in body.list_examples() if example.startswith("data:")]
    names = {each: await service.queues.pictures.run(service.uploads.keep_data_uri, each) for each in pictures}
    return body.rename_examples(names) if names else body


def page_of_hits(service: Service, fields: SearchFields, cursor: str | None) -> SearchAnswer:
    """Return the answer of a search, with addresses and ``next_cursor``.

    Raises ``ProblemError`` 409 if there is nothing to search, 410 if the cursor's index is deleted, and the errors of
    ``Searcher.search``.
    """
    service.require_footage()
    query = SearchQuery.build(fields)
    name = hash_of_query(query)
    position = read_cursor(cursor, name) if cursor else None
    if position:
        query = query.model_copy(update={"offset": position.offset})
        _require_versions(service, position)
    for _ in range(EMPTY_PAGES):  # shots forgotten in the meantime are left out: a whole page can be empty
        result, is_last = service.searcher.page(
            query, *((position.index_version, position.dialogue_version) if position else ())
        )
        if position and result.dialogue_version != position.dialogue_version:
            raise _report_gone()
        following = Cursor(
            offset=query.offset + query.limit,
            index_version=result.index_version,
            dialogue_version=result.dialogue_version,
            query=name,
        )
        is_last = is_last or following.offset > MAX_OFFSET
        if result.hits or is_last:
            break
        query, position = query.model_copy(update={"offset": following.offset}), following
    return SearchAnswer(**{**result.__dict__, "next_cursor": None if is_last else following.encode()})


def _run_search(
    service: Service, request: Request, fields: SearchFields, cursor: str | None, posters: int = 0
) -> Response:
    answer = page_of_hits(service, fields, cursor)
    if not posters:
        return send_json(request, answer)
    shots = service.details.read([hit.shot_id for hit in answer.hits[:posters]])
    keys = {name: make_poster_key(shot.video_id, shot.start_frame, shot.end_frame) for name, shot in shots.items()}
    answer = answer.model_copy(update={"posters": service.small_posters.build_uris(keys)})
    return send_json(request, answer, is_compressible=False)  # pictures are compressed already


def _require_versions(service: Service, cursor: Cursor) -> None:
    try:
        service.searcher.index(cursor.index_version)
        service.searcher.open_lines(cursor.dialogue_version)
    except NotFoundError as error:
        raise _report_gone() from error


def _report_gone() -> ProblemError:
    return ProblemError(410, "the catalogue has changed twice since the first page: search again from the start")
