"""Options of collections on a Qdrant server: ``NEEDLE_QDRANT_OPTIONS``, such as ``shards=3,replicas=2``.

Stands alone because they are parsed with the other settings, and used by the only package that imports Qdrant.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class QdrantOptions(BaseModel):
    """How collections are created and written; ``None`` leaves the choice to the server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shards: int | None = Field(default=None, ge=1, le=10_000)
    """Parts of a collection, which a cluster spreads over its nodes."""
    replicas: int | None = Field(default=None, ge=1, le=100)
    """Copies of each shard."""
    consistency: int | None = Field(default=None, ge=1, le=100)
    """Copies that must have a write before it counts as done."""
    on_disk: bool = False
    """Keep vectors and the graph on disk; the codes stay in memory."""
    quantisation: Literal["int8", "none"] = "int8"
    """Codes in memory that choose the candidates."""
    uploads: int = Field(default=4, ge=1, le=64)
    """Requests in flight while a version is written."""
    grpc: int = Field(default=0, ge=0, le=65_535)
    """Port for gRPC, usually 6334; 0: REST only."""


def parse_qdrant_options(text: str) -> QdrantOptions:
    """Parse ``key=value`` pairs separated by commas. Raises ``ValueError`` that names the option."""
    values: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (each.strip() for each in part.partition("="))
        if not equals or key not in QdrantOptions.model_fields:
            raise ValueError(f"{part!r} is not an option: write some of {', '.join(QdrantOptions.model_fields)}")
        if key in values:
            raise ValueError(f"{key} is set twice")
        values[key] = value
    options = QdrantOptions.model_validate(values)
    if options.replicas and options.consistency and options.consistency > options.replicas:
        raise ValueError(f"consistency={options.consistency} needs as many replicas, but there are {options.replicas}")
    return options


def check_qdrant_options(text: str) -> str:
    """Return the text if it can be parsed; for a field of settings."""
    parse_qdrant_options(text)
    return text
