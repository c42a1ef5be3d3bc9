"""Libraries of mutated films and subtitles: a folder for each kind."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from tests.builders.films import make_film
from tests.hostile.films import FILMS, make_hostile_base
from tests.hostile.ingest import LANGUAGES
from tests.hostile.mutations import mutate
from tests.hostile.subtitles import SUBTITLES, mutate_text

WRONG_NAMES = "wrong names"
IS_SUBTITLES = "subtitles "
KINDS = (*FILMS, WRONG_NAMES, *(f"{IS_SUBTITLES}{kind}" for kind in SUBTITLES))
GOOD = "good.mp4"
"""The undamaged film of each library."""

Mutations = Sequence[tuple[str, bytes]]


def write_good(library: Path, seed: int = 0) -> None:
    make_film(library / GOOD, cuts=(6,), frames=12, width=96, height=64, seed=seed)


def write_kind(library: Path, scratch: Path, kind: str, seed: int, most: int) -> dict[Path, str]:
    """Write the mutations of a kind below ``library``, ``most`` of them at random; return their names by path."""
    chance, folder = random.Random(f"{seed} {kind}"), library / kind.replace(" ", "-").replace(",", "")
    folder.mkdir(parents=True)
    if kind == WRONG_NAMES:
        return write_wrong_names(folder, scratch)
    if kind.startswith(IS_SUBTITLES):
        suffix = kind.removeprefix(IS_SUBTITLES)
        return write_subtitles(folder, suffix, _draw(mutate_text(suffix, chance), most, chance))
    path = make_hostile_base(scratch, kind)
    return write_films(folder, path.suffix, _draw(mutate(path.read_bytes(), chance), most, chance))


def _draw(mutations: Mutations, most: int, chance: random.Random) -> Mutations:
    return chance.sample(mutations, most) if 0 < most < len(mutations) else mutations


def write_films(folder: Path, suffix: str, mutations: Mutations) -> dict[Path, str]:
    names = {}
    for number, (mutation, data) in enumerate(mutations):
        path = folder / f"film-{number:03d}{suffix}"
        path.write_bytes(data)
        names[path] = mutation
    return names


def write_subtitles(folder: Path, suffix: str, mutations: Mutations) -> dict[Path, str]:
    """Write a film with a subtitle file for each mutation, in as many languages."""
    write_good(folder, seed=1 + list(SUBTITLES).index(suffix))
    names = {}
    for language, (mutation, data) in zip(LANGUAGES, mutations, strict=False):
        path = folder / f"good.{language}.{suffix}"
        path.write_bytes(data)
        names[path] = mutation
    return names


def write_wrong_names(folder: Path, scratch: Path) -> dict[Path, str]:
    """Write a film of each kind under the endings of two others, and a subtitle under that of a film."""
    suffixes = sorted({name.rpartition(".")[2] for name, *_ in FILMS.values()})
    names = {folder / "text.mkv": "subtitles with the ending mkv"}
    (folder / "text.mkv").write_text(SUBTITLES["srt"])
    for number, kind in enumerate(FILMS):
        data = make_hostile_base(scratch, kind).read_bytes()
        for step in (5, 11):
            suffix = suffixes[(number + step) % len(suffixes)]
            path = folder / f"film-{number:02d}-{step}.{suffix}"
            path.write_bytes(data + bytes(step))  # equal files would be one film
            names[path] = f"{kind} with the ending {suffix}"
    return names
