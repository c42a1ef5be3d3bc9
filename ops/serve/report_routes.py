"""``/reports``: the list of reports, each report as a page, and the newest one of a kind.

A report is HTML of a notebook with scripts of its own, and shows text from people. Its policy puts it into a sandbox:
an origin of its own without cookies, no requests at all, no forms. It can only show itself, and links can lead away.
"""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse

from ops.core.settings import Settings
from ops.notebooks.report_files import ReportPage, find_kind, find_latest, find_page, list_reports
from ops.serve.problems import ProblemError
from ops.serve.service import Service

REPORT_POLICY = (
    "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox allow-downloads; default-src 'none'; "
    "img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; font-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
REPORT_HEADERS = {
    "content-security-policy": REPORT_POLICY,
    # With "same-origin", a browser refuses to show a page that is in a sandbox (HTML standard, 7.1.3).
    "cross-origin-opener-policy": "unsafe-none",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def build_report_routes(service: Service) -> APIRouter:
    """Return the routes below ``/reports``."""
    router = APIRouter()
    settings = service.settings

    @router.get("/reports", include_in_schema=False)
    def reports() -> Response:
        return HTMLResponse(render_reports_page(list_reports(settings)), headers={"cache-control": "no-store"})

    @router.get("/reports/latest/{name}", include_in_schema=False)
    def latest(name: str) -> Response:
        return _redirect_to_latest(settings, name, None)

    @router.get("/reports/latest/{name}/{subject}", include_in_schema=False)
    def latest_about(name: str, subject: str) -> Response:
        return _redirect_to_latest(settings, name, subject)

    @router.get("/reports/{path:path}", include_in_schema=False)
    def report(request: Request, path: str) -> Response:
        page = find_page(settings, path)
        if page is None:
            raise ProblemError(404, "there is no such report: /reports lists them all")
        return FileResponse(page, media_type="text/html; charset=utf-8", headers=REPORT_HEADERS)

    return router


def _redirect_to_latest(settings: Settings, name: str, subject: str | None) -> Response:
    """Redirect to the newest report. Raises ``ProblemError`` 404 with the command that makes one."""
    kind = find_kind(name)
    if kind is None:
        raise ProblemError(404, f"there is no kind of report called {name!r}: /reports lists the reports")
    report = find_latest(settings, kind.name, subject)
    if report is None:
        option = f" --{kind.subject} {subject}" if subject and kind.subject else ""
        raise ProblemError(404, f"this report was not made yet: run `needle report {kind.name}{option}`")
    return RedirectResponse(f"/reports/{quote(report.path)}", 302, headers={"cache-control": "no-store"})


def render_reports_page(reports: list[ReportPage]) -> str:
    """Render the list of reports as HTML, the newest first."""
    rows = "".join(map(_render_row, reports))
    head = "<tr><th>Report</th><th>About</th><th>Made</th></tr>"
    empty = (
        "<p>No report was made yet. Run <code>needle report catalogue_report</code>, or materialise one on the Dagster "
        "page. <code>needle report</code> lists all kinds.</p>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<title>Reports – Needle</title><link rel="stylesheet" href="/docs.css">'
        '<link rel="icon" type="image/svg+xml" href="/page/icon.svg"></head><body>'
        '<p><a href="/">Search</a></p><h1>Reports</h1>'
        f"<main>{f'<table>{head}{rows}</table>' if reports else empty}</main></body></html>"
    )


def _render_row(report: ReportPage) -> str:
    link = f'<a href="/reports/{escape(quote(report.path))}">{escape(report.kind.title)}</a>'
    failure = f"<br>failed: {escape(report.failure)}" if report.failure else ""
    about = escape(report.subject) or "the whole catalogue"
    made_at = f'<time datetime="{report.made_at.isoformat()}">{report.made_at:%Y-%m-%d %H:%M} UTC</time>'
    return (
        f"<tr><td>{link} <code>{escape(report.kind.name)}</code>{failure}</td><td>{about}</td><td>{made_at}</td></tr>"
    )
