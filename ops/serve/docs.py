"""``/docs``: the OpenAPI document as an HTML page, rendered by the server, without any script."""

from __future__ import annotations

import json
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 62rem; margin: 0 auto; padding: 1rem }
h2 { margin: 2.5rem 0 .25rem; font-size: 1.1rem; overflow-wrap: anywhere }
.method { display: inline-block; min-width: 3.5rem; font-weight: 700 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8885 }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { overflow: auto; padding: .75rem; background: #8881 }
"""


def render_docs_style() -> str:
    """Return the style sheet of :func:`render_docs_page`."""
    return STYLE.strip() + "\n"


def render_docs_page(openapi: dict[str, Any]) -> str:
    """Render an OpenAPI 3.1 document as HTML: each operation with parameters, body and answers, then the schemas."""
    info = openapi["info"]
    operations = [
        _render_operation(method, path, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = [_render_schema(name, schema) for name, schema in sorted(openapi["components"]["schemas"].items())]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(info["title"])} API</title><link rel="stylesheet" href="/docs.css"></head><body>'
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info.get('description', ''))}</p>"
        '<p>For programs: <a href="/openapi.json">openapi.json</a></p>'
        f"<main>{''.join(operations)}<h1>Schemas</h1>{''.join(schemas)}</main></body></html>"
    )


def _render_operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = [
        (p["name"] + ("" if p.get("required") else " (optional)"), f"{p['in']}, {_describe_kind(p['schema'])}")
        for p in operation.get("parameters", [])
    ]
    bodies = [
        (f"body, {media_type}", _describe_kind(content.get("schema", {})))
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items()
    ]
    answers = [
        (
            status,
            " ".join(
                [
                    answer["description"],
                    *(_describe_kind(c.get("schema", {})) for c in answer.get("content", {}).values()),
                ]
            ),
        )
        for status, answer in operation["responses"].items()
    ]
    roles = [name for each in operation.get("security", [])[:1] for names in each.values() for name in names]
    role = f" · role <code>{escape(', '.join(roles))}</code>" if roles else ""
    tables = _render_table(parameters + bodies) + _render_table(answers)
    return (
        f'<section><h2><span class="method">{method.upper()}</span> <code>{escape(path)}</code></h2>'
        f"<p>{escape(operation.get('summary', ''))}{role}</p>{tables}</section>"
    )


def _render_schema(name: str, schema: dict[str, Any]) -> str:
    required_names = schema.get("required", [])
    rows = [
        (
            key + ("" if key in required_names else " (optional)"),
            " ".join([_describe_kind(value), value.get("description", "")]),
        )
        for key, value in schema.get("properties", {}).items()
    ]
    examples = schema.get("examples") or [schema[key] for key in ("example",) if key in schema]
    blocks = "".join(f"<pre>{escape(json.dumps(each, indent=1))}</pre>" for each in examples)
    return (
        f'<section><h2 id="{escape(name)}"><code>{escape(name)}</code></h2>'
        f"<p>{escape(schema.get('description', ''))}</p>{_render_table(rows)}{blocks}</section>"
    )


def _render_table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th><code>{escape(left)}</code></th><td>{escape(right)}</td></tr>" for left, right in rows)
    return f"<table>{cells}</table>" if rows else ""


def _describe_kind(schema: dict[str, Any]) -> str:
    """Describe the type of a value in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(_describe_kind(each) for each in schema[key])
    if "enum" in schema:
        return " or ".join(json.dumps(each) for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_describe_kind(schema.get('items', {}))}"
    limits = {"minimum": "at least", "maximum": "at most", "maxLength": "characters at most", "pattern": "like"}
    bounds = [f"{words} {schema[key]}" for key, words in limits.items() if key in schema and len(str(schema[key])) < 80]
    default = [f"default {json.dumps(schema['default'])}"] if "default" in schema else []
    return ", ".join([str(schema.get("type", "anything")), *bounds, *default])
