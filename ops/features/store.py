"""Feast's configuration of a home, its registry, and the translation of its errors.

Feast takes seconds to import, so it is imported inside functions, and only if there is work for it. The last applied
state is stored (``applied``), so that a second run over the same footage needs no Feast. Feast writes its registry file
in place; here a copy is written and renamed, under a lock. On Postgres each definition is a row.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import sqlite3
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from feature_repo.names import ServedColumn, ServedTable, embedding_view
from ops.core.errors import DatabaseUnavailableError, FeatureStoreError, NeedleError
from ops.core.field_descriptions import FIELD_DESCRIPTIONS
from ops.core.postgres import report_postgres_errors
from ops.core.schemas import SCORES, list_served_tables
from ops.core.settings import Settings
from ops.core.storage import write_atomically
from ops.features.config import (
    REPO,
    has_database,
    locate_lake,
    locate_registry,
    lock_writers,
    open_database,
    read_config,
    read_registry_state,
)
from ops.features.database import create_tables

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView, RepoConfig

log = logging.getLogger(__name__)

_IMPORTING = threading.Lock()

# It is also a folder of the lake.
APPLIES = 3
_LONGEST_NAME = 60  # Postgres cuts names at 63 bytes, and Feast's index of a table has 3 more
_ENCODER_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")


def apply_features(settings: Settings, encoder_id: str, dim: int) -> bool:
    """Register the views and services for the lake of ``settings`` and an encoder; return whether anything changed.

    ``dim`` is the length of the encoder's vectors. Every probe with scores in the lake has a view. The encoder becomes
    the one that ``shot_classifier_v1`` reads; views of earlier encoders stay. If everything is registered already,
    nothing is written. Raises ``FeatureStoreError``, also if the id is not a valid folder name or its view's name is in
    use.
    """
    if not _ENCODER_ID.match(encoder_id):
        raise FeatureStoreError(f"{encoder_id!r} cannot be an encoder id: use letters, digits, '.', '_' and '-' only")
    if _is_applied(settings, encoder_id, dim):
        return False
    with map_errors(f"register features of {encoder_id}", settings), lock_writers(settings):
        from feature_repo.catalogue import Content, build_definitions, read_registry

        config = _load_config(settings)
        registry = locate_registry(settings)
        before = None
        if registry is None or registry.exists():
            with _use_store(config) as store:
                before = read_registry(store)
        encoders = (dict(before.encoders) if before else {}) | {encoder_id: dim}
        if len({embedding_view(encoder) for encoder in encoders}) < len(encoders):
            raise FeatureStoreError(f"another encoder has the view {embedding_view(encoder_id)} already: rename one")
        definitions = build_definitions(
            Content(
                lake=locate_lake(settings),
                encoders=encoders,
                current=encoder_id,
                served=describe_served(),
                probes=sorted({*(before.probes if before else ()), *list_scored_probes(settings)}),
            )
        )
        _check_table_names(config, definitions)
        with open_database(settings) as database:
            tables = set(database.list_columns())
        is_changed = not (before and _is_registered(config, definitions) and _list_names(config, definitions) <= tables)
        if is_changed and registry is None:
            _apply(config, definitions)
        elif is_changed and registry is not None:
            with write_atomically(registry) as copy:
                if registry.exists():
                    shutil.copyfile(registry, copy)
                _apply(_replace_registry(config, copy), definitions)
        _remember_applied(settings, encoder_id, dim)
    if is_changed:
        log.info("registered features of encoder %s (%d dimensions)", encoder_id, dim)
    return is_changed


def list_scored_probes(settings: Settings) -> list[str]:
    """Return the names of the probes that have scores in the lake, sorted."""
    return settings.lake.list_tables_below(SCORES)


def describe_served() -> list[ServedTable]:
    """Describe the tables of the lake that Feast serves, for ``feature_repo/``, which imports nothing of ours."""
    return [
        ServedTable(
            view=view,
            table=table.name,
            key=table.key,
            description=table.feature_view.description if table.feature_view else "",
            columns=tuple(
                ServedColumn(name=name, kind=kind, description=FIELD_DESCRIPTIONS.get(table.name, {}).get(name, ""))
                for name, kind in table.served_columns.items()
            ),
        )
        for view, table in list_served_tables().items()
    ]


def open_store(settings: Settings) -> FeatureStore:
    """Open the home's feature store, or return the one that this thread has opened before if its files are the same.

    Opening takes about 50 times as long as reading one row. Raises ``FeatureStoreError`` if nothing is registered yet,
    or for the lake of another object store.
    """
    state = read_registry_state(settings)
    if state is None:  # opening it would write an empty one
        raise FeatureStoreError(f"no features are registered in {settings.home}: run `needle ingest` first")
    key = (os.getpid(), locate_lake(settings), *state)
    if _OPENED.key != key or _OPENED.store is None:
        _drop_store()
        store = _open(_load_config(settings))
        _require_lake(settings, store)
        _OPENED.key, _OPENED.store = key, store
    return _OPENED.store


class _OpenedStore(threading.local):
    """The store that a thread opened last, and everything that decides whether it can be used again."""

    key: tuple[int | str, ...] = ()
    store: FeatureStore | None = None


_OPENED = _OpenedStore()


def _require_lake(settings: Settings, store: FeatureStore) -> None:
    """Raise ``FeatureStoreError`` if the features are registered for another lake, such as that of a copied home."""
    sources = {source.name: source for source in store.list_data_sources()}
    lake = sources["shots"].tags.get("lake") if "shots" in sources else None
    if lake not in (
        None,
        locate_lake(settings),
        settings.lake.path("").rstrip("/"),
    ):  # earlier versions: the whole path
        raise FeatureStoreError(
            f"the features in {settings.home} are registered for the lake in {lake}, but the settings name "
            f"{settings.lake.path('')}: set NEEDLE_STORAGE back, or run `needle ingest` to register this one"
        )


@contextmanager
def map_errors(doing: str, settings: Settings) -> Iterator[None]:
    """Raise errors of Feast, duckdb, ibis, sqlite and pyarrow as ``FeatureStoreError``.

    Those of Postgres are raised as ``DatabaseUnavailableError`` if it does not answer; the opened store is dropped.
    """
    load_feast()
    import duckdb
    from feast.errors import FeastError
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no stubs among the dependencies
    from ibis.common.exceptions import IbisError

    address = settings.postgres_address
    try:
        with report_postgres_errors(address) if address else nullcontext():
            yield
    except NeedleError as error:
        if isinstance(error, DatabaseUnavailableError):
            _drop_store()
        raise
    except DecodeError as error:
        raise FeatureStoreError(
            f"could not {doing}: {error}; the registry {locate_registry(settings)} is damaged: delete it and `needle "
            "ingest` all your footage again: this only writes its features"
        ) from error
    except (
        FeastError,
        duckdb.Error,
        IbisError,
        sqlite3.Error,
        pa.ArrowException,
        OSError,
        ValueError,
        KeyError,
        *_list_server_errors(settings),
    ) as error:
        message = str(error).replace("full_feature_names=True", "full_names=True")  # the name of Needle's parameter
        raise FeatureStoreError(f"could not {doing}: {message}") from error


def explain_registry_damage(path: Path) -> str:
    """Return why the file of a registry cannot be read; empty if it can."""
    load_feast()
    from feast.protos.feast.core.Registry_pb2 import Registry
    from google.protobuf.message import DecodeError

    data = path.read_bytes()
    try:
        Registry.FromString(data)
    except DecodeError as error:
        return str(error)
    return "" if data else "it is empty"


def is_about_rows(error: FeatureStoreError) -> bool:
    """Return whether the store refused the rows that it was given; false if it cannot be used, whatever the rows.

    A full disk, a lock, a damaged file and our own messages are not about rows.
    """
    kinds: list[type[Exception]] = [sqlite3.IntegrityError, sqlite3.DataError, pa.ArrowException, ValueError, KeyError]
    if psycopg := sys.modules.get("psycopg"):
        kinds += [psycopg.IntegrityError, psycopg.DataError]
    return isinstance(error.__cause__, tuple(kinds))


def _list_server_errors(settings: Settings) -> list[type[Exception]]:
    if settings.postgres_address is None:
        return []
    import psycopg
    import sqlalchemy.exc

    return [psycopg.Error, sqlalchemy.exc.SQLAlchemyError]


def _load_config(settings: Settings) -> RepoConfig:
    load_feast()
    from feast import RepoConfig

    config = RepoConfig(**read_config(settings))
    config.repo_path = REPO
    return config


def name_online_table(config: RepoConfig, view: FeatureView) -> str:
    """Return the name of Feast's table of a view's online rows."""
    from feast.infra.online_stores.helpers import compute_table_id

    return str(compute_table_id(config.project, view, config.registry.enable_online_feature_view_versioning))


def _replace_registry(config: RepoConfig, registry: Path) -> RepoConfig:
    copy = config.model_copy(deep=True)
    copy.registry.path = str(registry)
    return copy


def _apply(config: RepoConfig, definitions: Sequence[Any]) -> None:
    """Register the definitions, and check that they are registered.

    Feast 0.67 reads its file again when the file's time has changed, even during an ``apply``. It then loses
    definitions that it has not written yet: on a busy machine a service was missing afterwards.
    """
    for _ in range(APPLIES):
        with _use_store(config) as store:
            store.apply(list(definitions))
        if _is_registered(config, definitions):
            return
    raise FeatureStoreError("Feast did not store all definitions: run the same command again")


def _open(config: RepoConfig) -> FeatureStore:
    from feast import FeatureStore

    return FeatureStore(config=config)


@contextmanager
def _use_store(config: RepoConfig) -> Iterator[FeatureStore]:
    store = _open(config)
    try:
        yield store
    finally:
        _close(store)


def _drop_store() -> None:
    if _OPENED.store is not None:
        _close(_OPENED.store)
        _OPENED.store = None


def _close(store: FeatureStore) -> None:
    """Close the connections to Postgres of a store; Feast 0.67 has no way to do it."""
    if store.config.online_store.type == "postgres":
        store.registry.write_engine.dispose()  # type: ignore[attr-defined]  # SqlRegistry
        connection = getattr(store._get_provider().online_store, "_conn", None)
        if connection is not None:
            connection.close()


def _is_applied(settings: Settings, encoder_id: str, dim: int) -> bool:
    """Whether exactly this was applied last, and the registry has not changed since. Needs no Feast."""
    if not has_database(settings):
        return False
    with open_database(settings) as database:
        if not {"applied", "store_name"} <= database.list_columns().keys():
            return False
        stored_fingerprint = database.fetch("SELECT fingerprint FROM applied")
    return stored_fingerprint == [(_compute_fingerprint(settings, encoder_id, dim),)]


def is_lake_registered(settings: Settings) -> bool:
    """Whether features are registered for the lake of the settings; not if the home was copied. Needs no Feast."""
    registry = locate_registry(settings)
    if not has_database(settings) or (registry is not None and not registry.exists()):
        return False
    with open_database(settings) as database:
        if "applied_lake" not in database.list_columns():
            return False
        return database.fetch("SELECT lake FROM applied_lake") == [(locate_lake(settings),)]


def _compute_fingerprint(settings: Settings, encoder_id: str, dim: int) -> str:
    """Return a hash of everything that decides the definitions: code, Feast, lake, encoder, and the registry itself."""
    registry = locate_registry(settings)
    content = hashlib.blake2b(digest_size=16)
    for path in [*sorted(REPO.glob("*.py")), *sorted(REPO.glob("*.yaml")), *([registry] if registry else [])]:
        content.update(path.read_bytes() if path.exists() else b"missing")
    if registry is None:
        content.update(repr((read_registry_state(settings) or ("missing",))[1:]).encode())
    inputs = (version("feast"), locate_lake(settings), encoder_id, dim, list_scored_probes(settings), describe_served())
    content.update(repr(inputs).encode())
    return content.hexdigest()


def _remember_applied(settings: Settings, encoder_id: str, dim: int) -> None:
    with open_database(settings) as database:
        create_tables(database)
        with database.commit_together():
            database.change("DELETE FROM applied_lake")
            database.change("INSERT INTO applied_lake VALUES (?)", [locate_lake(settings)])
        fingerprint = _compute_fingerprint(settings, encoder_id, dim)
        with database.commit_together():
            database.change("DELETE FROM applied")
            database.change("INSERT INTO applied VALUES (?)", [fingerprint])


def _is_registered(config: RepoConfig, definitions: Sequence[Any]) -> bool:
    """Whether the registry has these definitions, whatever was materialised from them.

    ``feast materialize`` records its intervals in the registered view, and Feast 0.67 compares them too.
    """
    with _use_store(config) as store:
        views = store.list_feature_views()
        for view in views:
            view.materialization_intervals = []
        registered_definitions: list[Any] = [*store.list_entities(), *views, *store.list_feature_services()]
    registered_by_name = {(type(definition), definition.name): definition for definition in registered_definitions}
    return all(registered_by_name.get((type(definition), definition.name)) == definition for definition in definitions)


def _list_names(config: RepoConfig, definitions: Sequence[Any]) -> set[str]:
    """Return the names of Feast's tables of the online views."""
    from feast import FeatureView

    views = (definition for definition in definitions if isinstance(definition, FeatureView) and definition.online)
    return {name_online_table(config, view) for view in views}


def _check_table_names(config: RepoConfig, definitions: Sequence[Any]) -> None:
    """Raise ``FeatureStoreError`` if Postgres would cut the name of a table."""
    if config.online_store.type == "postgres":
        for name in _list_names(config, definitions):
            if len(name.encode()) > _LONGEST_NAME:
                raise FeatureStoreError(f"{name} is too long for a table of Postgres: give the probe a shorter name")


def load_feast() -> None:
    """Import Feast without two slow steps of its import; a no-op if it is already imported.

    Feast 0.67 decorates its classes with typeguard, which parses and compiles their source again, and imports torch
    for image features, which Needle does not use. Of 4.1 to 4.9 CPU seconds the first takes 2.4 and the second 1.1; 0.7
    remain. ``python -O`` skips the decorator as well: it checks the types of arguments, which mypy checks here. May go
    when Feast's import takes less than a second.
    """
    with _IMPORTING:
        if "feast" in sys.modules:
            return
        import typeguard

        original = typeguard.typechecked
        typeguard.typechecked = _skip_check
        hides_torch = "torch" not in sys.modules
        if hides_torch:
            sys.modules["torch"] = None  # type: ignore[assignment]  # makes the import fail
        try:
            import_module("feast")
        finally:
            typeguard.typechecked = original
            if hides_torch:
                del sys.modules["torch"]


def _skip_check(target: Any = None, **_: Any) -> Any:
    """Replace the decorator, which is used with or without arguments."""
    return _skip_check if target is None else target
