"""From the result of a search to an export: its hits, their frames, and their provenance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from ops.collections.store import Collection
from ops.core.time import SPOKEN_PADDING_S, pad_frames
from ops.exports.clip import Pick
from ops.search.conditions import Condition, DialogueCondition, ProbeCondition, SoundCondition, WrittenCondition
from ops.search.schema import Hit, HitLine, SearchFields, SearchResult, Then

MAX_TOLD = 4_000
"""Maximum number of characters of a query in provenance; a longer one ends in an ellipsis."""


def select_picks(answer: SearchResult, *, padding_s: float = SPOKEN_PADDING_S) -> list[Pick]:
    """The hits of an answer that are worth exporting, best first, each with its provenance.

    Hits under the divider, and all hits if none stands out, are excluded unless the query itself sets a minimum
    relevance. Hits of spoken lines always stay. Their lines are exported with ``padding_s`` on both sides,
    whatever shots they are in. A line over a cut is one clip, and so are lines whose clips overlap.
    """
    source = {
        "query": describe_query(answer.query),
        "encoder_id": answer.encoder_id,
        "index_version": answer.index_version,
    }
    picks: list[Pick] = []
    for hit in answer.strong_hits():
        pick = Pick(
            shot_id=hit.shot_id,
            in_frame=hit.match.start_frame,
            out_frame=hit.match.end_frame,
            provenance=source
            | {"score": hit.score, "relevance": hit.relevance}
            | describe_match(hit.matched, answer.dialogue_version),
            line_ids=_list_line_ids(hit.lines),
        )
        picks += _build_spoken(pick, hit, padding_s) if hit.spoken else [pick]
    return _unite(picks)


def select_collection_picks(collection: Collection) -> list[Pick]:
    """The shots of a collection as clips with their notes. Shots that are missing are reported by the export."""
    return [
        Pick(
            shot_id=entry.shot_id,
            in_frame=entry.in_frame,
            out_frame=entry.out_frame,
            provenance={
                "query": entry.query,
                "score": entry.score,
                "relevance": entry.relevance,
                "encoder_id": entry.encoder_id,
                "index_version": entry.index_version,
                "collection": collection.name,
                "added_by": entry.added_by,
            }
            | describe_match(entry.matched, entry.dialogue_version),
            line_ids=entry.line_ids,
            note=entry.note,
        )
        for entry in collection.entries
    ]


def _list_line_ids(lines: Sequence[HitLine]) -> tuple[str, ...]:
    """Ids of all the lines; a sentence may run over several."""
    return tuple(dict.fromkeys(name for line in lines for name in line.line_ids))


def _build_spoken(pick: Pick, hit: Hit, padding_s: float) -> Iterator[Pick]:
    """A pick for each line of a hit."""
    for line in hit.lines:
        first, last = pad_frames(line.start_frame, line.end_frame, Fraction(hit.fps), padding_s)
        yield replace(pick, in_frame=first, out_frame=last, line_ids=_list_line_ids([line]), is_spoken=True)


def _unite(picks: Sequence[Pick]) -> list[Pick]:
    """The picks in their order; spoken ones that overlap in one video become one at the best one's position."""
    picks_by_rank: dict[int, Pick] = {}
    last: dict[str, int] = {}
    for rank, pick in sorted(enumerate(picks), key=lambda each: each[1].in_frame or 0):
        video_id = pick.shot_id.partition(":")[0]
        before = picks_by_rank[last[video_id]] if video_id in last else None
        if not pick.is_spoken:
            picks_by_rank[rank] = pick
        elif before is None or (before.out_frame or 0) <= (pick.in_frame or 0):
            picks_by_rank[rank] = pick
            last[video_id] = rank
        else:
            better = min(rank, last[video_id])
            picks_by_rank.pop(last[video_id])
            picks_by_rank[better] = replace(
                picks[better],
                in_frame=before.in_frame,
                out_frame=max(before.out_frame or 0, pick.out_frame or 0),
                line_ids=tuple(dict.fromkeys([*before.line_ids, *pick.line_ids])),
            )
            last[video_id] = better
    return [pick for _, pick in sorted(picks_by_rank.items(), key=lambda each: each[0])]


def describe_match(kinds: Sequence[str], dialogue_version: str | None) -> dict[str, str | None]:
    """The sources of a hit and the meaning of its score; to be merged over its provenance.

    If only dialogue found a hit, its frames were not compared with the query: it has no score.
    """
    if not kinds:
        return {}
    match: dict[str, str | None] = {"matched": ", ".join(kinds)}
    if "visual" in kinds:
        match["score_is"] = "cosine of query and pictures"
    else:
        match |= {
            "score": None,
            "score_is": "none: found by its words; relevance is the share of the requested words",
        }
    return match | ({"dialogue_version": dialogue_version} if "dialogue" in kinds else {})


def describe_query(query: SearchFields) -> str:
    """A search in one line for people; plain words stay unchanged."""
    text = "; ".join(part for part in _describe_parts(query) if part)
    return text if len(text) <= MAX_TOLD else f"{text[: MAX_TOLD - 1]}…"


def _describe_parts(query: SearchFields) -> Iterator[str]:
    yield from _describe(query)
    if then := query.then:
        yield f"then {', '.join(part for part in _describe(then) if part)} within {then.within} shots"
    for name, conditions in (("all", query.all), ("any", query.any)):
        if conditions:
            yield f"{name} of: {', '.join(map(_describe_condition, conditions))}"
    if query.where:
        yield f"where {' and '.join(query.where)}"
    if query.shows:
        yield f"in {', '.join(query.shows)}"
    if query.videos:
        yield f"in video {', '.join(query.videos)}"
    if query.dialogue != "auto":
        yield f"dialogue {query.dialogue}"


def _describe(part: SearchFields | Then) -> Iterator[str]:
    """Words and examples of a query, or of the shot that must follow."""
    yield part.text.strip()
    for side, examples in (("like", part.like), ("unlike", part.unlike)):
        if examples:
            yield f"{side} {', '.join('a picture' if each.startswith('data:') else each for each in examples)}"


def _describe_condition(condition: Condition) -> str:
    if isinstance(condition, DialogueCondition):
        return f"said {condition.dialogue}"
    if isinstance(condition, WrittenCondition):
        return f"written {condition.written}"
    if isinstance(condition, SoundCondition):
        return f"sound {condition.sound}"
    if isinstance(condition, ProbeCondition):
        return condition.probe
    return condition.text if condition.relevance is None else f"{condition.text} (relevance >= {condition.relevance:g})"
