"""Feast's duckdb offline store, told exactly which files to read, on disk or on any fsspec file system.

Feast 0.67 hands duckdb the folder's name. That was measured to

- fail on a folder in which another process is just writing a partition (it opens ``.tmp-*.parquet``),
- take ``[`` and ``*`` in a path for patterns, and fail on a folder that is not there yet,
- need the ``httpfs`` extension for ``s3://``, downloaded at run time, and pass it no endpoint.

So files are listed here, by fsspec, which reads ``s3://`` with the same credentials and ``AWS_ENDPOINT_URL`` as
everything else. Local ones are read by duckdb (for a few rows of 300 partitions 4 times as fast as through
pyarrow), remote ones through a pyarrow data set. May go when Feast lists its sources so itself.
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


class LakeOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """As duckdb's; named so that Feast finds it beside the store."""

    type: Literal["feature_repo.lake.LakeOfflineStore"] = "feature_repo.lake.LakeOfflineStore"


class LakeOfflineStore(DuckDBOfflineStore):
    """duckdb over folders of parquet on disk or on any fsspec file system; reads only.

    Writing features is the lake's business, so Feast's own writing ways stay as they are and unused.
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
        """Point-in-time join of ``entity_df`` with the views' tables."""
        return get_historical_features_ibis(
            config=config,
            feature_views=feature_views,
            feature_refs=feature_refs,
            entity_df=entity_df,
            registry=registry,
            project=project,
            full_feature_names=full_feature_names,
            filter_by_created_timestamp=filter_by_created_timestamp,
            data_source_reader=_reader(feature_views),
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
        """The newest row of each entity between two dates: what ``feast materialize`` reads."""
        return pull_latest_from_table_or_query_ibis(
            config=config,
            data_source=data_source,
            join_key_columns=join_key_columns,
            feature_name_columns=feature_name_columns,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            start_date=start_date,
            end_date=end_date,
            data_source_reader=_reader([]),
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
        """Every row between two dates."""
        return pull_all_from_table_or_query_ibis(
            config=config,
            data_source=data_source,
            join_key_columns=join_key_columns,
            feature_name_columns=feature_name_columns,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            start_date=start_date,
            end_date=end_date,
            data_source_reader=_reader([]),
            data_source_writer=_refuse_to_write,
        )


def _reader(views: list[FeatureView]) -> Callable[[DataSource, str], ibis.Table]:
    """Feast's reader callback; ``views`` tell the columns of a table that has no file yet."""
    sources = ((view, view.batch_source) for view in views)
    schemas = {source.path: _schema_of(view, source) for view, source in sources if isinstance(source, FileSource)}

    def read(source: DataSource, repo_path: str) -> ibis.Table:
        import fsspec

        assert isinstance(source, FileSource)
        # use_listings_cache: partitions come and go between two reads of one process
        filesystem, path = fsspec.core.url_to_fs(source.path, use_listings_cache=False)
        files = sorted(name for name in _listing(filesystem, path) if _is_partition(name))
        if not files and source.path in schemas:
            return ibis.memtable(schemas[source.path].empty_table())
        if "file" in filesystem.protocol:
            return _read_local(files)
        return ibis.memtable(pads.dataset(files, format="parquet", filesystem=filesystem))

    return read


def _read_local(files: list[str]) -> ibis.Table:
    """By duckdb itself, which asks a local file for less than it asks an arrow data set."""
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


def _schema_of(view: FeatureView, source: FileSource) -> pa.Schema:
    from feast.types import from_feast_to_pyarrow_type

    stamps = [source.timestamp_field, source.created_timestamp_column]
    columns = [pa.field(field.name, from_feast_to_pyarrow_type(field.dtype)) for field in view.schema]
    return pa.schema(columns + [pa.field(name, pa.timestamp("us", tz="UTC")) for name in stamps])


def _refuse_to_write(*arguments: Any) -> None:
    raise NotImplementedError("features are written through the lake, never through Feast's offline store")
