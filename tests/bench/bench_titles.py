"""Title cards: known by vectors of drawn cards, by recognised text on a plain ground, and by either.

``python -m tests.bench.bench_titles FOLDER HOME`` (HOME keeps the exported image tower) with annotated films
(``title_or_credits`` in ``<file>.captions.jsonl``).
Frames are those of eight looks at each shot for vectors, and of three for text. Generated cards have grounds and sizes
that the drawn cards of ``ops/search/titles.py`` do not have.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ops.embeddings.encoders.starter import StarterEncoder
from ops.exports.lettering import Lettering
from ops.screen_text.reader import RapidTextReader, SeenText, find_model_folder
from ops.search.titles import TitleDirection, draw_cards
from tests.bench.bench_people import shrink

FILMS = (
    "bbb_full_360p.mp4", "sintel_trailer_204p.mp4", "chrome_icon_270p.mp4", "google_paris_180p.mp4",
    "nasa_hotfire_360p.webm",
)  # fmt: skip
LOOKS, READS = 8, 3
WORDS = "the last train to lisbon directed by anna berg music otto lind chapter two many years later"
EDGE = 12.0
"""Difference of grey, 0 to 255, of neighbours in a picture of a quarter of the size, from which they are no ground."""
MARGIN = 0.5
"""Share of a text's height around it that belongs to it: shadows, and letters that were not read."""
SHRINK = 4
Picture = NDArray[np.uint8]


def measure_plain(frame_HWC: NDArray[np.uint8], texts: Sequence[SeenText]) -> float:
    """Return the share of a frame outside its texts that has no edges, 0 to 1; 0 if the texts fill it."""
    height, width = (max(2, side // SHRINK) for side in frame_HWC.shape[:2])
    small_HW = cv2.cvtColor(cv2.resize(frame_HWC, (width, height), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    grey_HW = small_HW.astype(np.float32)
    edges_HW = np.zeros((height, width), bool)
    edges_HW[:, 1:] |= np.abs(np.diff(grey_HW, axis=1)) >= EDGE
    edges_HW[1:] |= np.abs(np.diff(grey_HW, axis=0)) >= EDGE
    ground_HW = np.ones((height, width), bool)
    for left, top, right, bottom in (each.box for each in texts):
        rim = MARGIN * (bottom - top)
        rows = slice(max(0, int((top - rim) * height)), int((bottom + rim) * height) + 1)
        columns = slice(max(0, int((left - rim) * width)), int((right + rim) * width) + 1)
        ground_HW[rows, columns] = False
    return float(1 - edges_HW[ground_HW].mean()) if ground_HW.any() else 0.0


def measure_text_share(texts: Sequence[SeenText]) -> float:
    """Return the share of a frame that its texts cover, 0 to 1; overlaps count twice."""
    return sum((each.box[2] - each.box[0]) * (each.box[3] - each.box[1]) for each in texts)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One shot or card: what it is, the cosine with drawn cards, and of its looks the plain and the text's share."""

    name: str
    is_title: bool
    cosine: float
    plain: float
    texts: float
    words: str = ""


def judge(
    name: str, is_title: bool, frames: Sequence[Picture], encoder: StarterEncoder, direction: TitleDirection,
    reader: RapidTextReader,
) -> Judged:  # fmt: skip
    """Return the measures of the frames of one shot."""
    vector = encoder.encode_frames(np.stack(frames)).mean(axis=0)
    read_frames = [frames[(2 * part + 1) * len(frames) // (2 * READS)] for part in range(min(READS, len(frames)))]
    texts = [reader.read(frame) for frame in read_frames]
    best = max(range(len(texts)), key=lambda at: measure_text_share(texts[at]))
    return Judged(
        name=name,
        is_title=is_title,
        cosine=float(vector @ direction.vector / np.linalg.norm(vector)),
        plain=measure_plain(read_frames[best], texts[best]),
        texts=measure_text_share(texts[best]),
        words=" ".join(each.text for each in texts[best])[:80],
    )


def read_shots(path: Path) -> Iterator[tuple[bool, int, list[Picture]]]:
    """Yield ``(is a title, number, frames)`` of each annotated shot."""
    rows = [json.loads(row) for row in path.with_name(path.name + ".captions.jsonl").read_text().splitlines()]
    wanted: dict[int, int] = {}
    for number, row in enumerate(rows):
        length = row["end_frame"] - row["start_frame"]
        wanted |= {row["start_frame"] + (2 * part + 1) * length // (2 * LOOKS): number for part in range(LOOKS)}
    frames: dict[int, list[Picture]] = {}
    with av.open(str(path)) as container:
        for at, frame in enumerate(container.decode(container.streams.video[0])):
            if at in wanted:
                frames.setdefault(wanted[at], []).append(shrink(frame.to_ndarray(format="rgb24")))
    for number, row in enumerate(rows):
        if number in frames:
            yield row["labels"]["title_or_credits"], number, frames[number]


def draw_varied_cards() -> Iterator[tuple[str, Picture]]:
    """Yield cards on dark, light, coloured and graded grounds, of one line to a whole credit roll."""
    generator = np.random.default_rng(7)
    words = WORDS.split()
    grounds = {"dark": (8, 8, 10), "light": (235, 232, 228), "red": (140, 20, 24), "blue": (20, 40, 120)}
    for kind in (*grounds, "graded"):
        for size, lines in ((60, 1), (36, 2), (24, 5), (16, 12)):
            ground = np.zeros((360, 640, 3), np.uint8)
            ground[:] = grounds.get(kind, (0, 0, 0))
            if kind == "graded":
                ground[:] = np.linspace(20, 110, 360).astype(np.uint8)[:, None, None]
            picture = Image.fromarray(ground)
            ink = (20, 20, 20) if kind == "light" else (235, 235, 225)
            for line in range(lines):
                text = " ".join(generator.choice(words, 2 if lines < 3 else 4))
                place = (60, round(180 - lines * size * 0.75 + line * size * 1.5))
                Lettering(size).draw(ImageDraw.Draw(picture), place, text.title(), ink, 560)
            yield f"{kind}, {lines} x {size}", np.asarray(picture, np.uint8)


def main() -> None:
    folder = Path(sys.argv[1])
    encoder, reader = StarterEncoder(Path(sys.argv[2])), RapidTextReader(find_model_folder())
    direction = TitleDirection.fit(encoder.encode_frames(draw_cards()))
    judged = [
        judge(f"{film} {number}", is_title, frames, encoder, direction, reader)
        for film in FILMS
        for is_title, number, frames in read_shots(folder / film)
    ]
    cards = [judge(name, True, [card], encoder, direction, reader) for name, card in draw_varied_cards()]
    threshold = direction.compute_threshold(np.array([each.cosine for each in judged], np.float32)) or 1.0
    print(f"threshold {threshold:.2f}")
    for each in [*judged, *cards]:
        if each.is_title or each.cosine > threshold or each.texts > 0:
            print(
                f"{each.name:32} {each.is_title!s:5} {each.cosine:.2f} {each.plain:.2f} {each.texts:.4f} {each.words}"
            )


if __name__ == "__main__":
    main()
