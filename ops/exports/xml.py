"""Build XML trees from foreign text, and write them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from ops.exports.names import strip_xml_text

Element = ElementTree.Element


def add(parent: Element, tag: str, text: object = None, **attributes: object) -> Element:
    """Add a new last child to ``parent``; attributes that are ``None`` are omitted, ``id_`` is ``id``."""
    values = {name.rstrip("_"): strip_xml_text(str(value)) for name, value in attributes.items() if value is not None}
    child = ElementTree.SubElement(parent, tag, values)
    if text is not None:
        child.text = strip_xml_text(str(text))
    return child


def write_xml(root: Element, target: Path, doctype: str) -> None:
    """Write the document in UTF-8, indented, with ``<!DOCTYPE doctype>``."""
    ElementTree.indent(root, "    ")
    body = ElementTree.tostring(root, encoding="unicode")
    target.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE {doctype}>\n{body}\n', encoding="utf-8")
