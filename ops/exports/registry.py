"""The export formats: every module of ``ops/exports/formats``.

Stands alone because all lists of formats come from here. The users are ``needle export``, the schema of ``POST
/api/export``, the page, and the tests that run over every format. So a new format needs only a module.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType, ModuleType

from ops.core.errors import UsageError
from ops.exports import formats
from ops.exports.format import ExportFormat


@cache
def export_formats() -> Mapping[str, ExportFormat]:
    """Every format by name, in the order of lists.

    Imports all modules of ``ops/exports/formats``, so these import slow libraries (PIL, PyAV) only when they write.
    """
    names = [module.name for module in pkgutil.iter_modules(formats.__path__)]
    return collect_formats(importlib.import_module(f"{formats.__name__}.{name}") for name in names)


def find_format(name: str) -> ExportFormat:
    """The format called ``name``. Raises ``UsageError`` if it is unknown."""
    formats_by_name = export_formats()
    if name not in formats_by_name:
        raise UsageError(f"no export format {name!r}: choose one of {', '.join(formats_by_name)}")
    return formats_by_name[name]


def collect_formats(modules: Iterable[ModuleType]) -> Mapping[str, ExportFormat]:
    """The formats of these modules by name, in their order.

    Raises ``TypeError`` for a module without a ``FORMAT`` of its own name; ``ValueError`` if two formats have the same
    suffix, because a file name would be ambiguous.
    """
    formats_found: list[ExportFormat] = []
    for module in modules:
        each = getattr(module, "FORMAT", None)
        name = module.__name__.rpartition(".")[2]
        if not isinstance(each, ExportFormat) or each.name != name:
            raise TypeError(f"{module.__name__}: end it in FORMAT = an ExportFormat with name = {name!r}")
        formats_found.append(each)
    formats_found.sort(key=lambda each: (each.position, each.name))
    suffixes: dict[str, str] = {}
    for each in formats_found:
        for suffix in (each.suffix, *each.other_suffixes):
            if suffixes.setdefault(suffix, each.name) != each.name:
                raise ValueError(
                    f"{each.name} and {suffixes[suffix]} both have the suffix {suffix}: change one of them"
                )
    return MappingProxyType({each.name: each for each in formats_found})
