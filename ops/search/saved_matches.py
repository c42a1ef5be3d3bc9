"""New matches of saved searches: shots above the divider, of videos that were not searchable when people last looked.

Stands alone because it decides what is new, and must cost nothing without saved searches or without new footage: then
no encoder is loaded.
"""

from __future__ import annotations

from collections.abc import Callable

from ops.core.errors import NotFoundError, UsageError
from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.core.types import Progress, StepReport
from ops.search.query_problems import find_problem
from ops.search.saved_searches import (
    NewMatch,
    SavedSearch,
    SearchState,
    change_search_state,
    list_searchable_videos,
    list_searches,
    name_index_versions,
    read_search_state,
)
from ops.search.schema import Query, SearchResult
from ops.search.searcher import Searcher

STAGE = "saved searches"
PAGE = 500
MOST_HITS = 10_000
"""Hits that are read of one search at the most; more matches than that are reported, not listed."""

Answer = Callable[[Query], SearchResult]


def has_current_matches(settings: Settings, encoder_id: str) -> bool:
    """Whether the matches of every saved search are those of the published indexes."""
    searches = list_searches(settings)
    versions = name_index_versions(settings, encoder_id) if searches else ""
    return all(read_search_state(settings, each.search_id).versions == versions for each in searches)


def build_matches(
    settings: Settings, encoder_id: str, progress: Progress, searcher: Searcher | None = None
) -> StepReport:
    """Compute the new matches of each saved search from the published indexes. A search that fails is reported."""
    searches = list_searches(settings)
    if not searches:
        return StepReport(changed=0, data_version="none", details={"saved_searches": 0, "new_matches": 0})
    with settings.hold_work_lock():
        versions, videos = name_index_versions(settings, encoder_id), list_searchable_videos(settings, encoder_id)
        searchers: list[Searcher] = [] if searcher is None else [searcher]

        def get_searcher() -> Searcher:
            if not searchers:
                searchers.append(Searcher(settings))
            return searchers[0]

        progress.start(STAGE, len(searches), "searches")
        changes, pairs = 0, list[tuple[str, str]]()
        try:
            for search in searches:
                before = read_search_state(settings, search.search_id)
                after = before
                if before.versions != versions:
                    after = _update(settings, search, versions, videos, get_searcher, progress)
                    changes += after != before
                pairs += [(search.search_id, match.shot_id) for match in after.matches]
                progress.advance(STAGE)
        finally:
            if searcher is None:
                for each in searchers:
                    each.close()
        progress.finish(STAGE)
    # No names of searches: Dagster keeps these details, and a name may be that of a person who is forgotten.
    details = {"saved_searches": len(searches), "new_matches": len(pairs)}
    return StepReport(changed=changes, data_version=compute_digest(pairs), details=details)


def _update(
    settings: Settings,
    search: SavedSearch,
    versions: str,
    videos: frozenset[str],
    get_searcher: Callable[[], Searcher],
    progress: Progress,
) -> SearchState:
    """Search for new matches outside the lock, and write those that nobody has seen meanwhile."""
    new_videos = videos - read_search_state(settings, search.search_id).known_videos
    matches, problem = tuple[NewMatch, ...](), ""
    try:
        if new_videos:
            matches, is_cut = _find_matches(search.query, new_videos, get_searcher().search)
            problem = f"only the first {MOST_HITS:,} hits were read: narrow the search down" if is_cut else ""
        else:  # no encoder is loaded
            problem = find_problem(settings, get_searcher(), search.query)
    except (NotFoundError, UsageError) as error:  # such as an example whose video was forgotten
        problem = str(error)
    if problem:
        progress.note(STAGE, f"{search.name}: {problem}")
    result: list[SearchState] = []

    def change(state: SearchState) -> SearchState:
        unseen = tuple(match for match in matches if match.video_id not in state.known_videos)
        known_videos = state.known_videos & videos  # a video that was removed and returns is new
        result.append(
            SearchState(
                versions=versions, known_videos=known_videos, searched_videos=videos, matches=unseen, problem=problem
            )
        )
        return result[-1]

    change_search_state(settings, search.search_id, change)
    return result[-1]


def _find_matches(query: Query, new_videos: frozenset[str], answer: Answer) -> tuple[tuple[NewMatch, ...], bool]:
    """The strong hits of new videos, best first, and True if there may be more of them than were read.

    Nothing is folded: a near-duplicate of a known shot is new as well.
    """
    matches: list[NewMatch] = []
    for offset in range(0, MOST_HITS, PAGE):
        result = answer(query.model_copy(update={"limit": PAGE, "offset": offset, "fold": False}))
        strong = result.strong_hits()
        matches += [
            NewMatch(shot_id=hit.shot_id, video_id=hit.video_id, relevance=hit.relevance)
            for hit in strong
            if hit.video_id in new_videos
        ]
        if len(strong) < PAGE:
            return tuple(matches), False
    return tuple(matches), True
