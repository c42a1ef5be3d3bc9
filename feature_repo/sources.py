"""Sources of features: the lake's flat folders of parquet, one file for each partition.

``lake`` is the root of the lake: ``media/lake``, relative to the home, so that a copied or moved home reads its own
lake; or, elsewhere, as fsspec writes it: ``/data/media/lake``, ``s3://bucket/prefix/lake``. ``lake.py`` reads both.
"""

from __future__ import annotations

from feast import FileSource
from feast.data_format import ParquetFormat

from feature_repo.names import OWNER


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
        description=f"parquet files of the lake's table {table}, one for each partition",
        tags={"lake": lake},
        owner=OWNER,
    )
