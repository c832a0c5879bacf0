"""In which ways a link is not as declared: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._core.ownership import Claim
from ..codec.kinds import decode_parameters
from ..desired import Link
from ..observed_link import ObservedLink
from ..records import LinkRecord
from .draft import Ground

__all__ = ["another", "changes_of", "declared", "parameters_of", "unlike"]


def declared(link: Link) -> dict[str, Any]:
    """All attributes that a link was given."""
    changes: dict[str, Any] = {}
    for name in ("mtu", "address", "master", "alias", "group", "up"):
        value = getattr(link, name)
        if value is not None:
            changes[name] = value
    if link.altnames:
        changes["altnames"] = link.altnames
    return changes


def another(link: Link, found: ObservedLink, names: Mapping[int, str]) -> str:
    """Why the link of that name is another one; empty where it is the one declared."""
    if link.kind is not None and found.kind != link.kind:
        return f"{found.name} is {found.kind or 'hardware'}, not {link.kind}"
    parent = names.get(found.parent)
    if link.parent is not None and found.link_netnsid is None and parent != link.parent:
        return f"{found.name} sits on {parent or 'nothing'}, not on {link.parent}"
    return ""


def unlike(parameters: Mapping[str, Any]) -> str:
    """Parameters that differ, for people."""
    return ", ".join(f"its {name} is not {value}" for name, value in parameters.items())


def parameters_of(link: Link, found: ObservedLink, claim: Claim | None) -> dict[str, Any]:
    """The declared parameters that it does not have."""
    if link.kind is None or not link.parameters:
        return {}
    has = decode_parameters(link.kind, found.data)
    record = None if claim is None else LinkRecord.of(claim.settled)
    rounded = {} if record is None else record.rounded
    return {
        name: value
        for name, value in link.parameters.items()
        if has.get(name) != value and rounded.get(name) != (value, has.get(name))
    }


def changes_of(
    link: Link, found: ObservedLink, names: Mapping[int, str], ground: Ground
) -> dict[str, Any]:
    """The declared attributes that it does not have."""
    changes = {
        name: value
        for name, value in declared(link).items()
        if name not in {"master", "altnames"} and getattr(found, name) != value
    }
    master = link.master
    belongs = master is None or names.get(found.master, "") == master
    if not belongs and not ground.missing(master or None):
        changes["master"] = master
        if link.up:
            # What a bond lets go is down (__bond_release_one() in drivers/net/bonding/bond_main.c).
            changes["up"] = True
        elif link.up is False and master in ground.bonds:
            changes["up"] = False  # as it would not be: a bond sets up what it takes
    if link.altnames - found.altnames:
        changes["altnames"] = link.altnames - found.altnames
    return changes
