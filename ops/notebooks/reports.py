"""Which notebook is run with which parameters, and where its pages lie: ``<home>/reports/``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ops.core.settings import Settings
from ops.core.tables import digest_of
from ops.notebooks.run import FOLDER, NotebookRun, kept_run, run_notebook
from ops.probes.documents import probe_document
from ops.probes.scores import table_of
from ops.probes.state import read_state

FEW_SHOT = "few_shot"
LONGEST_MEASUREMENT_S = 24 * 3600
"""A detector reads about a minute of footage a second of time, and annotated sets have up to a hundred hours."""


def build_report(settings: Settings, name: str, run_id: str, **parameters: Any) -> NotebookRun:
    """Run the notebook ``name`` for the home; its pages lie under ``<home>/reports/<run id>/``.

    Raises ``NeedleError`` with the cell that failed.
    """
    return _run(settings, name, settings.home / "reports" / run_id, parameters)


def build_catalogue_report(settings: Settings, encoder_id: str, run_id: str) -> NotebookRun:
    """Run ``catalogue_report`` for the home. Raises ``NeedleError`` with the cell that failed."""
    return build_report(settings, "catalogue_report", run_id, encoder_id=encoder_id)


def build_benchmark(settings: Settings, data: str, run_id: str) -> NotebookRun:
    """Run ``video_annotator_benchmark`` on the unpacked folder ``data``; without one it tells where to get it.

    Raises ``NeedleError`` with the cell that failed.
    """
    folder = settings.home / "reports" / run_id
    return run_notebook("video_annotator_benchmark", {"data": data}, folder, cache=settings.home / "cache")


def build_cuts_report(settings: Settings, footage: str, run_id: str) -> NotebookRun:
    """Run ``cuts_report`` on the annotated clips of the folder ``footage``; without one it says what to name.

    Raises ``NeedleError`` with the cell that failed.
    """
    folder = settings.home / "reports" / run_id
    given = {"footage": footage, "detector": settings.detector}
    return run_notebook("cuts_report", given, folder, cache=settings.home / "cache", timeout_s=LONGEST_MEASUREMENT_S)


def few_shot_page(settings: Settings, label: str) -> Path:
    """Where the report of a probe's promoted version lies, made or not."""
    version = read_state(settings, label).promoted or "not_fitted"
    return settings.home / "reports" / FEW_SHOT / label / version / f"{FEW_SHOT}.html"


def build_few_shot_report(settings: Settings, label: str) -> NotebookRun:
    """Run ``few_shot`` for a probe, or return what is there where state, scores and notebook are as they were then.

    Each version keeps its own report. Raises ``NeedleError`` with the cell that failed.
    """
    page = few_shot_page(settings, label)
    if few_shot_is_current(settings, label):
        return kept_run(page.with_suffix(".ipynb"))
    return _run(settings, FEW_SHOT, page.parent, {"label": label, "made_of": _few_shot_made_of(settings, label)})


def few_shot_is_current(settings: Settings, label: str) -> bool:
    """Whether the report of the probe is there and shows its present state and scores."""
    page = few_shot_page(settings, label)
    executed = page.with_suffix(".ipynb")
    if not (executed.exists() and page.exists()):
        return False
    return bool(kept_run(executed).results.get("made_of") == _few_shot_made_of(settings, label))


def _few_shot_made_of(settings: Settings, label: str) -> str:
    """Names all that the report shows: the notebook, how the probe and its labels stand, and every score."""
    told = probe_document(settings, label)
    table = table_of(label)
    pairs = [("notebook", (FOLDER / f"{FEW_SHOT}.ipynb").read_text(encoding="utf-8"))]
    pairs += [(name, json.dumps(told[name], sort_keys=True)) for name in ("labels", "notes", "verdicts")]
    for partition in settings.lake.partitions(table):
        rows = settings.lake.read(table, [partition], ["shot_id", "score", "probe_version"]).to_pylist()
        pairs += [(row["shot_id"], f"{row['score']:.6f} {row['probe_version']}") for row in rows]
    return digest_of(pairs)


def _run(settings: Settings, name: str, folder: Path, parameters: dict[str, Any]) -> NotebookRun:
    given = {"home": str(settings.home), "storage": settings.storage_uri, **parameters}
    return run_notebook(name, given, folder, cache=settings.home / "cache")
