"""Choose notebook and parameters of each report; the pages are stored in ``<home>/reports/``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.core.errors import NeedleError
from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.notebooks.report_files import (
    FEW_SHOT,
    ReportRecord,
    build_latest_url,
    build_page_url,
    find_kind,
    get_folder,
    write_record,
)
from ops.notebooks.run import FOLDER, NotebookRun, open_kept_run, run_notebook
from ops.probes.documents import probe_document
from ops.probes.scores import scores_table
from ops.probes.simulation import LEAST_LABELS, require_replayable
from ops.probes.state import read_state

LONGEST_CELL_S = 1800
LONGEST_MEASUREMENT_S = 24 * 3600
"""A detector reads about a minute of footage a second of time, and annotated sets have up to a hundred hours."""


def build_report(settings: Settings, name: str, run_id: str, **parameters: Any) -> NotebookRun:
    """Run the notebook ``name`` for the home; its pages are stored in ``<home>/reports/<run id>/``.

    Raises ``NeedleError`` with the cell that failed.
    """
    return _run(settings, name, run_id, parameters)


def build_catalogue_report(settings: Settings, encoder_id: str, run_id: str) -> NotebookRun:
    """Run ``catalogue_report`` for the home. Raises ``NeedleError`` with the cell that failed."""
    return build_report(settings, "catalogue_report", run_id, encoder_id=encoder_id)


def build_benchmark(settings: Settings, data: str, run_id: str) -> NotebookRun:
    """Run ``video_annotator_benchmark`` on the unpacked folder ``data``; without one it explains how to get it.

    Raises ``NeedleError`` with the cell that failed.
    """
    return _run_anywhere(settings, "video_annotator_benchmark", get_folder(settings) / run_id, {"data": data})


def build_cuts_report(settings: Settings, footage: str, run_id: str) -> NotebookRun:
    """Run ``cuts_report`` on the annotated clips of the folder ``footage``; without it the page explains what to pass.

    Raises ``NeedleError`` with the cell that failed.
    """
    parameters = {"footage": footage, "detector": settings.detector}
    return _run_anywhere(settings, "cuts_report", get_folder(settings) / run_id, parameters, LONGEST_MEASUREMENT_S)


def build_active_learning(
    settings: Settings, encoder_id: str, labels: Sequence[str], seeds: int, run_id: str
) -> NotebookRun:
    """Run ``active_learning``; raise ``UsageError`` with the missing counts, before it begins, if labels are too few.

    Raises ``NeedleError`` with the cell that failed.
    """
    require_replayable(settings, encoder_id, labels, least=LEAST_LABELS)
    parameters = {"encoder_id": encoder_id, "labels": list(labels), "seeds": seeds}
    return build_report(settings, "active_learning", run_id, **parameters)


def few_shot_page(settings: Settings, label: str) -> Path:
    """Return the path of the report of a probe's promoted version, whether it exists or not."""
    version = read_state(settings, label).promoted or "not_fitted"
    return settings.home / "reports" / FEW_SHOT / label / version / f"{FEW_SHOT}.html"


def build_few_shot_report(settings: Settings, label: str) -> NotebookRun:
    """Run ``few_shot`` for a probe; return the existing report if state, scores and notebook are the same.

    Each version keeps its own report. Raises ``NeedleError`` with the cell that failed.
    """
    page = few_shot_page(settings, label)
    if has_current_few_shot(settings, label):
        return _add_links(settings, FEW_SHOT, label, open_kept_run(page.with_suffix(".ipynb")))
    parameters = {"label": label, "made_of": _digest_few_shot(settings, label)}
    return _run(settings, FEW_SHOT, page.parent.relative_to(get_folder(settings)), parameters)


def has_current_few_shot(settings: Settings, label: str) -> bool:
    """Whether the report of the probe exists and shows its present state and scores."""
    page = few_shot_page(settings, label)
    notebook = page.with_suffix(".ipynb")
    if not (notebook.exists() and page.exists()):
        return False
    return bool(open_kept_run(notebook).results.get("made_of") == _digest_few_shot(settings, label))


def _digest_few_shot(settings: Settings, label: str) -> str:
    """Digest everything that the report shows: its code, the state of the probe and its labels, and every score."""
    document = probe_document(settings, label)
    table = scores_table(label)
    pairs = [
        ("notebook", (FOLDER / f"{FEW_SHOT}.ipynb").read_text(encoding="utf-8")),
        ("page", Path(__file__).with_name("probe_page.py").read_text(encoding="utf-8")),
    ]
    pairs += [(name, json.dumps(document[name], sort_keys=True)) for name in ("labels", "notes", "verdicts")]
    for partition in settings.lake.list_partitions(table):
        rows = settings.lake.read(table, [partition], ["shot_id", "score", "probe_version"]).to_pylist()
        pairs += [(row["shot_id"], f"{row['score']:.6f} {row['probe_version']}") for row in rows]
    return compute_digest(pairs)


def _run(settings: Settings, name: str, folder: str | Path, parameters: Mapping[str, Any]) -> NotebookRun:
    values = {"home": str(settings.home), "storage": settings.storage_uri, **parameters}
    return _run_anywhere(settings, name, get_folder(settings) / folder, values)


def _run_anywhere(
    settings: Settings, name: str, folder: Path, parameters: Mapping[str, Any], timeout_s: int = LONGEST_CELL_S
) -> NotebookRun:
    """Run a notebook, and write the record of its page, whether it ran to its end or failed."""
    made_at, page = datetime.now(UTC), folder / f"{name}.html"
    try:
        run = run_notebook(name, parameters, folder, cache=settings.home / "cache", timeout_s=timeout_s)
    except NeedleError as error:
        if page.is_file():
            subject = _name_subject(name, parameters, {})
            write_record(page, ReportRecord(subject=subject, made_at=made_at, failure=str(error)))
        raise
    subject = _name_subject(name, parameters, run.results)
    write_record(page, ReportRecord(subject=subject, made_at=made_at))
    return _add_links(settings, name, subject, run)


def _name_subject(name: str, parameters: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    """Return what a report is about, in a word: its label or probe, also one that it chose, or its folder."""
    kind = find_kind(name)
    if kind is None or not kind.subject:
        return ""
    value = parameters.get(kind.subject) or results.get(kind.subject) or ""
    if kind.subject in ("footage", "data"):
        return Path(str(value)).name
    return value if isinstance(value, str) else ""


def _add_links(settings: Settings, name: str, subject: str, run: NotebookRun) -> NotebookRun:
    kind = find_kind(name)
    latest = build_latest_url(settings, kind.name if kind else name, subject)
    return replace(run, page_url=build_page_url(settings, run.html), latest_url=latest)
