"""``needle searches``: searches that people saved, and the shots of new footage that match them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict

import click

from ops.cli.main import EXIT_SET_ASIDE, announce, make_printable
from ops.cli.options import (
    add_query_options,
    add_setting_options,
    json_option,
    load_command_settings,
    print_json,
    query_from,
)
from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.videos.catalogue import require_known_version

if TYPE_CHECKING:
    from ops.search.saved_searches import SavedSearch, SearchState


@click.command(name="searches")
@click.argument("text", required=False, metavar="[TEXT]")
@click.option("--save", metavar="NAME", help="Save the search for TEXT, with the options below, as NAME.")
@click.option("--new", "only_new", is_flag=True, help="List the new matches of each search.")
@click.option("--seen", multiple=True, metavar="NAME", help="Count the new matches of NAME as seen (repeatable).")
@click.option("--delete", metavar="NAME", help="Delete the search NAME.")
@click.option("--author", default="me", show_default=True, metavar="NAME", help="Who saves or deletes it.")
@add_query_options()
@add_setting_options("encoder")
@json_option
def command(
    text: str | None,
    save: str | None,
    only_new: bool,
    seen: tuple[str, ...],
    delete: str | None,
    author: str,
    as_json: bool,
    **options: Any,
) -> int:
    """List the saved searches, each with the number of its new matches.

    A match is new if its video was not searchable when the search was saved, or when its matches were last marked as
    seen, and if it is above the divider between likely and weak hits. `needle ingest` looks for new matches.
    A search that cannot be answered, such as one for an unknown show, is named with the reason (exit status 3).

    \b
    Example: needle searches --save rabbits "a rabbit in a meadow"
    Example: needle searches --new
    """
    settings = load_command_settings(options)
    require_known_version(settings)
    if sum(map(bool, (save, only_new, seen, delete))) > 1:
        raise UsageError("choose one: --save NAME TEXT, --new, --seen NAME, --delete NAME")
    if save is None and (text is not None or _has_query(options)):
        raise UsageError("a search is only given to save it: needle searches --save NAME TEXT")
    if save is not None:
        return _save(settings, save, text or "", author, as_json, options)
    if delete is not None:
        return _delete(settings, delete, author, as_json)
    if seen:
        return _mark_seen(settings, seen, as_json)
    return _list(settings, only_new, as_json)


def _has_query(options: dict[str, Any]) -> bool:
    return any(
        options[name] for name in ("shows", "videos", "like", "unlike", "where", "all", "any", "then", "then_like")
    )


def _save(settings: Settings, name: str, text: str, author: str, as_json: bool, options: dict[str, Any]) -> int:
    from ops.embeddings.encoder import resolve_encoder
    from ops.search.saved_searches import SearchState, save_search

    query = query_from(text, options)
    encoder_id = resolve_encoder(settings).encoder_id
    saved_search = save_search(settings, encoder_id, name, query, author=author, now=datetime.now(UTC))
    (state,) = _add_problems(settings, [(saved_search, SearchState())])
    if as_json:
        print_json(_build_document(*state))
    else:
        click.echo(
            make_printable(f"saved {saved_search.name}; `needle searches --new` lists matches in footage that comes")
        )
        _print_problem(*state)
    return EXIT_SET_ASIDE if state[1].problem else 0


def _delete(settings: Settings, name: str, author: str, as_json: bool) -> int:
    from ops.search.saved_searches import delete_search, find_search

    search = find_search(settings, name)
    delete_search(settings, search.search_id, author=author, now=datetime.now(UTC))
    if as_json:
        print_json({"search_id": search.search_id, "name": search.name, "deleted": True})
    else:
        click.echo(make_printable(f"deleted the saved search {search.name}"))
    return 0


def _mark_seen(settings: Settings, names: tuple[str, ...], as_json: bool) -> int:
    from ops.search.saved_searches import find_search, mark_seen

    searches = [find_search(settings, name) for name in names]
    seen_by_name = {search.name: mark_seen(settings, search.search_id) for search in searches}
    if as_json:
        print_json({"seen": [{"name": name, "matches": count} for name, count in seen_by_name.items()]})
        return 0
    for name, count in seen_by_name.items():
        click.echo(make_printable(f"{name}: {plural(count, 'match', 'matches')} marked as seen"))
    return 0


def _list(settings: Settings, only_new: bool, as_json: bool) -> int:
    from ops.search.saved_searches import list_searches, read_search_state

    stored = [(search, read_search_state(settings, search.search_id)) for search in list_searches(settings)]
    searches = _add_problems(settings, stored)
    has_problem = any(state.problem for _, state in searches)
    if as_json:
        print_json({"searches": [_build_document(search, state) for search, state in searches]})
        return EXIT_SET_ASIDE if has_problem else 0
    for search, state in searches:
        if not only_new or state.matches:
            new = f"{plural(len(state.matches), 'new match', 'new matches')}"
            click.echo(make_printable(f"{search.name}: {new}, saved by {search.author}: {_describe(search)}"))
        for match in state.matches if only_new else ():
            click.echo(f"  {match.shot_id}  {match.relevance:.0%}")
        _print_problem(search, state)
    if not searches:
        announce("no saved searches yet: needle searches --save NAME TEXT")
    elif only_new and not any(state.matches for _, state in searches):
        announce("nothing new: the next `needle ingest` looks again")
    return EXIT_SET_ASIDE if has_problem else 0


def _add_problems(
    settings: Settings, searches: list[tuple[SavedSearch, SearchState]]
) -> list[tuple[SavedSearch, SearchState]]:
    """Return the searches with the problems that they have now: the stored ones are those of the last ingest."""
    if not searches:
        return []
    from ops.search.query_problems import find_problem
    from ops.search.searcher import Searcher

    searcher = Searcher(settings)
    problems = [state.problem or find_problem(settings, searcher, search.query) for search, state in searches]
    searcher.close()
    return [
        (search, state.model_copy(update={"problem": problem}))
        for (search, state), problem in zip(searches, problems, strict=True)
    ]


def _print_problem(search: SavedSearch, state: SearchState) -> None:
    if state.problem:
        announce(f"note: {make_printable(search.name)}: {make_printable(state.problem)}")


def _describe(search: SavedSearch) -> str:
    from ops.exports.picks import describe_query

    return describe_query(search.query)


class MatchDocument(TypedDict):
    """A new match in the document of ``needle searches --json``."""

    shot_id: str
    video_id: str
    relevance: float


class SearchDocument(TypedDict):
    """A saved search in the document of ``needle searches --json``."""

    search_id: str
    name: str
    query: dict[str, Any]
    author: str
    created_at: str
    new: list[MatchDocument]
    problem: str


def _build_document(search: SavedSearch, state: SearchState) -> SearchDocument:
    return {
        "search_id": search.search_id,
        "name": search.name,
        "query": search.query.document(),
        "author": search.author,
        "created_at": search.created_at.isoformat(),
        "new": [
            {"shot_id": match.shot_id, "video_id": match.video_id, "relevance": match.relevance}
            for match in state.matches
        ],
        "problem": state.problem,
    }
