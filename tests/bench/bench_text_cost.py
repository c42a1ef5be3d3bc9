"""The share of reading the writing in an ingest's CPU seconds: on a film, and on one that is full of writing.

``python -m tests.bench.bench_text_cost FILM...``. Each film, and a generated one of three minutes (slides of eight
lines on moving pictures, then a minute of rolling credits), is ingested without reading; then the step alone reads it,
in a process of its own, measured by ``os.times``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ops.core.settings import load_settings
from ops.core.types import SilentProgress
from ops.exports.lettering import Lettering
from tests.bench.bench_ingest import timed

WIDTH, HEIGHT, RATE = 640, 360, 24
SLIDES, SLIDE_S, CREDITS_S = 30, 4, 60
WORDS = "emergency exit platform nine tickets open daily until midnight no entry fragile handle with care".split()  # noqa: SIM905
Picture = NDArray[np.uint8]


def draw_film_of_text() -> Iterator[Picture]:
    """Yield the frames of the generated film: no two slides and no two lines of credits are the same."""
    generator = np.random.default_rng(1)
    for slide in range(SLIDES):
        base = generator.integers(10, 120, 3)
        ground = (base + generator.integers(0, 60, (7, 17, 3))).astype(np.uint8)  # blocks of 64 pixels, in motion
        wide = Image.fromarray(ground).resize((64 * 17, 64 * 7), Image.Resampling.BICUBIC)
        lines = [f"{' '.join(generator.choice(WORDS, 3))} {slide}{line}" for line in range(8)]
        for frame in range(SLIDE_S * RATE):
            picture = wide.crop((4 * frame, 0, 4 * frame + WIDTH, HEIGHT))
            _draw_lines(picture, lines, 30)
            yield np.asarray(picture, np.uint8)
    names = [f"{' '.join(generator.choice(WORDS, 2)).title()} {number}" for number in range(CREDITS_S * 3)]
    roll = Image.new("RGB", (WIDTH, 24 * len(names) + 2 * HEIGHT))
    _draw_lines(roll, names, HEIGHT, 24)
    for frame in range(CREDITS_S * RATE):
        top = frame * (roll.height - HEIGHT) // (CREDITS_S * RATE)
        yield np.asarray(roll.crop((0, top, WIDTH, top + HEIGHT)), np.uint8)


def _draw_lines(picture: Image.Image, lines: list[str], top: int, step: int = 40) -> None:
    canvas = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        Lettering(18).draw(canvas, (60, top + number * step + 18), line, (240, 240, 230), WIDTH - 90)


def write_film_of_text(path: Path) -> None:
    """Write the generated film."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in draw_film_of_text():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def measure_step(home: Path) -> None:
    """Read the writing of a home's films; print CPU seconds and figures of the step."""
    from ops.screen_text.build import build_screen_text

    settings = load_settings(home=home, screen_text="on")
    partitions = sorted(settings.lake.list_partitions("videos"))
    before = os.times()
    report = build_screen_text(settings, partitions, datetime.now(UTC), SilentProgress())
    spent = sum(os.times()[:4]) - sum(before[:4])
    print(f"{spent:.1f} {report.details['texts']} {report.details['shots_with_text']}")


def measure(film: Path) -> None:
    """Print the share of one film."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "home"
        ingest = timed([sys.executable, "-m", "ops.cli", "ingest", str(film)], home)
        command = [sys.executable, "-m", "tests.bench.bench_text_cost", "--step", str(home)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        spent, texts, shots = done.stdout.split()[-3:]
    share = float(spent) / (float(spent) + ingest["cpu_s"])
    print(f"{film.name}: ingest {ingest['cpu_s']:.1f} s, reading {spent} s: {share:.1%}; {texts} texts, {shots} shots")


def main() -> None:
    if sys.argv[1] == "--step":
        measure_step(Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as name:
        written = Path(name) / "full_of_text.mp4"
        write_film_of_text(written)
        for film in (written, *map(Path, sys.argv[1:])):
            measure(film)


if __name__ == "__main__":
    main()
