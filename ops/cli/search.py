"""``needle search``: the shots that match a description, an example, spoken words, or all of these."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

import click

from ops.cli.main import announce, make_printable
from ops.cli.options import (
    add_query_options,
    add_setting_options,
    json_option,
    limit_option,
    load_command_settings,
    print_json,
    query_from,
)
from ops.core.plural import plural
from ops.search.interpretation import parse_words
from ops.search.query_parts import QueryPart
from ops.search.schema import Hit, SearchResult
from ops.search.searcher import Searcher

_NARROWING_OPTIONS = {
    "shows": "--show", "videos": "--video", "where": "--where", "all": "--all", "any": "--any",
    "min_relevance": "--min-relevance",
}  # fmt: skip
"""Options that leave shots out, by the fields of a query."""


class TextCommand(click.Command):
    """A command whose text may begin with a minus: ``needle search "-rabbit show:Sintel"``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put a text that begins with one minus after ``--``, unless it is an option or the value of one."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        names = {name for each in options for name in (*each.opts, *each.secondary_opts)}
        with_value = {name for each in options if not (each.is_flag or each.count) for name in each.opts}
        for at, arg in enumerate(args):
            if arg == "--":
                break
            is_value = at > 0 and args[at - 1] in with_value
            if re.match(r"-[^-]", arg) and arg not in names and not is_value:
                return super().parse_args(ctx, [*args[:at], *args[at + 1 :], "--", arg])
        return super().parse_args(ctx, args)


@click.command(name="search", cls=TextCommand)
@click.argument("text", required=False, default="")
@add_query_options()
@limit_option
@add_setting_options("encoder")
@json_option
def command(text: str, as_json: bool, **options: Any) -> None:
    """Find shots by a description, by spoken words, or by examples.

    Words in quotes are searched in the dialogue, exactly; other words in the pictures, and in the dialogue if a
    line has most of them. Filters in the text: show: file: after: before: said: text: sound: person: label:, with *
    after said: text: person: for any. A minus before one leaves out what it names, and -word or "without a word" leaves
    out what shows it. Names of shows and files and dates are recognised; --literal PART reads a part as words.

    Score is the cosine between query and shot. Relevance (0-1) is the share of hits like this one that are right.
    Nothing is left out: a line says where weak matches begin, and --min-relevance drops hits below a bound.

    \b
    Example: needle search "a rabbit in a meadow" --show "Big Buck Bunny" --limit 5
             needle search '"merry christmas"'
             needle search 'show:sintel after:2024 a snowy mountain -dragon'
             needle search "a door opens" --then "a face in the dark" --within 2
             needle search --all "a rabbit" --all "said:good morning"
    """
    settings = load_command_settings(options)
    answer = Searcher(settings).search(query_from(text, options))
    print_json(answer.document()) if as_json else print_hits(answer)


def print_hits(answer: SearchResult) -> None:
    """Print one line per hit (rank, relevance, score, show, timecode, frames, shot id) and its other matches.

    A line above the first weak hit says where weak matches begin; hits with matching lines are never weak.
    """
    print_reading(answer)
    if not answer.hits:
        announce(_explain_nothing(answer))
    elif not answer.stands_out:
        announce("nothing clearly matches: these are the nearest, try other words")
    is_divided = False
    for hit in answer.hits:
        if hit.is_weak and not is_divided:
            is_divided = True
            click.echo(f"{'':5}---- weaker matches ----")
        _print_hit(hit)
    announce(f"{plural(len(answer.hits), 'shot')} in {answer.took_ms:.0f} ms ({answer.encoder_id})")


def print_reading(answer: SearchResult) -> None:
    """Print the interpretation of the query if it matters to the user, and the limits of the search."""
    reading = answer.reading
    for part in (each for each in reading.parts if each.kind != "spelling" or each.is_applied):
        announce(make_printable(_describe_part(part, answer.query.literal)))
    # A line reports that only images were searched if the query has quotes, or could have.
    if reading.dialogue or reading.said_in or parse_words(answer.query.text).phrases:
        announce(make_printable(reading.why))
    corrections = [part.label for part in reading.parts if part.kind == "spelling" and part.is_applied]
    for note in (each for each in reading.notes if each not in corrections):
        announce(f"note: {make_printable(note)}")


def _describe_part(part: QueryPart, literal: Sequence[str]) -> str:
    """Return one line: how a part of the text was read, and the option that reads it otherwise."""
    if part.kind == "spelling":
        undo = "".join(f" --literal {shlex.quote(word)}" for word in part.text.split(", "))
        return f"{part.label};{undo} searches the words as typed"
    name = "exclusion" if part.kind == "without" else "filter"
    if part.is_applied:
        undo = "" if part.is_typed else f"; --literal {shlex.quote(part.text)} reads it as words"
        return f"{name}: {part.label} (from '{part.text}'){undo}"
    if tuple(part.change.literal) != tuple(literal):
        return f"not applied: {part.label} ('{part.text}' is read as words because of --literal)"
    return f"'{part.text}' may mean {part.label}: write {shlex.quote(part.change.text)}"


def _print_hit(hit: Hit) -> None:
    click.echo(f"{hit.rank:>3}  {hit.relevance:4.2f}  {hit.score:6.3f}  {_place(hit)}{_format_marks(hit)}")
    if (hit.match.start_frame, hit.match.end_frame) != (hit.start_frame, hit.end_frame):
        click.echo(f"{'':19}frames {hit.match.start_frame} - {hit.match.end_frame} fulfil the conditions")
    for line in hit.lines:
        click.echo(f"{'':19}{line.start_timecode}  {make_printable(' '.join(line.text.split()))}")
    for text in hit.texts:
        click.echo(f"{'':19}{text.start_timecode}  written: {make_printable(text.text)}")
    if hit.then:
        click.echo(f"{'then':>9}  {hit.then.score:6.3f}  {_place(hit.then)}")


def _place(hit: Hit) -> str:
    frames = f"{hit.start_frame:>7} - {hit.end_frame:<7}"
    return f"{make_printable(hit.show):<24.24}  {hit.start_timecode}  {frames}  {hit.shot_id}"


def _format_marks(hit: Hit) -> str:
    """Format the marks of a hit: near-duplicates, title or blank, probes."""
    probes = [f"{make_printable(each.probe)} {each.score:.2f}" for each in hit.probes]
    fold_marks = [f"+{len(hit.folded)} alike"] if hit.folded else []
    kinds = [name for name, is_one in (("title", hit.is_title), ("blank", hit.is_blank)) if is_one]
    return "".join(f"  [{mark}]" for mark in [*fold_marks, *kinds, *probes])


def _explain_nothing(answer: SearchResult) -> str:
    query = answer.query
    parts = [f"'{part.text}'" for part in answer.reading.parts if part.is_applied]
    options = [option for field, option in _NARROWING_OPTIONS.items() if getattr(query, field)]
    if query.then:
        options.append("--then" if query.then.text else "--then-like")
    ways = ["quotes"] if parse_words(query.text).phrases else []
    ways += ["`--dialogue only`"] if query.dialogue == "only" else []
    advice = []
    if ways and answer.reading.dialogue and not answer.reading.visual:
        advice.append(f"no line has these words; without {' and '.join(ways)} the pictures are searched")
    if parts or options:
        advice.append(f"take something away ({', '.join([*parts, *options])})")
    return "no shots: " + ("; or ".join(advice) or "is there footage in the catalogue? `needle status` lists it")
