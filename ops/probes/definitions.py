"""What probes there are: ``probes.yaml`` in the home, or in the checkout for those that a team shares.

.. code-block:: yaml

    closeup:
      description: One face fills the picture
      queries: [a close-up of a face]      # the text score begins with these, before there are labels
      threshold: f1                        # or precision>=0.9, or a number: from which score on it says yes
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # no stubs among the dependencies
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ops.core.entries import entries_of
from ops.core.errors import NotFoundError, UsageError
from ops.core.locks import exclusive
from ops.core.settings import CHECKOUT, Settings
from ops.core.storage import atomic_path
from ops.probes.names import require_name

FILE = "probes.yaml"
_PRECISION = re.compile(r"precision>=(0?\.\d+|1(\.0*)?)")


class ProbeDefinition(BaseModel):
    """One probe as a person describes it; ``label`` is its name, and that of its labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    description: str = ""
    queries: tuple[str, ...] = Field(min_length=1)
    threshold: str = "f1"

    @field_validator("threshold", mode="before")
    @classmethod
    def _known_policy(cls, value: Any) -> str:
        text = str(value).replace(" ", "")
        is_share = re.fullmatch(r"\d*\.?\d+", text) and 0 <= float(text) <= 1
        if text != "f1" and not is_share and not _PRECISION.fullmatch(text):
            raise ValueError("write f1, precision>=0.9, or a number from 0 to 1")
        return text

    @field_validator("queries")
    @classmethod
    def _with_words(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(text.strip() for text in value):
            raise ValueError("a query has no words")
        return value


def files_of(settings: Settings) -> list[Path]:
    """Where definitions may stand; a later file counts more."""
    return [CHECKOUT / FILE, settings.home / FILE]


def definitions_of(settings: Settings) -> dict[str, ProbeDefinition]:
    """Every defined probe by label, sorted. Raises ``UsageError`` with the file, the probe and what is wrong."""
    found: dict[str, ProbeDefinition] = {}
    for path in files_of(settings):
        found |= _read(path)
    return dict(sorted(found.items()))


def definition_of(settings: Settings, label: str) -> ProbeDefinition:
    """One definition. Raises ``NotFoundError``, naming those that exist, where there is none."""
    known = definitions_of(settings)
    if label not in known:
        there = f"there are {', '.join(known)}" if known else "there are none yet"
        raise NotFoundError(f"no probe {label!r}: {there}; `needle probe fit {label}` makes one")
    return known[label]


def define(settings: Settings, label: str, description: str, queries: tuple[str, ...], threshold: str) -> bool:
    """Add a probe to the home's file where it is not defined; true where it was added.

    Without ``queries`` the label's own words are one. The file is extended, not rewritten, so that comments in it
    stay. Raises ``UsageError`` for bad values, and where the probe is there already but other words are given.
    """
    require_name(label)
    path = settings.home / FILE
    with exclusive(settings.home / "locks" / f"{FILE}.lock"):
        known = definitions_of(settings).get(label)
        if known:
            _require_same(settings, known, description, queries, threshold)
            return False
        content: dict[str, Any] = {"description": description} if description else {}
        content["queries"] = list(queries) or [label.replace("_", " ")]
        content["threshold"] = threshold or "f1"
        _checked(path, label, content)
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        before += "" if not before or before.endswith("\n") else "\n"
        with atomic_path(path) as temporary:
            added = yaml.safe_dump({label: content}, sort_keys=False, allow_unicode=True)
            temporary.write_text(before + added, encoding="utf-8")
    return True


def _require_same(
    settings: Settings, known: ProbeDefinition, description: str, queries: tuple[str, ...], threshold: str
) -> None:
    differs = (description and description != known.description) or (queries and queries != known.queries)
    if differs or (threshold and threshold != known.threshold):
        place = next(path for path in reversed(files_of(settings)) if known.label in _read(path))
        raise UsageError(f"{known.label} is defined in {place} already: change it there")


def _read(path: Path) -> dict[str, ProbeDefinition]:
    hint = "write a probe's label, and its queries below it"
    return {name: _checked(path, name, entry) for name, entry in entries_of(path, hint).items()}


def _checked(path: Path, label: str, content: Any) -> ProbeDefinition:
    try:
        require_name(label)
        given = {"queries": [label.replace("_", " ")]} | (content or {})
        return ProbeDefinition(label=label, **given)
    except (ValidationError, UsageError, TypeError) as error:
        told = (
            "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            if isinstance(error, ValidationError)
            else str(error)
        )
        raise UsageError(f"{path}: {label}: {told}") from error
