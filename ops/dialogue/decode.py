"""Decode the bytes of a subtitle file as text, whatever encoding they were written in.

The order of evidence: a byte order mark, unless most of the text after the mark of UTF-8 is not UTF-8; zeros of UTF-16
and UTF-32; escapes of ISO-2022; UTF-8, with a few broken bytes at most. Last is the encoding under which most of the
file fits a language, first of all the language in the file's name. If the file mixes UTF-8 with another encoding, each
line decides for itself.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ops.core.errors import MediaError
from ops.core.plural import plural
from ops.dialogue.alphabets import ALPHABETS, Alphabet, find_alphabets
from ops.dialogue.fit import WIDE, LanguageFit, measure_fit

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WITHOUT_MARK = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_HZ = re.compile(rb"~\{(?:[!-w][!-~])+~\}")
"""Chinese between escapes of ASCII (RFC 1843)."""
_ESCAPES = ((b"\x1b$B", "iso2022_jp_ext"), (b"\x1b$@", "iso2022_jp_ext"), (b"\x1b$)C", "iso2022_kr"))
_SIGNS_OF_LINES = ("-->", "Dialogue:")
# Of files of other formats: MicroDVD, SAMI, TTML, SubViewer, Scenarist.
_OTHER_SIGNS = re.compile(
    r"^[ \t]*(?:\{\d+\}\{\d+\}|\[\d+[:\]]|<\?xml|<tt\b|<sami|\d+:\d\d:\d\d|Scenarist)", re.M | re.I
)
SAMPLE = 12 << 10
"""Bytes that the guess of an encoding uses: some hundred lines are enough, and more only cost time."""
MOST_BROKEN = 0.4
"""A line counts as UTF-8 if at most this share of its bytes beyond ASCII is broken."""
MOST_BAD = 0.5
"""An encoding that leaves more than this share of the characters unexplained is not taken."""
TRUST_IN_NAME = 0.3
"""How much worse the language in a file's name may fit than another one."""
_LANGUAGE = re.compile(rb"\b(?:lang|Language)\s{0,9}[:=]\s{0,9}[\"']?([A-Za-z]{2,3})\b")
SURELY_UTF8 = 8
"""If this number of bytes beyond ASCII in a line is UTF-8, that is chance in fewer than one of a thousand lines of
other encodings."""
_REPLACEMENTS = re.compile("\ufffd+")
_XML_ENCODING = re.compile(rb"<\?xml[^>]*\bencoding=[\"']([A-Za-z0-9._-]+)[\"']")
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_LAST_RESORT = "cp1252"
_DOS_AND_MAC = ("cp4", "cp7", "cp85", "cp86", "mac_", "johab", "kz1048")
"""Encodings that few files were ever written in: between equals they come last."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """``guess`` is the encoding if it was guessed, else empty; ``broken`` counts unreadable characters."""

    text: str
    guess: str = ""
    broken: int = 0

    @property
    def notes(self) -> list[str]:
        """Notes for the user about a guess and broken bytes."""
        notes = []
        if self.guess:
            notes.append(f"its encoding was taken for {self.guess}: save it as UTF-8 where accents are wrong")
        if self.broken:
            notes.append(f"bytes that are not text became {plural(self.broken, 'replacement sign')} (\ufffd)")
        return notes


_CONTRACTION = re.compile(rb"[A-Za-z]\x92(?:s|t|re|ll|ve|m|d)\b")
# Besides quotation marks, dashes and dots: euro, trade mark, pound, copyright, registered, degree, half, fixed blank.
_BEYOND_WINDOWS_SIGNS = re.compile(
    rb"[\x81-\x84\x86-\x90\x98\x9a-\x9f\xa1\xa2\xa4-\xa8\xaa-\xad\xaf\xb1-\xbc\xbe-\xff]"
)


def decode(data: bytes, language: str = "") -> Decoded:
    """Return the text of a file whose name gives ``language`` (BCP 47 tag, empty if it gives none).

    A wrong guess can cost accents but not a line: an encoding under which lines would vanish is not taken. Bytes that
    it cannot decode become replacement characters. Raises ``MediaError`` if the bytes are not text.
    """
    if data.startswith(codecs.BOM_UTF8):
        return _decode_marked_utf8(data[len(codecs.BOM_UTF8) :], language)
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_with_replacement(data[len(mark) :], encoding)
    if b"\0" in data and (wide := _decode_without_mark(data)):
        return wide
    for escape, encoding in _ESCAPES:
        if escape in data and data.isascii():
            return _decode_with_replacement(data, encoding, guess=encoding)
    if data.isascii() and _HZ.search(data):
        return _decode_with_replacement(data, "hz", guess="hz")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return _decode_xml(data) or _decode_mixed_lines(data, language or _find_language(data))
    return _decode_legacy(data, language) if _is_wide_by_name(text, language) else Decoded(text=text)


def _decode_marked_utf8(data: bytes, language: str) -> Decoded:
    """Return text after the mark of UTF-8: some editors put it in front of a file and keep its other encoding."""
    try:
        return Decoded(text=data.decode())
    except UnicodeDecodeError:
        if _measure_broken_share(data) <= MOST_BROKEN:
            return _decode_with_replacement(data, "utf-8")
        return _decode_mixed_lines(data, language or _find_language(data))


def _find_language(data: bytes) -> str:
    """Return the first language that a file itself names, as SAMI, timed text and WebVTT do; empty if none."""
    match = _LANGUAGE.search(data[:20_000])
    return match[1].decode("ascii").lower() if match else ""


def _is_wide_by_name(text: str, language: str) -> bool:
    """Return whether the name gives Chinese, Japanese or Korean, and a few of its bytes look like other letters in
    UTF-8."""
    if not any(each.script in WIDE for each in find_alphabets(language)):
        return False
    beyond = [sign for sign in text if not sign.isascii()]
    return 0 < len(beyond) <= SURELY_UTF8 and all(sign.isalpha() and sign < "\u0800" for sign in beyond)


def _decode_xml(data: bytes) -> Decoded | None:
    """Return the text of XML whose first line gives its encoding, if that is right."""
    match = _XML_ENCODING.match(data[:200].lstrip())
    try:
        return Decoded(text=data.decode(match[1].decode("ascii"))) if match else None
    except (LookupError, UnicodeDecodeError):
        return None


def _decode_with_replacement(data: bytes, encoding: str, guess: str = "") -> Decoded:
    text = data.decode(encoding, "replace")
    if encoding == "utf-8":
        # The rest of a damaged character is not a character of its own.
        text = _REPLACEMENTS.sub("\ufffd", text)
    in_file = data.count("\ufffd".encode()) if encoding == "utf-8" else 0
    return Decoded(text=text, guess=guess, broken=text.count("\ufffd") - in_file)


def _decode_without_mark(data: bytes) -> Decoded | None:
    """Decode UTF-16 or UTF-32 without a mark; ``None`` if it is another encoding with a few zeros in it."""
    for encoding in _WITHOUT_MARK:
        text = data.decode(encoding, "replace")
        if any(sign in text for sign in _SIGNS_OF_LINES) or _OTHER_SIGNS.search(text[:10_000]):
            return Decoded(text=text, guess=encoding[:6], broken=text.count("\ufffd"))
    if not any(sign.encode() in data for sign in _SIGNS_OF_LINES):
        raise MediaError("it holds binary data, no subtitles: is its name right?")
    return None


def _decode_mixed_lines(data: bytes, language: str) -> Decoded:
    """Decode lines that are UTF-8, broken or not, and lines in another encoding, the same one for all of these."""
    lines = data.splitlines(keepends=True)
    is_utf8 = [_measure_broken_share(line) <= MOST_BROKEN for line in lines]
    others = [line for line, fits in zip(lines, is_utf8, strict=True) if not fits]
    telling = b"".join(line for line in lines if not line.isascii())
    broken_share = _measure_broken_share(telling)
    if any(not line.isascii() and _is_surely_utf8(line) for line in lines):
        return _decode_mixed(data, lines, is_utf8, others, language)
    if not others or broken_share <= MOST_BROKEN:
        # Either a few bytes are broken, or some pairs of bytes of another encoding look like UTF-8.
        _, fit = _choose_encoding(lines, language)
        if fit is None or fit.bad >= broken_share:
            return _decode_mixed(data, lines, is_utf8, others, language)
        return _decode_legacy(data, language)
    if 2 * len(others) >= sum(not line.isascii() for line in lines):
        return _decode_legacy(data, language)
    return _decode_mixed(data, lines, is_utf8, others, language)


def _decode_mixed(data: bytes, lines: list[bytes], is_utf8: list[bool], others: list[bytes], language: str) -> Decoded:
    """Decode as UTF-8 with broken bytes; lines that fit another encoding well are decoded in that."""
    encoding, fit = _choose_encoding(others, language) if others else ("", None)
    if fit is None or fit.bad > 0.1 or fit.signs < 3:
        return _decode_with_replacement(data, "utf-8")
    text = "".join(
        line.decode("utf-8" if fits else encoding, "replace") for line, fits in zip(lines, is_utf8, strict=True)
    )
    return Decoded(text=text, guess=f"utf-8 and {encoding}, line by line", broken=text.count("\ufffd"))


def _is_surely_utf8(line: bytes) -> bool:
    """Return whether a line is UTF-8 with too many characters beyond ASCII to be so by chance."""
    return len(_BEYOND_ASCII.findall(line)) >= SURELY_UTF8 and not _measure_broken_share(line)


def _measure_broken_share(data: bytes) -> float:
    """Return the share of the bytes beyond ASCII that are not part of a whole character of UTF-8."""
    beyond = len(_BEYOND_ASCII.findall(data))
    return 1 - sum(map(len, _MULTIBYTE.findall(data))) / beyond if beyond else 0.0


def _decode_legacy(data: bytes, language: str) -> Decoded:
    best, _ = _choose_encoding(data.splitlines(keepends=True), language)
    for encoding in dict.fromkeys((best, _LAST_RESORT, "latin-1")):
        text = _decode_line_by_line(data, encoding)
        # Marks of lines are ASCII: an encoding that swallows one is wrong.
        if all(text.count(sign) == data.count(sign.encode()) for sign in _SIGNS_OF_LINES):
            return Decoded(text=text, guess=encoding, broken=text.count("\ufffd"))
    raise AssertionError("latin-1 keeps every byte")


def _decode_line_by_line(data: bytes, encoding: str) -> str:
    """Decode line by line if the whole fails: a bad byte must not cost the beginning of the next line."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return "".join(line.decode(encoding, "replace") for line in data.splitlines(keepends=True))


def _choose_encoding(lines: Sequence[bytes], language: str) -> tuple[str, LanguageFit | None]:
    """Return the encoding under which the lines fit a language best, and the fit; the last resort if none fits."""
    sample = _sample(lines)
    if language.partition("-")[0] in ("", "en") and _is_english_of_windows(sample):
        return "cp1252", measure_fit(sample.decode("cp1252", "replace"), find_alphabets("en")[0])
    alphabets = find_alphabets(language)
    ratings = _rank_encodings(sample, alphabets)
    if ratings and ratings[0][1].bad < 0.02:
        return ratings[0]
    all_ratings = _rank_encodings(sample, ALPHABETS)
    if ratings and all_ratings and ratings[0][1].bad <= min(all_ratings[0][1].bad + TRUST_IN_NAME, MOST_BAD):
        return ratings[0]
    if all_ratings and all_ratings[0][1].bad <= MOST_BAD:
        return all_ratings[0]
    return (ratings[0][0] if ratings else _LAST_RESORT), None


def _is_english_of_windows(sample: bytes) -> bool:
    """Return whether only typographic characters of Windows are beyond ASCII, apostrophes as in "don't" included.

    Statistics do not work for a line or two: the byte of the apostrophe is a letter in other encodings.
    """
    return bool(_CONTRACTION.search(sample)) and not _BEYOND_WINDOWS_SIGNS.search(sample)


def _rank_encodings(sample: bytes, alphabets: Sequence[Alphabet]) -> list[tuple[str, LanguageFit]]:
    """Return encodings with the fit of the sample, the best first; equal ones in the order of the alphabets."""
    texts: dict[str, str] = {}
    fits = []
    for rank, alphabet in enumerate(alphabets):
        for place, encoding in enumerate(alphabet.encodings):
            if encoding not in texts:
                texts[encoding] = sample.decode(encoding, "replace")
            fit = measure_fit(texts[encoding], alphabet)
            rarity = 0.01 * (place > 0) + 0.003 * place + 0.0007 * rank
            if encoding.startswith(_DOS_AND_MAC):
                rarity += 0.01 if len(alphabets) < 4 else 0.03
            fits.append((fit.score + rarity, encoding, fit))
    return [(encoding, fit) for _, encoding, fit in sorted(fits, key=lambda each: each[0])]


def _sample(lines: Sequence[bytes]) -> bytes:
    """Return lines that are not plain ASCII, spread over the file: only these distinguish encodings."""
    telling = [line for line in lines if not line.isascii()]
    step = max(sum(map(len, telling)) // SAMPLE, 1)
    return b"".join(telling[::step])[:SAMPLE]
