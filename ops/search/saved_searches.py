"""The ``saved_searches`` table: who saved and deleted which search, and when; and what each has found since.

One file per search, one row per change. Its matches are computed (``saved_matches.py``) and are a JSON document in the
store, ``saved_matches/<search_id>.json``. "Seen" is common to all people: it moves the line between old and new.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict, cast

from pydantic import BaseModel, ConfigDict

from ops.core.errors import ConflictError, NotFoundError, VectorIndexError
from ops.core.names import fold_name, hash_words, require_name
from ops.core.settings import Settings
from ops.index.index import open_index, read_current_version
from ops.index.lines import SCREEN_TEXT, read_current_line_version
from ops.search.person_queries import query_names_people
from ops.search.query_encoding import Pictures, read_image_file
from ops.search.saved_pictures import delete_pictures, keep_pictures
from ops.search.schema import Query

TABLE = "saved_searches"
FOLDER = "saved_matches"
Action = Literal["saved", "deleted"]


class SearchRow(TypedDict):
    """A row of the table. ``query`` is JSON of :class:`ops.search.schema.Query`."""

    change_id: str
    search_id: str
    action: str
    name: str
    query: str
    author: str
    created_at: datetime
    event_timestamp: datetime
    created_timestamp: datetime


@dataclass(frozen=True, kw_only=True)
class SavedSearch:
    """A search that somebody saved."""

    search_id: str
    name: str
    query: Query
    author: str
    created_at: datetime


class NewMatch(BaseModel):
    """A shot above the divider, of a video that was not searchable when people last looked."""

    model_config = ConfigDict(frozen=True)

    shot_id: str
    video_id: str
    relevance: float


class SearchState(BaseModel):
    """What a saved search has found. ``versions`` names the indexes that were searched.

    ``known_videos`` were searchable when people last looked, ``searched_videos`` when matches were last computed.
    ``problem`` is why the search cannot be answered now.
    """

    model_config = ConfigDict(frozen=True)

    versions: str = ""
    known_videos: frozenset[str] = frozenset()
    searched_videos: frozenset[str] = frozenset()
    matches: tuple[NewMatch, ...] = ()
    problem: str = ""


def list_searches(settings: Settings) -> list[SavedSearch]:
    """Every saved search, by name. Lists one folder if there is none."""
    partitions = settings.lake.list_partitions(TABLE)
    rows_by_id = {name: _read_rows(settings, name) for name in partitions}
    searches = [_parse(rows[-1]) for rows in rows_by_id.values() if rows and rows[-1]["action"] != "deleted"]
    return sorted(searches, key=lambda each: (each.name.casefold(), each.search_id))


def find_search(settings: Settings, name: str) -> SavedSearch:
    """The search with this id or name. Raises ``NotFoundError``, naming the others, if there is none."""
    searches = list_searches(settings)
    for each in searches:
        if name == each.search_id or fold_name(name) == fold_name(each.name):
            return each
    choices = ", ".join(each.name for each in searches[:10])
    hint = f"there are {choices}" if choices else "there are none yet; `needle searches --save NAME TEXT` saves one"
    raise NotFoundError(f"no saved search {name!r}: {hint}")


def save_search(
    settings: Settings,
    encoder_id: str,
    name: str,
    query: Query,
    *,
    author: str,
    now: datetime,
    pictures: Pictures = read_image_file,
) -> SavedSearch:
    """Save a search, with its pictures. All footage that is searchable now counts as known.

    Raises ``UsageError`` for an invalid name or too many pictures, ``ConflictError`` if the name is in use, and the
    errors of ``pictures``, which converts an example into RGB uint8 (H, W, 3).
    """
    name = require_name(name, "saved search")
    with settings.lake.hold_lock(TABLE):
        for each in list_searches(settings):
            if fold_name(each.name) == fold_name(name):
                raise ConflictError(
                    f"there is already a saved search {each.name!r} (by {each.author}): choose another name"
                )
        search_id = hash_words(name, author, now.isoformat())[:16]
        query = keep_pictures(settings.store, query, pictures)
        query = query.model_copy(update={"limit": Query.model_fields["limit"].default, "offset": 0})
        search = SavedSearch(search_id=search_id, name=name, query=query, author=author, created_at=now)
        versions = name_index_versions(settings, encoder_id)
        videos = list_searchable_videos(settings, encoder_id)
        state = SearchState(versions=versions, known_videos=videos, searched_videos=videos)
        _write_state(settings, search_id, state)
        settings.lake.write(TABLE, search_id, [_build_row(search, "saved", author, now)])
    return search


def delete_search(settings: Settings, search_id: str, *, author: str, now: datetime) -> None:
    """Delete a saved search and its matches. Raises ``NotFoundError`` if there is none."""
    with settings.lake.hold_lock(TABLE):
        search = find_search(settings, search_id)
        rows = _read_rows(settings, search.search_id)
        settings.lake.write(TABLE, search.search_id, [*rows, _build_row(search, "deleted", author, now)])
        settings.store.delete(_name_state(search.search_id))
        delete_pictures(settings.store, search.query, [each.query for each in list_searches(settings)])


def mark_seen(settings: Settings, search_id: str) -> int:
    """Count the new matches of a search as seen; return their number. Raises ``NotFoundError`` if there is none.

    Footage that was indexed after the matches were computed stays new.
    """
    find_search(settings, search_id)

    def see(state: SearchState) -> SearchState:
        return state.model_copy(
            update={"known_videos": state.known_videos | state.searched_videos, "matches": tuple[NewMatch, ...]()}
        )

    return len(change_search_state(settings, search_id, see).matches)


def read_search_state(settings: Settings, search_id: str) -> SearchState:
    """What a saved search has found; empty if nothing was computed yet."""
    try:
        return SearchState.model_validate_json(settings.store.read_bytes(_name_state(search_id)))
    except FileNotFoundError:
        return SearchState()


def change_search_state(
    settings: Settings, search_id: str, change: Callable[[SearchState], SearchState]
) -> SearchState:
    """Replace the state by its ``change``, under a lock; return the state before."""
    with settings.lake.hold_lock(FOLDER):
        before = read_search_state(settings, search_id)
        after = change(before)
        if after != before:
            _write_state(settings, search_id, after)
    return before


def forget_video_matches(settings: Settings, video_id: str) -> None:
    """Remove a forgotten video from the matches, and from the videos that searches know."""
    for search in list_searches(settings):
        change_search_state(settings, search.search_id, lambda state: _remove_video(state, video_id))


def forget_person_searches(settings: Settings, people: Collection[str] | None) -> list[str]:
    """Delete saved searches that ask for one of these people by name or id, with history and pictures.

    ``None``: for anybody. Searches that were deleted before are included. Return the names of the others.
    """
    names = []
    with settings.lake.hold_lock(TABLE):
        for search_id in settings.lake.list_partitions(TABLE):
            searches = [_parse(row) for row in _read_rows(settings, search_id)]
            if any(query_names_people(each.query, people) for each in searches):
                is_listed = any(each.search_id == search_id for each in list_searches(settings))
                names += [searches[-1].name] if is_listed else []
                settings.lake.delete(TABLE, search_id)
                settings.store.delete(_name_state(search_id))
                remaining = [each.query for each in list_searches(settings)]
                for search in searches:
                    delete_pictures(settings.store, search.query, remaining)
        others = list_searches(settings)
    for each in others:
        change_search_state(settings, each.search_id, _forget_problem)
    return names


def _forget_problem(state: SearchState) -> SearchState:
    """A problem may name people who are called like the wanted one: the next ingest answers such a search again."""
    return state.model_copy(update={"problem": "", "versions": ""}) if state.problem else state


def list_searchable_videos(settings: Settings, encoder_id: str) -> frozenset[str]:
    """Ids of the videos in the published index; empty before the first one. Loads no encoder."""
    try:
        with open_index(settings, encoder_id) as index:
            return frozenset(index.counts("video_id"))
    except VectorIndexError:
        return frozenset()


def name_index_versions(settings: Settings, encoder_id: str) -> str:
    """Names of the published indexes: of pictures, of lines, and of writing if there is one."""
    texts = read_current_line_version(settings, SCREEN_TEXT)
    versions = (read_current_version(settings, encoder_id), read_current_line_version(settings))
    return " ".join(map(str, (encoder_id, *versions, *([texts] if texts else []))))


def _remove_video(state: SearchState, video_id: str) -> SearchState:
    return state.model_copy(
        update={
            "known_videos": state.known_videos - {video_id},
            "searched_videos": state.searched_videos - {video_id},
            "matches": tuple(match for match in state.matches if match.video_id != video_id),
        }
    )


def _name_state(search_id: str) -> str:
    return f"{FOLDER}/{search_id}.json"


def _write_state(settings: Settings, search_id: str, state: SearchState) -> None:
    settings.store.write_bytes(_name_state(search_id), state.model_dump_json().encode())


def _build_row(search: SavedSearch, action: Action, author: str, now: datetime) -> SearchRow:
    return {
        "change_id": hash_words(search.search_id, action, author, now.isoformat()),
        "search_id": search.search_id,
        "action": action,
        "name": search.name,
        "query": search.query.model_dump_json(exclude_defaults=True),
        "author": author,
        "created_at": now,
        "event_timestamp": now,
        "created_timestamp": now,
    }


def _read_rows(settings: Settings, search_id: str) -> list[SearchRow]:
    return cast(list[SearchRow], settings.lake.read(TABLE, [search_id]).to_pylist())


def _parse(row: SearchRow) -> SavedSearch:
    return SavedSearch(
        search_id=row["search_id"],
        name=row["name"],
        query=Query.model_validate_json(row["query"]),
        author=row["author"],
        created_at=row["created_at"],
    )
