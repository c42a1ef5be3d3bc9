"""A stand-in for a Qdrant server that refuses what the server refuses, on qdrant-client's in-memory mode.

Recorded from the documentation of Qdrant 1.16 and its default configuration: bodies above 32 MB are refused
(``service.max_request_size_mb``), a write to more replicas than there are nodes fails, a new collection is yellow until
it is optimised, and a busy server answers 429 or 503.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import wraps
from threading import RLock
from typing import Any

import httpx
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

MAX_REQUEST_BYTES = 32 * 1024 * 1024


class StrictServer(QdrantClient):
    """``busy`` requests for points fail before one succeeds; collections are yellow for ``yellow`` looks."""

    def __init__(self, *, busy: int = 0, yellow: int = 0, nodes: int = 1) -> None:
        super().__init__(":memory:")
        self.busy, self.yellow, self.nodes = busy, yellow, nodes
        self._writing = RLock()
        _lock_methods(self._client, self._writing)
        self.request_bytes: list[int] = []
        self.points: list[models.PointStruct] = []
        """Shots, in the order of requests."""
        self.spoil: Callable[[models.PointStruct], models.PointStruct] = lambda point: point
        """Changes each shot before it is stored."""
        self.creation: dict[str, Any] = {}
        self.alias_looks = 0
        self.green_at_switch: bool | None = None

    def create_collection(self, collection_name: str, **options: Any) -> bool:  # type: ignore[override]
        request = models.CreateCollection(
            vectors=options.get("vectors_config"),
            **{
                name: options.get(name)
                for name in (
                    "hnsw_config", "optimizers_config", "quantization_config", "shard_number", "replication_factor",
                    "write_consistency_factor", "on_disk_payload",
                )
            },
        )  # fmt: skip
        consistency = request.write_consistency_factor or 1
        if consistency > min(request.replication_factor or 1, self.nodes):
            raise refuse(400, f"write consistency {consistency} cannot be reached")
        if not collection_name.endswith("--videos"):
            self.creation = json.loads(request.model_dump_json(exclude_none=True))
        return super().create_collection(collection_name, **options)

    def upsert(self, collection_name: str, points: Sequence[models.PointStruct], **options: Any) -> Any:  # type: ignore[override]
        with self._writing:
            return self._upsert(collection_name, points, **options)

    def _upsert(self, collection_name: str, points: Sequence[models.PointStruct], **options: Any) -> Any:
        body = models.PointsList(points=list(points)).model_dump_json(exclude_none=True)
        self.request_bytes.append(len(body.encode()))
        if self.request_bytes[-1] > MAX_REQUEST_BYTES:
            raise refuse(413, "Payload Too Large")
        if self.busy:
            self.busy -= 1
            raise refuse(503 if self.busy % 2 else 429, "busy")
        if not collection_name.endswith("--videos"):
            self.points.extend(points)
            points = [self.spoil(point) for point in points]
        return super().upsert(collection_name, points, **options)

    def get_collection(self, collection_name: str, **options: Any) -> models.CollectionInfo:
        info = super().get_collection(collection_name, **options)
        if self.yellow:
            self.yellow -= 1
            info.status = models.CollectionStatus.YELLOW
        return info

    def update_collection_aliases(self, change_aliases_operations: Any, **options: Any) -> bool:
        self.green_at_switch = not self.yellow
        return super().update_collection_aliases(change_aliases_operations, **options)

    def get_aliases(self, **options: Any) -> Any:
        self.alias_looks += 1
        return super().get_aliases(**options)


def _lock_methods(local: Any, lock: RLock) -> None:
    """Let one thread at a time call the in-memory mode, which is not safe for several: some upload, others look."""

    def lock_one(call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def locked(*arguments: Any, **options: Any) -> Any:
            with lock:
                return call(*arguments, **options)

        return locked

    for name in dir(local):
        if not name.startswith("_") and callable(method := getattr(local, name)):
            setattr(local, name, lock_one(method))


def refuse(status: int, reason: str) -> UnexpectedResponse:
    """The client's error for an answer of the server."""
    return UnexpectedResponse(status_code=status, reason_phrase=reason, content=b"{}", headers=httpx.Headers())
