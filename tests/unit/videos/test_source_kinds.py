"""Each kind of source gives its known facts, frames and times (``tests/sources``)."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import tests.sources
from ops.core.errors import MediaError
from ops.videos.damage import Damage
from ops.videos.probe import probe
from ops.videos.reader import DecodedFrame, read_media
from tests.builders.films import read_barcode
from tests.sources.kind import Kind

MODULES = [module.name for module in pkgutil.iter_modules(tests.sources.__path__) if module.name != "kind"]
KINDS: list[Kind] = [
    kind for name in sorted(MODULES) for kind in importlib.import_module(f"tests.sources.{name}").KINDS
]


def test_names_of_kinds_are_unique() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_source_gives_its_facts(kind: Kind, tmp_path: Path) -> None:
    path = kind.make(tmp_path)
    if kind.refused:
        with pytest.raises(MediaError, match=kind.refused):
            probe(path)
            list(read_media(path))
        return
    info = probe(path)
    assert {name: getattr(info, name) for name in kind.facts} == dict(kind.facts)
    damage = Damage()
    read = kind.numbers is not None or not all(any(text in note for note in info.notes) for text in kind.notes)
    pictures = [item for item in read_media(path, damage=damage) if isinstance(item, DecodedFrame)] if read else []
    notes = [*info.notes, *damage.notes()]
    for text in kind.notes:
        assert any(text in note for note in notes), notes
    if kind.numbers is None:
        return
    numbers = [read_barcode(picture.frame.to_ndarray(format="rgb24")) for picture in pictures]
    assert numbers == list(kind.numbers)
    times = kind.times or [float(index / info.fps) for index in range(len(numbers))]
    assert [float(picture.time_s) for picture in pictures] == pytest.approx(times, abs=0.4 / float(info.fps))
