"""Online rows: write, read (from the store or over HTTP), forget. Works around two limits of Feast's stores:

- *The last writer wins*, even with an older row, and sqlite stores timestamps as whole seconds shifted by the local
  time zone. A table next to Feast's (``row_stamps``) keeps exact ones, in microseconds UTC. A row is only written if it
  is not older and differs. The table also has a hash of each row, so that writing the same rows again needs no Feast.
- *No row can be deleted*: :func:`forget_features` deletes in the database and leaves no trace in the file;
  a Postgres server overwrites deleted rows in its own time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pyarrow as pa
import pyarrow.compute as pc

from ops.core.errors import FeatureStoreError, UsageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.features.config import (
    has_database,
    lock_writers,
    open_database,
    project_name,
    report_database_errors,
)
from ops.features.database import Database
from ops.features.historical import find_service
from ops.features.store import map_errors, name_online_table, open_store

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView, RepoConfig

_KEYS_A_QUERY = 500  # SQLite's oldest limit on variables is 999


def write_online(settings: Settings, view: str, rows: pa.Table) -> int:
    """Write lake ``rows`` of one view (``shot_metadata``, ``video_metadata``) online; return the number written.

    A row with the same values, or with an older (event, created) timestamp than the stored one, is not written. So a
    re-run writes nothing and a late writer cannot undo a newer row. Safe for several processes.
    Raises ``FeatureStoreError`` if the view does not exist or is offline only, or if rows repeat a key.
    """
    if not len(rows) or is_online(settings, view, rows):
        return 0
    with map_errors(f"write {view} online", settings):
        store = open_store(settings)
        feature_view = _find_online_view(store, view)
        key = feature_view.entity_columns[0].name
        names = [key, *(feature.name for feature in feature_view.features), "event_timestamp", "created_timestamp"]
        if missing := [name for name in names if name not in rows.column_names]:
            raise FeatureStoreError(f"{view} needs {', '.join(missing)}: pass whole rows of the lake's table")
        if pc.count_distinct(rows[key]).as_py() != len(rows):
            raise FeatureStoreError(f"{view}: rows repeat a {key}; write one row for each")
        with lock_writers(settings), open_database(settings) as database:
            current = rows.take(_select_current(database, view, key, rows))
            changed_rows = current.take(_select_changed(store, feature_view, database, current.select(names)))
            if len(changed_rows):
                store.write_to_online_store(view, changed_rows.select(names).to_pandas(integer_object_nulls=True))
            _remember_written(database, view, key, current)
        return len(changed_rows)


def online_features(
    settings: Settings, ids: Sequence[str], features: str | Sequence[str], *, full_names: bool = False
) -> list[dict[str, Any]]:
    """Return one dict for each id, in order: the key (``shot_id`` or ``video_id``) and its features, null if unknown.

    ``features`` is the name of a feature service (``shot_facets_v1``) or ``view:feature`` references, all of one entity
    and of online views. With ``full_names`` a feature is called ``view__feature``, as needed for services with several
    probes (``shot_probes_v1``). Raises ``FeatureStoreError``.
    """
    with map_errors("read online features", settings), report_database_errors(settings):
        store = open_store(settings)
        references: Any = list(features)
        views = {reference.split(":")[0] for reference in references}
        if isinstance(features, str):
            references = find_service(store, features)
            views = {projection.name for projection in references.feature_view_projections}
        keys = {_find_online_view(store, view).entity_columns[0].name for view in views}
        if len(keys) != 1:
            raise FeatureStoreError(f"features of {', '.join(sorted(views))} have no common key: read them separately")
        if not ids:
            return []
        key = keys.pop()
        entities = [{key: value} for value in ids]
        columns = store.get_online_features(references, entities, full_feature_names=full_names).to_dict()
    return [{name: values[row] for name, values in columns.items()} for row in range(len(ids))]


def forget_features(settings: Settings, video_ids: Sequence[str], shot_ids: Sequence[str] = ()) -> int:
    """Remove videos, all their shots and further ``shot_ids`` from the online store; return the number of values.

    Leaves no trace in the database file: freed space is overwritten and the file rewritten, once for all of them. So
    neither deleted rows nor earlier versions of them can be read from its pages. Offline rows go with the lake's files.
    If nothing is stored, nothing is written.
    """
    removals = remove_online(settings, video_ids, shot_ids)
    if has_database(settings):
        with (
            map_errors("rewrite the online features", settings),
            lock_writers(settings),
            open_database(settings) as database,
        ):
            database.clear_traces()
    return removals


def remove_online(settings: Settings, video_ids: Sequence[str], shot_ids: Sequence[str] = ()) -> int:
    """As :func:`forget_features`, for rows that are only out of date: the file is rewritten by the next forgetting.

    A rewrite takes time in proportion to the whole store: each film that was cut again cost one.
    """
    with map_errors(f"remove {', '.join(video_ids) or plural(len(shot_ids), 'shot')}", settings):
        if not has_database(settings):
            return 0
        with lock_writers(settings), open_database(settings) as database, database.commit_together():
            removals = sum(
                _delete_rows(database, table, column, video_ids, shot_ids)
                for table, column in _list_row_tables(database)
            )
            if removals:
                database.note_traces()
        return removals


def find_online_videos(settings: Settings, video_ids: Collection[str]) -> set[str]:
    """Return those of the videos that have online features. Needs no Feast."""
    if not video_ids or not has_database(settings):
        return set()
    with open_database(settings) as database:
        if "row_stamps" not in database.list_columns():
            return set()
        return set(_read_stamps(database, "video_metadata", sorted(video_ids)))


def list_online_shots(settings: Settings, video_ids: Sequence[str]) -> list[str]:
    """Return the ids of online shots of the videos."""
    if not has_database(settings):
        return []
    query = "SELECT entity_id FROM row_stamps WHERE view = 'shot_metadata' AND entity_id > ? AND entity_id < ?"
    with open_database(settings) as database:
        if "row_stamps" not in database.list_columns():
            return []
        # a shot id is the video's id, a colon and the frame; ";" is the next character after ":"
        results = [database.fetch(query, [f"{video_id}:", f"{video_id};"]) for video_id in video_ids]
    return [shot_id for rows in results for (shot_id,) in rows]


def _find_online_view(store: FeatureStore, name: str) -> FeatureView:
    view = store.get_feature_view(name, allow_registry_cache=True)
    if not view.online:
        raise FeatureStoreError(
            f"{name} is offline only: read it with historical features, or read vectors from the index"
        )
    return view


def is_online(settings: Settings, view: str, rows: pa.Table) -> bool:
    """Whether exactly these lake ``rows`` of a view were the last ones written online. Needs no Feast."""
    key = "shot_id" if "shot_id" in rows.column_names else "video_id"
    if key not in rows.column_names or not has_database(settings):
        return False
    with open_database(settings) as database:
        if not {f"{project_name(settings)}_{view}", "row_stamps"} <= database.list_columns().keys():
            return False
        stored_stamps = _read_stamps(database, view, rows[key].to_pylist())
    return all(stored_stamps.get(id_) == (*stamp, content) for id_, stamp, content in _stamp_rows(rows, key))


def count_online(settings: Settings, view: str) -> dict[int, int]:
    """Count the online rows of a view by the time of their computation, microseconds UTC. Needs no Feast."""
    if not has_database(settings):
        return {}
    with open_database(settings) as database:
        if not {f"{project_name(settings)}_{view}", "row_stamps"} <= database.list_columns().keys():
            return {}
        # a row without content was announced, and maybe not written
        query = "SELECT created_us, count(*) FROM row_stamps WHERE view = ? AND content IS NOT NULL GROUP BY created_us"
        return dict(database.fetch(query, [view]))


def _select_current(database: Database, view: str, key: str, rows: pa.Table) -> pa.Array:
    """Return positions of rows that are not older than the stored ones, and store their stamps.

    Stamps are stored first, without the content. After a kill in between, new stamps have old values, and the next run,
    with equal stamps and no known content, writes. In the other order an older row could replace a newer one.
    """
    stored_stamps = _read_stamps(database, view, rows[key].to_pylist())
    stamped_rows = list(enumerate(_stamp_rows(rows, key)))
    current = [
        (place, id_, stamp) for place, (id_, stamp, _) in stamped_rows if stamp >= stored_stamps.get(id_, stamp)[:2]
    ]
    newer = [
        (view, id_, *stamp) for _, id_, stamp in current if id_ not in stored_stamps or stamp != stored_stamps[id_][:2]
    ]
    if newer:
        with database.commit_together():
            database.change_each(
                "INSERT INTO row_stamps VALUES (?, ?, ?, ?, NULL) ON CONFLICT (view, entity_id) DO UPDATE "
                "SET event_us = excluded.event_us, created_us = excluded.created_us, content = NULL",
                newer,
            )
    return pa.array([place for place, _, _ in current], pa.int64())


def _select_changed(store: FeatureStore, view: FeatureView, database: Database, rows: pa.Table) -> pa.Array:
    """Return positions of rows whose values differ from those that Feast has stored."""
    ids = rows[view.entity_columns[0].name].to_pylist()
    values = _serialize_values(view, rows)
    online = _read_values(store.config, view, database, ids)
    return pa.array([place for place, id_ in enumerate(ids) if online.get(id_) != values[place]], pa.int64())


def _remember_written(database: Database, view: str, key: str, rows: pa.Table) -> None:
    stored_stamps = _read_stamps(database, view, rows[key].to_pylist())
    new = [(content, view, id_) for id_, _, content in _stamp_rows(rows, key) if stored_stamps[id_][2] != content]
    if new:
        with database.commit_together():
            database.change_each("UPDATE row_stamps SET content = ? WHERE view = ? AND entity_id = ?", new)


def _stamp_rows(rows: pa.Table, key: str) -> Iterator[tuple[str, tuple[int, int], str]]:
    """Yield ``(id, (event, created) in microseconds, hash of the other columns)`` of each row."""
    stamps = zip(
        *(_convert_to_microseconds(rows[name]) for name in ("event_timestamp", "created_timestamp")), strict=True
    )
    rest = rows.select(sorted(set(rows.column_names) - {key, "event_timestamp", "created_timestamp"})).to_pylist()
    for id_, stamp, row in zip(rows[key].to_pylist(), stamps, rest, strict=True):
        yield id_, stamp, hashlib.blake2b(repr(row).encode(), digest_size=16).hexdigest()


def _convert_to_microseconds(stamps: pa.ChunkedArray) -> list[int]:
    if stamps.null_count:
        raise FeatureStoreError("rows without a timestamp cannot be ordered: write them through the lake first")
    microseconds: list[int] = stamps.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
    return microseconds


def _serialize_values(view: FeatureView, rows: pa.Table) -> list[dict[str, bytes]]:
    """Return each row's features as Feast stores them: a serialised value by feature name."""
    from feast.type_map import python_values_to_proto_values

    columns = {
        feature.name: [
            value.SerializeToString()
            for value in python_values_to_proto_values(rows[feature.name].to_pylist(), feature.dtype.to_value_type())
        ]
        for feature in view.features
    }
    return [{name: values[number] for name, values in columns.items()} for number in range(len(rows))]


def _read_stamps(database: Database, view: str, ids: Sequence[str]) -> dict[str, tuple[int, int, str | None]]:
    query = "SELECT entity_id, event_us, created_us, content FROM row_stamps WHERE view = ? AND entity_id"
    return {
        id_: (event, created_at, content) for id_, event, created_at, content in _select(database, query, [view], ids)
    }


def _read_values(
    config: RepoConfig, view: FeatureView, database: Database, ids: Sequence[str]
) -> dict[str, dict[str, bytes]]:
    ids_by_key = {_encode_entity(view.entity_columns[0].name, id_): id_ for id_ in ids}
    query = f'SELECT entity_key, feature_name, value FROM "{name_online_table(config, view)}" WHERE entity_key'
    stored_values: dict[str, dict[str, bytes]] = {}
    for entity_key, feature, value in _select(database, query, [], list(ids_by_key)):
        stored_values.setdefault(ids_by_key[entity_key], {})[feature] = value
    return stored_values


def _select(database: Database, query: str, first: list[Any], keys: Sequence[str | bytes]) -> Iterator[tuple[Any, ...]]:
    """Yield rows of ``query IN (keys)``, a few hundred keys at a time."""
    for start in range(0, len(keys), _KEYS_A_QUERY):
        part = keys[start : start + _KEYS_A_QUERY]
        yield from database.fetch(f"{query} IN ({','.join('?' * len(part))})", [*first, *part])


def _list_row_tables(database: Database) -> list[tuple[str, str]]:
    """Return the tables with a row per entity, and the column of its id: Feast's, for every view, and the stamps."""
    return [
        (table, column)
        for table, columns in sorted(database.list_columns().items())
        for column in ("entity_key", "entity_id")
        if column in columns
    ]


def _delete_rows(database: Database, table: str, column: str, video_ids: Sequence[str], shot_ids: Sequence[str]) -> int:
    """Delete the rows of videos, of all their shots, and of further shots.

    Feast's entity key is the key's name, then the id, in one blob. The search for the video's id inside it is exact,
    because that id has a fixed length and only its own shots' ids begin with it.
    """
    removals = sum(database.delete_containing(table, column, video_id) for video_id in video_ids)
    keys = [_encode_entity("shot_id", shot_id) for shot_id in shot_ids] if column == "entity_key" else list(shot_ids)
    exactly = f'DELETE FROM "{table}" WHERE "{column}" = ?'
    return removals + sum(database.change(exactly, [key]) for key in keys)


def _encode_entity(name: str, value: str) -> bytes:
    """Return the blob of an entity in Feast's online tables (serialisation version 3)."""
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    return serialize_entity_key(EntityKey(join_keys=[name], entity_values=[Value(string_val=value)]), 3)


def served_features(
    address: str,
    ids: Sequence[str],
    features: str | Sequence[str],
    *,
    key: str = "shot_id",
    full_names: bool = False,
    timeout_s: float = 10.0,
) -> list[dict[str, Any]]:
    """As :func:`online_features`, from the server at ``address`` (``http://host:port``).

    ``key`` names the entity's column. Raises ``UsageError`` if ``address`` is not an HTTP address,
    ``FeatureStoreError`` if the server does not answer or refuses.
    """
    if not address.startswith(("http://", "https://")):
        raise UsageError(f"{address!r} is not an address of a feature server: write http://127.0.0.1:6566")
    selection = {"feature_service": features} if isinstance(features, str) else {"features": list(features)}
    question = {**selection, "entities": {key: list(ids)}, "full_feature_names": full_names}
    url = f"{address.rstrip('/')}/get-online-features"
    headers = {"Content-Type": "application/json"}
    request = Request(url, json.dumps(question).encode(), headers, method="POST")
    try:
        with urlopen(request, timeout=timeout_s) as response:
            answer = json.load(response)
    except HTTPError as error:
        with error:
            raise FeatureStoreError(f"{url} refused with {error.code}: {_read_reason(error.read())}") from error
    except (URLError, OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        hint = "is `feast serve` running there? Start it in feature_repo with NEEDLE_HOME exported"
        raise FeatureStoreError(f"no answer from {url}: {reason}; {hint}") from error
    names = answer["metadata"]["feature_names"]
    columns = [column["values"] for column in answer["results"]]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _read_reason(body: bytes) -> str:
    """Return the server's message, in one line; Feast puts its errors as JSON into a text of JSON."""
    message: Any = body.decode(errors="replace")
    for name in ("detail", "message"):
        try:
            content = json.loads(message)
        except (ValueError, TypeError):
            break
        message = content.get(name, content.get("message", content)) if isinstance(content, dict) else content
    text = " ".join(str(message).replace("full_feature_names=True", "full_names=True").split())
    return text[:300] or "no reason given"
