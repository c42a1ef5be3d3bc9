"""TypeScript types of the service's API for the page, written from its OpenAPI document.

``python -m tests.house.service_types`` writes ``ops/serve/page/service.d.ts``; a test compares the file with the
document. Answers may get fields later, so their open ``additionalProperties`` are left out: the page uses listed fields
only.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

TYPES = Path(__file__).resolve().parents[2] / "ops" / "serve" / "page" / "service.d.ts"
HEAD = "// Written by `make format` from the OpenAPI document of the service: do not edit.\n"
PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def service_types(document: dict[str, Any]) -> str:
    """Return one exported type for each schema of the document, in alphabetical order."""
    schemas = document["components"]["schemas"]
    return HEAD + "".join(f"\nexport type {name} = {type_of(schemas[name])};\n" for name in sorted(schemas))


def type_of(schema: dict[str, Any], indent: str = "") -> str:
    """Return a JSON schema as a TypeScript type. Raises ``ValueError`` for a form that the service does not use."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(type_of(each, indent) for each in schema[several]))
    if schema.get("type") in PLAIN:
        return PLAIN[schema["type"]]
    if schema.get("type") == "array":
        return _array(schema, indent)
    if schema.get("type") == "object":
        return _object(schema, indent)
    if not schema.keys() - {"title", "description"}:
        return "unknown"
    raise ValueError(f"no TypeScript type for {schema}")


def _array(schema: dict[str, Any], indent: str) -> str:
    if "prefixItems" in schema:
        return "[" + ", ".join(type_of(each, indent) for each in schema["prefixItems"]) + "]"
    item = type_of(schema["items"], indent)
    return f"({item})[]" if " | " in item else f"{item}[]"


def _object(schema: dict[str, Any], indent: str) -> str:
    if "properties" not in schema:
        value = schema.get("additionalProperties")
        return f"Record<string, {type_of(value, indent) if isinstance(value, dict) else 'unknown'}>"
    deeper, required = indent + "  ", set(schema.get("required", ()))
    lines = []
    for name, value in schema["properties"].items():
        if text := value.get("description"):
            lines.append(f"{deeper}/** {text} */")
        lines.append(f"{deeper}{name}{'' if name in required else '?'}: {type_of(value, deeper)};")
    return "{\n" + "\n".join(lines) + f"\n{indent}}}"


def served_document() -> dict[str, Any]:
    """Return the OpenAPI document of a service with an empty home."""
    from ops.core.settings import Settings
    from ops.serve.app import create_app

    with tempfile.TemporaryDirectory() as home:
        return create_app(Settings(home=Path(home))).openapi()


if __name__ == "__main__":
    TYPES.write_text(service_types(served_document()))
