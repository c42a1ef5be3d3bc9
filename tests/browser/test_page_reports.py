"""Reports open from Dagster's page in a browser, and none of them reaches the service as its viewer."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import dagster as dg
import pytest

from assets.reports import record_pages
from ops.cli.dagster_home import find_dagster_home, open_instance
from ops.core.settings import Settings, load_settings
from ops.notebooks.report_files import KINDS, ReportRecord, build_latest_url, build_page_url, get_folder, write_record
from ops.notebooks.run import NotebookRun
from ops.probes.definitions import FILE, define
from ops.serve.server import listen
from tests.browser.conftest import Served, reads
from tests.builders.homes import CHECKOUT

LABEL = "told_in_a_report"
NAMES = [kind.name for kind in KINDS]
REPORT = """<!doctype html><title>{name}</title><h1>{name}</h1><script>
const tried = {{ origin: self.origin }};
try {{ tried.cookie = document.cookie; }} catch (error) {{ tried.cookie = error.name; }}
fetch("/api/shows").then((answer) => answer.status, (error) => error.name).then((fetched) => {{
  document.querySelector("h1").dataset.tried = `${{tried.origin}} ${{tried.cookie}} ${{fetched}}`;
}});
</script>"""


def name_subject(name: str) -> str:
    """The probe of the report that has one asset for each probe."""
    return LABEL if name == "few_shot_report" else ""


def locate_page(name: str) -> str:
    """Path of a report below the folder of reports, as its builder chooses it."""
    return f"few_shot/{LABEL}/v1/few_shot.html" if name == "few_shot_report" else f"browser/{name}.html"


def list_key(name: str) -> list[str]:
    """The asset of a report."""
    return [part for part in (name, name_subject(name)) if part]


def write_report(settings: Settings, name: str) -> dg.MaterializeResult[Any]:
    """A page that tries what a hostile report would, and the materialisation that links to it."""
    page = get_folder(settings) / locate_page(name)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(REPORT.format(name=name))
    page.with_suffix(".ipynb").write_text("{}")
    subject = name_subject(name)
    write_record(page, ReportRecord(made_at=datetime.now(UTC), subject=subject))
    urls = {"page_url": build_page_url(settings, page), "latest_url": build_latest_url(settings, name, subject)}
    return record_pages(NotebookRun(notebook=page.with_suffix(".ipynb"), html=page, **urls))


@pytest.fixture
def dagster_url(served: Served, tmp_path: Path) -> Iterator[str]:
    """Dagster's page on a home in which every report was materialised."""
    settings = load_settings(home=served.home.path, public_url=served.url)
    definitions = settings.home / FILE
    earlier = definitions.read_text(encoding="utf-8") if definitions.exists() else None
    define(settings, LABEL, "", ("a pattern",), "")
    with open_instance(settings) as instance:
        for name in NAMES:
            metadata = write_report(settings, name).metadata
            instance.report_runless_asset_event(dg.AssetMaterialization(list_key(name), metadata=metadata))
    listener = listen("127.0.0.1", 0)
    port = str(listener.getsockname()[1])
    listener.close()
    command = [sys.executable, "-m", "dagster_webserver", "-w", str(CHECKOUT / "workspace.yaml"), "-p", port]
    environment = served.home.environment(DAGSTER_HOME=str(find_dagster_home(settings)))
    log = tmp_path / "dagster.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=output, stderr=output)
    try:
        wait_for(f"http://127.0.0.1:{port}/server_info", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)
        if earlier is None:
            definitions.unlink()
        else:
            definitions.write_text(earlier, encoding="utf-8")


def wait_for(url: str, log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            with urlopen(url, timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"Dagster's page did not come up: {log.read_text()}")


def test_every_report_opens_from_the_page_of_dagster(browser: Any, dagster_url: str, served: Served) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(60_000)
    try:
        page = context.new_page()
        for name in NAMES:
            asset = "/".join(list_key(name))
            page.goto(f"{dagster_url}/assets/{asset}?view=overview")
            for path in (f"/reports/{locate_page(name)}", f"/reports/latest/{asset}"):
                with context.expect_page() as opened:
                    page.locator(f"a[href='{served.url}{path}']").first.click()
                title = opened.value.locator("h1[data-tried]")
                title.wait_for()
                reads(title, name)
                assert title.get_attribute("data-tried") == "null SecurityError TypeError"
                opened.value.close()
    finally:
        context.close()
