"""Writing in the picture: character error rate and recall on generated cards, by script, size, contrast and motion.

``python -m tests.bench.bench_screen_text``. A card is a frame of 640x360 with one text on a gradient; a moving one is
blurred along its way. Recall counts texts of which at least half of the characters are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ops.exports.lettering import Lettering
from ops.screen_text.reader import RapidTextReader, find_model_folder
from ops.screen_text.tracking import fold_text

TEXTS = {
    "Latin": ("Emergency exit", "Café Zürich", "TO BE CONTINUED", "Señor López, 1984"),
    "Chinese": ("紧急出口", "北京火车站", "请勿吸烟", "第一章 开始"),
    "Japanese": ("非常口はこちら", "東京タワー", "おはようございます", "カメラを止めるな"),
    "Korean": ("비상구", "서울역 안내", "좋은 아침입니다", "계속됩니다"),
    "Cyrillic": ("Аварийный выход", "Москва", "Доброе утро", "Конец фильма"),
    "Greek": ("Έξοδος κινδύνου", "Αθήνα", "Καλημέρα", "Τέλος"),
    "Arabic": ("مخرج الطوارئ", "صباح الخير", "القاهرة", "النهاية"),
    "Hebrew": ("יציאת חירום", "בוקר טוב", "תל אביב", "הסוף"),
    "Devanagari": ("आपातकालीन निकास", "नई दिल्ली", "सुप्रभात", "समाप्त"),
    "Thai": ("ทางออกฉุกเฉิน", "กรุงเทพ", "สวัสดี", "จบ"),
}
SIZES = (8, 10, 14, 40)
CONTRASTS = (60, 20, 10)
MOTIONS = (4, 10, 16)
Picture = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Card:
    """One drawn text: pixels of its letters' height, difference of its grey from the ground, pixels of motion blur."""

    script: str
    text: str
    size: int = 24
    contrast: int = 200
    motion: int = 0


def draw_card(card: Card) -> Picture:
    """Return the card as an RGB frame of 640x360."""
    ground = np.tile(np.linspace(30, 60, 640, dtype=np.float32), (360, 1))
    picture = Image.fromarray(ground.astype(np.uint8)).convert("RGB")
    ink = 45 + card.contrast
    Lettering(card.size).draw(ImageDraw.Draw(picture), (80, 200), card.text, (ink, ink, ink), 520)
    frame = np.asarray(picture, np.float32)
    if card.motion:
        frame = np.mean([np.roll(frame, step, axis=1) for step in range(card.motion + 1)], axis=0)
    return frame.astype(np.uint8)


def measure_errors(card: Card, reader: RapidTextReader) -> float:
    """Return the edits from the text to what is read, over its letters and digits, at most 1."""
    read = fold_text("".join(text.text for text in reader.read(draw_card(card))))
    true = fold_text(card.text)
    return min(1.0, _count_edits(true, read) / len(true))


def _count_edits(old: str, new: str) -> int:
    row = list(range(len(new) + 1))
    for number, sign in enumerate(old, start=1):
        before, row[0] = row[0], number
        for at, other in enumerate(new, start=1):
            before, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, before + (sign != other))
    return row[-1]


def list_groups() -> Iterator[tuple[str, list[Card]]]:
    """Yield each row of the table: by script at 24 pixels, then Latin by size, contrast and motion."""
    for script, texts in TEXTS.items():
        yield script, [Card(script=script, text=text) for text in texts]
    for size in SIZES:
        yield f"Latin, {size} pixels", [Card(script="Latin", text=text, size=size) for text in TEXTS["Latin"]]
    for contrast in CONTRASTS:
        yield (
            f"Latin, contrast {contrast}",
            [Card(script="Latin", text=text, contrast=contrast) for text in TEXTS["Latin"]],
        )
    for motion in MOTIONS:
        yield (
            f"Latin, blurred by {motion} pixels",
            [Card(script="Latin", text=text, motion=motion) for text in TEXTS["Latin"]],
        )


def main() -> None:
    reader = RapidTextReader(find_model_folder())
    print("| cards | character error rate | recall |\n| --- | --- | --- |")
    for name, cards in list_groups():
        errors = [measure_errors(card, reader) for card in cards]
        print(f"| {name} | {np.mean(errors):.2f} | {np.mean([error <= 0.5 for error in errors]):.2f} |")


if __name__ == "__main__":
    main()
