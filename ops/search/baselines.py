"""Score baselines, computed once for each encoder: vectors of generic texts and of title cards.

The scores of a query are compared with those of a hundred everyday descriptions on many subjects, in plain words. These
only have to be many and different. Some of them may fit some shots, because medians are used.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import EncoderError
from ops.core.storage import write_atomically
from ops.search.calibration import Scale, find_scale
from ops.search.query_encoding import QueryEncoder
from ops.search.titles import CARDS_RECIPE, TitleDirection, draw_cards

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ScoreBaselines:
    """``texts`` are unit vectors, float32 (G, D), of generic texts; ``titles`` recognises title cards, if possible.

    ``scale`` is the encoder's fitted one, if there is one.
    """

    texts: NDArray[np.float32]
    titles: TitleDirection | None
    scale: Scale | None


def load_baselines(home: Path, encoder: QueryEncoder) -> ScoreBaselines:
    """Load the encoder's baselines from ``<home>/cache/search/``, or compute them (some seconds) and store them there.

    If the encoder cannot encode images on this machine, title cards are not recognised and nothing is stored. A home
    that cannot be written is logged.
    """
    recipe = hashlib.sha256("\n".join((CARDS_RECIPE, *GENERIC_TEXTS)).encode()).hexdigest()[:8]
    path = home / "cache" / "search" / f"{encoder.encoder_id}-{recipe}.npz"
    scale = find_scale(encoder.encoder_id)
    try:
        with np.load(path) as arrays:
            titles = TitleDirection(vector=arrays["titles"], agreement=float(arrays["own"]))
            return ScoreBaselines(texts=arrays["texts"], titles=titles, scale=scale)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        log.info("%s cannot be read (%s): made again", path, error)
    texts = encoder.encode_texts(GENERIC_TEXTS)
    try:
        titles = TitleDirection.fit(encoder.encode_frames(draw_cards()))
    except EncoderError as error:
        log.warning("title cards cannot be distinguished from other shots: %s", error)
        return ScoreBaselines(texts=texts, titles=None, scale=scale)
    try:
        with write_atomically(path) as temporary:
            np.savez(temporary, texts=texts, titles=titles.vector, own=titles.agreement)
    except OSError as error:
        log.warning("%s cannot be written (%s): each process computes it again", path, error.strerror or error)
    return ScoreBaselines(texts=texts, titles=titles, scale=scale)


GENERIC_TEXTS = (
    "a photo of something",
    "a scene from a film",
    "a picture",
    "nothing in particular",
    "a close-up of a face",
    "two people talking to each other",
    "a man looking to the side",
    "a woman walking along a street",
    "a group of people standing together",
    "a child running outside",
    "somebody opening a door",
    "a hand holding an object",
    "an empty room with furniture",
    "a house with a garden",
    "a street with parked cars",
    "a tall building against the sky",
    "a bridge over a river",
    "trees in a forest",
    "a field of grass under a blue sky",
    "mountains in the distance",
    "waves on the shore",
    "clouds moving across the sky",
    "a road through the countryside",
    "the inside of a car",
    "a train passing by",
    "an aeroplane in the air",
    "a ship at sea",
    "a bicycle leaning on a wall",
    "a cat sitting on a chair",
    "a dog lying on the floor",
    "a bird on a branch",
    "fish swimming in water",
    "an insect on a leaf",
    "cattle grazing",
    "a plate of food on a table",
    "a cup of coffee",
    "fruit and vegetables",
    "a bottle and a glass",
    "a book lying open",
    "a computer screen",
    "a telephone",
    "a clock on the wall",
    "a lamp in a dark room",
    "a fire burning at night",
    "smoke rising",
    "an explosion",
    "rain falling on a window",
    "snow covering the ground",
    "a sunset over the sea",
    "the moon at night",
    "city lights from above",
    "a crowd at an event",
    "musicians playing on a stage",
    "people dancing at a party",
    "an athlete jumping",
    "a ball flying through the air",
    "soldiers with weapons",
    "two men fighting",
    "a person crying",
    "people laughing",
    "somebody sleeping in a bed",
    "a doctor with a patient",
    "a worker using a tool",
    "a machine in a factory",
    "a shop with goods on shelves",
    "a classroom with pupils",
    "a church with a tower",
    "a castle on a hill",
    "an old ruin",
    "a statue in a square",
    "a painting on a wall",
    "a map of a country",
    "a colourful abstract pattern",
    "white text on a black background",
    "a company logo",
    "a cartoon character",
    "a robot",
    "a monster",
    "a spaceship among the stars",
    "an underwater scene",
    "a desert with dunes",
    "a jungle with dense plants",
    "a waterfall",
    "a farm with a barn",
    "a playground",
    "a staircase",
    "a corridor with many doors",
    "a kitchen",
    "a bathroom",
    "a window with curtains",
    "flowers in a vase",
    "clothes hanging on a line",
    "shoes on the floor",
    "a flag in the wind",
    "a horse and its rider",
    "a motorcycle on a road",
    "a boat in a harbour",
    "a tent on a camp site",
    "a dark blurry image",
    "a bright overexposed image",
)
