"""Links as they were, declared: pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from ..._core.ownership import Ownership
from ...rtnl import Link
from ...rtnl.away import is_away
from ...rtnl.codec.kinds import decode_parameters
from ...rtnl.diff.bearing import claim_on
from ...rtnl.observed_link import ObservedLink
from ...rtnl.ops import AddLink, DeleteLink, MoveLink, SetLink

__all__ = ["declared_links", "touched_links"]

_ON_A_PARENT: Final = frozenset(
    {"ipvlan", "ipvtap", "macsec", "macvlan", "macvtap", "vlan", "vxlan"}
)
_HARDWARE: Final = re.compile("[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_ADDRESS_OF_PORTS: Final = frozenset({"bond", "bridge", "team"})
"""Kinds that have the address of a port unless they were given one."""


def touched_links(ops: Iterable[Any], links: Mapping[str, ObservedLink]) -> frozenset[str]:
    """The names of the links that ops change, and of those that change along with them."""
    names = {found.index: name for name, found in links.items()}
    found: set[str] = set()
    for op in ops:
        if isinstance(op, AddLink | SetLink | MoveLink):
            found |= {op.link.name, op.link.peer or op.link.name}
        elif isinstance(op, DeleteLink):
            found.add(op.observed.name)
    for name in tuple(found & links.keys()):
        link = links[name]
        if link.kind == "veth" and link.link_netnsid is None:
            found.add(names.get(link.parent, name))
    # The ports of a bridge or a bond go with it, and so does what sits on a link.
    lower = {links[name].index for name in found if name in links}
    found |= {name for name, link in links.items() if {link.master, link.parent} & (lower - {0})}
    return frozenset(found)


def declared_links(
    links: Mapping[str, ObservedLink],
    touched: Collection[str],
    owned: Ownership,
    ops: Iterable[Any],
    desired: Iterable[Link],
) -> tuple[Link, ...]:
    """What declares the links of ours as they are, and the attributes of others that are touched.

    Args:
        links: The links by name.
        touched: The names of those that are touched.
        owned: Our record.
        ops: What is going to be done to them.
        desired: The links that are desired; those of ours which are elsewhere are declared so.
    """
    names = {found.index: name for name, found in links.items()}
    changed: dict[str, Collection[str] | None] = {}
    for op in ops:
        if isinstance(op, SetLink) and op.changes.get("parameters"):
            changed[op.link.name] = frozenset(op.changes["parameters"])
        elif isinstance(op, DeleteLink):
            changed[op.observed.name] = None
    found = []
    for name, link in links.items():
        if claim_on(link, owned) is not None:
            parameters = changed.get(name, ())
            found.append(_declared(link, names, whole=True, parameters=parameters))
        elif name in touched:
            whole = name in changed and link.kind is not None
            parameters = changed.get(name, ())
            found.append(_declared(link, names, whole=whole, parameters=parameters))
    away = {key for key in owned if key.startswith("link ") and is_away(key)}
    kept = {link.name for link in found}
    found += [
        link
        for link in desired
        if link.netns is not None
        and f"{link.key} to {link.netns}" in away
        and link.name not in kept
    ]
    return tuple(found)


def _declared(
    found: ObservedLink,
    names: Mapping[int, str],
    *,
    whole: bool,
    parameters: Collection[str] | None,
) -> Link:
    """A link as it is.

    Args:
        found: It.
        names: The links' names by index.
        whole: Whether it is to be made where it is missing.
        parameters: The parameters of its kind to declare; None is all of them.
    """
    here = found.link_netnsid is None
    parent = names.get(found.parent) if here else None
    fields: dict[str, Any] = {
        "up": found.up,
        "mtu": found.mtu,
        "master": names.get(found.master, ""),
        "alias": found.alias,
        "altnames": found.altnames,
        "group": found.group,
    }
    own_address = found.kind not in _ADDRESS_OF_PORTS
    if _HARDWARE.fullmatch(found.address) and (own_address or whole):
        fields["address"] = found.address
    if not whole:
        return Link(found.name, **fields)
    if found.kind in _ON_A_PARENT:
        fields["parent"] = parent
    elif found.kind == "veth":
        fields["peer"] = parent
    if found.data and (parameters is None or parameters):
        has = decode_parameters(str(found.kind), found.data)
        fields["parameters"] = {
            name: value for name, value in has.items() if parameters is None or name in parameters
        }
    return Link(found.name, found.kind, **fields)
