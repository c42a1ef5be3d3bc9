"""Checks of settings that are paths and addresses.

Stands alone because the list of settings only names them, and stays readable.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_PUBLIC_URL = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>\d{1,5}))?/?")


def make_home(path: Path) -> Path:
    """Make the path of a home absolute. Raises ``ValueError`` if Dagster would write its databases beside it.

    Dagster 1.13 names a database by a URL, and puts the path into it as it is: a ``?`` ends the path there, and ``%41``
    is read as ``A``. May go when Dagster quotes the path.
    """
    try:
        home = path.expanduser().absolute()
    except RuntimeError as error:  # ~name
        raise ValueError(f"no user of this machine has the folder {path.parts[0]}: write the whole path") from error
    try:
        text = os.fsencode(home).decode()
    except UnicodeDecodeError as error:
        raise ValueError("the path is not UTF-8: choose another folder") from error
    if sequence := re.search(r"\?|%[0-9A-Fa-f]{2}", text):
        raise ValueError(
            f"Dagster cannot keep its databases on a path with {sequence.group()!r}: choose another folder"
        )
    return home


def check_public_url(address: str) -> str:
    """Return an address of the service without a trailing slash. Raises ``ValueError`` if it is not one."""
    match = _PUBLIC_URL.fullmatch(address)
    if address and not (match and 0 < int(match["port"] or 443) < 1 << 16):
        raise ValueError("write http:// or https://, a host and, unless it is the usual one, a port; no path")
    return address.rstrip("/")


def has_password(address: str) -> bool:
    """Return whether an address of a server may have a user or a password before its host.

    A password may have a slash, and an address with a fault no scheme, so any ``@`` counts.
    """
    return "@" in address


def require_no_password(address: str, remedy: str) -> str:
    """Return the address. Raises ``ValueError`` with the remedy if :func:`has_password`: messages show addresses."""
    if has_password(address):
        raise ValueError(f"an address is shown in messages, so it must not have a user or a password: {remedy}")
    return address
