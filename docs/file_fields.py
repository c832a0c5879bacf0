"""A directive that lists the fields of a table of the file, as its schema has them."""

from __future__ import annotations

import json
from typing import Any, Final, TypeAlias

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from linx_async.config.schema import schema

__all__ = ["FileFields", "setup"]

Schema: TypeAlias = dict[str, Any]

SCHEMA: Final = schema()
EVERYWHERE: Final = ("interval", "debounce", "monitor")
"""Options that every table of options has: told once."""


def followed(part: Schema) -> Schema:
    """A part of the schema, or what it refers to."""
    if "$ref" not in part:
        return part
    return followed(SCHEMA["definitions"][part["$ref"].rpartition("/")[2]])


def table_in(part: Schema) -> Schema:
    """Of several shapes that a value may have, the one with fields by name."""
    found = followed(part)
    if "properties" in found or "anyOf" not in found:
        return found
    return next(each for each in map(table_in, found["anyOf"]) if "properties" in each)


def at(path: str) -> Schema:
    """The table that is meant by `rtnl.links.*` or `netfilter.inet.*.sets.*`.

    Raises:
        ValueError: There is none.
    """
    here = SCHEMA
    for name in path.split("."):
        fields = here.get("properties", {})
        if name == "*":
            here = here["additionalProperties"]
        elif name in fields:
            here = fields[name]
        else:
            raise ValueError(f"the file has no table {path!r}")
        here = followed(here)
        here = table_in(here.get("items", here) if name != "*" else here)
    return here


def kind(part: Schema) -> str:
    """What a value may be, for people."""
    part = followed(part)
    if "enum" in part:
        return ", ".join(f'`"{each}"`' for each in part["enum"])
    if "anyOf" in part:
        return " or ".join(dict.fromkeys(kind(each) for each in part["anyOf"]))
    match part.get("type"):
        case "array" if isinstance(part.get("items"), dict):
            return f"list of {kind(part['items'])}"
        case "array":
            return "list"
        case "object":
            return "table"
        case "string":
            return "text"
        case "number":
            return "number"
        case other:
            return str(other or "any value")


def default_of(part: Schema, needed: bool) -> str:
    """What it is where it is not said."""
    default = followed(part).get("default")
    if default is None:
        return "needed" if needed else ""
    return f"`{json.dumps(default)}`"


def rows(path: str) -> list[str]:
    """The lines of a table, in Markdown."""
    table = at(path)
    needed = table.get("required", ())
    lines = ["| field | is | default | meaning |", "|---|---|---|---|"]
    for name, part in table["properties"].items():
        if name in EVERYWHERE and path != "options":
            continue
        meaning = part.get("description") or followed(part).get("description", "")
        said = " ".join(meaning.split())
        cells = (f"`{name}`", kind(part), default_of(part, name in needed), said)
        lines.append("| " + " | ".join(each.replace("|", "\\|") for each in cells) + " |")
    return lines


class FileFields(SphinxDirective):
    """The fields of the table that the argument names."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes("\n".join(rows(self.arguments[0])))


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("file-fields", FileFields)
    return {"parallel_read_safe": True}
