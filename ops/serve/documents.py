"""From what the rooms below say to what HTTP says: addresses for storage URIs, and JSON, quickly."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from ops.search.hits import ShotDetails

COMPRESSED_FROM = 4_096
LEVEL = 1  # a page of hits shrinks to a fifth at level 1, and at level 6 to a sixth in three times the time


def json_answer(request: Request, document: Any, headers: dict[str, str] | None = None) -> Response:
    """The document as JSON, compressed where the client can read that and it is worth it."""
    body = to_json(document)
    headers = {"cache-control": "no-store", "vary": "accept-encoding", **(headers or {})}
    if len(body) >= COMPRESSED_FROM and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, LEVEL)
        headers["content-encoding"] = "gzip"
    return Response(body, headers=headers, media_type="application/json")


def with_addresses(details: ShotDetails, hits: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Hits whose ``poster`` and ``proxy`` are addresses of this service that name their content."""
    shots = [dict(hit) for hit in hits]
    followers = [hit["then"] for hit in shots if hit.get("then")]
    versions = details.media_versions([hit["shot_id"] for hit in [*shots, *followers]])
    for hit in shots:
        hit |= addresses(hit["shot_id"], versions.get(hit["shot_id"], ""))
        if hit.get("then"):
            shot_id = hit["then"]["shot_id"]
            hit["then"] = {**hit["then"], **addresses(shot_id, versions.get(shot_id, ""))}
    return shots


def addresses(shot_id: str, version: str) -> dict[str, str]:
    """``poster`` and ``proxy`` of a shot."""
    base, mark = f"/media/shots/{shot_id}", f"?v={version}" if version else ""  # an id needs no quoting
    return {"poster": f"{base}/poster.jpg{mark}", "proxy": f"{base}/proxy.mp4{mark}"}
