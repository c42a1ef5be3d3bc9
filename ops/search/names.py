"""What the shows and files of a catalogue are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from ops.search.catalogue import Catalogue
from ops.search.shot_details import ShotDetails


class CatalogueNames:
    """Names of one version of the index and of the register of videos; see ``ops.search.hints.Names``."""

    def __init__(self, catalogue: Catalogue, details: ShotDetails) -> None:
        self._catalogue = catalogue
        self._details = details

    def shows(self) -> Sequence[str]:
        """Names of the shows that are indexed."""
        return self._catalogue.shows

    def files(self) -> list[tuple[str, str]]:
        """Titles and file names without their endings, each with its show, for shows that are indexed."""
        indexed = set(self._catalogue.shows)
        rows = [row for row, _ in self._details.videos() if row.show in indexed]
        names = [(name, row.show) for row in rows for name in (row.title, PurePosixPath(row.path).stem)]
        return [(name, show) for name, show in names if name]
