"""Feast's configuration of a home, its registry, and its errors as ours.

Feast takes seconds to import, so it is imported inside functions, and only where there is something to do: what
was applied last is remembered (``applied``), so that a second run over the same footage does without it.
The registry is a file that Feast writes in place; here a copy is written and renamed, under a lock.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from feature_repo.names import embedding_view
from ops.core.errors import FeatureStoreError, NeedleError
from ops.core.locks import exclusive
from ops.core.schemas import SCORES
from ops.core.settings import CHECKOUT, Settings
from ops.core.storage import atomic_path
from ops.features.loading import load_feast

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView, RepoConfig

log = logging.getLogger(__name__)

REPO = CHECKOUT / "feature_repo"
_OUR_TABLES = """
    CREATE TABLE IF NOT EXISTS row_stamps (
        view TEXT, entity_id TEXT, event_us INTEGER, created_us INTEGER, content TEXT, PRIMARY KEY (view, entity_id)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS applied (fingerprint TEXT);
"""
# It is also a folder of the lake.
APPLIES = 3
_ENCODER_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")


def apply_features(settings: Settings, encoder_id: str, dim: int) -> bool:
    """Register the views and services for the lake of ``settings`` and an encoder; true where that changed anything.

    ``dim`` is the length of the encoder's vectors. Every probe with scores in the lake has its view. The encoder
    becomes the one that ``shot_classifier_v1`` reads; views of earlier encoders stay. Where everything is registered
    already, nothing is written.
    Raises ``FeatureStoreError``, also for an id that is no name of a folder or whose view name is taken.
    """
    if not _ENCODER_ID.match(encoder_id):
        raise FeatureStoreError(f"{encoder_id!r} cannot be an encoder id: use letters, digits, '.', '_' and '-' only")
    if _is_applied(settings, encoder_id, dim):
        return False
    with mapped(f"register features of {encoder_id}"), exclusive(lock_of(settings)):
        from feature_repo.catalogue import definitions, registered

        config = _config_of(settings)
        registry = Path(config.registry.path)
        before = registered(_open(config)) if registry.exists() else None
        encoders = (before[1] if before else {}) | {encoder_id: dim}
        probes = sorted({*(before[3] if before else ()), *scored_probes(settings)})
        if len({embedding_view(encoder) for encoder in encoders}) < len(encoders):
            raise FeatureStoreError(f"another encoder has the view {embedding_view(encoder_id)} already: rename one")
        wanted = definitions(settings.lake.path("").rstrip("/"), encoders, encoder_id, probes)
        changed = not (before and _is_registered(config, wanted) and _has_tables(config, wanted))
        if changed:
            with atomic_path(registry) as copy:
                if registry.exists():
                    shutil.copyfile(registry, copy)
                _apply(_with_registry(config, copy), wanted)
        _remember_applied(settings, encoder_id, dim)
    if changed:
        log.info("registered features of encoder %s (%d dimensions)", encoder_id, dim)
    return changed


def scored_probes(settings: Settings) -> list[str]:
    """Names of the probes that have scores in the lake, sorted."""
    return settings.lake.tables_below(SCORES)


def opened_store(settings: Settings) -> FeatureStore:
    """The home's feature store. Raises ``FeatureStoreError`` where nothing was registered yet."""
    config = _config_of(settings)
    if not Path(config.registry.path).exists():  # opening it would write an empty one
        raise FeatureStoreError(f"no features are registered in {settings.home}: run `needle ingest` first")
    return _open(config)


@contextmanager
def mapped(doing: str) -> Iterator[None]:
    """Foreign errors as ``FeatureStoreError``: Feast's, duckdb's, ibis's, sqlite's and pyarrow's."""
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
        told = str(error).replace("full_feature_names=True", "full_names=True")  # as our functions call it
        raise FeatureStoreError(f"could not {doing}: {told}") from error


def lock_of(settings: Settings) -> Path:
    """The lock file of all writers of the home's registry and online rows."""
    return settings.home / "feast" / ".lock"


def database_path(settings: Settings) -> Path:
    """The file of the online rows."""
    return Path(_config_dict(settings)["online_store"]["path"])


@contextmanager
def database_of(settings: Settings) -> Iterator[sqlite3.Connection]:
    """A connection to the online rows. Raises ``FeatureStoreError`` for whatever goes wrong with it."""
    with database_named(settings), closing(sqlite3.connect(database_path(settings), timeout=60)) as database:
        yield database


@contextmanager
def database_named(settings: Settings) -> Iterator[None]:
    """Trouble with the online rows, ours or Feast's, as ``FeatureStoreError`` with the file and the way out."""
    try:
        yield
    except sqlite3.Error as error:
        raise FeatureStoreError(
            f"the online features cannot be used: {error}; where {database_path(settings)} is damaged, delete it and "
            "`needle ingest` all your footage again: nothing but its features is written anew"
        ) from error


def tables_in(database: sqlite3.Connection) -> set[str]:
    """Names of the tables that are there."""
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def project_of(settings: Settings) -> str:
    """Feast's name of the project, with which its table names begin."""
    return str(_config_dict(settings)["project"])


def _config_dict(settings: Settings) -> dict[str, Any]:
    """``feature_store.yaml`` with the home filled in, after parsing, so that no sign in a path can break it."""
    import yaml  # type: ignore[import-untyped]  # no stubs among the dependencies

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(inner) for name, inner in value.items()}
        return Template(value).safe_substitute(NEEDLE_HOME=settings.home) if isinstance(value, str) else value

    config: dict[str, Any] = filled(yaml.safe_load((REPO / "feature_store.yaml").read_text(encoding="utf-8")))
    return config


def _config_of(settings: Settings) -> RepoConfig:
    load_feast()
    from feast import RepoConfig

    config = RepoConfig(**_config_dict(settings))
    config.repo_path = REPO
    return config


def table_of(config: RepoConfig, view: FeatureView) -> str:
    """Name of Feast's table of a view's online rows."""
    from feast.infra.online_stores.helpers import compute_table_id

    return str(compute_table_id(config.project, view, config.registry.enable_online_feature_view_versioning))


def _with_registry(config: RepoConfig, registry: Path) -> RepoConfig:
    copy = config.model_copy(deep=True)
    copy.registry.path = str(registry)
    return copy


def _apply(config: RepoConfig, wanted: Sequence[Any]) -> None:
    """Register, and look whether it is there.

    Feast 0.67 reads its file again whenever the file's time has moved, in the middle of an ``apply`` too, and then
    forgets what it has not written yet: on a busy machine a service was missing afterwards.
    """
    for _ in range(APPLIES):
        _open(config).apply(list(wanted))
        if _is_registered(config, wanted):
            return
    raise FeatureStoreError("Feast did not keep all that was registered: run the same command again")


def _open(config: RepoConfig) -> FeatureStore:
    from feast import FeatureStore

    return FeatureStore(config=config)


def _is_applied(settings: Settings, encoder_id: str, dim: int) -> bool:
    """Whether exactly this was applied last, and the registry has not changed since. Needs no Feast."""
    if not database_path(settings).exists():
        return False
    with database_of(settings) as database:
        if "applied" not in tables_in(database):
            return False
        known = database.execute("SELECT fingerprint FROM applied").fetchall()
    return known == [(_fingerprint(settings, encoder_id, dim),)]


def _fingerprint(settings: Settings, encoder_id: str, dim: int) -> str:
    """Hash of all that decides what is registered: definitions, Feast, lake, encoder, and the registry itself."""
    registry = Path(_config_dict(settings)["registry"]["path"])
    content = hashlib.blake2b(digest_size=16)
    for path in [*sorted(REPO.glob("*.py")), REPO / "feature_store.yaml", registry]:
        content.update(path.read_bytes() if path.exists() else b"missing")
    content.update(repr((version("feast"), settings.lake.path(""), encoder_id, dim, scored_probes(settings))).encode())
    return content.hexdigest()


def _remember_applied(settings: Settings, encoder_id: str, dim: int) -> None:
    with database_of(settings) as database:
        database.executescript(_OUR_TABLES)
        with database:
            database.execute("DELETE FROM applied")
            database.execute("INSERT INTO applied VALUES (?)", [_fingerprint(settings, encoder_id, dim)])


def _is_registered(config: RepoConfig, wanted: Sequence[Any]) -> bool:
    store = _open(config)
    listed: list[Any] = [*store.list_entities(), *store.list_feature_views(), *store.list_feature_services()]
    known = {(type(thing), thing.name): thing for thing in listed}
    return all(known.get((type(thing), thing.name)) == thing for thing in wanted)


def _has_tables(config: RepoConfig, wanted: Sequence[Any]) -> bool:
    from feast import FeatureView

    needed = {table_of(config, thing) for thing in wanted if isinstance(thing, FeatureView) and thing.online}
    with closing(sqlite3.connect(config.online_store.path)) as database:
        return needed <= tables_in(database)
