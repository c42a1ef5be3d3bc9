"""``/api/labels``: labels from the page and from other programs, stored as by ``needle label``, and their counts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from ops.core.errors import NotFoundError
from ops.probes.annotations import Annotation, AnnotationCounts, ResolvedLabel
from ops.probes.labels import append_annotations, list_labels
from ops.serve.answers import JudgedAnswer, LabelAnswer, LabelsAnswer
from ops.serve.answers.labels import LabelCounts, Refused
from ops.serve.answers.votes import Judged, JudgedShot, Vote
from ops.serve.documents import send_json
from ops.serve.fields import LABEL, MAX_PAGE, Label, ShotId
from ops.serve.label_summary import group_by_label, resolve_served_labels
from ops.serve.problems import describe_problems
from ops.serve.roles import choose_author
from ops.serve.schemas import LabelBody
from ops.serve.service import Service

MAX_ASKED = 200

Which = Literal["all", "yes", "no", "conflicts", "gone"]


def build_label_routes(service: Service) -> APIRouter:
    """Return the three routes of this service."""
    router = APIRouter(tags=["labels"])

    @router.post(
        "/api/labels",
        response_model=None,
        responses={200: {"model": LabelAnswer}, **describe_problems(404)},
        summary="Label shots with yes or no; nothing is overwritten",
    )
    async def label(request: Request, body: LabelBody) -> Response:
        author = choose_author(request, body.annotator)
        return send_json(request, await service.queues.lookup.run(_append, service, body, author))

    @router.get(
        "/api/labels",
        response_model=None,
        responses={200: {"model": LabelsAnswer}, **describe_problems()},
        summary="Every label, and how it stands",
    )
    async def labels(request: Request) -> Response:
        return send_json(request, await service.queues.lookup.run(_list_labels, service))

    @router.get(
        "/api/labels/{label}",
        response_model=None,
        responses={200: {"model": JudgedAnswer}, **describe_problems()},
        summary="People's answers for shots: all, or those of the named shots",
    )
    async def judged(
        request: Request,
        label: Annotated[str, Path(pattern=LABEL)],
        which: Annotated[Which, Query()] = "all",
        shot: Annotated[list[ShotId] | None, Query(max_length=MAX_ASKED)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 60,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> Response:
        return send_json(
            request, await service.queues.lookup.run(_list_judged, service, label, which, shot, limit, offset)
        )

    return router


def _append(service: Service, body: LabelBody, author: str) -> LabelAnswer:
    """Append the labels. Raises ``NotFoundError`` if none of the shots exists."""
    now = datetime.now(UTC)
    judgements = [
        Annotation(
            label=body.label,
            shot_id=shot_id,
            value=body.value,
            annotator=author,
            created_at=now,
            origin=body.origin,
        )
        for shot_id in dict.fromkeys(body.shots)
    ]
    result = append_annotations(service.settings, judgements, now)
    if len(result.refused) == len(judgements):
        raise NotFoundError("; ".join(f"{shot_id}: {why}" for shot_id, why in result.refused[:5]))
    refusals = dict(result.refused)
    resolved_labels = resolve_served_labels(service, [body.label])
    by_shot = {each.latest.shot_id: each for each in resolved_labels}
    return LabelAnswer(
        label=body.label,
        written=result.written,
        unchanged=result.unchanged,
        set_aside=[Refused(shot_id=shot_id, reason=why) for shot_id, why in refusals.items()],
        shots=[
            _describe_judged(each.shot_id, by_shot.get(each.shot_id))
            for each in judgements
            if each.shot_id not in refusals
        ],
        **asdict(AnnotationCounts.count(resolved_labels)),
    )


def _list_labels(service: Service) -> LabelsAnswer:
    names = list_labels(service.settings)
    by_label = group_by_label(resolve_served_labels(service, names))
    return LabelsAnswer(
        labels=[LabelCounts(label=label, **asdict(AnnotationCounts.count(by_label.get(label, [])))) for label in names]
    )


def _list_judged(
    service: Service, label: Label, which: Which, shot_ids: list[str] | None, limit: int, offset: int
) -> JudgedAnswer:
    resolved_labels = resolve_served_labels(service, [label])
    by_shot = {each.latest.shot_id: each for each in resolved_labels}
    if shot_ids:
        entries = [(shot_id, by_shot.get(shot_id)) for shot_id in dict.fromkeys(shot_ids)]
    else:
        newest = sorted(resolved_labels, key=lambda each: each.latest.created_at, reverse=True)
        entries = [(each.latest.shot_id, each) for each in newest if _is_selected(which, each)]
    page = entries[offset : offset + limit]
    shots = service.details.read([shot_id for shot_id, _ in page])
    return JudgedAnswer(
        label=label,
        total=len(entries),
        shots=[
            JudgedShot(
                shot=None if each and each.missing_reason else shots.get(shot_id),
                **_describe_judged(shot_id, each).__dict__,
            )
            for shot_id, each in page
        ],
        **asdict(AnnotationCounts.count(resolved_labels)),
    )


def _is_selected(which: Which, each: ResolvedLabel) -> bool:
    return {
        "all": True,
        "yes": each.value and not each.missing_reason,
        "no": not each.value and not each.missing_reason,
        "conflicts": each.in_conflict,
        "gone": bool(each.missing_reason),
    }[which]


def _describe_judged(shot_id: str, each: ResolvedLabel | None) -> Judged:
    return Judged(
        shot_id=shot_id,
        value=each.value if each else None,
        conflict=bool(each and each.in_conflict),
        gone=each.missing_reason if each else "",
        votes=[
            Vote(
                annotator=vote.annotator,
                value=bool(vote.value),
                created_at=vote.created_at.isoformat(),
                origin=vote.origin,
            )
            for vote in (each.by_annotator.values() if each else ())
        ],
    )
