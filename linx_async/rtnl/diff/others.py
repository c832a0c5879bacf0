"""The diffs of rules and neighbours: pure, two-way by protocol tag."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from operator import attrgetter
from typing import Any

from attrs import fields

from ..._core.errors import OpError
from ..._core.model import Plan
from ..codec.neighbour import NeighbourFlag
from ..desired import Neighbour, Rule
from ..desired.protocols import shown_protocol
from ..ops import (
    AddNeighbour,
    AddRule,
    DeleteNeighbour,
    DeleteRule,
    ReplaceNeighbour,
    RtnlOp,
)
from .draft import Draft, Ground
from .rule_likeness import Messages, Shown, conditions

__all__ = [
    "draft_neighbours",
    "draft_rules",
    "neighbours",
    "rules",
]

_LOOPBACK = 0x8  # IFF_LOOPBACK, include/uapi/linux/if.h
_POINTOPOINT = 0x10  # IFF_POINTOPOINT
_LASTING = frozenset({"permanent", "noarp"})
# What is not known here is a condition too: such a rule is never a desired one.
_said: Callable[[Rule], tuple[Any, ...]] = attrgetter(
    *(each.name for each in fields(Rule) if each.name not in {"protocol", "flags"})
)
_EXTERNALLY_LEARNED = int(NeighbourFlag.EXT_LEARNED)  # a daemon's, whatever its state


def rules(desired: Iterable[Rule], observed: Iterable[Rule], *, protocol: int = 76) -> Plan[RtnlOp]:
    """The ops that lead from the rules that are there to those that should be.

    Two-way, by tag. All that a rule says is its key (rule_exists() in net/core/fib_rules.c), so a
    foreign rule under the same key is the same rule, and there can be no conflict.

    Args:
        desired: The rules that should be.
        observed: Those that are there.
        protocol: Our tag.
    """
    return draft_rules(desired, observed, protocol=protocol).plan()


def draft_rules(desired: Iterable[Rule], observed: Iterable[Rule], *, protocol: int) -> Draft:
    """The ops on rules."""
    draft = Draft()
    there = list(observed)
    wanted = {_said(rule): rule for rule in desired}
    ours = [rule for rule in there if rule.protocol == protocol]
    kept, gone = _sorted_out(ours, wanted)
    known = kept | {_said(rule) for rule in there if rule.protocol != protocol}
    added = [rule for what, rule in wanted.items() if what not in known]
    # The kernel would take a general rule for a special one that is there, but no other way round.
    shown = Shown(ours)
    for rule in sorted(added, key=conditions):
        draft.steps.build(AddRule(rule, beside=shown.has(rule)))
        shown.add(rule)
    draft.steps.last += [DeleteRule(rule) for rule in sorted(gone, key=conditions, reverse=True)]
    return draft


def _sorted_out(
    ours: list[Rule], wanted: Container[tuple[Any, ...]]
) -> tuple[set[tuple[Any, ...]], list[Rule]]:
    """What stays of our rules, by what it says, and those that go.

    A delete hits the first rule that has all that it says, and it is blind to what it does not say
    (rule_find()). So of twins the last stays; and one that stands before a general one that goes
    has to go with it, and is added again behind.
    """
    kept: set[tuple[Any, ...]] = set()
    gone: list[Rule] = []
    deletes = Messages()
    for rule in reversed(ours):
        what = _said(rule)
        if what not in wanted or what in kept or deletes.find(rule):
            gone.append(rule)
            deletes.add(rule)
        else:
            kept.add(what)
    return kept, gone[::-1]


def neighbours(
    desired: Iterable[Neighbour],
    observed: Iterable[Neighbour],
    *,
    protocol: int = 76,
    replace: bool = False,
) -> Plan[RtnlOp]:
    """The ops that lead from the neighbours that are there to those that should be.

    Two-way, by tag. The key is the interface, the address, and whether it is a proxy
    (neigh_lookup(), pneigh_lookup() in net/core/neighbour.c). What the kernel itself has learned is
    nobody's, and gives way.

    Args:
        desired: The neighbours that should be.
        observed: Those that are there.
        protocol: Our tag.
        replace: Whether a foreign entry under a desired key is taken over.
    """
    return draft_neighbours(desired, observed, Ground(), protocol=protocol, replace=replace).plan()


def draft_neighbours(
    desired: Iterable[Neighbour],
    observed: Iterable[Neighbour],
    ground: Ground,
    *,
    protocol: int,
    replace: bool,
) -> Draft:
    """The ops on neighbours."""
    draft = Draft()
    there = {entry.key: entry for entry in observed}
    wanted = {entry.key: entry for entry in desired}
    for key, entry in wanted.items():
        found = there.get(key)
        if found is not None and _same_neighbour(entry, found):
            continue
        if cannot := _impossible(entry, ground):
            draft.failed.append(OpError(key, None, cannot))
            continue
        requires = ground.requires(entry.interface)
        # A link that goes down loses both, proxies without a word (neigh_ifdown()); but while it
        # is down it takes a proxy, and no neighbour.
        blocked = (ground.missing if entry.proxy else ground.down)(entry.interface)
        if blocked:
            draft.wait(key, blocked)
        elif found is None:
            draft.steps.build(AddNeighbour(entry, requires))
        elif found.protocol == protocol or _is_learned(found) or replace:
            draft.steps.build(ReplaceNeighbour(entry, found, requires))
        else:
            draft.conflict(key, f"{shown_protocol(found.protocol)} has {found} there")
    for key, entry in there.items():
        if key not in wanted and entry.protocol == protocol:
            draft.steps.last.append(DeleteNeighbour(entry))
    return draft


def _impossible(entry: Neighbour, ground: Ground) -> str:
    """Why the kernel would make something else of an entry; empty where it would not."""
    link = (ground.links or {}).get(entry.interface)
    if link is None or entry.lladdr is None:
        return ""
    if entry.family == 4 and link.flags & (_LOOPBACK | _POINTOPOINT):
        # arp_constructor() in net/ipv4/arp.c makes it 0.0.0.0.
        return f"{entry.interface} is loopback or point-to-point, and has no IPv4 neighbours"
    has, length = len(entry.lladdr.split(":")), len(link.address.split(":"))
    if link.address and has != length:
        return f"lladdr: {entry.lladdr} has {has} bytes, and those of {entry.interface} {length}"
    return ""


def _same_neighbour(desired: Neighbour, observed: Neighbour) -> bool:
    if desired.proxy:
        return desired.router == observed.router
    return (
        desired.lladdr == observed.lladdr
        and desired.state == observed.state
        and desired.router == observed.router
    )


def _is_learned(entry: Neighbour) -> bool:
    lasting = entry.proxy or entry.state in _LASTING
    return not (entry.protocol or lasting or entry.flags & _EXTERNALLY_LEARNED)
