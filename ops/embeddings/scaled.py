"""Embed shots on a Ray cluster: the work of :func:`embed_shots`, in many actors in parallel.

Legend: N shots of a batch, D dimensions.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ops.cluster.batches import map_batches
from ops.cluster.session import open_cluster
from ops.core import errors
from ops.core.errors import EncoderError, NeedleError
from ops.core.settings import Settings
from ops.core.storage import ObjectStore
from ops.embeddings.embed import Cause, ShotToEmbed, ShotVector, UnusableShot, embed_shots
from ops.embeddings.encoder import load_encoder
from ops.embeddings.motion import NAMES
from ops.embeddings.registry import EncoderRegistry

_BATCH_SHOTS = 64
"""Enough that reading ahead within a batch pays, few enough that a lost actor loses little."""


def embed_on_cluster(
    shots: Sequence[ShotToEmbed], settings: Settings, encoder_id: str
) -> Generator[ShotVector | UnusableShot, None, None]:
    """Results of shots, in their order, as from :func:`embed_shots`; the same errors, and ``ClusterError``.

    Every node must reach the object store under its address, and have the encoder's weights: those of ``finetuned`` are
    in the home.
    """
    table = pa.table(
        {
            "shot_id": [shot.shot_id for shot in shots],
            "proxy_key": [shot.proxy_key for shot in shots],
            "frames": [shot.frames for shot in shots],
            "only_ends": [shot.only_ends for shot in shots],
        }
    )
    arguments = {
        "root": settings.store.root,
        "home": str(settings.home),
        "spec": EncoderRegistry(settings.home).find_spec(encoder_id) or encoder_id,
        "encoder_id": encoder_id,
        "frames_per_shot": settings.frames_per_shot,
    }
    with open_cluster(settings.ray_address) as session:
        for batch in map_batches(table, ShotEmbedder, arguments, session, batch_rows=_BATCH_SHOTS):
            yield from _parse_results(batch)


Columns = dict[str, NDArray[Any]]
"""A batch of Ray by the names of its columns."""
_VECTORS = ("embedding", "first", "last")


class ShotEmbedder:
    """The work of one actor: it loads the encoder once, and embeds batches of shots one after the other."""

    def __init__(self, root: str, home: str, spec: str, encoder_id: str, frames_per_shot: int) -> None:
        self._store, self._frames = ObjectStore(root), frames_per_shot
        self._spec, self._home, self._encoder_id = spec, Path(home), encoder_id
        self._encoder: Any = None

    def __call__(self, batch_N: Columns) -> Columns:
        """Embed a batch; return its columns.

        The columns are ``shot_id``, ``embedding``, ``first`` and ``last`` (N, D), ``motion`` (N, 5), ``frames_used``,
        ``vector_hash``; ``cause`` and ``reason`` of a skipped shot; ``kind`` and ``error`` if one of our errors ended
        the batch. They replace an exception, because Ray would wrap it in its own words.
        """
        columns = (batch_N["shot_id"], batch_N["proxy_key"], batch_N["frames"], batch_N["only_ends"])
        shots = [
            ShotToEmbed(shot_id=str(shot_id), proxy_key=str(key), frames=int(frames), only_ends=bool(only_ends))
            for shot_id, key, frames, only_ends in zip(*columns, strict=True)
        ]
        results: list[ShotVector | UnusableShot] = []
        kind = error = ""
        try:
            # One CPU each: actors work in parallel, not threads within one.
            results.extend(embed_shots(shots, self._store, self._load_once(), frames_per_shot=self._frames, readers=1))
        except NeedleError as failure:
            kind, error = type(failure).__name__, str(failure)
            results = [UnusableShot(shot_id="", cause="encoder", reason="")]
        dim = next((len(result.embedding) for result in results if isinstance(result, ShotVector)), 1)
        rows = [_build_columns(result, dim) for result in results]
        return {
            **{name: np.stack([row[name] for row in rows]) for name in rows[0]},
            "kind": np.array([kind] * len(rows)),
            "error": np.array([error] * len(rows)),
        }

    def _load_once(self) -> Any:
        if self._encoder is None:
            encoder = load_encoder(self._spec, self._home, threads=1)
            if encoder.encoder_id != self._encoder_id:
                raise EncoderError(
                    f"a node has other weights of {self._spec}: {encoder.encoder_id} instead of {self._encoder_id}; "
                    "let all nodes see the same files"
                )
            self._encoder = encoder
        return self._encoder


def _build_columns(result: ShotVector | UnusableShot, dim: int) -> Columns:
    """One row of a batch; a skipped shot has vectors of zeros in it, because all rows must have the same columns."""
    if isinstance(result, ShotVector):
        return {
            "shot_id": np.array(result.shot_id),
            "embedding": result.embedding,
            "first": result.first,
            "last": result.last,
            "motion": result.motion,
            "vector_hash": np.array(result.vector_hash),
            "frames_used": np.array(result.frames_used),
            "cause": np.array(""),
            "reason": np.array(""),
        }
    return {
        "shot_id": np.array(result.shot_id),
        **{name: np.zeros(dim, np.float32) for name in _VECTORS},
        "motion": np.zeros(len(NAMES), np.float32),
        "vector_hash": np.array(""),
        "frames_used": np.array(0),
        "cause": np.array(result.cause),
        "reason": np.array(result.reason),
    }


def _parse_results(batch: Columns) -> Iterator[ShotVector | UnusableShot]:
    if batch["error"][0]:
        raise getattr(errors, str(batch["kind"][0]))(str(batch["error"][0]))
    names = ("shot_id", *_VECTORS, "motion", "vector_hash", "frames_used", "cause", "reason")
    for shot_id, *vectors_D, digest, used, cause, reason in zip(*(batch[name] for name in names), strict=True):
        if reason:
            valid_cause: Cause = "proxy" if cause == "proxy" else "encoder"
            yield UnusableShot(shot_id=str(shot_id), cause=valid_cause, reason=str(reason))
            continue
        embedding_D, first_D, last_D, motion = (np.ascontiguousarray(vector, dtype=np.float32) for vector in vectors_D)
        yield ShotVector(
            shot_id=str(shot_id),
            embedding=embedding_D,
            first=first_D,
            last=last_D,
            motion=motion,
            vector_hash=str(digest),
            frames_used=int(used),
        )
