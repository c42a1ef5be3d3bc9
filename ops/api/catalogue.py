"""A catalogue for people who know pandas: tables, search, features and labels as DataFrames."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ops.api.tables import ArrowTables
from ops.core.errors import NotFoundError, UsageError
from ops.core.plural import plural
from ops.core.settings import Settings, load_settings
from ops.videos.catalogue import require_known_version

if TYPE_CHECKING:
    import pandas as pd

    from ops.api.frames import HitFrame
    from ops.embeddings.encoder import Encoder
    from ops.search.searcher import Searcher

Names = str | Sequence[str] | None
Examples = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, kw_only=True)
class AddedLabels:
    """The result of adding labels: rows written, and rows that were known already."""

    written: int
    unchanged: int


def open_catalogue(home: str | os.PathLike[str] | None = None, *, storage: str | None = None) -> Catalogue:
    """Open the catalogue of a home; the default is the home of ``NEEDLE_HOME``, of ``needle.toml``, or ``.needle``.

    ``storage`` is the object store, if it is neither ``media`` in the home nor set. An empty text counts as missing, so
    parameters of notebooks can be passed on. Creates nothing. Raises ``NotFoundError`` if nothing was ingested there.
    """
    settings = load_settings(home=Path(home) if home else None, storage=storage or None)
    way = '`needle ingest PATH` fills one; choose another with needle.open("/path/of/the/home") or NEEDLE_HOME'
    if not settings.home.is_dir():
        raise NotFoundError(f"there is no folder {settings.home}, so no catalogue: {way}")
    require_known_version(settings)
    if not settings.lake.list_partitions("videos"):
        raise NotFoundError(
            f"no footage was ingested into {settings.home} (object store {settings.storage_uri}): {way}"
        )
    return Catalogue(settings)


class Catalogue:
    """The catalogue of one home. Every method reads again what is stored now, and only :meth:`add_labels` writes.

    The columns of each DataFrame are described in ``docs/python.md``. ``encoder`` replaces the live one. Methods raise
    ``NeedleError`` with a message that says what to do.
    """

    def __init__(self, settings: Settings, encoder: Encoder | None = None) -> None:
        self.settings = settings
        self.arrow = ArrowTables(settings, encoder.encoder_id if encoder else None)
        self._encoder = encoder

    def __repr__(self) -> str:
        return f"Catalogue({str(self.settings.home)!r})"

    def videos(self) -> pd.DataFrame:
        """Return every registered video, searchable or not; ``state`` and ``reason`` tell why."""
        from ops.api.frames import to_frame

        return to_frame(self.arrow.videos())

    def shots(self) -> pd.DataFrame:
        """Return the shots of every searchable video, in the order of the videos' paths."""
        from ops.api.frames import to_frame

        return to_frame(self.arrow.shots())

    def vectors(self, encoder_id: str | None = None) -> pd.DataFrame:
        """Return the unit vectors (float32) of the shots: ``numpy.stack(vectors["embedding"])`` has the shape (N, D).

        Of the live encoder, or of the one with this id. Shots without a vector have no row.
        """
        from ops.api.frames import to_frame

        return to_frame(self.arrow.vectors(encoder_id))

    def dialogue(self) -> pd.DataFrame:
        """Return every spoken line; ``dialogue.explode("shot_ids")`` has a row for each line and shot."""
        from ops.api.frames import to_frame

        return to_frame(self.arrow.dialogue())

    def labels(self, labels: Names = None, *, history: bool = False) -> pd.DataFrame:
        """Return the answer that counts for each labelled shot; with ``history`` every answer, in order.

        Of all labels, or of those named.
        """
        from ops.api.frames import to_frame

        return to_frame(self.arrow.annotations(labels) if history else self.arrow.labels(labels))

    def scores(self, probes: Names = None) -> pd.DataFrame:
        """Return the probabilities of the probes, one row a shot and probe: of all probes, or of those named.

        ``scores.pivot(index="shot_id", columns="probe", values="score")`` has a column for each probe.
        """
        from ops.api.frames import to_frame

        return to_frame(self.arrow.scores(probes))

    def search(
        self,
        text: str = "",
        *,
        like: Examples = (),
        unlike: Examples = (),
        shows: Names = (),
        videos: Names = (),
        where: Names = (),
        limit: int = 20,
        exact: bool = False,
        dialogue: Literal["auto", "off", "only"] = "auto",
        min_relevance: float | None = None,
        fold: bool = False,
        include_blank: bool = False,
        include_titles: bool = False,
    ) -> HitFrame:
        """Return the shots that match, the best first; a notebook shows them with posters.

        ``text`` describes a shot; words in quotes in it are spoken words. ``like`` and ``unlike`` are shot ids or
        picture files. ``videos`` are ids; ``where`` limits by probes: ``"closeup>=0.5"``. The rest as in
        ``needle search --help``.
        """
        from ops.api.frames import build_hits
        from ops.search.schema import Query

        query = Query(
            text=text,
            like=_list_examples(like),
            unlike=_list_examples(unlike),
            shows=_list_texts(shows),
            videos=_list_texts(videos),
            where=_list_texts(where),
            limit=limit,
            exact=exact,
            dialogue=dialogue,
            min_relevance=min_relevance,
            fold=fold,
            include_blank=include_blank,
            include_titles=include_titles,
        )
        self._searcher.follow()
        return build_hits(self._searcher.search(query), self.settings.storage_uri)

    def features(
        self,
        entities: pd.DataFrame,
        service: str | Sequence[str] = "shot_classifier_v1",
        *,
        full_names: bool = False,
    ) -> pd.DataFrame:
        """Return ``entities`` with each feature as it was known at the row's ``event_timestamp``: a training set.

        ``entities`` has ``shot_id`` (or ``video_id``) and ``event_timestamp`` with a time zone; without that column,
        now. Other columns, such as a label, are kept. ``service`` is a feature service or ``view:feature``
        references. A value that was computed later is null; warns if all features of some rows are.
        """
        import pandas as pd

        from ops.features import historical_features

        if not isinstance(entities, pd.DataFrame):
            raise UsageError(f"features() takes a DataFrame with shot_id and event_timestamp, not {type(entities)}")
        if not {"shot_id", "video_id"} & set(entities.columns):
            raise UsageError("features() needs the column shot_id, or video_id for features of videos")
        if "event_timestamp" not in entities.columns:
            entities = entities.assign(event_timestamp=pd.Timestamp.now(tz="UTC"))
        frame = historical_features(self.settings, pd.DataFrame(entities), service, full_names=full_names)
        _warn_unknown(frame, [name for name in frame.columns if name not in entities.columns])
        return frame

    def online_features(
        self, ids: Sequence[str], service: str | Sequence[str] = "shot_facets_v1", *, full_names: bool = False
    ) -> pd.DataFrame:
        """Return the features served online, one row for each shot (or video) id, in order; null if unknown."""
        import pandas as pd

        from ops.features import online_features

        names = [ids] if isinstance(ids, str) else list(ids)
        return pd.DataFrame(online_features(self.settings, names, service, full_names=full_names))

    def add_labels(self, labels: pd.DataFrame, *, annotator: str = "me", origin: str = "needle API") -> AddedLabels:
        """Append labels: columns ``label``, ``shot_id``, ``value``, and optionally annotator, created_at, origin.

        ``value`` is True or False, or ``"withdrawn"``. Either every row is valid, or nothing is written and
        ``UsageError`` names the rows. Answers that the annotator has given before are unchanged.
        """
        from ops.api.label_frames import read_annotations_frame
        from ops.probes.labels import append_annotations

        now = datetime.now(UTC)
        annotations = read_annotations_frame(self.settings, labels, now, annotator=annotator, origin=origin)
        result = append_annotations(self.settings, annotations, now, affirm="created_at" in labels.columns)
        if result.refused:  # forgotten between the validation and now
            raise NotFoundError(f"{result.written} written; refused: {result.refused}")
        return AddedLabels(written=result.written, unchanged=result.unchanged)

    @cached_property
    def _searcher(self) -> Searcher:
        from ops.search.searcher import Searcher

        return Searcher(self.settings, self._encoder)


def _list_texts(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def _list_examples(examples: Examples) -> tuple[str, ...]:
    single = isinstance(examples, str | os.PathLike)
    return tuple(map(os.fspath, [examples] if single else examples))  # type: ignore[arg-type]


def _warn_unknown(frame: pd.DataFrame, features: Sequence[str]) -> None:
    """Warn of rows without any feature: their moment is before the computation, or the id is unknown."""
    if unknown := int(frame[list(features)].isna().all(axis=1).sum()):
        warnings.warn(
            f"{unknown} of {plural(len(frame), 'row')} have no feature known at their event_timestamp: the id is "
            "unknown, or the features were computed later (created_timestamp of shots())",
            stacklevel=3,
        )
