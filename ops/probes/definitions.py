"""Definitions of probes: ``probes.yaml`` in the home, or in the checkout for those that a team shares.

.. code-block:: yaml

    closeup:
      description: One face fills the frame
      queries: [a close-up of a face]      # the text score of these is used until there are labels
      threshold: f1                        # or precision>=0.9, or a number: the lowest score that counts as yes
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # no stubs among the dependencies
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ops.core.entries import read_entries
from ops.core.errors import NotFoundError, UsageError
from ops.core.locks import lock_exclusively
from ops.core.settings import CHECKOUT, Settings
from ops.core.storage import write_atomically
from ops.probes.annotations import require_name

FILE = "probes.yaml"
_PRECISION = re.compile(r"precision>=(0?\.\d+|1(\.0*)?)")


class ProbeDefinition(BaseModel):
    """One probe as a person describes it; ``label`` is the name of the probe and of its labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    description: str = ""
    queries: tuple[str, ...] = Field(min_length=1)
    threshold: str = "f1"

    @field_validator("threshold", mode="before")
    @classmethod
    def _check_policy(cls, value: Any) -> str:
        text = str(value).replace(" ", "")
        is_share = re.fullmatch(r"\d*\.?\d+", text) and 0 <= float(text) <= 1
        if text != "f1" and not is_share and not _PRECISION.fullmatch(text):
            raise ValueError("write f1, precision>=0.9, or a number from 0 to 1")
        return text

    @field_validator("queries")
    @classmethod
    def _check_words(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(text.strip() for text in value):
            raise ValueError("a query has no words")
        return value


def list_definition_files(settings: Settings) -> list[Path]:
    """Return the files with definitions; a later file overrides an earlier one."""
    return [CHECKOUT / FILE, settings.home / FILE]


def load_definitions(settings: Settings) -> dict[str, ProbeDefinition]:
    """Return every defined probe by label, sorted. Raises ``UsageError`` with the file, the probe and the fault."""
    definitions: dict[str, ProbeDefinition] = {}
    for path in list_definition_files(settings):
        definitions |= _read(path)
    return dict(sorted(definitions.items()))


def find_definition(settings: Settings, label: str) -> ProbeDefinition:
    """Return one definition. Raises ``NotFoundError``, naming those that exist, if it does not exist."""
    definitions = load_definitions(settings)
    if label not in definitions:
        choices = f"there are {', '.join(definitions)}" if definitions else "there are none yet"
        raise NotFoundError(f"no probe {label!r}: {choices}; `needle probe fit {label}` makes one")
    return definitions[label]


def define(settings: Settings, label: str, description: str, queries: tuple[str, ...], threshold: str) -> bool:
    """Add a probe to the home's file if it is not defined; return whether it was added.

    Without ``queries``, the label's words are the query. The file is extended, not rewritten, so comments in it stay.
    Raises ``UsageError`` for invalid values, and if the probe is already defined with other values.
    """
    require_name(label)
    path = settings.home / FILE
    with lock_exclusively(settings.home / "locks" / f"{FILE}.lock"):
        existing = load_definitions(settings).get(label)
        if existing:
            _require_same(settings, existing, description, queries, threshold)
            return False
        content: dict[str, Any] = {"description": description} if description else {}
        content["queries"] = list(queries) or [label.replace("_", " ")]
        content["threshold"] = threshold or "f1"
        _parse_entry(path, label, content)
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        before += "" if not before or before.endswith("\n") else "\n"
        with write_atomically(path) as temporary:
            addition = yaml.safe_dump({label: content}, sort_keys=False, allow_unicode=True)
            temporary.write_text(before + addition, encoding="utf-8")
    return True


def _require_same(
    settings: Settings, existing: ProbeDefinition, description: str, queries: tuple[str, ...], threshold: str
) -> None:
    differs = (description and description != existing.description) or (queries and queries != existing.queries)
    if differs or (threshold and threshold != existing.threshold):
        place = next(path for path in reversed(list_definition_files(settings)) if existing.label in _read(path))
        raise UsageError(f"{existing.label} is defined in {place} already: change it there")


def _read(path: Path) -> dict[str, ProbeDefinition]:
    hint = "write a probe's label, and its queries below it"
    return {name: _parse_entry(path, name, entry) for name, entry in read_entries(path, hint).items()}


def _parse_entry(path: Path, label: str, content: Any) -> ProbeDefinition:
    try:
        require_name(label)
        values = {"queries": [label.replace("_", " ")]} | (content or {})
        return ProbeDefinition(label=label, **values)
    except (ValidationError, UsageError, TypeError) as error:
        problem = (
            "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            if isinstance(error, ValidationError)
            else str(error)
        )
        raise UsageError(f"{path}: {label}: {problem}") from error
