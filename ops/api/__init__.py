"""Needle for analysts, imported as ``needle`` (mapped in ``pyproject.toml``): a catalogue as DataFrames.

``needle.open()`` returns a :class:`Catalogue`. Reading never writes to the catalogue; only ``add_labels`` does.
Nothing heavy is loaded before it is needed: pandas with the first DataFrame, the encoder with the first search.
"""

from ops.api.catalogue import AddedLabels, Catalogue
from ops.api.catalogue import open_catalogue as open  # noqa: A004 - `needle.open()` reads as `wave.open()` does
from ops.core.errors import NeedleError

__all__ = ["AddedLabels", "Catalogue", "NeedleError", "open"]
