"""What fine-tuned encoders there are: ``encoders.yaml`` in the home, or in the checkout for those that a team shares.

.. code-block:: yaml

    mine:
      recipe: lit_temporal
      data: [/footage]           # without it, all that the catalogue's table of captions holds
      changes: {epochs: 10}      # instead of the recipe's values
      threads: 2                 # part of what makes a fit repeatable
      workers: 4                 # that share each batch, with a GPU each, where the engine is ray
      gpu: true

``needle train`` adds what it fits; each definition is the asset ``encoder/<name>``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # no stubs among the dependencies
from pydantic import BaseModel, ConfigDict, ValidationError

from ops.core.entries import entries_of
from ops.core.errors import NotFoundError, UsageError
from ops.core.locks import exclusive
from ops.core.settings import CHECKOUT, Settings
from ops.core.storage import atomic_path
from ops.training.recipes import Recipe, recipe_of

FILE = "encoders.yaml"
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")


class EncoderDefinition(BaseModel):
    """One encoder to be fitted: recipe, what of it is changed, and data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    recipe: str
    data: tuple[str, ...] = ()
    changes: dict[str, Any] = {}
    threads: int | None = None
    workers: int | None = None
    gpu: bool | None = None

    @property
    def fit(self) -> Recipe:
        """The recipe with its changes. Raises ``UsageError``."""
        return recipe_of(self.recipe, **self.changes)


def definitions_of(settings: Settings) -> dict[str, EncoderDefinition]:
    """Every defined encoder by name, sorted. Raises ``UsageError`` with the file, the encoder and what is wrong."""
    found: dict[str, EncoderDefinition] = {}
    for path in (CHECKOUT / FILE, settings.home / FILE):
        found |= _read(path)
    return dict(sorted(found.items()))


def definition_of(settings: Settings, name: str) -> EncoderDefinition:
    """One definition. Raises ``NotFoundError``, naming those that exist, where there is none."""
    known = definitions_of(settings)
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there are none yet"
        raise NotFoundError(f"no encoder {name!r} in {FILE}: {there}; `needle train` makes one")
    return known[name]


def define(settings: Settings, definition: EncoderDefinition) -> bool:
    """Add an encoder to the home's file where it is not defined so; true where it was added.

    What a person wrote stays as it is, and so does the definition of an encoder that is there: ``UsageError`` for
    another one of that name. One that ``needle train`` added and never fitted gives way.
    """
    path = settings.home / FILE
    _checked(path, definition.name, definition.model_dump(exclude={"name"}))
    with exclusive(settings.home / "locks" / f"{FILE}.lock"):
        known = definitions_of(settings).get(definition.name)
        if known == definition:
            return False
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if known:
            if _block(known) not in before or (settings.home / "encoders" / known.name).exists():
                raise UsageError(
                    f"{definition.name} is defined in {FILE} with another recipe or other data: choose another --name; "
                    "nothing was changed"
                )
            before = before.replace(_block(known), "")
        before += "" if not before or before.endswith("\n") else "\n"
        _write(path, before + _block(definition))
    return True


def undefine(settings: Settings, definition: EncoderDefinition) -> None:
    """Take back what :func:`define` added."""
    path = settings.home / FILE
    with exclusive(settings.home / "locks" / f"{FILE}.lock"):
        if path.exists():
            _write(path, path.read_text(encoding="utf-8").replace(_block(definition), ""))


def _block(definition: EncoderDefinition) -> str:
    content = {
        key: value
        for key, value in definition.model_dump(mode="json", exclude={"name"}).items()
        if value not in (None, [], {})
    }
    text: str = yaml.safe_dump({definition.name: content}, sort_keys=False, allow_unicode=True)
    return text


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _read(path: Path) -> dict[str, EncoderDefinition]:
    hint = "write an encoder's name, and its recipe below it"
    return {name: _checked(path, name, entry) for name, entry in entries_of(path, hint).items()}


def _checked(path: Path, name: str, content: Any) -> EncoderDefinition:
    if not _NAME.match(name):
        raise UsageError(f"--name {name!r}: small letters, digits, - and _, at most 64")
    try:
        definition = EncoderDefinition(name=name, **(content or {}))
        _ = definition.fit
    except (ValidationError, UsageError, TypeError) as error:
        raise UsageError(f"{path}: {name}: {error}") from error
    return definition
