"""Timed Text Markup Language (.ttml, .dfxp, .itt): times, text and languages; styles and regions are passed over.

Times by TTML2 (W3C, 2018), section 12: clock times with frames, offsets in hours to ticks, ``dur``, and elements that
run in parallel or one after the other. pysubs2 reads neither frames nor ticks nor the namespace of drafts that .dfxp
files have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from xml.etree import ElementTree

from ops.core.errors import MediaError
from ops.dialogue.cues import Parsed
from ops.videos.languages import parse_language

_HEAD = re.compile(r"<(?:\w+:)?tt[\s>]")
_CLOCK = re.compile(r"(\d{1,4}):(\d{2}):(\d{2})(?:(\.\d+)|[:;](\d{2,3})(?:\.(\d+))?)?")
_OFFSET = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|f|t)")
_BARE_AMPERSAND = re.compile(r"&(?!#?\w{1,10};)")
_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)(\w{1,10});")
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_TIMED_ELEMENTS = frozenset(("body", "div", "p", "span"))
_SECONDS = {"h": Fraction(3600), "m": Fraction(60), "s": Fraction(1), "ms": Fraction(1, 1000)}
_DEEPEST = 60


@dataclass(frozen=True, kw_only=True)
class _TtmlClock:
    """How a document counts frames and ticks, in a second."""

    frames: Fraction
    ticks: Fraction
    subframes: int


@dataclass(frozen=True, kw_only=True)
class _Span:
    """``[start, end)`` in seconds of the document; ``end`` is ``None`` if nothing ends it."""

    start: Fraction
    end: Fraction | None
    language: str
    depth: int


@dataclass(kw_only=True)
class _Text:
    """Text with the times of the innermost element that has any."""

    span: _Span
    parts: list[str]


def is_ttml(head: str) -> bool:
    """Return whether it is a document of timed text."""
    return bool(_HEAD.search(head[:20_000]))


def parse_ttml(text: str, lines: list[str], result: Parsed) -> None:
    """Parse paragraphs, and spans with times of their own. Raises ``MediaError`` if it is not XML."""
    root = _parse_document(text)
    clock = _read_clock(root)
    body = next((child for child in root if _name(child) == "body"), None)
    if body is None:
        return
    everything = _Span(start=Fraction(0), end=None, language=root.get(_LANGUAGE, ""), depth=0)
    problems: list[str] = []
    for text_part in _read_texts(body, everything, clock, problems):
        if result.is_full(0):
            return
        raw = "".join(text_part.parts)
        start = float(text_part.span.start)
        end = float(text_part.span.end) if text_part.span.end is not None else start + 3.0
        if raw.strip():
            result.add(0, start, end, raw, "ttml", parse_language(text_part.span.language))
    result.problems += [(0, problem) for problem in dict.fromkeys(problems)]


def _parse_document(text: str) -> ElementTree.Element:
    """Return the root element. Rejects entity declarations: subtitles never have them, and they may expand without
    bound."""
    if "<!ENTITY" in text:
        raise MediaError("it declares entities, which subtitles do not: it is not read")
    text = text.lstrip()
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        pass
    try:
        # Written by hand, or with the entities of HTML.
        return ElementTree.fromstring(_ENTITY.sub(r"&amp;\1;", _BARE_AMPERSAND.sub("&amp;", text)))
    except ElementTree.ParseError as error:
        raise MediaError(f"it is not well-formed XML ({error})") from error


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _read_parameter(root: ElementTree.Element, name: str) -> str:
    """Return a parameter by its local name: drafts had other namespaces."""
    return next((value for key, value in root.attrib.items() if key.rpartition("}")[2] == name), "")


def _read_clock(root: ElementTree.Element) -> _TtmlClock:
    frames = _parse_number(_read_parameter(root, "frameRate"), Fraction(30))
    parts = re.findall(r"\d+", _read_parameter(root, "frameRateMultiplier"))
    if len(parts) == 2 and int(parts[1]):
        frames *= Fraction(int(parts[0]), int(parts[1]))
    has_frames = bool(_read_parameter(root, "frameRate"))
    subframes = int(_parse_number(_read_parameter(root, "subFrameRate"), Fraction(1)))
    ticks = _parse_number(_read_parameter(root, "tickRate"), frames * subframes if has_frames else Fraction(1))
    return _TtmlClock(frames=frames, ticks=ticks, subframes=subframes)


def _parse_number(text: str, otherwise: Fraction) -> Fraction:
    return Fraction(text) if re.fullmatch(r"\d+(\.\d+)?", text) and Fraction(text) else otherwise


def _read_texts(element: ElementTree.Element, outer: _Span, clock: _TtmlClock, problems: list[str]) -> Iterator[_Text]:
    """Yield text below an element, in the order of the document, by its spans of time."""
    span = _compute_span(element, outer, clock, problems)
    if _name(element) in ("p", "span"):
        yield from _read_pieces(element, span, clock, problems)
        return
    yield from _read_children(element, span, clock, problems)


def _read_children(
    element: ElementTree.Element, span: _Span, clock: _TtmlClock, problems: list[str]
) -> Iterator[_Text]:
    before: Fraction | None = None
    for child in element:
        if _name(child) in _TIMED_ELEMENTS and span.depth < _DEEPEST:
            is_sequence = element.get("timeContainer") == "seq"
            start = before if is_sequence and before is not None else span.start
            inner = _Span(start=start, end=span.end, language=span.language, depth=span.depth)
            yield from _read_texts(child, inner, clock, problems)
            before = _compute_span(child, inner, clock, []).end


def _read_pieces(
    paragraph: ElementTree.Element, span: _Span, clock: _TtmlClock, problems: list[str]
) -> Iterator[_Text]:
    piece = _Text(span=span, parts=[_keep_space(paragraph.text, paragraph)])
    texts: list[_Text] = []
    before: Fraction | None = None
    for child in paragraph:
        name = _name(child)
        if name == "br":
            piece.parts.append("\n")
        elif name == "span" and span.depth < _DEEPEST:
            is_sequence = paragraph.get("timeContainer") == "seq"
            start = before if is_sequence and before is not None else span.start
            inner = _Span(start=start, end=span.end, language=span.language, depth=span.depth)
            pieces = list(_read_texts(child, inner, clock, problems))
            before = _compute_span(child, inner, clock, []).end
            has_times = is_sequence or any(child.get(key) for key in ("begin", "end", "dur"))
            if not has_times:
                piece.parts += pieces[0].parts
                pieces = pieces[1:]
            texts += pieces
        piece.parts.append(_keep_space(child.tail, paragraph))
    yield piece
    yield from texts


def _keep_space(text: str | None, element: ElementTree.Element) -> str:
    """Return text with line ends of the source as blanks, unless they are to be kept."""
    if element.get(_SPACE) == "preserve":
        return text or ""
    return re.sub(r"\s+", " ", text or "")


def _compute_span(element: ElementTree.Element, outer: _Span, clock: _TtmlClock, problems: list[str]) -> _Span:
    values = {key: _parse_seconds(element.get(key), clock, problems) for key in ("begin", "end", "dur")}
    start = outer.start + (values["begin"] or 0)
    ends = [outer.end] if outer.end is not None else []
    if values["end"] is not None:
        ends.append(outer.start + values["end"])
    if values["dur"] is not None:
        ends.append(start + values["dur"])
    return _Span(
        start=start,
        end=min(ends) if ends else None,
        language=element.get(_LANGUAGE, outer.language),
        depth=outer.depth + 1,
    )


def _parse_seconds(value: str | None, clock: _TtmlClock, problems: list[str]) -> Fraction | None:
    text = (value or "").strip()[:40]
    if not text:
        return None
    if match := _CLOCK.fullmatch(text):
        hours, minutes, seconds, fraction, frames, part = match.groups()
        total = Fraction(int(hours) * 3600 + int(minutes) * 60 + int(seconds))
        if fraction:
            return total + Fraction(f"0{fraction}")
        return total + (Fraction(int(frames or 0)) + Fraction(int(part or 0), clock.subframes)) / clock.frames
    if match := _OFFSET.fullmatch(text):
        count, unit = Fraction(match[1]), match[2]
        if unit in _SECONDS:
            return count * _SECONDS[unit]
        return count / (clock.frames if unit == "f" else clock.ticks)
    problems.append(f"not readable as a time: {text!r}")
    return None
