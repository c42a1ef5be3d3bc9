"""What people may ask, checked: texts, examples, filters, conditions, sequences.

Stands alone because the command line, the web API and the notebooks all build the same question, and
everything that can be refused without looking at the catalogue is refused here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, cast, get_args

from ops.core.errors import UsageError
from ops.search.probes import parse_filter

DialogueUse = Literal["auto", "off", "only"]

MAX_LIMIT = 10_000
MAX_OFFSET = 1_000_000
MAX_TEXT = 2_000
MAX_EXAMPLES = 100
MAX_SHOWS = 1_000
MAX_CONDITIONS = 20
MAX_WITHIN = 100


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition on frames; exactly one of ``text``, ``dialogue`` and ``probe``.

    ``text``: shots whose relevance for it is at least ``relevance`` (0 to 1). ``dialogue``: frames in which
    it is said (quotes mean exact words). ``probe``: shots that a probe scores so, ``closeup>=0.5``.
    """

    text: str | None = None
    relevance: float = 0.5
    dialogue: str | None = None
    probe: str | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("text", "dialogue", "probe") if getattr(self, name) is not None]
        if len(given) != 1:
            raise UsageError(
                f"a condition has exactly one of text, dialogue and probe; this one has {' and '.join(given) or 'none'}"
            )
        require_text(getattr(self, given[0]), empty_allowed=False)
        _require_share("relevance", self.relevance)
        if self.probe is not None:
            parse_filter(self.probe)

    @classmethod
    def parse(cls, text: str) -> Condition:
        """``a red car``, ``said:merry christmas`` or ``probe:closeup>=0.5``. Raises ``UsageError``."""
        kind, colon, rest = text.partition(":")
        match kind.strip() if colon else "":
            case "said":
                return cls(dialogue=rest.strip())
            case "probe":
                return cls(probe=rest.strip())
            case "seen":
                return cls(text=rest.strip())
        return cls(text=text)


@dataclass(frozen=True, kw_only=True)
class Then:
    """What must follow within ``within`` (1 to 100) shots of the same video; ``text`` or ``like`` is needed."""

    text: str = ""
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    within: int = 3

    def __post_init__(self) -> None:
        require_text(self.text)
        if not self.text.strip() and not self.like:
            raise UsageError("'then' is empty: describe what has to follow, or give a shot or a picture of it")
        _require_examples(self.like, self.unlike)
        if not 1 <= self.within <= MAX_WITHIN:
            raise UsageError(f"within = {self.within}: give 1 to {MAX_WITHIN} shots")


@dataclass(frozen=True, kw_only=True)
class Query:
    """What to look for; one of ``text``, ``like``, ``all_of`` and ``any_of`` is needed.

    ``like`` and ``unlike`` hold shot ids and pictures. ``shows`` limits the search to shows by name,
    ``where`` to shots that probes score so (``closeup>=0.5``). ``limit`` (1 to 10,000) hits after the first
    ``offset``. ``exact`` compares with every shot. ``dialogue``: ``auto`` looks into the lines where the text
    calls for it, ``off`` never, ``only`` nowhere else. ``fold`` puts near-duplicates under the best of them.
    Blank shots and title cards are left out of a search by words unless ``include_blank`` and
    ``include_titles``. ``min_relevance`` (0 to 1) drops hits below it. ``then`` asks for a sequence;
    ``all_of`` and ``any_of`` for frames that fulfil all, or any, of the conditions. Raises ``UsageError`` on
    values that make no sense.
    """

    text: str = ""
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    limit: int = 20
    offset: int = 0
    exact: bool = False
    dialogue: DialogueUse = "auto"
    fold: bool = False
    include_blank: bool = False
    include_titles: bool = False
    min_relevance: float | None = None
    then: Then | None = None
    all_of: tuple[Condition, ...] = ()
    any_of: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        require_text(self.text)
        has_text = bool(self.text.strip())
        if not has_text and not self.like and not self.conditions:
            raise UsageError("the query is empty: describe what to look for, or give a shot or a picture as an example")
        if not 1 <= self.limit <= MAX_LIMIT:
            raise UsageError(f"limit = {self.limit}: give 1 to {MAX_LIMIT}")
        if not 0 <= self.offset <= MAX_OFFSET:
            raise UsageError(f"offset = {self.offset}: give 0 to {MAX_OFFSET}")
        if self.min_relevance is not None:
            _require_share("min_relevance", self.min_relevance)
        if self.dialogue not in get_args(DialogueUse):
            raise UsageError(f"dialogue = {self.dialogue!r}: give auto, off or only")
        _require_examples(self.like, self.unlike)
        if max(len(self.conditions), len(self.where)) > MAX_CONDITIONS or len(self.shows) > MAX_SHOWS:
            raise UsageError(f"a query takes at most {MAX_CONDITIONS} conditions and {MAX_SHOWS} shows")
        for condition in self.where:
            parse_filter(condition)
        self._refuse_contradictions(has_text)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions of ``all_of`` and ``any_of``."""
        return self.all_of + self.any_of

    def _refuse_contradictions(self, has_text: bool) -> None:
        if self.dialogue == "only":
            if self.like or self.unlike:
                raise UsageError("dialogue 'only' looks into the lines alone: take the examples away, or say 'auto'")
            if not has_text:
                raise UsageError("dialogue 'only' needs the words that are said")
            if self.then:
                raise UsageError("'then' follows pictures: it cannot be combined with dialogue 'only'")
        if self.unlike and not has_text and not self.like:
            raise UsageError("'unlike' alone says nothing of what to look for: add a text or an example of it")
        if self.then and not has_text and not self.like:
            raise UsageError("'then' needs something to come first: add a text or an example of it")

    def document(self) -> dict[str, Any]:
        """The query as JSON values, with the names of the body of ``POST /api/search``."""
        names = {"all_of": "all", "any_of": "any"}
        return {names.get(name, name): _as_json(getattr(self, name)) for name in _FIELDS}

    @classmethod
    def from_document(cls, body: Mapping[str, Any]) -> Query:
        """The query of such a document. Raises ``UsageError`` on unknown names and on values of a wrong kind."""
        names = {"all": "all_of", "any": "any_of"}
        given = {names.get(name, name): value for name, value in body.items()}
        given |= {name: _sequence(name, given[name]) for name in _TUPLES if name in given}
        for name in ("all_of", "any_of"):
            if name in given:
                given[name] = tuple(_build(Condition, name, each) for each in _sequence(name, given[name]))
        if given.get("then") is not None:
            parts = dict(_mapping("then", given["then"]))
            parts |= {name: _sequence(name, parts[name]) for name in ("like", "unlike") if name in parts}
            given["then"] = _build(Then, "then", parts)
        return cast(Query, _build(cls, "the query", given))


_FIELDS = tuple(field.name for field in fields(Query))
_TUPLES = ("like", "unlike", "shows", "where")


def require_text(text: str, *, empty_allowed: bool = True) -> None:
    """Raise ``UsageError`` where ``text`` is too long, unreadable, or empty although it must not be."""
    if len(text) > MAX_TEXT or (not text.isascii() and _is_broken(text)):
        raise UsageError(f"a query is readable text of at most {MAX_TEXT} characters")
    if not empty_allowed and not text.strip():
        raise UsageError("a condition is empty: say what to look for")


def _require_examples(like: Sequence[str], unlike: Sequence[str]) -> None:
    if len(like) + len(unlike) > MAX_EXAMPLES:
        raise UsageError(f"a query takes at most {MAX_EXAMPLES} examples")
    if both := sorted(set(like) & set(unlike)):
        raise UsageError(f"{both[0]!r} is wanted and unwanted at once: take it out of one of them")


def _require_share(name: str, value: float) -> None:
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise UsageError(f"{name} = {value}: give 0 to 1")


def _is_broken(text: str) -> bool:
    """Whether the text has lone surrogates, as bytes of another encoding on the command line become."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _as_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_as_json(each) for each in value]
    if isinstance(value, Then):
        return {name: _as_json(each) for name, each in asdict(value).items()}
    if isinstance(value, Condition):
        whole = {name: each for name, each in asdict(value).items() if each is not None}
        return whole if value.text is not None else {key: each for key, each in whole.items() if key != "relevance"}
    return value


def _sequence(name: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise UsageError(f"{name} = {value!r}: give a list")
    return tuple(value)


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{name} = {value!r}: give an object")
    return value


def _build(kind: type, name: str, given: Any) -> Any:
    """``kind(**given)``, with each value of the kind that its field has."""
    if isinstance(given, kind):
        return given
    known = {field.name: str(field.type) for field in fields(kind)}
    for key, value in _mapping(name, given).items():
        if key not in known:
            raise UsageError(f"{name} has no {key!r}: it takes {', '.join(known)}")
        if not _fits(known[key], value):
            raise UsageError(f"{name}: {key} = {value!r} is not of the right kind ({known[key]})")
    return kind(**given)


def _fits(annotation: str, value: Any) -> bool:
    if value is None:
        return "None" in annotation
    if annotation == "tuple[str, ...]":
        return all(isinstance(each, str) for each in value)
    if isinstance(value, bool):
        return annotation == "bool"
    if annotation.startswith(("str", "DialogueUse")):
        return isinstance(value, str)
    if annotation.startswith("int"):
        return isinstance(value, int)
    return isinstance(value, int | float) if annotation.startswith("float") else annotation != "bool"
