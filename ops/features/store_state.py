"""Short texts for the state of the online store, to see whether anything has changed since. Needs no Feast.

Stands alone because they are asked for in every look at a catalogue, which must not import Feast.
"""

from __future__ import annotations

import os

from ops.core.settings import Settings
from ops.features.config import has_database, locate_lake, open_database, read_registry_state


def read_store_name(settings: Settings) -> str:
    """Return the random name of the online store, which lives as long as its rows; empty if it has none."""
    if not has_database(settings):
        return ""
    with open_database(settings) as database:
        if "store_name" not in database.list_columns():
            return ""
        return next((str(name) for (name,) in database.fetch("SELECT name FROM store_name")), "")


def describe_online_store(settings: Settings) -> str:
    """Return a text that changes whenever a row is written online or something is registered."""
    if settings.postgres_address is not None:
        with open_database(settings) as database:
            changes = database.fetch("SELECT changes FROM store_changes")
        return f"{locate_lake(settings)} {read_store_name(settings)} {changes} {read_registry_state(settings)}"
    try:
        with os.scandir(settings.home / "feast") as entries:
            stats = sorted((entry.name, entry.stat()) for entry in entries)
    except FileNotFoundError:
        stats = []
    texts = [f"{name} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats]
    return " ".join([locate_lake(settings), *texts])
