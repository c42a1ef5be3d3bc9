"""Which shots show what a probe has learnt: its best hits, those it is unsure of, and where it and people differ."""

from __future__ import annotations

from dataclasses import dataclass

from ops.core.settings import Settings
from ops.probes.scores import table_of
from ops.probes.versions import ProbeVersion
from ops.shots.build import TABLE as SHOTS


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A shot with its score, 0 to 1, and what people said of it; ``None`` where nobody did."""

    shot_id: str
    score: float
    truth: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Shots of one probe. ``false_yes`` and ``missed`` have held-out scores, of fits that had not seen the shot."""

    top: tuple[Hit, ...]
    borderline: tuple[Hit, ...]
    false_yes: tuple[Hit, ...]
    missed: tuple[Hit, ...]
    scored: int
    said_yes: int


def hits_of(settings: Settings, version: ProbeVersion, count: int) -> Hits:
    """At most ``count`` of each kind, the most telling first; blank shots are left out of top and borderline."""
    rows = settings.lake.read(table_of(version.label), columns=["shot_id", "score"])
    scores = dict(zip(rows["shot_id"].to_pylist(), rows["score"].to_pylist(), strict=True))
    shots = settings.lake.read(SHOTS, columns=["shot_id", "is_blank"])
    blank = {shot for shot, is_blank in zip(*(column.to_pylist() for column in shots.columns), strict=True) if is_blank}
    seen = {shot: score for shot, score in scores.items() if shot not in blank}
    unlabelled = [shot for shot in seen if shot not in version.truths]

    def hit(shot: str, score: float) -> Hit:
        return Hit(shot_id=shot, score=score, truth=version.truths.get(shot))

    best = sorted(seen, key=lambda shot: (-seen[shot], shot))[:count]
    unsure = sorted(unlabelled, key=lambda shot: (abs(seen[shot] - version.threshold), shot))[:count]
    wrong = [hit(shot, score) for shot, score in version.held_out.items() if _is_wrong(version, shot, score)]
    return Hits(
        top=tuple(hit(shot, seen[shot]) for shot in best),
        borderline=tuple(hit(shot, seen[shot]) for shot in unsure),
        false_yes=tuple(sorted((each for each in wrong if not each.truth), key=lambda each: -each.score)[:count]),
        missed=tuple(sorted((each for each in wrong if each.truth), key=lambda each: each.score)[:count]),
        scored=len(scores),
        said_yes=sum(score >= version.threshold for score in scores.values()),
    )


def _is_wrong(version: ProbeVersion, shot: str, score: float) -> bool:
    return version.truths[shot] != (score >= version.threshold)
