"""Compare the candidate with the live encoder: captions and graded queries, search results, and probes.

Captions and queries decide, by the rule of :mod:`ops.evaluation.verdict`. If they are too few for a verdict, an encoder
that finds nearly the same shots may go live; any other one needs a person's decision.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypedDict

import numpy as np

from ops.core.plural import plural
from ops.core.settings import Settings
from ops.core.storage import write_atomically
from ops.core.tables import compute_digest
from ops.core.types import CheckOutcome, Progress, SilentProgress, StepReport
from ops.embeddings.encoder import Encoder, ResolvedEncoder, load_encoder, resolve_encoder
from ops.embeddings.encoders.finetuned import find_finetuned_files
from ops.embeddings.registry import UpgradeCandidate
from ops.evaluation.comparison import compare_answers
from ops.evaluation.retrieval import estimate_interval
from ops.evaluation.verdict import LEAST_SHOTS, MARGIN, EncoderVerdict
from ops.index.index import open_index, read_current_version
from ops.probes.build import find_reason_against_refit
from ops.probes.definitions import load_definitions
from ops.probes.state import read_promoted_version
from ops.search.baselines import GENERIC_TEXTS
from ops.training.evaluate_catalogue import ComparedEncoders, answer_both, build_tasks, find_training_shows
from ops.training.lineage import FitValidation, describe_loss
from ops.training.pair_table import load_pairs
from ops.training.pairs import digest_pairs
from ops.upgrade.candidate import list_probes_to_refit, require_candidate

STAGE = "comparison"
TOP = 20
LEAST_OVERLAP = 1 - MARGIN
"""Least share of the first shots that stay the same if captions are too few: precision among these can fall by at most
the share that changes."""
RULE = (
    f"parts as one, without what the live one learned, margin {MARGIN} of the lead over chance, {LEAST_SHOTS} shots "
    f"and losses of as many, overlap {LEAST_OVERLAP}, forgetting beyond the margin"
)
WAY_OUT = (
    "caption more shots of videos that it was not fitted on (<film>.captions.jsonl), hold a show out of the fit "
    "(needle train --hold-out 0.2), or look for yourself and decide with --force 'why'"
)


class SharedHits(TypedDict):
    """The share of the first ``top`` shots that both encoders find, over all queries; ``least`` has the lowest ones."""

    queries: int
    top: int
    mean: float
    low: float
    high: float
    least: list[QueryShare]


class QueryShare(TypedDict):
    """The share of one query."""

    query: str
    share: float


class ComparedProbe(TypedDict):
    """A probe's average precision with both encoders; ``why`` is the reason against the new fit, or empty."""

    probe: str
    live: float | None
    candidate: float | None
    why: str


class MeasuredForgetting(TypedDict):
    """nDCG@10 on ``pairs`` that the candidate's fit did not learn from; a loss of ``margin`` is accepted."""

    pairs: int
    live: float
    candidate: float
    difference: float
    low: float
    high: float
    margin: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The result of a comparison. ``reasons`` are against the candidate; ``forced`` is a person's reason to accept it.

    ``evaluation`` is the verdict on captions and graded queries (:func:`ops.evaluation.verdict.judge_answers`).
    ``overlap`` is the share of the first shots that both find. ``forgetting`` has the figures on each kind of data that
    the candidate's fit did not learn from, and ``forgotten`` a sentence for each one that it made worse beyond the
    margin (:func:`find_forgotten`). ``inputs`` identifies what was compared, and the rule.
    """

    candidate: str
    live: str
    inputs: str
    at: str
    evaluation: EncoderVerdict
    overlap: SharedHits
    probes: tuple[ComparedProbe, ...]
    forgotten: tuple[str, ...]
    reasons: tuple[str, ...]
    forced: str
    forgetting: dict[str, MeasuredForgetting] = field(default_factory=dict)
    """Empty in comparisons of before 2026-11-30."""

    @property
    def passed(self) -> bool:
        return not self.reasons or bool(self.forced)


def compare(settings: Settings, now: datetime, progress: Progress) -> StepReport:
    """Compare the candidate with the live encoder and store the result.

    The check ``not_worse`` reports whether the candidate may go live.
    """
    candidate, live = require_candidate(settings), resolve_encoder(settings)
    ids = (live.encoder_id, candidate.encoder_id)
    progress.start(STAGE, 2, "encoders")
    inputs = digest_inputs(settings, candidate, live)
    encoders = [load_encoder(encoder_id, settings.home, part="text") for encoder_id in ids]
    evaluation = _compare_captions(settings, ids, progress)
    progress.advance(STAGE)
    overlap = _compare_searches(settings, encoders)
    probes = tuple(_compare_probe(settings, label, candidate.encoder_id) for label in list_probes_to_refit(settings))
    losses = tuple(find_forgotten(settings, candidate.spec, live.encoder_id))
    comparison = Comparison(
        candidate=candidate.encoder_id,
        live=live.encoder_id,
        inputs=inputs,
        at=now.isoformat(timespec="seconds"),
        evaluation=evaluation,
        overlap=overlap,
        probes=probes,
        forgotten=losses,
        reasons=tuple(find_reasons_against(evaluation, overlap, probes, losses)),
        forced=candidate.force,
        forgetting=measure_forgetting(settings, candidate.spec, live.encoder_id),
    )
    path = _locate(settings, candidate.encoder_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(asdict(comparison), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    progress.advance(STAGE)
    progress.finish(STAGE)
    return _build_report(candidate, live, comparison)


def read_current_comparison(
    settings: Settings, candidate: UpgradeCandidate, live: ResolvedEncoder
) -> Comparison | None:
    """Return the comparison of both encoders in their present state; ``None`` if there is none."""
    last = read_last_comparison(settings, candidate.encoder_id)
    return last if last and last.inputs == digest_inputs(settings, candidate, live) else None


def read_last_comparison(settings: Settings, encoder_id: str) -> Comparison | None:
    """Return the last comparison of an encoder; ``None`` if it was never compared."""
    try:
        content = json.loads(_locate(settings, encoder_id).read_text(encoding="utf-8"))
        lists = {name: tuple(content[name]) for name in ("probes", "forgotten", "reasons")}
        return Comparison(**(content | lists))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def digest_inputs(settings: Settings, candidate: UpgradeCandidate, live: ResolvedEncoder) -> str:
    """Digest all inputs of a comparison: both indexes, captions, queries, probes, the rule, a person's decision."""
    versions = [(each, str(read_current_version(settings, each))) for each in (live.encoder_id, candidate.encoder_id)]
    probes = []
    for label in list_probes_to_refit(settings):
        both = [read_promoted_version(settings, label, each) for each in ("", candidate.encoder_id)]
        probes.append((f"probe {label}", " ".join(each.version if each else "" for each in both)))
    pairs = ("captions", digest_pairs(load_pairs(settings)))
    queries = [(f"queries {task.show}", repr(task.queries)) for task in build_tasks(settings, SilentProgress())]
    return compute_digest([*versions, *probes, pairs, *queries, ("force", candidate.force), ("rule", RULE)])


def drop_comparison(settings: Settings, encoder_id: str) -> None:
    """Delete the comparison of an encoder that was removed."""
    _locate(settings, encoder_id).unlink(missing_ok=True)


def find_forgotten(settings: Settings, spec: str, live_id: str) -> list[str]:
    """Return what the candidate's fit made worse beyond the margin, a sentence each."""
    sentences = [describe_loss(kind, change) for kind, change in _read_forgetting(settings, spec, live_id).items()]
    return [sentence for sentence in sentences if sentence]


def measure_forgetting(settings: Settings, spec: str, live_id: str) -> dict[str, MeasuredForgetting]:
    """Return the figures on each kind of data that the candidate's fit did not learn from, accepted losses too."""
    return {
        kind: {
            "pairs": change["pairs"],
            "live": overall["base"],
            "candidate": overall["encoder"],
            "difference": overall["difference"],
            "low": overall["low"],
            "high": overall["high"],
            "margin": overall["margin"],
        }
        for kind, change in _read_forgetting(settings, spec, live_id).items()
        if (overall := change.get("overall"))
    }


def _read_forgetting(settings: Settings, spec: str, live_id: str) -> dict[str, FitValidation]:
    """Return the candidate's figures on data that its fit did not learn from, by kind, as its manifest has them.

    They count only if the live encoder is the base that they compare with; else the result is empty.
    """
    kind, _, name = spec.partition(":")
    manifest = find_finetuned_files(settings.home, name).manifest if kind == "finetuned" else {}
    forgetting: dict[str, FitValidation] = manifest.get("forgetting", {})
    return forgetting if manifest.get("base_id") == live_id else {}


def find_reasons_against(
    evaluation: EncoderVerdict,
    overlap: SharedHits,
    probes: Sequence[ComparedProbe],
    forgotten: Sequence[str] = (),
) -> list[str]:
    """Return reasons why the candidate may not go live, a sentence each; empty if it may. Pure."""
    reasons = [*evaluation["worse"], *forgotten]
    if overlap["low"] < LEAST_OVERLAP:
        agreement = (
            f"only {overlap['mean']:.0%} of the first {plural(overlap['top'], 'shot')} of searches stay the same"
        )
        reasons += [f"{missing}, and {agreement}: {WAY_OUT}" for missing in evaluation["too_little"]]
    return reasons + [f"its probe {each['probe']} is worse: {each['why']}" for each in probes if each["why"]]


def _compare_captions(settings: Settings, ids: tuple[str, str], progress: Progress) -> EncoderVerdict:
    """Return the verdict on the candidate, by the captions and graded queries of the catalogue."""
    tasks = build_tasks(settings, progress)
    live_id, candidate_id = ids
    answers = answer_both(settings, ComparedEncoders(encoder_id=candidate_id, against_id=live_id), tasks, progress)
    return compare_answers(answers, find_training_shows(settings, ids))["verdict"]


def _compare_searches(settings: Settings, encoders: Sequence[Encoder]) -> SharedHits:
    """Measure how many of the first shots both find, for everyday descriptions and the queries of the home's probes."""
    probe_queries = [query for definition in load_definitions(settings).values() for query in definition.queries]
    texts = list(dict.fromkeys([*probe_queries, *GENERIC_TEXTS]))
    results: list[list[set[str]]] = []
    top = TOP
    for encoder in encoders:
        with open_index(settings, encoder.encoder_id) as index:
            # In a catalogue of 30 shots any two encoders find the same 20.
            top = min(TOP, max(1, index.count() // 4))
            vectors_QD = encoder.encode_text(texts)
            hits = (index.search(vector, limit=top, exact=True, with_payload=False) for vector in vectors_QD)
            results.append([{hit.shot_id for hit in each} for each in hits])
    shares = [len(one & other) / top for one, other in zip(*results, strict=True)]
    low, high = estimate_interval(shares)
    least = sorted(zip(shares, texts, strict=True))[:3]
    return {
        "queries": len(texts),
        "top": top,
        "mean": float(np.mean(shares)),
        "low": low,
        "high": high,
        "least": [{"query": text, "share": share} for share, text in least],
    }


def _compare_probe(settings: Settings, label: str, encoder_id: str) -> ComparedProbe:
    old, new = read_promoted_version(settings, label), read_promoted_version(settings, label, encoder_id)
    figures = [each.metrics.get("average_precision") if each else None for each in (old, new)]
    return {
        "probe": label,
        "live": figures[0].value if figures[0] else None,
        "candidate": figures[1].value if figures[1] else None,
        "why": find_reason_against_refit(settings, label, new) if new else "it is not fitted on the new vectors",
    }


def _locate(settings: Settings, encoder_id: str) -> Path:
    return settings.home / "upgrade" / f"{encoder_id}.json"


def _build_report(candidate: UpgradeCandidate, live: ResolvedEncoder, comparison: Comparison) -> StepReport:
    details = {
        "candidate": candidate.spec,
        "live": live.spec,
        "evaluation": comparison.evaluation,
        "overlap": comparison.overlap,
        "probes": list(comparison.probes),
        "forgetting": comparison.forgetting,
        "forgotten": list(comparison.forgotten),
        "reasons_against": list(comparison.reasons),
        "forced_because": comparison.forced,
    }
    check = CheckOutcome(
        name="not_worse",
        passed=comparison.passed,
        details={"reasons_against": list(comparison.reasons), "forced_because": comparison.forced},
    )
    return StepReport(changed=1, data_version=comparison.inputs, details=details, checks=[check])
