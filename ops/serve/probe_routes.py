"""``/api/probes``: every label and its probe, shots to label next, and fits on request."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response

from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.probes.annotations import ResolvedLabel
from ops.probes.definitions import ProbeDefinition, define, load_definitions
from ops.probes.documents import count_annotators, probe_document
from ops.probes.labels import list_labels
from ops.probes.state import read_state
from ops.probes.suggestions import suggest
from ops.probes.versions import list_fitted_probes, read_version
from ops.serve.answers import FeedsAnswer, ProbeAnswer, ProbesAnswer
from ops.serve.answers.feeds import OfferedShot
from ops.serve.documents import send_json
from ops.serve.fields import LABEL, Label, ShotId
from ops.serve.label_summary import group_by_label, resolve_served_labels
from ops.serve.problems import describe_problems
from ops.serve.schemas import FitBody
from ops.serve.service import Service

MAX_OFFERED = 100
MAX_SKIPPED = 500
STEPS = 100


def build_probe_routes(service: Service) -> APIRouter:
    """Return the four routes of this service."""
    router = APIRouter(tags=["probes"])
    _add_standing(router, service)
    _add_work(router, service)
    return router


def _add_standing(router: APIRouter, service: Service) -> None:
    """Add the routes that report labels and their probes."""
    run = service.queues.lookup.run

    @router.get(
        "/api/probes",
        response_model=None,
        responses={200: {"model": ProbesAnswer}, **describe_problems()},
        summary="Every label, its probe with figures, and the labels since its fit",
    )
    async def probes(request: Request) -> Response:
        return send_json(request, await run(_list_probes, service))

    @router.get(
        "/api/probes/{label}",
        response_model=None,
        responses={200: {"model": ProbeAnswer}, **describe_problems(404)},
        summary="One label and its probe",
    )
    async def probe(request: Request, label: Annotated[str, Path(pattern=LABEL)]) -> Response:
        return send_json(request, await run(_probe, service, label))


def _add_work(router: APIRouter, service: Service) -> None:
    """Add the routes for work on a label: shots to label next, and a fit."""
    run = service.queues.lookup.run

    @router.get(
        "/api/probes/{label}/feeds",
        response_model=None,
        responses={200: {"model": FeedsAnswer}, **describe_problems(404)},
        summary="Which shots to label next: top positive, top negative, borderline and random ones",
    )
    async def feeds(
        request: Request,
        label: Annotated[str, Path(pattern=LABEL)],
        count: Annotated[int, Query(ge=1, le=MAX_OFFERED, description="shots in each feed")] = 12,
        seed: Annotated[int, Query(ge=0, le=2**32 - 1, description="of the random feed")] = 0,
        skip: Annotated[list[ShotId] | None, Query(max_length=MAX_SKIPPED, description="not these")] = None,
    ) -> Response:
        return send_json(request, await run(_choose_feeds, service, label, count, seed, skip or []))

    @router.post(
        "/api/probes/{label}/fit",
        status_code=202,
        response_model=None,
        responses={202: {"model": ProbeAnswer}, **describe_problems(409)},
        summary="Begin to fit a probe on its labels, as `needle probe fit` does; defines it if it is new",
    )
    async def fit(request: Request, label: Annotated[str, Path(pattern=LABEL)], body: FitBody) -> Response:
        answer = send_json(request, await run(_fit, service, label, body))
        answer.status_code = 202
        return answer


def _list_probes(service: Service) -> ProbesAnswer:
    settings = service.settings
    definitions, label_names = load_definitions(settings), list_labels(settings)
    by_label = group_by_label(resolve_served_labels(service, label_names))
    labels = sorted({*definitions, *label_names, *list_fitted_probes(settings), *service.list_probes()})
    return ProbesAnswer(
        probes=[_describe_probe(service, label, by_label.get(label, []), definitions) for label in labels]
    )


def _probe(service: Service, label: Label) -> ProbeAnswer:
    """Raise ``NotFoundError`` if the label is neither defined, nor given to a shot, nor fitted."""
    _require_known(service, label)
    return _describe_probe(service, label, resolve_served_labels(service, [label]), load_definitions(service.settings))


def _require_known(service: Service, label: Label) -> None:
    settings = service.settings
    names = sorted(
        {*load_definitions(settings), *list_labels(settings), *list_fitted_probes(settings), *service.list_probes()}
    )
    if label not in names:
        listing = f"there are {', '.join(names)}" if names else "there are none yet"
        raise NotFoundError(f"no label {label!r}: {listing}; saying that a shot is {label} begins it")


def _describe_probe(
    service: Service, label: Label, resolved_labels: list[ResolvedLabel], definitions: dict[str, ProbeDefinition]
) -> ProbeAnswer:
    settings = service.settings
    # A shot with a score has a vector: if every labelled shot has a score, the page's polling of its label reads no
    # file of the catalogue. A shot without a score may nevertheless have a vector.
    scores_by_shot = service.searcher.probes.read(label) if label in service.list_probes() else {}
    knows_all = all(each.missing_reason or each.latest.shot_id in scores_by_shot for each in resolved_labels)
    document = probe_document(settings, label, definitions, resolved_labels, scores_by_shot if knows_all else None)
    state = read_state(settings, label)
    counts = _count_at_least(service, label)
    versions = service.searcher.probes.read_versions(label) if counts else frozenset()
    return ProbeAnswer.model_validate(
        {
            **document,
            "refused": state.refused.reason if state.refused else "",
            "redefined": _is_redefined(settings, label, state.latest, definitions.get(label)),
            "labels": {"label": label, **document["labels"], "people": count_annotators(resolved_labels)},
            "scored": counts[0] if counts else 0,
            "scored_by": "".join(versions) if len(versions) == 1 else "",
            "at_least": counts,
            "fit": service.fits.read_state(label),
        }
    )


def _is_redefined(settings: Settings, label: str, latest: str, definition: ProbeDefinition | None) -> bool:
    """Return True if the last fit has another definition.

    Other vectors are not detected: that would read the catalogue.
    """
    if not latest:
        return False
    version = read_version(settings, label, latest)
    return definition is None or (version.queries, version.policy) != (definition.queries, definition.threshold)


def _count_at_least(service: Service, label: Label) -> list[int]:
    """Return how many shots score at least 0.00, 0.01, ... 1.00; empty if the label has no scores."""
    if label not in service.list_probes():
        return []
    scores = service.searcher.probes.read(label)
    steps = np.fromiter(scores.values(), np.float64, len(scores))
    steps = np.floor(np.round(steps, 6) * STEPS + 1e-9).astype(np.int64)
    counts = np.bincount(np.clip(steps, 0, STEPS), minlength=STEPS + 1)
    return [int(count) for count in counts[::-1].cumsum()[::-1]]


def _choose_feeds(service: Service, label: Label, count: int, seed: int, skip_ids: list[str]) -> FeedsAnswer:
    _require_known(service, label)
    read_vectors = service.searcher.index().vectors if service.index_version() else None
    suggestions = suggest(
        service.settings, label, count=count, seed=seed, skipped_ids=skip_ids, read_vectors=read_vectors
    )
    offers_in_order = [offer for offers in suggestions.feeds.values() for offer in offers]
    scores = {offer.shot_id: offer.score and round(offer.score, 6) for offer in offers_in_order}
    shots = service.details.read(list(scores))
    offers_by_shot = {name: OfferedShot(**shot.model_dump(), score=scores[name]) for name, shot in shots.items()}
    return FeedsAnswer(
        label=label,
        version=suggestions.version.version if suggestions.version else "",
        threshold=suggestions.version.threshold if suggestions.version else None,
        feeds={
            feed: [offers_by_shot[offer.shot_id] for offer in offers if offer.shot_id in offers_by_shot]
            for feed, offers in suggestions.feeds.items()
        },
    )


def _fit(service: Service, label: Label, body: FitBody) -> ProbeAnswer:
    """Start a fit of the label.

    Raises ``ProblemError`` 409 as ``FitJobs.start``, ``UsageError`` for an invalid or conflicting definition.
    """
    if service.fits.is_possible:
        define(service.settings, label, body.description, tuple(body.queries), "")
    service.fits.start(label)
    return _probe(service, label)
