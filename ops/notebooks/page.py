"""Put text, tables and machine-readable figures on the page of a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from IPython.display import HTML, Markdown, display

_PADDING = "padding:3px 14px 3px 0"


def explain_empty(reason: str) -> None:
    """Put a sentence on the page: why there is nothing to show, and what to do about it."""
    put_text(f"*{reason}*")


def escape_text(text: str) -> str:
    """Escape text from people for :func:`put_text`: tags in it are shown, not interpreted."""
    return html.escape(text, quote=False)


def put_text(text: str) -> None:
    """Put a paragraph of Markdown; text from people must go through :func:`escape_text` first."""
    _put(Markdown(text))  # type: ignore[no-untyped-call]


def put_verdict(text: str) -> None:
    """Put the sentence that says what to do next, from :mod:`ops.notebooks.verdicts`; nothing if it is empty."""
    if text:
        put_text(f"**Next:** {text}")


def put_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Put rows with the same columns as a table; numbers are right-aligned."""
    head = "".join(f'<th style="text-align:left;{_PADDING}">{html.escape(str(name))}</th>' for name in rows[0])
    body = "".join(f"<tr>{''.join(map(_render_entry, row.values()))}</tr>" for row in rows)
    put_html(f'<table style="border-collapse:collapse;font-size:13px"><tr>{head}</tr>{body}</table>')


def put_results(figures: Mapping[str, Any]) -> None:
    """Return figures from the notebook; for its cell tagged ``results``."""
    _put({"application/json": dict(figures)}, raw=True)


def put_html(text: str) -> None:
    """Put HTML on the page; the caller must escape text from people."""
    _put(HTML(text))  # type: ignore[no-untyped-call]


def _render_entry(value: Any) -> str:
    side = "right" if isinstance(value, int | float) else "left"
    text = f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    return f'<td style="text-align:{side};{_PADDING}">{html.escape(text)}</td>'


def _put(thing: Any, **options: Any) -> None:
    display(thing, **options)  # type: ignore[no-untyped-call]
