"""The diffs of rules, neighbours and nexthops: pure, two-way by protocol tag."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import Any

from attrs import fields

from ..._core.model import Plan
from ..desired import Neighbour, Nexthop, Rule
from ..ops import (
    AddNeighbour,
    AddNexthop,
    AddRule,
    DeleteNeighbour,
    DeleteNexthop,
    DeleteRule,
    ReplaceNeighbour,
    ReplaceNexthop,
    RtnlOp,
)
from .draft import Draft, Ground

__all__ = [
    "draft_neighbours",
    "draft_nexthops",
    "draft_rules",
    "neighbours",
    "nexthops",
    "rules",
]

_LOWER_UP = 0x10000  # IFF_LOWER_UP, include/uapi/linux/if.h
_LASTING = frozenset({"permanent", "noarp"})
# What is not known here is a condition too: such a rule is never a desired one.
_said: Callable[[Rule], tuple[Any, ...]] = attrgetter(
    *(each.name for each in fields(Rule) if each.name not in {"protocol", "flags"})
)
_EXTERNALLY_LEARNED = 0x10  # NTF_EXT_LEARNED: a daemon's, whatever its state


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
    # The same rule may be there with several tags.
    there = [(_said(rule), rule) for rule in observed]
    known = {what for what, _ in there}
    wanted = {_said(rule): rule for rule in desired}
    added = [rule for what, rule in wanted.items() if what not in known]
    gone = [rule for what, rule in there if what not in wanted and rule.protocol == protocol]
    # What a rule leaves out matches anything when the kernel compares it with another
    # (rule_exists(), rule_find()): the general one is added first, and deleted last.
    for rule in sorted(added, key=_conditions):
        draft.steps.build(AddRule(rule))
    draft.steps.last += [DeleteRule(rule) for rule in sorted(gone, key=_conditions, reverse=True)]
    return draft


def _conditions(rule: Rule) -> int:
    """How many conditions a rule has."""
    said = (
        *(rule.source, rule.destination, rule.fwmark, rule.iif, rule.oif, rule.uid_range),
        *(rule.ip_protocol, rule.source_ports, rule.destination_ports),
    )
    return sum(each is not None for each in said) + bool(rule.tos)


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
        requires = ground.requires(entry.interface)
        # A link that is down keeps no neighbours (neigh_ifdown()), a proxy stays.
        blocked = (ground.missing if entry.proxy else ground.down)(entry.interface)
        if blocked:
            draft.wait(key, blocked)
        elif found is None:
            draft.steps.build(AddNeighbour(entry, requires))
        elif found.protocol == protocol or _is_learned(found) or replace:
            draft.steps.build(ReplaceNeighbour(entry, found, requires))
        else:
            draft.conflict(key, f"protocol {found.protocol} has {found} there")
    for key, entry in there.items():
        if key not in wanted and entry.protocol == protocol:
            draft.steps.last.append(DeleteNeighbour(entry))
    return draft


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


def nexthops(
    desired: Iterable[Nexthop],
    observed: Iterable[Nexthop],
    *,
    protocol: int = 76,
    replace: bool = False,
    users: Mapping[int, str] | None = None,
) -> Plan[RtnlOp]:
    """The ops that lead from the nexthops that are there to those that should be.

    Two-way, by tag. The key is the number (nexthop_find_by_id() in net/ipv4/nexthop.c).

    Args:
        desired: The nexthops that should be.
        observed: Those that are there.
        protocol: Our tag.
        replace: Whether a foreign nexthop under a desired number is taken over.
        users: Foreign routes by the nexthop that they go by: deleting it would delete them.
    """
    return draft_nexthops(
        desired, observed, Ground(), protocol=protocol, replace=replace, users=users or {}
    ).plan()


def draft_nexthops(
    desired: Iterable[Nexthop],
    observed: Iterable[Nexthop],
    ground: Ground,
    *,
    protocol: int,
    replace: bool,
    users: Mapping[int, str],
    used: Callable[[], AbstractSet[int]] = frozenset,
) -> Draft:
    """The ops on nexthops; groups come after what they are made of.

    Args:
        desired: As for `nexthops`.
        observed: As for `nexthops`.
        ground: The interfaces.
        protocol: As for `nexthops`.
        replace: As for `nexthops`.
        users: As for `nexthops`.
        used: Tells the nexthops that desired routes go by; asked where one is to be deleted.
    """
    draft = Draft()
    there = {nexthop.id: nexthop for nexthop in observed}
    wanted = {nexthop.id: nexthop for nexthop in desired}
    will_be = {n for n, each in there.items() if n in wanted or each.protocol != protocol}
    taken: set[int] = set()
    for number, nexthop in sorted(wanted.items(), key=lambda item: bool(item[1].group)):
        found = there.get(number)
        lacking = _lacking(nexthop, will_be)
        if found is not None and _same_nexthop(nexthop, found) and not lacking:
            continue
        blocked = (
            ground.down(nexthop.interface) or _without_carrier(nexthop.interface, ground) or lacking
        )
        requires = ground.requires(nexthop.interface) | {
            f"nexthop {member}" for member, _ in nexthop.group
        }
        level = 1 if nexthop.group else 0
        if blocked:
            draft.wait(nexthop.key, blocked)
        elif found is None:
            draft.steps.build(AddNexthop(nexthop, requires), level)
            will_be.add(number)
        elif found.protocol == protocol or replace:
            draft.steps.build(ReplaceNexthop(nexthop, found, requires), level)
            taken.add(number)
        else:
            draft.conflict(nexthop.key, f"protocol {found.protocol} has nexthop {found} there")
    theirs = {
        member: f"nexthop {other.id} of protocol {other.protocol}"
        for other in there.values()
        if other.protocol != protocol and other.id not in taken
        for member, _ in other.group
    }
    gone = []
    left = {n: each for n, each in there.items() if n not in wanted and each.protocol == protocol}
    needed = left.keys() & used() if left else set()
    needed |= {member for number in needed for member, _ in left[number].group}
    for number, nexthop in left.items():
        user = users.get(number) or theirs.get(number)
        if user is not None:
            draft.conflict(nexthop.key, f"deleting it would change what is not ours: {user}")
        elif number in needed:
            draft.wait(nexthop.key, "it is not desired, but a desired route goes by it")
        else:
            gone.append(nexthop)
    # A group that loses its last member goes with it: groups go first.
    gone.sort(key=lambda nexthop: not nexthop.group)
    draft.steps.last.extend(DeleteNexthop(nexthop) for nexthop in gone)
    return draft


def _without_carrier(name: str | None, ground: Ground) -> str:
    """Why an interface that is up takes no nexthop: rtm_to_nh_config() in net/ipv4/nexthop.c."""
    link = None if name is None or ground.links is None else ground.links.get(name)
    if link is None or not link.up or link.flags & _LOWER_UP:
        return ""
    # A link that this plan makes, or sets up, may bring it the carrier.
    if ground.coming or any(ground.up.values()):
        return ""
    return f"the interface {name} has no carrier"


def _lacking(nexthop: Nexthop, will_be: Container[int]) -> str:
    for member, _ in nexthop.group:
        if member not in will_be:
            return f"the nexthop {member} is not there"
    return ""


def _same_nexthop(desired: Nexthop, observed: Nexthop) -> bool:
    return (
        desired.gateway == observed.gateway
        and desired.interface in {None, observed.interface}
        and desired.onlink == observed.onlink
        and desired.blackhole == observed.blackhole
        and desired.family == observed.family
        and desired.unknown == observed.unknown
        and sorted(desired.group) == sorted(observed.group)
    )
