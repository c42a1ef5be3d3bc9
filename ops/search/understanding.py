"""Understand the text of a query: its filters and exclusions, and the words that remain to be searched.

Typed parts (``show:Sintel``, ``-rabbit``) always count. Names, dates and exclusions in plain words count if the
evidence is clear, and are only offered if not. An answer reports each as a :class:`QueryPart`, with the query that
undoes it. A part of the text that is in the query's ``literal`` is read as words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from ops.core.errors import UsageError
from ops.search.conditions import DialogueCondition, WrittenCondition
from ops.search.found_parts import FoundPart, describe_part, find_typed_parts, find_worded_parts
from ops.search.literals import is_literal, reads_literally
from ops.search.query_parts import QueryChange, QueryPart, is_words
from ops.search.schema import Query
from ops.search.searched_catalogue import Scope, SearchedCatalogue
from ops.search.sound import require_kind
from ops.sound.kinds import SoundKind

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_INVISIBLE = re.compile(r"[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


@dataclass(frozen=True, kw_only=True)
class LabelFilter:
    """Shots with a label, or without it; ``condition`` is its name, or one on its probe such as ``closeup>=0.7``."""

    condition: str
    is_negated: bool


@dataclass(frozen=True, kw_only=True)
class PersonFilter:
    """Shots with a person, or without them; ``person`` is a name or an id, or ``*`` for anybody."""

    person: str
    is_negated: bool


@dataclass(frozen=True, kw_only=True)
class SoundFilter:
    """Shots with a kind of sound, or without it."""

    kind: SoundKind
    is_negated: bool


@dataclass(frozen=True, kw_only=True)
class Understanding:
    """A query as it is searched.

    ``query`` has the words that remain, excluded words as unwanted examples, and a condition for each ``said:`` and
    ``text:``. ``not_said`` are words that must not be spoken, ``not_written`` those that must not be written.
    """

    query: Query
    scope: Scope
    not_said: tuple[str, ...] = ()
    not_written: tuple[str, ...] = ()
    labels: tuple[LabelFilter, ...] = ()
    people: tuple[PersonFilter, ...] = ()
    sound: tuple[SoundFilter, ...] = ()
    parts: tuple[QueryPart, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_listing(self) -> bool:
        """Return True if only filters are left: every shot of the scope is a hit, in the order of the videos."""
        return not self.query.is_described and not self.query.conditions

    @property
    def limits_shots(self) -> bool:
        """Return True if filters leave out some shots."""
        words = (*self.not_said, *self.not_written)
        filters = (*self.labels, *self.people, *self.sound, *self.query.where)
        return any((self.scope.shows, self.scope.videos is not None, filters, words))


def understand(query: Query, catalogue: SearchedCatalogue, today: date) -> Understanding:
    """Find the filters and exclusions of a query; ``today`` is the day that ``after:yesterday`` refers to.

    Raises ``NotFoundError`` for an unknown show or file, ``UsageError`` for an invalid date, and if nothing but an
    exclusion is left to search for in all videos.
    """
    query = query.model_copy(update={"text": clean_text(query.text)})
    text = query.text
    parts, notes = find_typed_parts(text, catalogue, today, query.literal)
    if query.dialogue == "only":
        parts = [_exclude_spoken(each) if each.kind == "without" else each for each in parts]
    else:  # with "only", a name may be spoken
        typed_spans = [(each.start, each.end) for each in parts]
        plain_parts, more = find_worded_parts(text, catalogue, today, typed_spans, query.literal)
        parts = sorted([*parts, *_keep_words(query, text, parts, plain_parts)], key=lambda each: each.start)
        notes += more
    if _find_scope(query, _select_applied(parts), catalogue).is_empty:
        # A name or a date that contradicts the other filters was hardly meant as a filter.
        parts = [replace(each, is_applied=each.is_applied and (each.is_typed or not _limits(each))) for each in parts]
    applied_parts = _select_applied(parts)
    rest = remove_spans(text, [(each.start, each.end) for each in applied_parts])
    said_conditions = [
        DialogueCondition(dialogue=words) if kind == "said" else WrittenCondition(written=words)
        for kind in ("said", "text")
        for words in _select_words(applied_parts, kind, is_negated=False)
    ]
    without = tuple(_write_plain(word) for each in applied_parts if each.kind == "without" for word in each.words)
    unlike = without if query.dialogue != "only" else ()
    understanding = Understanding(
        query=query.model_copy(
            update={"text": rest, "all": (*query.all, *said_conditions), "unlike": (*query.unlike, *unlike)}
        ),
        scope=_find_scope(query, applied_parts, catalogue),
        not_said=(
            *_select_words(applied_parts, "said", is_negated=True),
            *(without if query.dialogue == "only" else ()),
        ),
        not_written=_select_words(applied_parts, "text", is_negated=True),
        labels=tuple(
            LabelFilter(condition=each.words[0], is_negated=each.is_negated)
            for each in applied_parts
            if each.kind == "label"
        ),
        people=_list_people(applied_parts),
        sound=_list_sound(applied_parts),
        parts=tuple(_write_part(each, query) for each in parts),
        notes=tuple(notes),
    )
    if not understanding.is_listing or understanding.limits_shots:
        return understanding
    if without or query.unlike:
        raise UsageError(
            "the query says only what to leave out: add words for what to find, an example (a hit that you like), or a "
            "filter such as show:NAME"
        )
    if not applied_parts:
        raise UsageError("the query is empty: describe a shot, or give a shot or a picture as an example")
    return understanding


def clean_text(text: str) -> str:
    """Return the text without signs that nobody sees: control characters, marks of direction, zero-width blanks.

    Joiners stay: they are letters of Persian and of Indian scripts, and parts of emoji.
    """
    return _INVISIBLE.sub("", _CONTROLS.sub(" ", text))


def _write_plain(words: str) -> str:
    """Return words that nothing takes for a shot id, an image or a file: "cars/people" becomes "cars people"."""
    return words if is_words(words) else " ".join(re.split(r"[/\\.:]+", words)).strip() or words


def remove_spans(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return the text without these spans, and without the blanks and commas that they leave."""
    for start, end in sorted(spans, reverse=True):
        text = f"{text[:start]} {text[end:]}"
    text = re.sub(r"[(\[]\s*[)\]]", " ", text)
    text = re.sub(r"\s+([,;.!?)])", r"\1", " ".join(text.split()))
    return re.sub(r"([,;])(?:\s*[,;])+", r"\1", re.sub(r"([(\[])\s+", r"\1", text)).strip(" ,;").lstrip(":.!? ")


def _exclude_spoken(each: FoundPart) -> FoundPart:
    """Return an exclusion in a search of lines alone: a filter on what is spoken."""
    return replace(each, label=describe_part("said", each.value, is_negated=True))


def _keep_words(
    query: Query, text: str, typed_parts: Sequence[FoundPart], plain_parts: Sequence[FoundPart]
) -> list[FoundPart]:
    """Return the parts in plain words; names beside a typed show or file are only offered.

    Exclusions and dates do not count if nothing else would remain.
    """
    if any(each.kind in ("show", "file") and not each.is_negated for each in _select_applied(typed_parts)):
        plain_parts = [
            replace(each, is_applied=each.is_applied and each.kind not in ("show", "file")) for each in plain_parts
        ]
    applied_parts = _select_applied([*typed_parts, *plain_parts])
    rest = remove_spans(text, [(each.start, each.end) for each in applied_parts])
    if (
        rest
        or query.like
        or query.conditions
        or any(each.is_typed or each.kind in ("show", "file") for each in applied_parts)
    ):
        return list(plain_parts)
    return [replace(each, is_applied=False) for each in plain_parts if each.kind != "without"]


def _select_applied(parts: Sequence[FoundPart]) -> list[FoundPart]:
    return [each for each in parts if each.is_applied]


def _select_words(parts: Sequence[FoundPart], kind: str, *, is_negated: bool) -> tuple[str, ...]:
    """Return the words of the filters of one kind."""
    return tuple(each.words[0] for each in parts if each.kind == kind and each.is_negated == is_negated)


def _list_people(parts: Sequence[FoundPart]) -> tuple[PersonFilter, ...]:
    return tuple(
        PersonFilter(person=each.words[0], is_negated=each.is_negated) for each in parts if each.kind == "person"
    )


def _list_sound(parts: Sequence[FoundPart]) -> tuple[SoundFilter, ...]:
    return tuple(
        SoundFilter(kind=require_kind(each.words[0]), is_negated=each.is_negated)
        for each in parts
        if each.kind == "sound"
    )


def _limits(each: FoundPart) -> bool:
    """Return True if a part limits the videos."""
    return bool(each.shows) or each.videos is not None


def _find_scope(query: Query, applied_parts: Sequence[FoundPart], catalogue: SearchedCatalogue) -> Scope:
    """Return the videos that fulfil all filters. Several shows are alternatives, and so are several files."""
    shows = [show for each in applied_parts if not each.is_negated for show in each.shows]
    if query.shows and shows:
        shows = [show for show in shows if show in query.shows] or [""]
    wanted_shows = tuple(dict.fromkeys(shows or query.shows))
    limits = [each for each in applied_parts if each.videos is not None or (each.shows and each.is_negated)]
    if not limits and not query.videos:
        return Scope(videos=frozenset()) if wanted_shows == ("",) else Scope(shows=wanted_shows)
    files = [each.videos for each in limits if each.kind == "file" and not each.is_negated and each.videos is not None]
    among = [frozenset(query.videos)] if query.videos else []
    among += [frozenset().union(*files)] if files else []
    among += [each.videos for each in limits if each.kind in ("after", "before") and each.videos is not None]
    left_out = {video for each in limits if each.is_negated for video in each.videos or ()}
    hidden_shows = {show for each in limits if each.is_negated for show in each.shows}
    return Scope(
        videos=frozenset(
            each.video_id
            for each in catalogue.videos
            if (not wanted_shows or each.show in wanted_shows)
            and each.show not in hidden_shows
            and each.video_id not in left_out
            and all(each.video_id in videos for videos in among)
        )
    )


def _write_part(each: FoundPart, query: Query) -> QueryPart:
    text = query.text[each.start : each.end]
    if each.is_applied and each.is_typed:
        change = QueryChange(text=remove_spans(query.text, [(each.start, each.end)]), literal=query.literal)
    elif each.is_applied:
        change = QueryChange(text=query.text, literal=(*query.literal, text.strip()))
    elif is_literal(text, query.literal):
        other_literals = tuple(
            literal_text for literal_text in query.literal if not reads_literally(literal_text, text)
        )
        change = QueryChange(text=query.text, literal=other_literals)
    else:
        new_text = " ".join(f"{query.text[: each.start]} {each.typed_form} {query.text[each.end :]}".split())
        change = QueryChange(text=new_text, literal=query.literal)
    return QueryPart(
        kind=each.kind,
        text=text.strip(),
        value=each.value,
        label=each.label,
        is_negated=each.is_negated,
        is_typed=each.is_typed,
        is_applied=each.is_applied,
        change=change,
    )
