"""What notebooks say on their pages: paragraphs, tables, and figures for the machine."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from IPython.display import HTML, Markdown, display

_PADDED = "padding:3px 14px 3px 0"


def nothing(what: str) -> None:
    """Say in a sentence why there is nothing to show, and what to do about it."""
    say(f"*{what}*")


def plain(text: str) -> str:
    """Words that somebody typed, for :func:`say`: tags in them are shown, not followed."""
    return html.escape(text, quote=False)


def say(text: str) -> None:
    """A paragraph of Markdown; what people typed goes through :func:`plain` first."""
    _put(Markdown(text))  # type: ignore[no-untyped-call]


def table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows with the same columns; numbers are set to the right."""
    head = "".join(f'<th style="text-align:left;{_PADDED}">{html.escape(str(name))}</th>' for name in rows[0])
    body = "".join(f"<tr>{''.join(map(_entry, row.values()))}</tr>" for row in rows)
    put_html(f'<table style="border-collapse:collapse;font-size:13px"><tr>{head}</tr>{body}</table>')


def results(figures: Mapping[str, Any]) -> None:
    """Hand figures out of the notebook: for its cell tagged ``results``."""
    _put({"application/json": dict(figures)}, raw=True)


def put_html(text: str) -> None:
    """Put HTML on the page: what people typed is escaped by who calls."""
    _put(HTML(text))  # type: ignore[no-untyped-call]


def _entry(value: Any) -> str:
    side = "right" if isinstance(value, int | float) else "left"
    told = f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    return f'<td style="text-align:{side};{_PADDED}">{html.escape(told)}</td>'


def _put(thing: Any, **options: Any) -> None:
    display(thing, **options)  # type: ignore[no-untyped-call]
