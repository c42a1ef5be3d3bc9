"""The search contract, defined once: the fields of a search and of its answer.

The service's routes and its OpenAPI document, the options and the JSON of the command line, and exports are derived
from these models. The fields define the valid values. :class:`Query` also rejects contradictory combinations, with
sentences for users.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator

from ops.core.errors import UsageError
from ops.search.conditions import (
    CONDITION_MESSAGE,
    MAX_CONDITIONS,
    MAX_TEXT,
    Asked,
    Condition,
    Conditions,
    ProbeCondition,
    Share,
)
from ops.search.query_parts import Answered, Reading, is_words

MAX_LIMIT = 10_000
MAX_OFFSET = 1_000_000
MAX_EXAMPLES = 100
MAX_SHOWS = 1_000
MAX_WITHIN = 100
SHOWN_INPUT = 60
"""Characters of a rejected value that a message repeats."""

DialogueUse = Literal["auto", "off", "only"]
LikenessBy = Literal["look", "ending", "beginning", "motion"]
BY_HELP = (
    "`look`: like the example; `ending`: begin as it ends; `beginning`: end as it begins; `motion`: move as it does."
)
Kind = Literal["visual", "dialogue", "written"]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
# JSON has lists and no tuples: a list is the one conversion that strict models allow.
Strings = Annotated[tuple[str, ...], Field(strict=False)]


# The pattern is for clients: one invalid row of the lake must not fail every search that finds it.
Rate = Annotated[
    str,
    Field(description="frames a second", examples=["24000/1001"], json_schema_extra={"pattern": "^[0-9]+/[0-9]+$"}),
]


class Then(Asked):
    """What must follow within a few shots of the same video; ``text`` or ``like`` is needed."""

    text: Text = Field(default="", description="This must follow soon in the same video.")
    like: Strings = Field(default=(), description="The following shot looks like this shot or image.")
    unlike: Strings = Field(default=(), description="The following shot does not look like this shot or image.")
    within: int = Field(default=3, ge=1, le=MAX_WITHIN, description="Shots until the following one, at the most.")


class SearchFields(Asked):
    """The fields of a search, whoever sends it. See :class:`Query` for what they mean together."""

    text: Text = Field(
        default="",
        description="Description; words in quotes are spoken words, -word excludes, and show: file: after: before: "
        "said: text: sound: person: label: filter (said:*, text:* and person:*: any).",
    )
    like: Strings = Field(default=(), description="More like this shot or image.")
    by: LikenessBy = Field(default="look", description=BY_HELP)
    unlike: Strings = Field(default=(), description="Less like this shot or image, or not what these words describe.")
    literal: Strings = Field(
        default=(), description="Read this part of the text as words, not as a filter or an exclusion; `*`: all of it."
    )
    shows: Strings = Field(default=(), description="Only this show.")
    videos: Strings = Field(default=(), description="Only this video, by its id.")
    where: Strings = Field(default=(), description="Only shots that a probe scores so.")
    limit: int = Field(default=20, ge=1, le=MAX_LIMIT, description="Hits at the most.")
    exact: bool = Field(default=False, description="Compare with every shot instead of using the index's graph.")
    dialogue: DialogueUse = Field(
        default="auto", description="Look for the text in the spoken lines too, never, or only there."
    )
    fold: bool = Field(default=False, description="Put near-duplicates under the best of them.")
    include_blank: bool = Field(default=False, description="Black and empty shots too.")
    include_titles: bool = Field(default=False, description="Title cards and credits among the others, not after them.")
    min_relevance: Share | None = Field(default=None, description="Leave out less relevant hits (0-1).")
    then: Then | None = Field(default=None, description="This must follow soon in the same video.")
    all: Conditions = Field(default=(), description="Only frames that fulfil every such condition.")
    any: Conditions = Field(default=(), description="Only frames that fulfil one of these conditions.")

    @property
    def unwanted_words(self) -> tuple[str, ...]:
        """Return the words among ``unlike``; the others are shot ids and images."""
        return tuple(each for each in self.unlike if is_words(each))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        return self.all + self.any

    @property
    def is_described(self) -> bool:
        """Return True if a text or an example describes the search, and not only conditions."""
        return bool(self.text.strip() or self.like)

    def list_examples(self) -> Iterator[str]:
        """Return every example, wanted or not, of the query and of ``then``."""
        yield from (*self.like, *self.unlike)
        if self.then:
            yield from (*self.then.like, *self.then.unlike)

    def rename_examples(self, names: Mapping[str, str]) -> Self:
        """Return the same search with every example that is a key of ``names`` under its other name."""
        changes: dict[str, Any] = _rename(self, names)
        if self.then:
            changes["then"] = self.then.model_copy(update=_rename(self.then, names))
        return self.model_copy(update=changes)


class Query(SearchFields):
    """A search; one of ``text``, ``like``, ``all`` and ``any`` is needed.

    ``like`` and ``unlike`` hold shot ids and images, ``unlike`` also words; :mod:`ops.search.ends` explains ``by``. The
    text may have filters, which ``literal`` switches off (:mod:`ops.search.understanding`). ``where`` limits the search
    to shots that probes score so (``closeup>=0.5``). ``exact`` compares with every shot. ``dialogue``: ``auto`` looks
    into the lines if the text calls for it, ``off`` never, ``only`` nowhere else. Blank shots and title cards are left
    out of a search by words unless ``include_blank`` and ``include_titles``. ``then`` asks for a sequence; ``all`` and
    ``any`` for frames that fulfil all, or any, of the conditions.

    Raises ``UsageError`` on values that make no sense, whatever is wrong with them.
    """

    offset: int = Field(default=0, ge=0, le=MAX_OFFSET, description="hits before the first one")

    @classmethod
    def build(cls, fields: SearchFields) -> Query:
        """Build the query from the fields of an external search. Raises ``UsageError``."""
        if isinstance(fields, Query):
            return fields
        return cls(**{name: getattr(fields, name) for name in SearchFields.model_fields})

    def document(self) -> dict[str, Any]:
        """Return the query as JSON values, with the names of the body of ``POST /api/search``."""
        return self.model_dump(mode="json")

    @model_validator(mode="wrap")
    @classmethod
    def _name_what_is_wrong(cls, values: object, handler: ModelWrapValidatorHandler[Query]) -> Query:
        if isinstance(values, cls):
            return values
        try:
            query = handler(values)
        except ValidationError as error:
            raise UsageError(describe_errors(error)) from error
        query._require_something()
        query._refuse_contradictions()
        return query

    def _require_something(self) -> None:
        if not self.is_described and not self.conditions:
            raise UsageError("the query is empty: describe a shot, or give a shot or a picture as an example")
        _require_examples(self.like, self.unlike)
        if max(len(self.conditions), len(self.where)) > MAX_CONDITIONS or len(self.shows + self.videos) > MAX_SHOWS:
            raise UsageError(f"a query takes at most {MAX_CONDITIONS} conditions and {MAX_SHOWS} shows and videos")
        if self.then:
            if not self.then.text.strip() and not self.then.like:
                raise UsageError("'then' is empty: describe what has to follow, or give a shot or a picture of it")
            _require_examples(self.then.like, self.then.unlike)
        for probe in (*self.where, *(each.probe for each in self.conditions if isinstance(each, ProbeCondition))):
            parse_filter(probe)
        for each in self.conditions:
            if not next(iter(dict(each).values())).strip():
                raise UsageError("a condition is empty: describe what to search for")

    def _refuse_contradictions(self) -> None:
        has_text = bool(self.text.strip())
        if len(self.literal) > MAX_CONDITIONS:
            raise UsageError(f"a query takes at most {MAX_CONDITIONS} literal parts")
        if self.dialogue == "only":
            if self.like or self.unlike:
                raise UsageError("dialogue 'only' looks into the lines alone: take the examples away, or say 'auto'")
            if not has_text:
                raise UsageError("dialogue 'only' needs the words that are said")
            if self.then:
                raise UsageError("'then' follows pictures: it cannot be combined with dialogue 'only'")
        if self.by != "look" and (len(self.like) != 1 or self.unlike or has_text or self.then):
            raise UsageError(f"by '{self.by}' compares with one shot: give it as the only example")
        if self.unlike and not self.is_described:
            raise UsageError("'unlike' alone does not describe anything: add a text or an example")


class Span(Answered):
    """Source frames, half-open."""

    start_frame: int
    end_frame: int


class Line(Answered):
    """Something that is said in the shot."""

    line_id: str
    text: str
    start_s: float
    end_s: float
    start_frame: int
    end_frame: int
    start_timecode: str
    language: str | None
    source: str


class HitLine(Line):
    """A spoken line that was found, or a sentence over several of them: then its text and times are those of all."""

    line_ids: tuple[str, ...] = Field(description="the lines of the sentence; `line_id` is the first")


class HitText(Answered):
    """Writing in the picture that was found; its frames are those of the shot in which it was seen."""

    text_id: str
    text: str
    start_frame: int
    end_frame: int
    start_timecode: str


class ProbeScore(Answered):
    probe: str
    score: float


class Shot(Answered):
    """A run of frames between two cuts, half-open, in source frame numbers."""

    shot_id: str
    video_id: str
    show: str
    title: str
    path: str
    start_frame: int
    end_frame: int
    fps: Rate
    start_s: float
    end_s: float
    start_timecode: str
    poster: str = Field(description="its still: an address of this service, or on the command line a storage URI")
    proxy: str = Field(description="its video: an address of this service, or on the command line a storage URI")


class Ranked(Answered):
    """Where a hit stands."""

    rank: int
    score: float = Field(description="cosine of query and pictures, also where only dialogue found the shot")
    relevance: float = Field(ge=0, le=1, description="calibrated per query; comparable between queries")


class Hit(Shot, Ranked):
    """A shot that was found, with all that speaks for it."""

    matched: tuple[Kind, ...]
    lines: tuple[HitLine, ...]
    texts: tuple[HitText, ...] = Field(default=(), description="writing in the picture that has the words")
    probes: tuple[ProbeScore, ...]
    folded: tuple[str, ...] = Field(description="near-duplicates of this shot that were found, too")
    is_weak: bool = Field(description="it lies under the divider: it is less likely meant than those above it")
    is_blank: bool
    is_title: bool
    match: Span
    spoken: Span | None = Field(
        description="frames from the first to the last of `lines` with 0.3 s on both sides, in whatever shots; null if "
        "no line was found, or other conditions decide which frames count"
    )
    then: Hit | None = Field(description="the shot that follows, for a search with `then`")


class SearchResult(Answered):
    """The answer to a :class:`Query`: the document of ``needle search --json``."""

    query: Query
    encoder_id: str
    index_version: str
    dialogue_version: str | None
    took_ms: float
    cutoff: float = Field(description="relevance of the divider between likely and weak hits of this query")
    stands_out: bool = Field(
        description="false if nothing clearly matches: the best shot scores higher for half of all descriptions"
    )
    reading: Reading
    hits: tuple[Hit, ...]

    def strong_hits(self) -> tuple[Hit, ...]:
        """Return the hits above the divider; all hits if the query sets a minimum relevance."""
        if self.query.min_relevance is not None:
            return self.hits
        return tuple(hit for hit in self.hits if not hit.is_weak)

    def document(self) -> dict[str, Any]:
        """Return the answer as JSON values."""
        return self.model_dump(mode="json")


@dataclass(frozen=True, kw_only=True)
class ProbeFilter:
    """``probe`` compared with ``bound`` (0 to 1) by one of ``>=``, ``<=``, ``>``, ``<``."""

    probe: str
    comparison: str
    bound: float

    def accept(self, score: float) -> bool:
        """Return True if a shot with that score fulfils the filter."""
        return _COMPARISONS[self.comparison](round(score, 6), self.bound)  # scores are float32


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_FILTER = re.compile(r"\s*([^<>=\s][^<>=]*?)\s*(>=|<=|>|<)\s*(\d*\.?\d+)\s*")


def parse_filter(text: str) -> ProbeFilter:
    """Parse ``closeup>=0.5`` as a filter. Raises ``UsageError`` if it is not one."""
    match = _FILTER.fullmatch(text)
    if not match or not 0 <= float(match[3]) <= 1:
        raise UsageError(f"{text!r} is not a condition on a probe: write NAME>=0.5 (>=, <=, > or <, and 0 to 1)")
    return ProbeFilter(probe=match[1], comparison=match[2], bound=float(match[3]))


def is_strong(relevance: float, matched: Collection[str], least: float) -> bool:
    """Return True if a shot matches at relevance ``least``; a hit of words is not judged by its images."""
    return relevance >= least or "dialogue" in matched or "written" in matched


def describe_errors(error: ValidationError) -> str:
    """Describe the first error for users, as ``limit = 0: Input should be ...``."""
    first = error.errors()[0]
    # The tag of a condition and its field have the same name.
    names = [str(name) for at, name in enumerate(first["loc"]) if not at or name != first["loc"][at - 1]]
    message = _MESSAGES.get(first["type"]) or simplify_message(first)
    if not names:
        return message
    value = repr(first["input"])
    excerpt = value if len(value) <= SHOWN_INPUT else f"{value[: SHOWN_INPUT - 1]}…"
    return f"{'.'.join(names)} = {excerpt}: {message}"


_MESSAGES = {
    "string_too_short": "Input should have a text",
    "string_unicode": "Input should be readable text",
    "condition": CONDITION_MESSAGE,
}
"""Messages for errors that pydantic describes in its own terms."""


def simplify_message(error: Mapping[str, Any]) -> str:
    """Return pydantic's message of an error, with "list", as JSON has it, in place of "tuple"."""
    return str(error["msg"]).replace("valid tuple", "valid list").replace("Tuple should", "List should")


def _require_examples(like: Sequence[str], unlike: Sequence[str]) -> None:
    if len(like) + len(unlike) > MAX_EXAMPLES:
        raise UsageError(f"a query takes at most {MAX_EXAMPLES} examples")
    if both := sorted(set(like) & set(unlike)):
        raise UsageError(f"{both[0]!r} is wanted and unwanted at once: take it out of one of them")


def _rename(part: SearchFields | Then, names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {side: tuple(names.get(each, each) for each in getattr(part, side)) for side in ("like", "unlike")}
