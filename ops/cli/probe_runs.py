"""Runs of ``needle probe``: the same assets as Dagster's own automation, for one probe, only if they are due."""

from __future__ import annotations

from pathlib import Path

from ops.cli import runs
from ops.cli.progress import Bars
from ops.core.errors import ChecksFailedError, NeedleError
from ops.core.settings import Settings
from ops.embeddings.encoder import resolve_encoder
from ops.features import has_published_scores
from ops.notebooks.reports import few_shot_page, has_current_few_shot
from ops.probes.build import probe_is_current
from ops.probes.definitions import load_definitions
from ops.probes.scores import has_current_scores
from ops.probes.state import read_state
from ops.probes.vectors import require_embedded


def bring_up_to_date(settings: Settings, label: str) -> bool:
    """Fit the probe and score the catalogue if labels, vectors or definition changed; return True if something ran.

    A fit that the rule refuses is not a failure: the state of the probe reports it. Raises ``NeedleError``.
    """
    encoder_id = resolve_encoder(settings).encoder_id
    require_embedded(settings, encoder_id)
    if probe_is_current(settings, encoder_id, label):
        return score_catalogue(settings, label)
    try:
        with Bars() as bars:
            runs.run_assets(settings, ("labels", f"probe/{label}", f"probe_scores/{label}"), bars, "needle probe")
    except ChecksFailedError:
        # the check may stop the run: that is its purpose
        if not (read_state(settings, label).refused and probe_is_current(settings, encoder_id, label)):
            raise
    return True


def make_report(settings: Settings, label: str) -> Path:
    """Return the page of the probe's report, rewritten if it does not show the current state and scores."""
    page = few_shot_page(settings, label)
    if not has_current_few_shot(settings, label):
        with Bars() as bars:
            runs.run_assets(settings, (f"few_shot_report/{label}",), bars, "needle probe")
    return page


def is_scored(settings: Settings, label: str) -> bool:
    """Return True if the promoted version scores every shot, and the feature store has these scores."""
    return has_current_scores(settings, label) and has_published_scores(settings, label)


def score_catalogue(settings: Settings, label: str) -> bool:
    """Compute and publish missing scores of the promoted version; return True if something ran."""
    if is_scored(settings, label):
        return False
    if label not in load_definitions(settings):
        raise NeedleError(f"probe {label!r} is defined no more: `needle probe fit {label}` defines it again")
    with Bars() as bars:
        runs.run_assets(settings, (f"probe_scores/{label}",), bars, "needle probe")
    return True
