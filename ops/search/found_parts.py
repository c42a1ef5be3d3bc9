"""Find the parts of a query's text that are filters or exclusions: typed ones, and names and dates in plain words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import cast

from ops.core.errors import NeedleError, UsageError
from ops.search.conditions import ANY_WORDS
from ops.search.dates import DatePhrase, find_dates, looks_like_date, parse_date
from ops.search.exclusions import Exclusion, find_exclusions
from ops.search.literals import is_literal
from ops.search.named import NameMatch
from ops.search.query_parts import PartKind
from ops.search.quotes import write_quoted
from ops.search.searched_catalogue import NAMED_SHOWS, SearchedCatalogue
from ops.search.sound import require_kind
from ops.search.typed_filters import TypedFilter, parse_filters, phrase_spans, write_filter

Span = tuple[int, int]

_SENTENCES = ("person", "said", "text", "sound", "label")
"""Filters that are ordinary words before a colon in a sentence: "he said: hello"."""
SOUND_LABELS = {"quiet": "quiet sound", "loud": "loud sound", "silent": "silence", "speech": "audible speech"}


@dataclass(frozen=True, kw_only=True)
class FoundPart:
    """``text[start:end]`` of a query, with its effect.

    * ``shows`` and ``videos`` limit the search, or are left out of it if ``is_negated``.
    * ``words`` are spoken or written words, a person, a kind of sound, the condition on a label, or what must not be
      seen, by ``kind``.
    * ``typed_form`` is the filter to type instead of a part that is only offered.
    """

    start: int
    end: int
    kind: PartKind
    value: str
    label: str
    is_negated: bool = False
    is_typed: bool = True
    is_applied: bool = True
    typed_form: str = ""
    shows: tuple[str, ...] = ()
    videos: frozenset[str] | None = None
    words: tuple[str, ...] = ()


def find_typed_parts(
    text: str, catalogue: SearchedCatalogue, today: date, literals: Collection[str]
) -> tuple[list[FoundPart], list[str]]:
    """Return the typed filters of a text, and notes on what only looks like one.

    Single words inside ``said:`` and ``text:`` that are literal are searched as typed, and the filter stays.

    Raises ``NotFoundError`` for an unknown show or file, ``UsageError`` for an invalid date and for a filter without
    data.
    """
    filters_as_typed = parse_filters(text)
    parts, notes = [], [*filters_as_typed.notes]
    for each in filters_as_typed.filters:
        source = text[each.start : each.end]
        if is_literal(source, literals, as_whole=each.name in ("said", "text")):
            parts.append(replace(_plain(each), is_applied=False))
            continue
        if each.is_spaced and not each.is_quoted and each.name in _SENTENCES:
            notes.append(f"'{source}' is read as words: a filter has no blank after its colon")
            continue
        try:
            parts.append(_resolve(each, catalogue, today))
        except NeedleError as error:
            # People type filters without a blank: "before: a storm" is a sentence.
            if not each.is_spaced:
                raise
            notes.append(f"'{source}' is read as words: {error}")
    return parts, notes


def find_worded_parts(
    text: str, catalogue: SearchedCatalogue, today: date, spans: Sequence[Span], literals: Collection[str]
) -> tuple[list[FoundPart], list[str]]:
    """Return names, dates and exclusions in plain words outside ``spans`` and outside quotes, and notes on dates."""
    spans = [*spans, *phrase_spans(text)]
    names = catalogue.words.find(text, spans)
    certain = [(each.start, each.end) for each in names if each.is_certain]
    exclusions = [
        each
        for each in find_exclusions(_mask(text, spans))
        # "Rebel Without a Cause" excludes nothing.
        if not _overlaps((each.start, each.end), spans) and not any(start < each.start < end for start, end in certain)
    ]
    exclusion_spans = [(each.start, each.end) for each in exclusions]
    parts = [_excluded(each, catalogue) for each in exclusions]
    notes: list[str] = []
    for phrase in find_dates(text, today):
        if not _overlaps((phrase.start, phrase.end), [*spans, *exclusion_spans, *certain]):
            part = _dated(phrase, catalogue)
            parts += [part] if part else []
            notes += [] if part or not phrase.is_asked else [_no_date(text, phrase, catalogue)]
    spans = [*exclusion_spans, *((each.start, each.end) for each in parts)]
    parts += [_named(each, catalogue) for each in names if not _overlaps((each.start, each.end), spans)]
    read = [
        replace(each, is_applied=each.is_applied and not is_literal(text[each.start : each.end], literals))
        for each in parts
    ]
    return sorted(read, key=lambda each: each.start), notes


def describe_part(kind: str, value: str, *, is_negated: bool = False) -> str:
    """Return a few words for people: "show Sintel", "less like a rabbit", "not said hello".

    An exclusion hides nothing, so its label differs from those of filters: "without speech" is ``-said:*``.
    """
    if kind == "said" and value == ANY_WORDS:
        return f"{'without' if is_negated else 'with'} speech"
    if kind == "text":
        value = "any text" if value == ANY_WORDS else f"text {value}"
        return f"{'without' if is_negated else 'with'} {value}"
    if kind == "person":
        return f"{'without' if is_negated else 'with'} {'anybody' if value == ANY_WORDS else value}"
    if kind == "sound":
        return f"{'without' if is_negated else 'with'} {SOUND_LABELS.get(value, value)}"
    return f"less like {value}" if kind == "without" else f"{'not ' if is_negated else ''}{kind} {value}"


def _plain(each: TypedFilter) -> FoundPart:
    kind = cast(PartKind, each.name)
    label = describe_part(each.name, each.value, is_negated=each.is_negated)
    return FoundPart(
        start=each.start, end=each.end, kind=kind, value=each.value, label=label, is_negated=each.is_negated
    )


def _resolve(each: TypedFilter, catalogue: SearchedCatalogue, today: date) -> FoundPart:
    part = _plain(each)
    if each.name == "show":
        return _with_shows(part, catalogue.find_shows(each.value))
    if each.name == "file":
        return replace(part, videos=catalogue.find_files(each.value))
    if each.name in ("after", "before"):
        return _with_dates(part, each, catalogue, today)
    if each.name == "without" and (shows := _name_of_show(each.value, catalogue)):
        return _with_shows(part, shows)
    if each.name == "sound":
        kind = require_kind(each.value)
        label = describe_part("sound", kind, is_negated=part.is_negated)
        return replace(part, value=kind, label=label, words=(kind,))
    is_phrase = each.name in ("said", "text") and each.is_quoted
    return replace(part, words=(write_quoted(each.value) if is_phrase else each.value,))


def _with_shows(part: FoundPart, shows: tuple[str, ...]) -> FoundPart:
    value = " or ".join(shows)
    more = f" and {len(shows) - NAMED_SHOWS} more" if len(shows) > NAMED_SHOWS else ""
    label = describe_part("show", f"{' or '.join(shows[:NAMED_SHOWS])}{more}", is_negated=part.is_negated)
    return replace(part, kind="show", value=value, label=label, shows=shows, words=())


def _with_dates(part: FoundPart, each: TypedFilter, catalogue: SearchedCatalogue, today: date) -> FoundPart:
    days = parse_date(each.value, today)
    if days is None:
        reason = ", which is not in the calendar (1888 to 2199)" if looks_like_date(each.value) else ""
        raise UsageError(f"{each.name}: needs a date such as 2024, 2024-05 or 2024-05-31, not {each.value!r}{reason}")
    is_after = (each.name == "after") != each.is_negated
    first, end_day = (days[0], None) if is_after else (None, days[0])
    # A negated bound is the other bound: nothing is left out twice.
    return replace(
        part,
        value=days[0].isoformat(),
        label=_describe_days(first, end_day),
        is_negated=False,
        kind="after" if is_after else "before",
        videos=catalogue.find_dated(first, end_day),
    )


def _name_of_show(words: str, catalogue: SearchedCatalogue) -> tuple[str, ...]:
    """Return the show that the words certainly name, if they name nothing else."""
    for name in catalogue.words.find(words):
        if name.is_certain and name.kind == "show" and words[name.start : name.end].strip() == words.strip():
            return name.values
    return ()


def _excluded(each: Exclusion, catalogue: SearchedCatalogue) -> FoundPart:
    value = " and ".join(each.things)
    part = FoundPart(
        start=each.start,
        end=each.end,
        kind="without",
        value=value,
        label=describe_part("without", value),
        is_negated=True,
        is_typed=False,
        words=each.things,
    )
    shows = _name_of_show(value, catalogue)
    return _with_shows(part, shows) if shows else part


def _named(each: NameMatch, catalogue: SearchedCatalogue) -> FoundPart:
    if each.kind == "show":
        value, shows, videos = " or ".join(each.values), each.values, None
    else:
        value, shows, videos = " or ".join(map(catalogue.find_file_name, each.values)), (), frozenset(each.values)
    return FoundPart(
        start=each.start,
        end=each.end,
        kind=each.kind,
        value=value,
        label=describe_part(each.kind, value),
        is_typed=False,
        is_applied=each.is_certain,
        typed_form=write_filter(
            each.kind, each.values[0] if each.kind == "show" else catalogue.find_file_name(each.values[0])
        ),
        shows=shows,
        videos=videos,
    )


def _dated(each: DatePhrase, catalogue: SearchedCatalogue) -> FoundPart | None:
    """Return the filter of a date in words, ``None`` if no video has such a date: the words then describe something."""
    videos = catalogue.find_dated(each.first, each.end_day)
    if not videos or (not each.is_asked and len(videos) == len(catalogue.videos)):
        return None
    first = [write_filter("after", each.first.isoformat())] if each.first else []
    last = [write_filter("before", each.end_day.isoformat())] if each.end_day else []
    return FoundPart(
        start=each.start,
        end=each.end,
        kind="before" if each.first is None else "after",
        value="..".join(day.isoformat() if day else "" for day in (each.first, each.end_day)),
        label=_describe_days(each.first, each.end_day),
        is_typed=False,
        is_applied=each.is_asked,
        typed_form=" ".join([*first, *last]),
        videos=videos,
    )


def _describe_days(first: date | None, end_day: date | None) -> str:
    if first and end_day:
        days = (end_day - first).days
        if days == 1:
            return f"dated {first.isoformat()}"
        return f"dated {first.year}" if days > 31 else f"dated {first.isoformat()[:7]}"
    return f"from {first.isoformat()} on" if first else f"before {end_day.isoformat()}" if end_day else "any date"


def _no_date(text: str, each: DatePhrase, catalogue: SearchedCatalogue) -> str:
    days = sorted(video.day for video in catalogue.videos)
    days_note = f"; the catalogue has videos from {days[0]} to {days[-1]}" if days else ""
    return f"'{text[each.start : each.end].strip()}' is read as words, because no video has such a date{days_note}"


def _mask(text: str, spans: Sequence[Span]) -> str:
    """Return the text with line ends, which end any phrase, in place of the spans."""
    for start, end in spans:
        text = f"{text[:start]}{chr(10) * (end - start)}{text[end:]}"
    return text


def _overlaps(span: Span, others: Collection[Span]) -> bool:
    return any(start < span[1] and span[0] < end for start, end in others)
