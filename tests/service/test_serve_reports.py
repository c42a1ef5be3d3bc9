"""Reports over HTTP: who may read them, the newest of a kind, and the policy that keeps them from the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ops.core.settings import Settings, load_settings
from ops.notebooks.report_files import ReportRecord, find_latest, list_reports, write_record
from ops.serve.roles import ACCESS, Role
from ops.shots.sheet import make_sheet_key
from tests.builders.colours import shot
from tests.builders.lakes import video_id
from tests.builders.served import client_of, fill_desk, jpeg

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOSTILE = '<img src=x onerror="alert(1)">'


def write_report(settings: Settings, path: str, **record: Any) -> None:
    page = settings.home / "reports" / path
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"<h1>{path}</h1>")
    if record:
        write_record(page, ReportRecord(**record))


def fill_with_reports(settings: Settings) -> None:
    fill_desk(settings)
    settings.store.write_bytes(make_sheet_key(video_id(0)), jpeg("green"))
    for number in range(3):
        made_at = NOON + timedelta(hours=number)
        failure = f"cell 3 failed with {HOSTILE}" if number == 2 else ""
        write_report(settings, f"run{number}/catalogue_report.html", made_at=made_at, failure=failure)
    write_report(settings, "map1/embedding_map.html", made_at=NOON, subject="closeup")
    write_report(settings, "map2/embedding_map.html", made_at=NOON + timedelta(hours=1))
    for label, hours in (("closeup", 1), ("wide", 5)):
        write_report(settings, f"few_shot/{label}/v1/few_shot.html", made_at=NOON + timedelta(hours=hours))
    write_report(settings, "by_hand/downstream.html")  # from before records
    write_report(settings, "run0/strange.html")  # not a kind of report
    (settings.home / "reports" / "run0" / "catalogue_report.ipynb").write_text("{}")
    (settings.home / "secret.html").write_text("secret")


pytestmark = pytest.mark.home(fill=fill_with_reports)


def get_location(client: TestClient, address: str) -> str:
    answer = client.get(address, follow_redirects=False)
    assert answer.status_code == 302, answer.text
    return str(answer.headers["location"])


def test_the_latest_is_the_newest_that_did_not_fail(client: TestClient) -> None:
    assert get_location(client, "/reports/latest/catalogue_report") == "/reports/run1/catalogue_report.html"
    assert get_location(client, "/reports/latest/few_shot_report") == "/reports/few_shot/wide/v1/few_shot.html"
    closeup = get_location(client, "/reports/latest/few_shot_report/closeup")
    assert closeup == "/reports/few_shot/closeup/v1/few_shot.html"
    assert get_location(client, "/reports/latest/embedding_map/closeup") == "/reports/map1/embedding_map.html"
    assert get_location(client, "/reports/latest/embedding_map") == "/reports/map2/embedding_map.html"
    assert get_location(client, "/reports/latest/downstream") == "/reports/by_hand/downstream.html"
    assert client.get("/reports/latest/catalogue_report").text == "<h1>run1/catalogue_report.html</h1>"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("/reports/latest/nothing", "no kind of report called 'nothing'"),
        ("/reports/latest/cuts_report", "run `needle report cuts_report`"),
        ("/reports/latest/few_shot_report/other", "run `needle report few_shot_report --label other`"),
        ("/reports/run9/catalogue_report.html", "no such report"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(client: TestClient, address: str, reason: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 404 and reason in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "../secret.html",
        "run0/../../secret.html",
        "%2e%2e/secret.html",
        "run0/%2e%2e/%2e%2e/secret.html",
        "run0/strange.html",
        "run0/catalogue_report.ipynb",
        "run0/catalogue_report.json",
        "run0//catalogue_report.html",
        "/etc/passwd",
        "run0",
        ".html",
    ],
)
def test_nothing_but_pages_of_reports_is_served(client: TestClient, path: str) -> None:
    assert client.get(f"/reports/{path}").status_code == 404


def test_a_report_is_in_a_sandbox(client: TestClient) -> None:
    headers = client.get("/reports/run1/catalogue_report.html").headers
    policy = {part.split()[0]: part.split()[1:] for part in headers["content-security-policy"].split("; ")}
    assert "allow-scripts" in policy["sandbox"]
    assert not {"allow-same-origin", "allow-forms", "allow-top-navigation"} & set(policy["sandbox"])
    assert policy["default-src"] == policy["form-action"] == policy["frame-ancestors"] == ["'none'"]
    assert "connect-src" not in policy  # so that of default-src holds: nothing is requested
    assert headers["cross-origin-opener-policy"] == "unsafe-none"
    assert headers["x-content-type-options"] == "nosniff"


def test_the_list_has_every_report_and_no_tags_of_others(client: TestClient) -> None:
    answer = client.get("/reports")
    assert "sandbox" not in answer.headers["content-security-policy"]
    assert [f"/reports/{path}" in answer.text for path in ("run0/catalogue_report.html", "by_hand/downstream.html")]
    assert answer.text.index("run1/catalogue") < answer.text.index("run0/catalogue")
    assert "strange" not in answer.text
    assert HOSTILE not in answer.text and "failed: cell 3 failed with &lt;img" in answer.text


def test_reports_need_the_role_look(module_settings: Settings) -> None:
    rows = [ACCESS[row] for row in ACCESS if "/reports" in row or row.endswith((".jpg",))]
    assert len(rows) >= 8 and set(rows) == {Role.LOOK}
    closed = module_settings.model_copy(update={"tokens": load_settings(tokens="a-token").tokens})
    with client_of(closed) as client:
        for path in ("/reports", "/reports/latest/catalogue_report", "/reports/run1/catalogue_report.html"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"authorization": "Bearer a-token"}).status_code == 200


def test_pictures_for_pages_of_the_same_site(client: TestClient) -> None:
    for path in (f"/media/shots/{shot(0, 0)}/thumb.jpg", f"/media/videos/{video_id(0)}/sheet.jpg"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        policies = {
            site: client.get(path, headers={"sec-fetch-site": site}).headers["cross-origin-resource-policy"]
            for site in ("none", "same-origin", "same-site", "cross-site")
        }
        assert policies.pop("cross-site") == "same-origin" and set(policies.values()) == {"cross-origin"}
    poster = client.get(f"/media/shots/{shot(0, 0)}/poster.jpg")
    assert poster.headers["cross-origin-resource-policy"] == "same-origin"
    assert client.get(f"/media/shots/{shot(1, 0)}/thumb.jpg").status_code == 404
    assert client.get(f"/media/videos/{video_id(1)}/sheet.jpg").status_code == 404


def test_a_damaged_record_is_like_none(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    write_report(settings, "run/catalogue_report.html")
    (tmp_path / "reports" / "run" / "catalogue_report.json").write_text('{"made_at": "yester')
    assert [report.path for report in list_reports(settings)] == ["run/catalogue_report.html"]
    assert find_latest(settings, "catalogue_report") and not find_latest(settings, "catalogue_report", "closeup")
