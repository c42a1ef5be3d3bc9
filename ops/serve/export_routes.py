"""``POST /api/images`` and ``POST /api/export``, which do heavy work for one client, and the progress of an export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Annotated, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response

from ops.collections.store import read_collection
from ops.core.cancellation import CancelToken
from ops.core.errors import JobCancelledError
from ops.exports.clip import Pick, select_existing_clips
from ops.exports.export import ExportReport, export
from ops.exports.picks import describe_match, describe_query, select_collection_picks, select_picks
from ops.exports.registry import export_formats, find_format
from ops.search.interpretation import parse_words
from ops.search.schema import SearchResult
from ops.serve.answers import ExportFormatsAnswer, ExportProgressAnswer, ImageAnswer
from ops.serve.documents import send_json
from ops.serve.export_files import ExportTally, OpenFileResponse
from ops.serve.fields import EXPORT_KEY
from ops.serve.picture_body import PICTURE_BODY, read_picture_body
from ops.serve.problems import ProblemError, Responses, describe_problems
from ops.serve.roles import read_identity
from ops.serve.schemas import ExportBody, PickBody
from ops.serve.search_body import SearchBody
from ops.serve.search_routes import page_of_hits, store_images
from ops.serve.service import Service

MOST_REPORTED = 10
CLIENT_GONE = 499
LONGEST = 300
MEDIA_TYPES = tuple(dict.fromkeys(each.media_type.partition(";")[0] for each in export_formats().values()))
FILE: Responses = {
    200: {
        "description": "The file, as an attachment; the header `needle-export` lists missing shots and warnings",
        "content": {
            kind: {"schema": {} if "json" in kind else {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES
        },
    }
}


def build_export_routes(service: Service) -> APIRouter:
    """Return the routes of this service."""
    router = APIRouter(tags=["work"])

    @router.post(
        "/api/images",
        response_model=None,
        responses={200: {"model": ImageAnswer}, **describe_problems()},
        openapi_extra=PICTURE_BODY,
        summary="A picture to search by: JPEG, PNG, WebP, GIF, BMP or TIFF",
    )
    async def images(request: Request) -> Response:
        data = await read_picture_body(request)
        return send_json(request, {"image": await service.queues.pictures.run(service.uploads.keep, data)})

    @router.post(
        "/api/export",
        response_model=None,
        response_class=Response,
        responses={**FILE, **describe_problems(404, 409, 410)},
        summary="A selection, or the hits of a search, as a file for an editing system",
    )
    async def export_file(request: Request, body: ExportBody) -> Response:
        search = await store_images(service, body.search) if body.search and not body.picks else None
        queue = service.queues.heavy_export if find_format(body.format).is_slow else service.queues.export
        tally, name = ExportTally(), read_identity(request).name
        try:
            with track_progress(service, body.key, tally):
                file, report = await queue.run_while_wanted(request, _export, service, body, search, name, tally)
        except JobCancelledError:
            return Response(status_code=CLIENT_GONE)  # the client is gone
        return OpenFileResponse(
            file,
            media_type=find_format(body.format).media_type,
            headers={
                "cache-control": "no-store",
                "content-disposition": name_attachment(body.title, report.path.suffix),
                "needle-export": encode_report(report),
            },
        )

    _add_progress_route(router, service)
    _add_formats_route(router)
    return router


def _add_progress_route(router: APIRouter, service: Service) -> None:
    @router.get(
        "/api/exports/{key}",
        response_model=None,
        responses={200: {"model": ExportProgressAnswer}, **describe_problems()},
        summary="How far an export is, by the key that it was asked for with",
    )
    async def export_progress(request: Request, key: Annotated[str, Path(pattern=EXPORT_KEY)]) -> Response:
        tally = service.tallies.get(key)
        count_done, total = (tally.done, tally.total) if tally else (0, 0)
        return send_json(request, {"running": tally is not None, "done": count_done, "total": total})


def _add_formats_route(router: APIRouter) -> None:
    @router.get(
        "/api/export/formats",
        response_model=None,
        responses={200: {"model": ExportFormatsAnswer}, **describe_problems()},
        summary="The formats of `POST /api/export`, in the order of the page's list",
    )
    async def formats(request: Request) -> Response:
        entries = [
            {
                "format": each.name,
                "label": each.label,
                "suffix": each.suffix,
                "media_type": each.media_type,
                "handles_note": each.handles_note,
                "has_one_rate": each.has_one_rate,
            }
            for each in export_formats().values()
        ]
        return send_json(request, {"formats": entries})


@contextmanager
def track_progress(service: Service, key: str | None, tally: ExportTally) -> Iterator[None]:
    """Report the progress of the export under ``key`` while the block runs."""
    if key is not None:
        service.tallies[key] = tally
    try:
        yield
    finally:
        if key is not None and service.tallies.get(key) is tally:  # another export may have taken the same key
            del service.tallies[key]


def name_attachment(title: str, suffix: str) -> str:
    """Return a Content-Disposition that names the file by the selection's title (RFC 6266)."""
    name = "".join(sign if sign.isprintable() and sign not in '/\\:*?"<>|' else "_" for sign in title).strip(". ")
    name = f"{name or 'selection'}{suffix}"
    plain = "".join(sign if sign.isascii() else "_" for sign in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def encode_report(report: ExportReport) -> str:
    """Return the report of an export as JSON in ASCII: number of clips, and the first missing shots and warnings."""
    document = {
        "clips": report.clips,
        "missing": [asdict(each) for each in report.missing[:MOST_REPORTED]],
        "missing_count": len(report.missing),
        "warnings": [warning[:LONGEST] for warning in report.warnings[:MOST_REPORTED]],
    }
    return json.dumps(document)


def _export(
    service: Service, body: ExportBody, search: SearchBody | None, author: str, tally: ExportTally, stop: CancelToken
) -> tuple[BinaryIO, ExportReport]:
    """Return ``(file, report)``; each clip's provenance has ``author``, unless empty.

    The file is open and already deleted from its folder; the caller closes it.

    Raises ``JobCancelledError`` once ``stop`` is set; then no file is left.
    """
    picks = [_pick(pick) for pick in body.picks]
    notes: tuple[str, ...] = ()
    if not picks and body.collection is not None:
        picks = select_collection_picks(read_collection(service.settings, body.collection))
    elif search is not None:
        answer = page_of_hits(service, search, search.cursor)
        picks, notes = select_picks(answer, padding_s=body.padding), _list_notes(answer)
    if author:
        picks = [replace(pick, provenance={**(pick.provenance or {}), "exported_by": author}) for pick in picks]
    if not picks:
        raise ProblemError(
            422,
            "there is nothing to export: give picks, or a search that finds something; with `min_relevance` 0 it also "
            "includes hits that are most likely not meant",
        )
    with service.exports.open_folder() as folder:
        target = folder / f"selection{find_format(body.format).suffix}"
        with service.settings.hold_work_lock():  # `forget` waits until the export ends
            clips, missing = select_existing_clips(service.settings, picks, handles=body.handles)
            report = export(
                service.settings,
                clips,
                body.format,
                target,
                title=body.title,
                missing=missing,
                stop=stop,
                progress=tally,
            )
        return report.path.open("rb"), replace(report, warnings=(*notes, *report.warnings))


def _list_notes(answer: SearchResult) -> tuple[str, ...]:
    """Return notes on limits of the search, and the reason for other hits if no line has the words in quotes."""
    reading, is_said = answer.reading, any("dialogue" in hit.matched for hit in answer.hits)
    phrases = parse_words(answer.query.text).phrases
    return (*((reading.why,) if phrases and not is_said else ()), *reading.notes)


def _pick(body: PickBody) -> Pick:
    """Convert the pick of a client; its provenance fields are not verified."""
    scores = body.model_dump(include={"score", "relevance", "encoder_id", "index_version"})
    query = body.query if isinstance(body.query, str | None) else describe_query(body.query)
    return Pick(
        shot_id=body.shot_id,
        in_frame=body.in_frame,
        out_frame=body.out_frame,
        provenance={"query": query, **scores} | describe_match(body.matched, body.dialogue_version),
        line_ids=tuple(body.line_ids),
        note=body.note,
    )
