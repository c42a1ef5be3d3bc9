"""Reports on disk: the kinds that there are, a record beside each page, and the newest one of a kind and subject.

A report is ``<home>/reports/<run>/<notebook>.html``, that of a probe
``<home>/reports/few_shot/<label>/<version>/few_shot.html``. Its record is the JSON file of the same name. Reports from
before 28 November 2026 have none: their subject is known only for probes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ops.core.addresses import build_report_address
from ops.core.settings import Settings
from ops.core.storage import write_atomically

FEW_SHOT = "few_shot"
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,120}")


@dataclass(frozen=True, kw_only=True)
class ReportKind:
    """A kind of report. ``name`` is that of its asset; ``subject`` is the name of the parameter that it is about."""

    name: str
    notebook: str
    title: str
    subject: str = ""
    needs_subject: bool = False


KINDS = (
    ReportKind(name="catalogue_report", notebook="catalogue_report", title="The catalogue"),
    ReportKind(
        name="few_shot_report", notebook=FEW_SHOT, title="What a probe has learnt", subject="label", needs_subject=True
    ),
    ReportKind(name="embedding_map", notebook="embedding_map", title="A map of the shots", subject="probe"),
    ReportKind(name="downstream", notebook="downstream", title="A classifier on features from Feast", subject="label"),
    ReportKind(name="active_learning", notebook="active_learning", title="Labels replayed", subject="label"),
    ReportKind(name="retrieval_report", notebook="retrieval_report", title="How well shots are found"),
    ReportKind(
        name="cuts_report", notebook="cuts_report", title="Shot boundaries", subject="footage", needs_subject=True
    ),
    ReportKind(
        name="video_annotator_benchmark",
        notebook="video_annotator_benchmark",
        title="Netflix's Video Annotator",
        subject="data",
        needs_subject=True,
    ),
)
_BY_NOTEBOOK = {kind.notebook: kind for kind in KINDS}


class ReportRecord(BaseModel):
    """The content of a record. ``failure`` is empty if the notebook ran to its end."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    subject: str = ""
    made_at: datetime
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportPage:
    """A report: its kind, what it is about (``""``: the whole catalogue), and its path below ``<home>/reports``."""

    kind: ReportKind
    subject: str
    made_at: datetime
    failure: str
    path: str


def find_kind(name: str) -> ReportKind | None:
    """Return the kind of this name, of its asset or of its notebook."""
    return next((kind for kind in KINDS if name in (kind.name, kind.notebook)), None)


def get_folder(settings: Settings) -> Path:
    """Return the folder of all reports."""
    return settings.home / "reports"


def write_record(page: Path, record: ReportRecord) -> None:
    """Write the record of a page."""
    with write_atomically(page.with_suffix(".json")) as temporary:
        temporary.write_text(record.model_dump_json(), encoding="utf-8")


def list_reports(settings: Settings) -> list[ReportPage]:
    """Return all reports, the newest first."""
    return sorted(_read_reports(get_folder(settings)), key=lambda report: (report.made_at, report.path), reverse=True)


def find_latest(settings: Settings, name: str, subject: str | None = None) -> ReportPage | None:
    """Return the newest complete report of a kind; with ``subject``, about exactly that."""
    reports = (report for report in list_reports(settings) if name in (report.kind.name, report.kind.notebook))
    complete = (report for report in reports if not report.failure)
    return next((report for report in complete if subject is None or report.subject == subject), None)


def find_page(settings: Settings, path: str) -> Path | None:
    """Return the file of a report's page by its path below ``/reports``; ``None`` if it is not one."""
    parts = path.split("/")
    if not all(map(_PART.fullmatch, parts)) or not path.endswith(".html"):
        return None
    page = get_folder(settings).joinpath(*parts)
    return page if page.stem in _BY_NOTEBOOK and page.is_file() else None


def build_page_url(settings: Settings, page: Path) -> str:
    """Return the address of a report's page."""
    return build_report_address(settings, *page.relative_to(get_folder(settings)).parts)


def build_latest_url(settings: Settings, name: str, subject: str = "") -> str:
    """Return the address that always leads to the newest report of a kind and subject."""
    return build_report_address(settings, "latest", name, *((subject,) if subject else ()))


def _read_reports(folder: Path) -> Iterator[ReportPage]:
    for page in (*folder.glob("*/*.html"), *folder.glob(f"{FEW_SHOT}/*/*/{FEW_SHOT}.html")):
        kind = _BY_NOTEBOOK.get(page.stem)
        if kind is not None:
            record = _read_record(page)
            path = page.relative_to(folder).as_posix()
            subject = page.parts[-3] if kind.notebook == FEW_SHOT and path.startswith(FEW_SHOT) else record.subject
            yield ReportPage(kind=kind, subject=subject, made_at=record.made_at, failure=record.failure, path=path)


def _read_record(page: Path) -> ReportRecord:
    """Return the record of a page; without a valid one, a record with the time of the file."""
    try:
        return ReportRecord.model_validate_json(page.with_suffix(".json").read_bytes())
    except (FileNotFoundError, ValueError):  # pydantic's error is a ValueError
        return ReportRecord(made_at=datetime.fromtimestamp(page.stat().st_mtime, UTC))
