"""Detect title cards: logos, intertitles, credits on a plain background.

Cards are drawn and encoded, and shots are compared with their mean direction. So it works with every encoder that reads
images. Measured with the starter encoder on 22 November 2026 (``tests/quality/test_relevance_quality.py`` checks it):
the two titles of Big Buck Bunny score 0.77 and 0.88, its other shots at most 0.43. Tested on the Sintel trailer, the
four titles score 0.76 to 0.88, the others at most 0.62. Of 1,000 photographs none exceeds 0.52, of the other footage
none 0.60. The threshold comes to 0.70 there.

Text prompts ("white text on a black background") did not separate: on both films, dark shots ranked between the titles.
Titles over moving images are not detected; this is intended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.index.fetching import Fetched, fetch_until
from ops.index.index import VectorIndex
from ops.index.points import IndexHit
from ops.index.words import split_words

Vector = NDArray[np.float32]

# Changes with the drawing or the averaging of the cards: vectors are recomputed then.
CARDS_RECIPE = "cards 2"
CARDS = 12
WIDTH, HEIGHT = 640, 360
_WORDS = """
the and presents a film by directed produced music coming soon part one story of northern lights productions studio
with edited casting sound design thanks to anna kowalski john smith maria garcia peter larsen chapter
"""

# A shot is a title if its cosine with the mean card is at least OWN_SHARE of the cards' own, and at least GAP_SHARE of
# the way from the catalogue's median to theirs.
OWN_SHARE = 0.76
GAP_SHARE = 0.6
# With a smaller gap between the catalogue and the cards no shot is a title: the encoder sees no difference, or the
# catalogue is made of titles.
LEAST_GAP = 0.2

# Words that request writing in the image.
_ASKING_WORDS = """
caption captions card cards credit credits intertitle intertitles letter lettering letters logo logos subtitle
subtitles text texts title titles typography wordmark writing written
"""
_ASKING = frozenset(_ASKING_WORDS.split())


@dataclass(frozen=True, kw_only=True)
class TitleDirection:
    """``vector``: unit vector, float32 (D,), of the mean card; ``agreement``: median cosine of the cards with it."""

    vector: Vector
    agreement: float

    @classmethod
    def fit(cls, cards: NDArray[np.float32]) -> TitleDirection:
        """Build from unit vectors (N, D) of at least two cards; each is compared with the mean of the others."""
        total = cards.sum(axis=0)
        others = total - cards
        agreement = np.median(np.sum(others * cards, axis=1) / np.linalg.norm(others, axis=1))
        return cls(vector=np.asarray(total / np.linalg.norm(total), np.float32), agreement=float(agreement))

    def compute_threshold(self, sample_scores: NDArray[np.float32]) -> float | None:
        """Return the minimum cosine of a title, for a sample of the catalogue.

        ``None`` if titles cannot be distinguished.
        """
        middle = float(np.median(sample_scores)) if len(sample_scores) else 0.0
        if self.agreement - middle < LEAST_GAP:
            return None
        return max(OWN_SHARE * self.agreement, middle + GAP_SHARE * (self.agreement - middle))

    def find_titles(self, index: VectorIndex) -> frozenset[str] | None:
        """Return ids of all title cards of the index, by one exact search, or a few if there are many.

        ``None`` if they cannot be distinguished.

        Blank shots are never titles: an empty black frame is as close to the cards as one with writing.
        """
        threshold = self.compute_threshold(index.sample_scores(self.vector))
        if threshold is None:
            return None

        def fetch(limit: int) -> Fetched[IndexHit]:
            hits = index.search(self.vector, limit=limit, exclude_blank=True, exact=True, with_payload=False)
            return Fetched(items=hits, is_all=len(hits) < limit)

        hits_so_far = fetch_until(fetch, 255, lambda hits: hits[-1].score < threshold)
        return frozenset(hit.shot_id for hit in hits_so_far.items if hit.score >= threshold)


def is_about_writing(text: str) -> bool:
    """Return True if a query is about writing in the image, so that titles must not be hidden from it."""
    return not _ASKING.isdisjoint(split_words(text))


def draw_cards() -> NDArray[np.uint8]:
    """Draw title cards as in films, uint8 (N, H, W, 3), always the same: dark and light, one line to a roll."""
    generator = np.random.default_rng(0)
    return np.stack([_draw_card(number, generator) for number in range(CARDS)])


def _draw_card(number: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw, ImageFont

    is_light = number % 3 == 2
    paper = _choose_colour(generator, (215, 256) if is_light else (0, 25))
    ink = _choose_colour(generator, (0, 120) if is_light else (200, 256))
    lines, size = ((1, 58), (12, 16), (2, 36), (12, 16), (3, 32), (12, 16))[number % 6]
    picture = Image.new("RGB", (WIDTH, HEIGHT), paper)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size)
    top = HEIGHT * 0.05 if lines > 3 else HEIGHT / 2 - lines * size * 0.75
    for line in range(lines):
        words = generator.choice(_WORDS.split(), 4 if lines > 3 else int(generator.integers(1, 4)))
        text = _change_case(" ".join(words), number)
        left = (WIDTH - draw.textlength(text, font=font)) / 2
        draw.text((left, top + line * size * 1.5), text, fill=ink, font=font)
    return np.asarray(picture, np.uint8)


def _change_case(text: str, number: int) -> str:
    return (text.title(), text.upper(), text)[number % 3]


def _choose_colour(generator: np.random.Generator, bounds: Sequence[int]) -> tuple[int, int, int]:
    red, green, blue = generator.integers(bounds[0], bounds[1], 3).tolist()
    return red, green, blue
