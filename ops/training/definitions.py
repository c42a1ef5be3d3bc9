"""Definitions of fine-tuned encoders: ``encoders.yaml`` in the home, or in the checkout for those that a team shares.

.. code-block:: yaml

    mine:
      recipe: adapt
      data: [/footage]           # if missing: every row of the catalogue's table of captions
      changes: {epochs: 10}      # replace values of the recipe
      forgetting: [/photos]      # data of another kind; if missing: captions of the catalogue that the fit does not use
      threads: 2                 # a fit repeats exactly only with the same number
      workers: 4                 # with engine ray: workers that share each batch, one GPU each
      gpu: true

``needle train`` adds an entry for each encoder that it fits; each entry is the asset ``encoder/<name>``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # no stubs among the dependencies
from pydantic import BaseModel, ConfigDict, ValidationError

from ops.core.entries import read_entries
from ops.core.errors import NotFoundError, UsageError
from ops.core.locks import lock_exclusively
from ops.core.settings import CHECKOUT, Settings
from ops.core.storage import write_atomically
from ops.training.recipes import Recipe, build_recipe

FILE = "encoders.yaml"
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")


class EncoderDefinition(BaseModel):
    """One encoder to fit: recipe, changed values of the recipe, and data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    recipe: str
    data: tuple[str, ...] = ()
    forgetting: tuple[str, ...] = ()
    changes: dict[str, Any] = {}
    threads: int | None = None
    workers: int | None = None
    gpu: bool | None = None

    @property
    def fit(self) -> Recipe:
        """The recipe with its changes. Raises ``UsageError``."""
        return build_recipe(self.recipe, **self.changes)


def load_definitions(settings: Settings) -> dict[str, EncoderDefinition]:
    """Return every definition by name, sorted. Raises ``UsageError`` with the file, the encoder and the fault."""
    definitions: dict[str, EncoderDefinition] = {}
    for path in (CHECKOUT / FILE, settings.home / FILE):
        definitions |= _read(path)
    return dict(sorted(definitions.items()))


def find_definition(settings: Settings, name: str) -> EncoderDefinition:
    """Return one definition. Raises ``NotFoundError``, naming those that exist, if it does not exist."""
    definitions = load_definitions(settings)
    if name not in definitions:
        choices = f"there are {', '.join(definitions)}" if definitions else "there are none yet"
        raise NotFoundError(f"no encoder {name!r} in {FILE}: {choices}; `needle train` makes one")
    return definitions[name]


def define(settings: Settings, definition: EncoderDefinition) -> bool:
    """Add an encoder to the home's file unless it already has this definition; return whether it was added.

    An entry that a person wrote is never replaced, nor the entry of an encoder that exists: ``UsageError`` for another
    definition of that name. An entry that ``needle train`` added is replaced if it was never fitted.
    """
    path = settings.home / FILE
    _parse_entry(path, definition.name, definition.model_dump(exclude={"name"}))
    with lock_exclusively(settings.home / "locks" / f"{FILE}.lock"):
        existing = load_definitions(settings).get(definition.name)
        if existing == definition:
            return False
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if existing:
            if _render_block(existing) not in before or (settings.home / "encoders" / existing.name).exists():
                raise UsageError(
                    f"{definition.name} is defined in {FILE} with another recipe or other data: choose another --name; "
                    "nothing was changed"
                )
            before = before.replace(_render_block(existing), "")
        before += "" if not before or before.endswith("\n") else "\n"
        _write(path, before + _render_block(definition))
    return True


def undefine(settings: Settings, definition: EncoderDefinition) -> None:
    """Remove the entry that :func:`define` added."""
    path = settings.home / FILE
    with lock_exclusively(settings.home / "locks" / f"{FILE}.lock"):
        if path.exists():
            _write(path, path.read_text(encoding="utf-8").replace(_render_block(definition), ""))


def _render_block(definition: EncoderDefinition) -> str:
    content = {
        key: value
        for key, value in definition.model_dump(mode="json", exclude={"name"}).items()
        if value not in (None, [], {})
    }
    text: str = yaml.safe_dump({definition.name: content}, sort_keys=False, allow_unicode=True)
    return text


def _write(path: Path, text: str) -> None:
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _read(path: Path) -> dict[str, EncoderDefinition]:
    hint = "write an encoder's name, and its recipe below it"
    return {name: _parse_entry(path, name, entry) for name, entry in read_entries(path, hint).items()}


def _parse_entry(path: Path, name: str, content: Any) -> EncoderDefinition:
    if not _NAME.match(name):
        raise UsageError(f"--name {name!r}: small letters, digits, - and _, at most 64")
    try:
        definition = EncoderDefinition(name=name, **(content or {}))
        _ = definition.fit
    except (ValidationError, UsageError, TypeError) as error:
        raise UsageError(f"{path}: {name}: {error}") from error
    return definition
