"""Online features over HTTP, from ``feast serve``: what a service on another machine does. Needs no Feast."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from ops.core.errors import FeatureStoreError, UsageError


def served_features(
    address: str,
    ids: Sequence[str],
    features: str | Sequence[str],
    *,
    key: str = "shot_id",
    full_names: bool = False,
    timeout_s: float = 10.0,
) -> list[dict[str, Any]]:
    """As :func:`~ops.features.online.online_features`, asked of the server at ``address`` (``http://host:port``).

    ``key`` names the entity's column. Raises ``UsageError`` for an address that is none, and ``FeatureStoreError``
    where nobody answers, or what the server refused.
    """
    if not address.startswith(("http://", "https://")):
        raise UsageError(f"{address!r} is no address of a feature server: write http://127.0.0.1:6566")
    wanted = {"feature_service": features} if isinstance(features, str) else {"features": list(features)}
    question = {**wanted, "entities": {key: list(ids)}, "full_feature_names": full_names}
    url = f"{address.rstrip('/')}/get-online-features"
    headers = {"Content-Type": "application/json"}
    request = Request(url, json.dumps(question).encode(), headers, method="POST")
    try:
        with urlopen(request, timeout=timeout_s) as response:
            answer = json.load(response)
    except HTTPError as error:
        with error:
            raise FeatureStoreError(f"{url} refused with {error.code}: {_reason(error.read())}") from error
    except (URLError, OSError, HTTPException, ValueError) as error:
        told = getattr(error, "reason", None) or error
        hint = "is `feast serve` running there? Start it in feature_repo with NEEDLE_HOME exported"
        raise FeatureStoreError(f"no answer from {url}: {told}; {hint}") from error
    names = answer["metadata"]["feature_names"]
    columns = [column["values"] for column in answer["results"]]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _reason(body: bytes) -> str:
    """What the server says, in one line; Feast puts its errors as JSON into a text of JSON."""
    told: Any = body.decode(errors="replace")
    for name in ("detail", "message"):
        try:
            content = json.loads(told)
        except (ValueError, TypeError):
            break
        told = content.get(name, content.get("message", content)) if isinstance(content, dict) else content
    return " ".join(str(told).replace("full_feature_names=True", "full_names=True").split())[:300] or "no reason given"
