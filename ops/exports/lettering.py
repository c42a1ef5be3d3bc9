"""Text of any script on an image: a font for each part of it, from packages, so that every machine draws the same.

Noto Sans and its variants for scripts (package ``manimgx-fonts``), Noto Sans CJK (``noto-cjk-sans-otc``), and DejaVu
Sans (part of matplotlib) for the remaining characters; all are under the SIL Open Font License or as free. Pillow's
Raqm joins letters and orders them within a part. A character that no font has is drawn as its code, and can be
reported.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from fontTools.ttLib import TTFont
from PIL import ImageDraw, ImageFont

MAX_TEXT = 200
ELLIPSIS = "..."
CJK = "NotoSansCJK-Regular.ttc"
_JAPANESE, _KOREAN, _SIMPLIFIED, _TRADITIONAL = range(4)
"""Faces of Noto Sans CJK: they have the same characters, in the shapes of each language."""
_JOINING = ("Mn", "Mc", "Me", "Cf", "Sk")
"""Categories of characters that change the one before them: they need its font."""
Colour = tuple[int, int, int]


class Part(NamedTuple):
    """A part of a text that one font draws."""

    text: str
    font: Path
    face: int


class Lettering:
    """Draws text of one size, and collects in ``unknown`` the characters that no font has."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.unknown: set[str] = set()

    def draw(self, canvas: ImageDraw.ImageDraw, place: tuple[int, int], text: str, ink: Colour, width: int) -> None:
        """Draw ``text`` with the left end of its baseline at ``place``, cut off with dots beyond ``width`` pixels."""
        left = float(place[0])
        for part in self._fit(text, width):
            font = _load_font(part.font, part.face, self.size)
            canvas.text((left, place[1]), part.text, ink, font, anchor="ls")
            left += font.getlength(part.text)

    def measure(self, text: str) -> float:
        """Width of the whole text in pixels."""
        return sum(_load_font(part.font, part.face, self.size).getlength(part.text) for part in self._order_parts(text))

    def _fit(self, text: str, width: int) -> list[Part]:
        text = text[:MAX_TEXT]
        parts = self._order_parts(text)
        if self.measure(text) <= width:
            return parts
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.measure(text[:middle] + ELLIPSIS) <= width else (low, middle - 1)
        while low and low < len(text) and unicodedata.category(text[low]) in _JOINING:
            low -= 1
        return self._order_parts(text[:low] + ELLIPSIS)

    def _order_parts(self, text: str) -> list[Part]:
        """The parts from left to right; if the text begins with a right-to-left letter, its first part is last."""
        parts = list(self._split_parts(unicodedata.normalize("NFC", text)))
        directions = (unicodedata.bidirectional(sign) for sign in text)
        first = next((direction for direction in directions if direction in ("L", "R", "AL")), "L")
        return parts if first == "L" else parts[::-1]

    def _split_parts(self, text: str) -> Iterator[Part]:
        face = choose_cjk_face(text)
        part, font = "", _list_fonts()[0]
        for sign in text:
            next_font = _choose_font(sign, font)
            if next_font is None:
                self.unknown.add(sign)
                sign, next_font = f"[{ord(sign):04X}]", _list_fonts()[0]
            if next_font != font and part:
                yield from _split_end(part, font, face)
                part = ""
            part, font = part + sign, next_font
        if part:
            yield from _split_end(part, font, face)


def _split_end(text: str, font: Path, face: int) -> Iterator[Part]:
    """A part, and the space after it as another: within the part it would move to the left of right-to-left text."""
    word = text.rstrip()
    if word:
        yield Part(word, font, face if font.name == CJK else 0)
    if len(word) < len(text):
        yield Part(text[len(word) :], _list_fonts()[0], 0)


def choose_cjk_face(text: str) -> int:
    """The face of Noto Sans CJK for a text: Korean by its letters, Japanese by its kana, else by its characters."""
    if any("HANGUL" in unicodedata.name(sign, "") for sign in text):
        return _KOREAN
    han = "".join(sign for sign in text if unicodedata.name(sign, "").startswith("CJK UNIFIED"))
    if any(unicodedata.name(sign, "").startswith(("HIRAGANA", "KATAKANA")) for sign in text):
        return _JAPANESE
    for face, encoding in ((_JAPANESE, "shift_jis"), (_SIMPLIFIED, "gb2312"), (_TRADITIONAL, "big5")):
        try:
            han.encode(encoding)
        except UnicodeEncodeError:
            continue
        return face
    return _SIMPLIFIED


@cache
def _list_fonts() -> tuple[Path, ...]:
    """Fonts in search order: Latin, Greek and Cyrillic first, then scripts, then the rest."""
    noto = Path(str(files("manimgx_fonts")))
    scripts = sorted(noto.glob("NotoSans?*[[]wght].ttf"), key=lambda path: ("Symbols" in path.name, path.name))
    plots = find_spec("matplotlib")
    dejavu = Path(plots.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf" if plots and plots.origin else noto
    cjk = Path(str(files("noto_cjk_sans_otc"))) / CJK
    last = [dejavu, cjk, noto / "NotoEmoji[wght].ttf"]
    return (noto / "NotoSans[wght].ttf", *(path for path in scripts if "Italic" not in path.name), *last)


@cache
def _read_characters(font: Path) -> frozenset[int]:
    with TTFont(font, fontNumber=0, lazy=True) as font_file:
        return frozenset(font_file.getBestCmap())


@lru_cache(maxsize=4096)
def _choose_font(sign: str, before: Path) -> Path | None:
    """The font of a character: that of the one ``before`` unless it is a letter of another script, else the first."""
    code, category = ord(sign), unicodedata.category(sign)
    if category in _JOINING and category != "Sk":
        return before if category == "Cf" or code in _read_characters(before) else _find_font(code)
    if not category.startswith("L") and code in _read_characters(before):
        return before
    return _find_font(code)


def _find_font(code: int) -> Path | None:
    return next((font for font in _list_fonts() if code in _read_characters(font)), None)


@lru_cache(maxsize=128)
def _load_font(path: Path, face: int, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size, index=face)
