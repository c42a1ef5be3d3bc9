"""Sources of features: the lake's flat folders of parquet, one file for each partition.

``lake`` is the root of the lake as fsspec writes it: ``/home/me/.needle/media/lake`` or ``s3://bucket/prefix/lake``.
"""

from __future__ import annotations

from feast import FileSource
from feast.data_format import ParquetFormat


def table_source(lake: str, table: str) -> FileSource:
    """Return the source of one table of the lake, such as ``shots`` or ``shot_embeddings/<encoder id>``.

    Both timestamps are named: ``created_timestamp`` keeps a re-computed row out of the past.
    """
    return FileSource(
        name=table.replace("/", "__"),
        path=f"{lake}/{table}",
        # a folder is only read as parquet if the format is named
        file_format=ParquetFormat(),
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
        tags={"lake": lake},
    )
