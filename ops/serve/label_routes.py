"""``POST`` and ``GET /api/labels``: thumbs of the page and of other programs, as ``needle label`` writes them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ops.core.errors import NotFoundError
from ops.probes.labels import Judgement, Tally, append_judgements, labels_known, standing_of
from ops.serve.documents import json_answer
from ops.serve.problems import problems
from ops.serve.schemas import ShotId
from ops.serve.service import Service

MAX_SHOTS = 1_000


class LabelBody(BaseModel):
    """One person's yes (true) or no of some shots."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"example": {"label": "closeup", "shots": ["0123456789abcdef:489"], "value": True}},
    )

    label: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", description="small letters, digits and _")]
    shots: Annotated[list[ShotId], Field(min_length=1, max_length=MAX_SHOTS)]
    value: bool
    annotator: Annotated[str, Field(min_length=1, max_length=100)] = "page"
    origin: Annotated[str, Field(min_length=1, max_length=100, description="where it was asked")] = "page"


class Refused(BaseModel):
    """A shot whose label was not taken."""

    shot_id: str
    reason: str


class LabelAnswer(BaseModel):
    """What was written, and how the label stands now."""

    label: str
    written: int
    unchanged: int
    set_aside: list[Refused]
    yes: int
    no: int


class LabelCounts(BaseModel):
    """How one label stands: shots by their latest judgement, those of which people differ, and those that are gone."""

    label: str
    yes: int
    no: int
    conflicts: int
    gone: int


class LabelsAnswer(BaseModel):
    """Every label that anybody gave."""

    labels: list[LabelCounts]


def label_routes(service: Service) -> APIRouter:
    """The two routes, for this service."""
    router = APIRouter(tags=["labels"])

    @router.post(
        "/api/labels",
        response_model=None,
        responses={200: {"model": LabelAnswer}, **problems(404)},
        summary="Say that shots are what a label names, or are not; nothing is ever overwritten",
    )
    async def label(request: Request, body: LabelBody) -> Response:
        return json_answer(request, await service.lanes.lookup.run(_append, service, body))

    @router.get(
        "/api/labels",
        response_model=None,
        responses={200: {"model": LabelsAnswer}, **problems()},
        summary="Every label, and how it stands",
    )
    async def labels(request: Request) -> Response:
        return json_answer(request, await service.lanes.lookup.run(_labels, service))

    return router


def _append(service: Service, body: LabelBody) -> dict[str, object]:
    """Raises ``NotFoundError`` where none of the shots is there."""
    now = datetime.now(UTC)
    judgements = [
        Judgement(
            label=body.label,
            shot_id=shot_id,
            value=body.value,
            annotator=body.annotator,
            created_at=now,
            origin=body.origin,
        )
        for shot_id in dict.fromkeys(body.shots)
    ]
    done = append_judgements(service.settings, judgements, now)
    if len(done.refused) == len(judgements):
        raise NotFoundError("; ".join(f"{shot_id}: {why}" for shot_id, why in done.refused[:5]))
    tally = _tally(service, body.label)
    return {
        "label": body.label,
        "written": done.written,
        "unchanged": done.unchanged,
        "set_aside": [{"shot_id": shot_id, "reason": why} for shot_id, why in done.refused],
        "yes": tally.yes,
        "no": tally.no,
    }


def _labels(service: Service) -> dict[str, object]:
    return {"labels": [{"label": label, **asdict(_tally(service, label))} for label in labels_known(service.settings)]}


def _tally(service: Service, label: str) -> Tally:
    return Tally.of(standing_of(service.settings, [label]))
