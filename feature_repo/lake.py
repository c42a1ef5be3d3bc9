"""Feast's duckdb offline store over an exact list of files, on disk or on any fsspec file system.

Feast 0.67 passes the folder's name to duckdb. Measured faults:

- It fails on a folder in which another process is writing a partition (it opens ``.tmp-*.parquet``).
- It reads ``[`` and ``*`` in a path as patterns, and fails on a folder that does not exist yet.
- It needs the ``httpfs`` extension for ``s3://``, downloaded at run time, and passes it no endpoint.

Feast also knows nothing of earlier versions of rows, which are in another folder (``history.py``).

So files are listed here by fsspec, which reads ``s3://`` with the same credentials and ``AWS_ENDPOINT_URL`` as
everything else. duckdb reads local files (for a few rows of 300 partitions 4 times as fast as pyarrow), and a pyarrow
data set reads remote ones. May go when Feast lists its sources in the same way.
"""

from __future__ import annotations

import glob
import warnings
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
from feast import FeatureView
from feast.data_source import DataSource
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.ibis import (
    get_historical_features_ibis,
    pull_all_from_table_or_query_ibis,
    pull_latest_from_table_or_query_ibis,
)
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import RepoConfig

from feature_repo.history import add_history


class LakeOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """The configuration of duckdb's store; named so that Feast finds it next to the store."""

    type: Literal["feature_repo.lake.LakeOfflineStore"] = "feature_repo.lake.LakeOfflineStore"
    home: str = ""
    """Folder to which the paths of sources without a leading ``/`` and without a scheme are relative."""


class LakeOfflineStore(DuckDBOfflineStore):
    """duckdb over folders of parquet on disk or on any fsspec file system; reads only.

    The lake writes features, so Feast's own ways to write stay unchanged and unused.
    """

    @staticmethod
    def get_historical_features(  # type: ignore[override]  # as duckdb's own, which breaks its base's signature too
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
    ) -> RetrievalJob:
        """Join ``entity_df`` with the views' tables, each row as known at its time."""
        return get_historical_features_ibis(
            config=config,
            feature_views=feature_views,
            feature_refs=feature_refs,
            entity_df=entity_df,
            registry=registry,
            project=project,
            full_feature_names=full_feature_names,
            filter_by_created_timestamp=filter_by_created_timestamp,
            data_source_reader=_reader(config, feature_views),
            data_source_writer=_refuse_to_write,
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """Read the newest row of each entity between two dates; used by ``feast materialize``."""
        columns = [*join_key_columns, *feature_name_columns]
        return pull_latest_from_table_or_query_ibis(
            config=config,
            data_source=data_source,
            join_key_columns=join_key_columns,
            feature_name_columns=feature_name_columns,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            start_date=start_date,
            end_date=end_date,
            data_source_reader=_reader(config, [], _build_empty(columns, timestamp_field, created_timestamp_column)),
            data_source_writer=_refuse_to_write,
        )

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """Read every row between two dates."""
        columns = [*join_key_columns, *feature_name_columns]
        return pull_all_from_table_or_query_ibis(
            config=config,
            data_source=data_source,
            join_key_columns=join_key_columns,
            feature_name_columns=feature_name_columns,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            start_date=start_date,
            end_date=end_date,
            data_source_reader=_reader(config, [], _build_empty(columns, timestamp_field, created_timestamp_column)),
            data_source_writer=_refuse_to_write,
        )


def _reader(
    config: RepoConfig, views: list[FeatureView], empty: pa.Schema | None = None
) -> Callable[[DataSource, str], ibis.Table]:
    """Return Feast's callback that reads a source; ``views`` or ``empty`` define the columns of one without files.

    The sources of ``views`` are read with the earlier versions of their rows.
    """
    by_path = {view.batch_source.path: view for view in views if isinstance(view.batch_source, FileSource)}

    def read(source: DataSource, repo_path: str) -> ibis.Table:
        import fsspec

        assert isinstance(source, FileSource)
        # use_listings_cache: partitions can change between two reads of one process
        filesystem, path = fsspec.core.url_to_fs(_locate(config, source.path), use_listings_cache=False)
        files = sorted(name for name in _listing(filesystem, path) if _is_partition(name))
        view = by_path.get(source.path)
        schema = _build_schema(view, source) if view else empty
        if not files and schema:
            rows = ibis.memtable(schema.empty_table())
        elif "file" in filesystem.protocol:
            rows = _read_local(files)
        else:
            rows = ibis.memtable(pads.dataset(files, format="parquet", filesystem=filesystem))
        return add_history(rows, filesystem, path, schema, view.entity_columns[0].name) if view and schema else rows

    return read


def _locate(config: RepoConfig, path: str) -> str:
    """Return the whole path of a source; a relative one is below the home."""
    if "://" in path or path.startswith("/"):
        return path
    return f"{config.offline_store.home.rstrip('/')}/{path}"


def _read_local(files: list[str]) -> ibis.Table:
    """Read local files by duckdb, which reads less of a local file than of an arrow data set."""
    with warnings.catch_warnings():
        # ibis 12 calls a duckdb method that duckdb 1.5 deprecates; may go with the next ibis
        warnings.filterwarnings("ignore", "fetch_arrow_table", DeprecationWarning)
        return ibis.read_parquet([glob.escape(name) for name in files])


def _listing(filesystem: Any, path: str) -> list[str]:
    try:
        return [str(name) for name in filesystem.ls(path, detail=False)]
    except FileNotFoundError:
        return []


def _is_partition(path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    return name.endswith(".parquet") and not name.startswith(".")


def _build_schema(view: FeatureView, source: FileSource) -> pa.Schema:
    from feast.types import from_feast_to_pyarrow_type

    stamps = [source.timestamp_field, source.created_timestamp_column]
    columns = [pa.field(field.name, from_feast_to_pyarrow_type(field.dtype)) for field in view.schema]
    return pa.schema(columns + [pa.field(name, pa.timestamp("us", tz="UTC")) for name in stamps])


def _build_empty(columns: list[str], *stamps: str | None) -> pa.Schema:
    """Return the columns of a table without rows, whose types nobody reads."""
    times = [pa.field(name, pa.timestamp("us", tz="UTC")) for name in stamps if name]
    return pa.schema([*(pa.field(name, pa.string()) for name in columns), *times])


def _refuse_to_write(*arguments: Any) -> None:
    raise NotImplementedError("features are written through the lake, never through Feast's offline store")
