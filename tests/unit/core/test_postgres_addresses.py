"""Addresses of Postgres databases: what is accepted, and that no message repeats a password."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url

from ops.core.errors import SettingsError
from ops.core.postgres import parse_postgres_url
from ops.core.settings import describe_settings, load_settings

SECRET = "pa ss/w@rd%#?:é"
QUOTED = "pa%20ss%2Fw%40rd%25%23%3F%3A%C3%A9"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (f"postgresql://ann:{QUOTED}@db.example:6000/needle", "db.example:6000/needle"),
        (f"postgres://ann:{QUOTED}@db.example/needle?sslmode=verify-full", "db.example:5432/needle"),
        (f"postgresql://ann:{QUOTED}@[::1]:6000/two%20words", "::1:6000/two words"),
        (f"postgresql://ann:{QUOTED}@/needle?host=/var/run/postgresql&port=6000", "/var/run/postgresql:6000/needle"),
        (f"postgresql://ann:{QUOTED}@/needle", "localhost:5432/needle"),
    ],
)
def test_an_address_keeps_its_parts_and_hides_the_password(url: str, text: str) -> None:
    address = parse_postgres_url(url)
    assert (str(address), repr(address)) == (text, f"PostgresAddress({text})")
    parsed = make_url(address.build_url("psycopg2"))
    assert (parsed.username, parsed.password, parsed.database) == ("ann", SECRET, address.database)
    assert parsed.query["host"] == address.host and parsed.query["port"] == str(address.port)
    assert load_settings(postgres=url).postgres_address == address
    assert ("NEEDLE_POSTGRES", "**********", "option") in describe_settings(postgres=url)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://ann:{QUOTED}@host/needle",
        f"postgresql://ann:{QUOTED}@host",
        f"postgresql://ann:{QUOTED}@host/",
        f"postgresql://ann:{QUOTED}@host/a/b",
        f"postgresql://ann:{QUOTED}@host:port/needle",
        f"postgresql://ann:{QUOTED}@host:99999/needle",
        f"postgresql://ann:{QUOTED}@[::1/needle",
        f"postgresql://ann:{SECRET}@host/needle",
        f"postgresql://ann:{QUOTED}@host/needle?sslmode=maybe",
        f"postgresql://ann:{QUOTED}@host/needle?options=-csearch_path%3Dother",
        f"postgresql://ann:{QUOTED}@host/needle?port=x",
        "postgresql://host/needle",
        f"host=h user=ann password={SECRET}",
    ],
)
def test_an_unusable_address_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"NEEDLE_POSTGRES = \(hidden\)") as error:
        load_settings(postgres=url)
    assert SECRET not in str(error.value) and QUOTED not in str(error.value) and "pa ss" not in str(error.value)
    assert error.value.__cause__ is None
