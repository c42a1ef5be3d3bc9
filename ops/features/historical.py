"""Features as they were known at a given time: training sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ops.core.errors import FeatureStoreError
from ops.core.settings import Settings
from ops.features.store import map_errors, open_store

if TYPE_CHECKING:
    import pandas as pd
    from feast import FeatureService, FeatureStore


def historical_features(
    settings: Settings, entity_rows: pd.DataFrame, features: str | Sequence[str], *, full_names: bool = False
) -> pd.DataFrame:
    """Return ``entity_rows`` with each feature as known at the row's ``event_timestamp``, in the rows' order.

    ``entity_rows`` has the key (``shot_id`` or ``video_id``), ``event_timestamp`` (with a time zone) and any other
    columns, such as a label, which are kept. ``features`` is the name of a feature service (``shot_classifier_v1``) or
    ``view:feature`` references.

    A row that was computed after that time does not count, even if its footage existed before: nothing leaks into the
    past. Unknown values are null (nullable dtypes). With ``full_names`` a column is called ``view__feature``, as needed
    for services with features of one name in several views (``shot_classifier_v2``). Raises ``FeatureStoreError``.
    """
    import pandas as pd

    stamps = entity_rows.get("event_timestamp")
    if stamps is None or not isinstance(stamps.dtype, pd.DatetimeTZDtype):
        raise FeatureStoreError("entity rows need an event_timestamp column with a time zone, such as UTC")
    if entity_rows.empty:
        raise FeatureStoreError("no entity rows: name at least one shot or video and a moment")
    with map_errors("read historical features", settings):
        store = open_store(settings)
        references = find_service(store, features) if isinstance(features, str) else list(features)
        numbered_rows = entity_rows.reset_index(drop=True)
        # Rows come back in any order, so they carry their own number.
        numbered_rows["event_timestamp"] = numbered_rows["event_timestamp"].dt.tz_convert("UTC").dt.as_unit("us")
        numbered_rows["row_number"] = range(len(numbered_rows))
        job = store.get_historical_features(
            entity_df=numbered_rows,
            features=references,
            full_feature_names=full_names,
            filter_by_created_timestamp=True,
        )
        rows = job.to_arrow().sort_by("row_number").drop_columns("row_number")
    nullable: dict[Any, Any] = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = rows.to_pandas(types_mapper=nullable.get)
    for name in entity_rows.columns:  # unchanged, dtypes included
        frame[name] = entity_rows[name].to_numpy() if name != "event_timestamp" else numbered_rows[name]
    frame.index = entity_rows.index
    return frame


def find_service(store: FeatureStore, name: str) -> FeatureService:
    """Return a registered feature service. Raises ``FeatureStoreError`` that names the existing ones."""
    from feast.errors import FeatureServiceNotFoundException

    try:
        return store.get_feature_service(name, allow_cache=True)
    except FeatureServiceNotFoundException as error:
        names = ", ".join(sorted(each.name for each in store.list_feature_services()))
        raise FeatureStoreError(f"no feature service {name!r}: there are {names}") from error
