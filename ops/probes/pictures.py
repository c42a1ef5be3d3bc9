"""Posters of a probe's shots as Markdown, for Dagster's page: best scores, and how labelled shots were scored."""

from __future__ import annotations

from collections.abc import Iterable

from ops.core.addresses import render_thumbs
from ops.core.settings import Settings
from ops.probes.versions import ProbeVersion

MOST = 12


def picture_best_scores(settings: Settings, scores: Iterable[tuple[float, str]]) -> dict[str, str]:
    """Return the pictures of the shots with the highest scores, for a :class:`StepReport`; nothing without scores."""
    best = sorted(scores, key=lambda pair: (-pair[0], pair[1]))[:MOST]
    if not best:
        return {}
    return {"": f"Highest scores\n\n{render_thumbs(settings, ((shot_id, f'{score:.2f}') for score, shot_id in best))}"}


def picture_held_out(settings: Settings, version: ProbeVersion) -> dict[str, str]:
    """Return the pictures of labelled shots by their held-out scores, for a :class:`StepReport`.

    The best yes, and the errors, the clearest first. Nothing for a version without figures.
    """
    scores = sorted(version.held_out.items(), key=lambda pair: (-pair[1], pair[0]))
    yes = [(shot_id, score) for shot_id, score in scores if version.truths[shot_id]]
    no = [(shot_id, score) for shot_id, score in scores if not version.truths[shot_id]]
    sections = {
        "Labelled yes, highest held-out scores": yes[:MOST],
        "Labelled no, scored as a yes": [pair for pair in no if pair[1] >= version.threshold][:MOST],
        "Labelled yes, missed": [pair for pair in reversed(yes) if pair[1] < version.threshold][:MOST],
    }
    parts = [
        f"{title}\n\n{render_thumbs(settings, ((shot_id, f'{score:.2f}') for shot_id, score in pairs))}"
        for title, pairs in sections.items()
        if pairs
    ]
    return {"": "\n\n".join(parts)} if parts else {}
