"""Ordinary sources: the rates and containers that cameras and video sites write."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path

from tests.builders.films import make_film
from tests.sources.kind import Kind

FRAMES = 24
RATES = [Fraction(24), Fraction(25), Fraction(30), Fraction(50), Fraction(60)]
RATES += [Fraction(base * 1000, 1001) for base in (24, 30, 60)]
CONTAINERS = ("mp4", "mov", "mkv", "ts", "avi")


def _plain(folder: Path, container: str, fps: Fraction) -> Path:
    return make_film(folder / f"film.{container}", frames=FRAMES, cuts=(12,), fps=fps, width=160, height=90).path


KINDS = [
    Kind(
        name=f"{container} at {float(fps):.3f}",
        make=partial(_plain, container=container, fps=fps),
        facts={"fps": fps, "variable_rate": False, "width": 160, "height": 90, "codec": "h264", "frames": FRAMES},
        numbers=range(FRAMES),
    )
    for container in CONTAINERS
    for fps in RATES
]
