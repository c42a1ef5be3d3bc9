"""Named tokens on the page: who is signed in, what the role offers, and under whose name an answer is stored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from ops.core.settings import load_settings
from ops.serve.roles import Role
from ops.serve.token_list import TokenList
from tests.browser.conftest import NARROW, QUERY, Desk, OpenDesk, Served, shows


def wait_until_closed(url: str, closed: bool) -> None:
    """Wait until the running service has read the changed list."""
    until = time.monotonic() + 10
    while is_closed(url) is not closed:
        assert time.monotonic() < until, "the service does not follow its list of tokens"
        time.sleep(0.1)


def is_closed(url: str) -> bool:
    try:
        with urlopen(f"{url}/api/labels", timeout=5):
            return False
    except HTTPError as error:
        assert error.code == 401
        return True


@pytest.fixture
def secrets(served: Served) -> Iterator[dict[Role, str]]:
    """Tokens for the running service, which is open again afterwards."""
    tokens = TokenList(load_settings(home=served.home.path))
    try:
        yield {role: tokens.add(f"{role} person", role, None, datetime.now(UTC))[1] for role in Role}
    finally:
        tokens.path.unlink()
        wait_until_closed(served.url, closed=False)


def sign_in(desk: Desk, secret: str, address: str) -> None:
    desk.page.goto(desk.url + address)
    dialog = desk.page.locator("dialog.sign-in[open]")
    dialog.get_by_label("Token").fill(secret)
    desk.keys("Enter")
    desk.page.wait_for_selector("#account:not([hidden])")
    desk.page.wait_for_selector("#cards .card", state="attached")


def test_the_page_offers_what_the_role_allows(open_desk: OpenDesk, served: Served, secrets: dict[Role, str]) -> None:
    wait_until_closed(served.url, closed=True)
    looking = open_desk(served.url, may_fail=True, size=NARROW)
    sign_in(looking, secrets[Role.LOOK], f"/?q={QUERY}&min=0&label=stripes")
    assert secrets[Role.LOOK] not in looking.page.url
    looking.page.wait_for_selector("#cards .thumbs", state="attached")
    looking.page.locator("#cards .thumbs").first.wait_for(state="hidden")
    looking.page.get_by_label("as", exact=True).wait_for(state="hidden")
    looking.keys("ArrowDown", "y")
    looking.page.wait_for_selector("text=Labelling needs the role “label”; yours is “look”")
    assert looking.page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    labelling = open_desk(served.url, may_fail=True)
    sign_in(labelling, secrets[Role.LABEL], f"/?q={QUERY}&min=0&label=stripes")
    name = labelling.page.get_by_label("as", exact=True)
    assert name.input_value() == "label person" and name.get_attribute("readonly") is not None
    with labelling.page.expect_response("**/api/labels") as stored:
        labelling.keys("ArrowDown", "y")
    votes = stored.value.json()["shots"][0]["votes"]
    assert [vote["annotator"] for vote in votes] == ["label person"]
    labelling.page.locator("#account").click()
    panel = labelling.page.get_by_role("group", name="Signed in")
    shows(panel, "label person · role label")
    assert labelling.serious_violations() == []
    panel.get_by_role("button", name="Sign out").click()
    labelling.page.locator("dialog.sign-in[open]").wait_for()
