"""Find out why a query cannot be answered, without loading an encoder.

Stands alone because saved searches are checked without new footage too, when no encoder may be loaded.
"""

from __future__ import annotations

from datetime import UTC, datetime

from ops.core.errors import NotFoundError, UsageError, VectorIndexError
from ops.core.settings import Settings
from ops.core.types import parse_shot_id
from ops.search.conditions import DialogueCondition, ProbeCondition, SoundCondition, WrittenCondition
from ops.search.interpretation import NO_DIALOGUE, interpret
from ops.search.ranking import Selection
from ops.search.restrictions import Listing, restrict
from ops.search.schema import Query, parse_filter
from ops.search.searcher import Searcher
from ops.search.understanding import understand
from ops.search.writing import NO_TEXTS


def find_problem(settings: Settings, searcher: Searcher, query: Query) -> str:
    """Return why ``searcher``, which is that of ``settings``, cannot answer a query; empty if it probably can.

    Pictures and words are not looked at, because they need the encoder.
    """
    try:
        _require_answerable(settings, searcher, query)
    except VectorIndexError:
        return ""  # nothing is indexed yet, so there is nothing that it could find
    except (NotFoundError, UsageError) as error:
        return str(error)
    return ""


def _require_answerable(settings: Settings, searcher: Searcher, query: Query) -> None:
    """Raise ``NotFoundError`` or ``UsageError`` as the search does for shows, videos, filters, conditions and shots."""
    snapshot, lines, texts = searcher.retriever.snapshot(), searcher.open_lines(), searcher.open_texts()
    snapshot.require_shows(query.shows)
    snapshot.require_videos(query.videos)
    understanding = understand(query, snapshot.catalogue(settings), datetime.now(UTC).date())
    interpret(understanding.query, understanding.scope, lines)
    restrict(
        Selection(ranking=Listing(())), understanding, lines, texts, searcher.probes, searcher.people, searcher.sound
    )
    for condition in understanding.query.conditions:
        if isinstance(condition, DialogueCondition) and lines is None:
            raise NotFoundError(NO_DIALOGUE)
        if isinstance(condition, WrittenCondition) and texts is None:
            raise NotFoundError(NO_TEXTS)
        if isinstance(condition, SoundCondition):
            searcher.sound.find_shots(condition.sound)
        if isinstance(condition, ProbeCondition):
            searcher.probes.read(parse_filter(condition.probe).probe)
    for text in query.where:
        searcher.probes.read(parse_filter(text).probe)
    examples = [*query.like, *query.unlike, *((*query.then.like, *query.then.unlike) if query.then else ())]
    shot_ids = [each for each in examples if parse_shot_id(each)]
    searcher.retriever.encoder.encode_examples(snapshot.index, shot_ids, searcher.details.list_starts)
