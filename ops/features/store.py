"""Feast's configuration of a home, its registry, and the translation of its errors.

Feast takes seconds to import, so it is imported inside functions, and only if there is work for it. The last applied
state is stored (``applied``), so that a second run over the same footage needs no Feast. Feast writes its registry file
in place; here a copy is written and renamed, under a lock.
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
from contextlib import closing, contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from feature_repo.names import ServedColumn, ServedTable, embedding_view
from ops.core.errors import FeatureStoreError, NeedleError
from ops.core.field_descriptions import FIELD_DESCRIPTIONS
from ops.core.locks import lock_exclusively
from ops.core.schemas import SCORES, list_served_tables
from ops.core.settings import CHECKOUT, Settings
from ops.core.storage import write_atomically

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView, RepoConfig

log = logging.getLogger(__name__)

_IMPORTING = threading.Lock()

REPO = CHECKOUT / "feature_repo"
_OUR_TABLES = """
    CREATE TABLE IF NOT EXISTS row_stamps (
        view TEXT, entity_id TEXT, event_us INTEGER, created_us INTEGER, content TEXT, PRIMARY KEY (view, entity_id)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS applied (fingerprint TEXT);
    CREATE TABLE IF NOT EXISTS applied_lake (lake TEXT);
    CREATE TABLE IF NOT EXISTS store_name (name TEXT);
    INSERT INTO store_name SELECT lower(hex(randomblob(16))) WHERE NOT EXISTS (SELECT 1 FROM store_name);
"""
# It is also a folder of the lake.
APPLIES = 3
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
    with map_errors(f"register features of {encoder_id}"), lock_exclusively(lock_path(settings)):
        from feature_repo.catalogue import Content, build_definitions, read_registry

        config = _load_config(settings)
        registry = Path(config.registry.path)
        before = read_registry(_open(config)) if registry.exists() else None
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
        is_changed = not (before and _is_registered(config, definitions) and _has_tables(config, definitions))
        if is_changed:
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


def locate_lake(settings: Settings) -> str:
    """Return the root of the lake as it is registered.

    It is relative to the home if it is below it, so that a copied or moved home reads its own lake.
    """
    lake, home = settings.lake.path("").rstrip("/"), f"{settings.home}/"
    return lake.removeprefix(home)


def open_store(settings: Settings) -> FeatureStore:
    """Open the home's feature store, or return the one that this thread has opened before if its files are the same.

    Opening takes about 50 times as long as reading one row. Raises ``FeatureStoreError`` if nothing is registered yet,
    or for the lake of another object store.
    """
    paths = _read_config(settings)
    registry, database = Path(paths["registry"]["path"]), Path(paths["online_store"]["path"])
    if not registry.exists():  # opening it would write an empty one
        raise FeatureStoreError(f"no features are registered in {settings.home}: run `needle ingest` first")
    stat = registry.stat()
    # The registry is replaced by a new file, and so is a database that was deleted because it was damaged.
    files = (str(registry), stat.st_mtime_ns, stat.st_ino, database.stat().st_ino if database.exists() else 0)
    key = (os.getpid(), locate_lake(settings), *files)
    if _OPENED.key != key or _OPENED.store is None:
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
def map_errors(doing: str) -> Iterator[None]:
    """Raise errors of Feast, duckdb, ibis, sqlite and pyarrow as ``FeatureStoreError``."""
    load_feast()
    import duckdb
    from feast.errors import FeastError
    from ibis.common.exceptions import IbisError

    try:
        yield
    except NeedleError:
        raise
    except (
        FeastError,
        duckdb.Error,
        IbisError,
        sqlite3.Error,
        pa.ArrowException,
        OSError,
        ValueError,
        KeyError,
    ) as error:
        message = str(error).replace("full_feature_names=True", "full_names=True")  # the name of Needle's parameter
        raise FeatureStoreError(f"could not {doing}: {message}") from error


def is_about_rows(error: FeatureStoreError) -> bool:
    """Return whether the store refused the rows that it was given; false if it cannot be used, whatever the rows.

    A full disk, a lock, a damaged file and our own messages are not about rows.
    """
    cause = error.__cause__
    return isinstance(cause, (sqlite3.IntegrityError, sqlite3.DataError, pa.ArrowException, ValueError, KeyError))


def lock_path(settings: Settings) -> Path:
    """Return the lock file of all writers of the home's registry and online rows."""
    return settings.home / "feast" / ".lock"


def locate_database(settings: Settings) -> Path:
    """Return the file of the online rows."""
    return Path(_read_config(settings)["online_store"]["path"])


@contextmanager
def open_database(settings: Settings) -> Iterator[sqlite3.Connection]:
    """Open a connection to the online rows. Raises ``FeatureStoreError`` for every error of it."""
    with report_database_errors(settings), closing(sqlite3.connect(locate_database(settings), timeout=60)) as database:
        yield database


@contextmanager
def report_database_errors(settings: Settings) -> Iterator[None]:
    """Raise errors of the online rows, Needle's or Feast's, as ``FeatureStoreError`` with the file and a solution."""
    try:
        yield
    except sqlite3.Error as error:
        raise FeatureStoreError(
            f"the online features cannot be used: {error}; if {locate_database(settings)} is damaged, delete it and "
            "`needle ingest` all your footage again: this only writes its features"
        ) from error


def list_tables(database: sqlite3.Connection) -> set[str]:
    """Return the names of the existing tables."""
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def project_name(settings: Settings) -> str:
    """Return Feast's name of the project, with which its table names begin."""
    return str(_read_config(settings)["project"])


def _read_config(settings: Settings) -> dict[str, Any]:
    """Read ``feature_store.yaml`` and fill in the home after parsing, so that no character in a path can break it."""

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: fill(inner) for name, inner in value.items()}
        return Template(value).safe_substitute(NEEDLE_HOME=settings.home) if isinstance(value, str) else value

    path = REPO / "feature_store.yaml"
    config: dict[str, Any] = fill(_parse(path, path.stat().st_mtime_ns))
    return config


@lru_cache(maxsize=1)
def _parse(path: Path, changed_ns: int) -> Any:
    """Parse a version of the file once: an ingest asks for it forty times, at 11 ms each."""
    import yaml  # type: ignore[import-untyped]  # no stubs among the dependencies

    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _load_config(settings: Settings) -> RepoConfig:
    load_feast()
    from feast import RepoConfig

    config = RepoConfig(**_read_config(settings))
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
        _open(config).apply(list(definitions))
        if _is_registered(config, definitions):
            return
    raise FeatureStoreError("Feast did not store all definitions: run the same command again")


def _open(config: RepoConfig) -> FeatureStore:
    from feast import FeatureStore

    return FeatureStore(config=config)


def _is_applied(settings: Settings, encoder_id: str, dim: int) -> bool:
    """Whether exactly this was applied last, and the registry has not changed since. Needs no Feast."""
    if not locate_database(settings).exists():
        return False
    with open_database(settings) as database:
        if not {"applied", "store_name"} <= list_tables(database):
            return False
        stored_fingerprint = database.execute("SELECT fingerprint FROM applied").fetchall()
    return stored_fingerprint == [(_compute_fingerprint(settings, encoder_id, dim),)]


def is_lake_registered(settings: Settings) -> bool:
    """Whether features are registered for the lake of the settings; not if the home was copied. Needs no Feast."""
    if not locate_database(settings).exists() or not Path(_read_config(settings)["registry"]["path"]).exists():
        return False
    with open_database(settings) as database:
        if "applied_lake" not in list_tables(database):
            return False
        return database.execute("SELECT lake FROM applied_lake").fetchall() == [(locate_lake(settings),)]


def _compute_fingerprint(settings: Settings, encoder_id: str, dim: int) -> str:
    """Return a hash of everything that decides the definitions: code, Feast, lake, encoder, and the registry itself."""
    registry = Path(_read_config(settings)["registry"]["path"])
    content = hashlib.blake2b(digest_size=16)
    for path in [*sorted(REPO.glob("*.py")), REPO / "feature_store.yaml", registry]:
        content.update(path.read_bytes() if path.exists() else b"missing")
    inputs = (version("feast"), locate_lake(settings), encoder_id, dim, list_scored_probes(settings), describe_served())
    content.update(repr(inputs).encode())
    return content.hexdigest()


def _remember_applied(settings: Settings, encoder_id: str, dim: int) -> None:
    with open_database(settings) as database:
        database.executescript(_OUR_TABLES)
        with database:
            database.execute("DELETE FROM applied")
            database.execute("INSERT INTO applied VALUES (?)", [_compute_fingerprint(settings, encoder_id, dim)])
            database.execute("DELETE FROM applied_lake")
            database.execute("INSERT INTO applied_lake VALUES (?)", [locate_lake(settings)])


def _is_registered(config: RepoConfig, definitions: Sequence[Any]) -> bool:
    """Whether the registry has these definitions, whatever was materialised from them.

    ``feast materialize`` records its intervals in the registered view, and Feast 0.67 compares them too.
    """
    store = _open(config)
    views = store.list_feature_views()
    for view in views:
        view.materialization_intervals = []
    registered_definitions: list[Any] = [*store.list_entities(), *views, *store.list_feature_services()]
    registered_by_name = {(type(definition), definition.name): definition for definition in registered_definitions}
    return all(registered_by_name.get((type(definition), definition.name)) == definition for definition in definitions)


def _has_tables(config: RepoConfig, definitions: Sequence[Any]) -> bool:
    from feast import FeatureView

    views = (definition for definition in definitions if isinstance(definition, FeatureView) and definition.online)
    table_names = {name_online_table(config, view) for view in views}
    with closing(sqlite3.connect(config.online_store.path)) as database:
        return table_names <= list_tables(database)


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
