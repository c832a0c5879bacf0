"""The JSON Schema of the file, made of the classes that read it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from .. import cgroup, netfilter, rtnl, sysctl
from .._core.loop import Loop
from ..cgroup import codec as limits
from ..netfilter.desired.families import FAMILIES
from ..sysctl import codec as sysctls
from .firewall import TEXTS
from .firewall_table import ELEMENT, PARTS, TABLE
from .flat import CONTROLLERS
from .namespaces import PLACES
from .network import LINK, LISTS
from .options import OPTIONS, PACING, named_in
from .schema_types import (
    Schema,
    any_of,
    closed,
    described,
    entry_of,
    of_argument,
    of_type,
    table_of,
)
from .sections import IN_NAMESPACES

__all__ = ["schema", "text"]

_SOURCES: Final[Mapping[str, Any]] = {
    "sysctl": sysctl.Source,
    "cgroup": cgroup.Source,
    "rtnl": rtnl.Source,
    "netfilter": netfilter.Source,
}
_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
_PLACES: Final[Mapping[str, Schema]] = {
    "path": {
        "type": "string",
        "pattern": "^/",
        "description": "The file that stands for the namespace, as /proc/1234/ns/net.",
    },
    "pid": {
        "type": "integer",
        "minimum": 1,
        "description": "A process that is in the namespace.",
    },
}


def text() -> str:
    """The schema as JSON."""
    return json.dumps(schema(), indent=1) + "\n"


def schema() -> Schema:
    """The schema of the whole file."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "linx",
        "description": "The state that the kernel of a host is to have.",
        **closed(
            {
                "options": described(_ref("options"), "Options of all loops."),
                **{name: _ref(name) for name in _SOURCES},
                "netns": {
                    "type": "object",
                    "description": "Other network namespaces, each by its name.",
                    "additionalProperties": _ref("namespace"),
                },
            }
        ),
        "definitions": {
            "options": closed(_options(OPTIONS)),
            "namespace": _namespace(),
            "sysctl": _sysctl(),
            "cgroup": _cgroup(),
            "rtnl": _network(),
            "netfilter": _firewall(),
            "sysctls": _nested(of_type(sysctls.Value), "sysctls"),
            "limits": _nested(of_type(limits.Value), "limits"),
            "table": _table(),
            "set_elements": _elements(),
            "chain_rules": _rules(),
            **{name: entry_of(shape) for name, shape in LISTS.items()},
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _options(names: Iterable[str]) -> dict[str, Schema]:
    return {name: _option(name) for name in names}


def _option(name: str) -> Schema:
    owner = Loop if name in PACING else _SOURCES[OPTIONS[name].kinds[0]]
    return of_argument(owner, name)


def _namespace() -> Schema:
    table = closed(
        {
            **{place: _PLACES[place] for place in PLACES},
            "options": described(_ref("options"), "Options of all loops of this namespace."),
            **{name: _ref(name) for name in IN_NAMESPACES},
        }
    )
    return {**table, "not": {"required": list(PLACES)}}


def _nested(value: Schema, name: str) -> Schema:
    """A value, or a table of such, as bare dots make one."""
    return any_of(value, {"type": "object", "additionalProperties": _ref(name)})


def _keyed(kind: str, name: str, more: Mapping[str, Schema]) -> Schema:
    """A table of whole keys, which have dots or slashes, and of tables that bare dots make."""
    return {
        "type": "object",
        "properties": {**_options(named_in(kind)), **more},
        "patternProperties": {"[./]": _ref(name)},
        "additionalProperties": {"type": "object", "additionalProperties": _ref(name)},
    }


def _sysctl() -> Schema:
    return described(_keyed("sysctl", "sysctls", {}), "Sysctls, by name.")


def _cgroup() -> Schema:
    inner = {"type": "object", "additionalProperties": _ref("limits")}
    one = _keyed("cgroup", "limits", dict.fromkeys(sorted(CONTROLLERS), inner))
    return {
        "type": "object",
        "description": "Limits of cgroups: a table for each, by its path.",
        "properties": {
            name: any_of(option, one) for name, option in _options(named_in("cgroup")).items()
        },
        "additionalProperties": one,
    }


def _network() -> Schema:
    addresses: Schema = {"type": "array", "items": entry_of(LISTS["addresses"], ["interface"])}
    link = table_of(LINK, ["name"], {"addresses": addresses})
    lists = {name: {"type": "array", "items": _ref(name)} for name in LISTS}
    links = {
        "type": "object",
        "description": "Links, by name.",
        "additionalProperties": link,
    }
    table = closed({**_options(named_in("rtnl")), "links": links, **lists})
    return described(table, "Links, addresses, routes, rules, neighbours and nexthops.")


def _firewall() -> Schema:
    families: dict[str, Schema] = {
        family: {
            "type": "object",
            "description": f"Tables of the family {family}, by name.",
            "additionalProperties": _ref("table"),
        }
        for family in FAMILIES
    }
    table = closed({**_options(named_in("netfilter")), **_texts(), **families})
    return {**described(table, "Tables of nf_tables."), "not": {"required": list(TEXTS)}}


def _texts() -> dict[str, Schema]:
    return {name: dict(_TEXT) for name in TEXTS}


def _table() -> Schema:
    """A table chain by chain, or a text."""
    parts = {name: {"type": "object", "additionalProperties": _part(name)} for name in PARTS}
    own = _options(named_in("netfilter"))
    whole = table_of(TABLE, ["family", "name", *PARTS], {**own, **parts})
    return any_of(whole, *(closed({**own, name: dict(_TEXT)}, [name]) for name in TEXTS))


def _part(name: str) -> Schema:
    more = {"chains": {"rules": _ref("chain_rules")}, "sets": {"elements": _ref("set_elements")}}
    return table_of(PARTS[name], ["name"], more.get(name))


def _elements() -> Schema:
    """The elements of a set, or of a map; what they are depends on its type."""
    value: Schema = {"type": ["string", "integer", "boolean", "array"]}
    data = any_of(value, table_of(ELEMENT, ["value"]))
    one = any_of(value, table_of(ELEMENT))
    return any_of({"type": "array", "items": one}, {"type": "object", "additionalProperties": data})


def _rules() -> Schema:
    """Rules: text in nft's syntax, a table, or tables one after the other."""
    table: Schema = {"type": "object", "minProperties": 1}
    several: Schema = {"type": "array", "items": table, "minItems": 1}
    return {"type": "array", "items": any_of({"type": "string", "minLength": 1}, table, several)}


if __name__ == "__main__":
    sys.stdout.write(text())
